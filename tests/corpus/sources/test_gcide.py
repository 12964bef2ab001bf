from __future__ import annotations

import json
import pickle
from itertools import islice

import pytest

from domain_adapt.corpus.sources import documents_of, open_source
from domain_adapt.corpus.sources.gcide import Dictionary, compose_entry
from domain_adapt.corpus.sources.texts import Texts
from domain_adapt.errors import DomainAdaptError
from domain_adapt.recipes import GcideSource


def entry(*definitions: tuple[str, list[str]]) -> dict:
    return {"pos": [{"definitions": [{"text": text, "examples": examples} for text, examples in definitions]}]}


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (entry(("A turn", [])), "A turn."),
        (entry(("To  shake.", ["It may jar. Shak.1913 Webster]"])), "To shake. It may jar."),
        (entry(("A pot [Obs.]", [])), "A pot."),
        ({"pos": None}, ""),
        ({}, ""),
    ],
)
def test_definitions_and_quotations_without_marks(given: dict, text: str) -> None:
    assert compose_entry(given) == text


def test_short_entries_are_left_out(tmp_path) -> None:
    folder = tmp_path / "data" / "en"
    folder.mkdir(parents=True)
    long = entry(("A deep vessel of glass for holding fruit and preserves.", []))
    (folder / "words_A.json").write_text(json.dumps({"jar": long, "jars": entry(("See Jar.", []))}))
    found = list(documents_of(Dictionary(tmp_path)))
    assert [(document.id, document.text.split(":")[0]) for document in found] == [("jar", "jar")]


def test_a_package_without_words_is_an_error(tmp_path) -> None:
    with pytest.raises(DomainAdaptError, match=r"ships no data/en/words_\*\.json"):
        Dictionary(tmp_path)


def test_the_shipped_dictionary(tmp_path) -> None:
    source = open_source(GcideSource(), tmp_path)
    (part,) = source.parts()
    documents = list(islice(pickle.loads(pickle.dumps(part)).documents(), 2000))
    assert len(documents) == 2000 and sum(len(document.text) for document in documents) > 200_000
    assert not any("1913 Webster" in document.text for document in documents)
    assert "GPL" in source.info().licence and part.key == source.fingerprint()


def test_texts_in_memory_are_a_source() -> None:
    source = Texts(["one", "two"], "qa", "CC0-1.0")
    assert [(document.id, document.text) for document in documents_of(source)] == [("qa:1", "one"), ("qa:2", "two")]
    assert source.fingerprint() != Texts(["one", "three"], "qa", "CC0-1.0").fingerprint()
