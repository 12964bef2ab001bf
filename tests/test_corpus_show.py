import importlib.util
import json
import sys
from functools import partial

import pytest

from domain_adapt import corpus_show
from domain_adapt.corpora import open_documents
from domain_adapt.corpus_show import dropped_documents, near_duplicates, page, sample_documents, show
from domain_adapt.errors import DomainAdaptError

GENERAL = {"heart": 5.0, "market": 50.0, "house": 90.0, "the": 900.0}


@pytest.fixture(autouse=True)
def _general(monkeypatch):
    """General English of four words: the packages that hold more are an extra."""
    monkeypatch.setattr(corpus_show, "general_counts", lambda: GENERAL)
    monkeypatch.setattr(corpus_show, "general_texts", lambda: iter(["the house of the heart"]))


def test_a_domain_is_measured_with_its_tasks(project):
    found = show("heart", workspace=project.workspace)
    assert found.profile.total("documents") == 60 and found.profile.total("words") == 1_800
    assert [overlap.name for overlap in found.profile.overlaps] == ["general English", "qa"]
    values = json.loads(json.dumps(found.as_json()))
    assert values["domain"] == "heart" and values["documents"] == 60 and "documents/" in values["folder"]


def test_samples_are_spread_over_each_source(project):
    documents = open_documents("heart", workspace=project.workspace)
    (found,) = sample_documents(documents, 4)
    texts = list(documents.texts())
    assert [row["text"] for row in found] == [texts[place] for place in (0, 15, 30, 45)]
    assert len(sample_documents(documents, 100)[0]) == 60


def test_dropped_documents_and_clusters_are_shown(project):
    path = project.texts / "c.jsonl"
    words = " ".join(f"word{letter}" for letter in "abcdefghijklmnopqrstuvwxyz")
    texts = ["short", words, words + " more"]
    path.write_text("".join(json.dumps({"id": f"c{n}", "text": text}) + "\n" for n, text in enumerate(texts)))
    overrides = ["corpus.deduplicate.near=0.7"]
    documents = open_documents("heart", overrides=overrides, workspace=project.workspace)
    dropped = dropped_documents(documents)
    assert set(dropped) == set(documents.statistics["dropped"]) == {"too short", "near duplicate"}
    assert [row["text"] for row in dropped["too short"]] == ["short"]
    (cluster,) = near_duplicates(documents)
    assert len(cluster["texts"]) == 2
    text = page(show("heart", overrides=overrides, workspace=project.workspace))
    assert "too short: examples" in text and f"{cluster['kept']}: 2 documents" in text


def test_a_task_whose_data_is_wrong_is_passed_over(project, caplog):
    (project.workspace.tasks / "qa" / "train.jsonl").write_text("no json\n")
    with caplog.at_level("INFO", "domain_adapt"):
        found = show("heart", workspace=project.workspace)
    assert [overlap.name for overlap in found.profile.overlaps] == ["general English"]
    assert "not compared with the task qa" in caplog.text


@pytest.fixture
def run(run, project):
    return partial(run, project)


def test_the_command(run, project):
    code, out, _ = run("corpus", "show", "heart", "--html", "new/page.html")
    assert code == 0 and out.startswith("heart: .cache/documents/") and "page: new/page.html" in out
    assert max(map(len, out.splitlines()[1:])) <= 100, "but for the first line, which names the base's folder"
    assert (project.root / "new" / "page.html").read_text().startswith("<!DOCTYPE html>")
    code, out, _ = run("corpus", "show", "heart", "--json")
    assert code == 0 and json.loads(out)["words"] == 1_800


def test_a_page_that_cannot_be_written(run, project):
    code, _, err = run("corpus", "show", "heart", "--html", str(project.root))
    assert code == 2 and err.splitlines()[-1].startswith("error: --html: ")


def test_without_the_package_of_word_frequencies(monkeypatch):
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "wordfreq", None)
    with pytest.raises(DomainAdaptError, match=r"wordfreq.* is not installed"):
        corpus_show.general_counts()


@pytest.mark.skipif(importlib.util.find_spec("wordfreq") is None, reason="an extra")
def test_general_english_counts_words_as_running_text_has_them(monkeypatch):
    monkeypatch.undo()
    counts = corpus_show.general_counts()
    assert counts["the"] > counts["house"] > counts["phalanx"] > 0 and counts["don"] > 0
    assert not any("'" in word or len(word) < 2 for word in counts)
