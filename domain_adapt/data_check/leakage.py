"""Duplicates inside a part, and text of one part that stands in another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from domain_adapt.corpus.dedup import content_hash
from domain_adapt.data_check.finding import Finding, error, warning
from domain_adapt.data_check.sets import DataSet
from domain_adapt.data_check.wording import runs, words
from domain_adapt.tasks.question_answering.reading import Record as Question

NEAR = 0.7  # Jaccard similarity of word pairs (questions) or word triples (texts) from which two count as one
# A pair at the threshold is found with probability 1 - (1 - 0.7**4)**32 > 0.999; what LSH proposes is then compared.
_PERMUTATIONS, _BANDS = 128, 32
_SHARED_RUN = 8  # words
_MOST_WORDS = 3_000_000  # above, shared runs are not looked for: 100 bytes a word


@dataclass(frozen=True)
class _Text:
    part: str
    place: str
    key: str  # the same for texts that differ in case and spacing only
    words: list[str]


def check_overlap(data: DataSet) -> list[Finding]:
    """Returns duplicated ids and examples, and what one part has in common with another.

    The same context (or text) in two parts is an error: a model would be tested on what it was trained on. Two
    questions of different parts with nearly the same words, and nearly the same contexts, are warnings: found by
    MinHash (Broder 1997) and confirmed by the Jaccard similarity itself.
    """
    records = [(part.name, record) for part in data.parts for record in part.records]
    findings = [*_same_ids(records), *_same_examples(records)]
    if data.kind == "question-answering":
        contexts = _unique((part, record.place, record.context) for part, record in records)
        asked = [
            _Text(part, record.place, content_hash(record.question), words(record.question)) for part, record in records
        ]
        findings += _across_parts(contexts, "context", 3)
        findings += _near(asked, "question", 2, skip_same=False)
        findings += _shared_runs(contexts, data.name)
    else:
        texts = _unique((part, record.place, record.text) for part, record in records)
        findings += _across_parts(texts, "text", 3)
    return findings


def _unique(rows: Iterator[tuple[str, str, str]]) -> list[_Text]:
    """Returns each text once a part, where it stands first."""
    seen: dict[tuple[str, str], _Text] = {}
    for part, place, text in rows:
        if text.strip() and (part, text) not in seen:
            seen[part, text] = _Text(part, place, content_hash(text), words(text))
    return list(seen.values())


def _same_ids(records: Sequence[tuple[str, Any]]) -> list[Finding]:
    places: dict[str, str] = {}
    findings = []
    for _, record in records:
        if record.id in places:
            message = f"id {record.id!r} was used before, at {places[record.id]}"
            findings.append(error("duplicate", record.place, message))
        places.setdefault(record.id, record.place)
    return findings


def _same_examples(records: Sequence[tuple[str, Any]]) -> list[Finding]:
    """Returns examples that stand twice in one part; the rest is leakage."""
    places: dict[tuple[str, str, str], str] = {}
    findings = []
    for part, record in records:
        is_question = isinstance(record, Question)
        asked, text = (record.question, record.context) if is_question else ("", record.text)
        key = (part, content_hash(asked), content_hash(text))
        if key in places:
            what = "question on the same context" if is_question else "text"
            message = f"id {record.id!r}: the same {what} stands at {places[key]}"
            findings.append(warning("duplicate", record.place, message))
        places.setdefault(key, record.place)
    return findings


def _across_parts(texts: Sequence[_Text], what: str, width: int) -> list[Finding]:
    seen: dict[str, _Text] = {}
    findings = []
    for text in texts:
        first = seen.setdefault(text.key, text)
        if first.part != text.part:
            message = f"the same {what} stands in {first.part}, at {first.place}"
            findings.append(error("leakage", text.place, message))
    return findings + _near(texts, what, width, skip_same=True)


def _near(texts: Sequence[_Text], what: str, width: int, *, skip_same: bool) -> list[Finding]:
    """Returns pairs of different parts whose shingles of ``width`` words are nearly the same."""
    from rensa import RMinHash, RMinHashLSH

    if len({text.part for text in texts}) < 2:
        return []
    index = RMinHashLSH(threshold=NEAR, num_perm=_PERMUTATIONS, num_bands=_BANDS)
    shingles = [_shingles(text.words, width) for text in texts]
    findings = []
    for number, (text, mine) in enumerate(zip(texts, shingles, strict=True)):
        sketch = RMinHash(num_perm=_PERMUTATIONS, seed=0)
        sketch.update(sorted(mine))
        for other in sorted(index.query(sketch)):
            first = texts[other]
            similarity = len(mine & shingles[other]) / len(mine | shingles[other])
            if first.part == text.part or similarity < NEAR or (skip_same and first.key == text.key):
                continue
            message = f"nearly the same {what} ({similarity:.0%}) stands in {first.part}, at {first.place}"
            findings.append(warning("leakage", text.place, message))
            break
        index.insert(number, sketch)
    return findings


def _shingles(sequence: Sequence[str], width: int) -> set[str]:
    """Returns the runs of ``width`` words, the ends padded so that short texts have some too."""
    padded = ["", *sequence, ""]
    return {" ".join(padded[start : start + width]) for start in range(max(1, len(padded) - width + 1))}


def _shared_runs(contexts: Sequence[_Text], name: str) -> list[Finding]:
    """Returns one warning if different contexts share eight words in a row."""
    if sum(len(text.words) for text in contexts) > _MOST_WORDS:
        return []
    owners: dict[int, str] = {}
    pairs: dict[tuple[str, str], tuple[_Text, _Text]] = {}
    by_key = {text.key: text for text in contexts}
    for key, text in by_key.items():
        for run in runs(text.words, _SHARED_RUN):
            owner = owners.setdefault(run, key)
            if owner != key:
                pairs.setdefault((owner, key), (by_key[owner], text))
    if not pairs:
        return []
    first, second = next(iter(pairs.values()))
    message = (
        f"{len(pairs)} pairs of different contexts share {_SHARED_RUN} words in a row, "
        f"such as {first.place} and {second.place}"
    )
    return [warning("shared text", name, message)]
