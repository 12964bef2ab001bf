"""The passages, questions, topics and terms that the project ships: whole, clean and split alike."""

import itertools
import json
import re
from collections import Counter
from pathlib import Path

import pytest

from domain_adapt.data_check import check
from domain_adapt.data_check.wording import runs, words

PROJECT = Path(__file__).parents[1]
DOMAINS = ("medical", "financial")
PARTS = ("train", "dev", "test")
LABELS = {
    "medical": {"disease", "drug", "anatomy", "test", "procedure"},
    "financial": {"instrument", "institution", "metric", "regulation", "market"},
}


def rows(task, domain, part):
    lines = (PROJECT / "tasks" / task / "data" / domain / f"{part}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def passages(domain):
    """Returns id -> (title, topic, text)."""
    found = {}
    for path in (PROJECT / "corpora" / domain / "starter").glob("*.md"):
        match = re.fullmatch(r"---\nid: (\S+)\ntitle: (.+)\ntopic: (.+)\n---\n\n(.+)\n", path.read_text(), re.DOTALL)
        assert match and match[1] == path.stem, path
        found[match[1]] = (match[2], match[3], match[4])
    return found


@pytest.mark.parametrize("task", ["qa", "topics", "terms"])
def test_the_shipped_sets_are_clean(task):
    found = check([PROJECT / "tasks" / task / "data"])
    assert [Path(one.name).name for one in found] == sorted(DOMAINS)
    errors = [line for one in found for line in one.findings if line.level == "error"]
    leaks = [line for one in found for line in one.findings if line.check in ("leakage", "duplicate", "shared text")]
    assert (errors, leaks) == ([], [])


@pytest.mark.parametrize("domain", DOMAINS)
def test_size_and_length_of_the_passages(domain):
    found = passages(domain)
    assert len(found) >= 150
    lengths = {key: len(text.split()) for key, (_, _, text) in found.items()}
    assert {key: length for key, length in lengths.items() if not 110 <= length <= 220} == {}
    topics = Counter(topic for _, topic, _ in found.values())
    assert len(topics) == 12 and min(topics.values()) >= 10


def test_no_two_passages_share_eight_words_in_a_row():
    owners = {}
    for key, (_, _, text) in itertools.chain.from_iterable(passages(domain).items() for domain in DOMAINS):
        for run in runs(words(text), 8):
            assert owners.setdefault(run, key) == key


@pytest.mark.parametrize("domain", DOMAINS)
def test_questions_belong_to_the_passages(domain):
    texts = {text: title for title, _, text in passages(domain).values()}
    counts = Counter(row["context"] for part in PARTS for row in rows("qa", domain, part))
    assert set(counts) == set(texts)
    assert set(counts.values()) <= {4, 5, 6} and counts.total() >= 700
    assert all(row["title"] == texts[row["context"]] for part in PARTS for row in rows("qa", domain, part))
    (found,) = (one for one in check([PROJECT / "tasks" / "qa" / "data"]) if Path(one.name).name == domain)
    total = sum(one.questions for one in found.questions)
    for name, least, most in (("unanswerable", 0.13, 0.17), ("overlap", 0.0, 0.5), ("copied", 0.0, 0.03)):
        assert least <= sum(getattr(one, name) * one.questions for one in found.questions) / total <= most
    types = Counter()
    for one in found.questions:
        types.update(one.types)
    assert {"what", "which", "who", "when", "why", "how", "how many, how much"} <= set(types)
    assert {"definition", "comparison"} <= set(types) and max(types.values()) < types.total() / 2


@pytest.mark.parametrize("domain", DOMAINS)
def test_a_passage_is_in_the_same_part_of_every_task(domain):
    found = passages(domain)
    sides = {row["id"]: part for part in PARTS for row in rows("topics", domain, part)}
    assert set(sides) == set(found)
    shares = Counter(sides.values())
    assert 0.65 < shares["train"] / shares.total() < 0.75 and abs(shares["dev"] - shares["test"]) <= 4
    for task, part in itertools.product(("qa", "terms"), PARTS):
        assert {sides[row["id"].rsplit("-", 1)[0]] for row in rows(task, domain, part)} == {part}
    for part in PARTS:
        assert all(found[row["id"]][1:] == (row["label"], row["text"]) for row in rows("topics", domain, part))


@pytest.mark.parametrize("domain", DOMAINS)
def test_tagged_sentences_stand_in_their_passages(domain):
    texts = {key: " ".join(text.split()) for key, (_, _, text) in passages(domain).items()}
    tagged = [row for part in PARTS for row in rows("terms", domain, part)]
    assert len(tagged) >= 400 and all(row["entities"] for row in tagged)
    assert [row["id"] for row in tagged if row["text"] not in texts[row["id"].rsplit("-", 1)[0]]] == []
    assert {entity["label"] for row in tagged for entity in row["entities"]} == LABELS[domain]
