import json

import pyarrow as pa
import pytest

from domain_adapt.corpus import profile as profiling
from domain_adapt.corpus.documents import Documents
from domain_adapt.corpus.profile import LengthBin, Overlap, profile

GENERAL = {"heart": 5.0, "price": 50.0, "house": 90.0, "the": 900.0}


def make_documents(folder, sources, dropped=None):
    """Documents on disk, as they are after preparing; ``sources`` are lists of texts."""
    texts = [(str(number), text, f"s{index}") for index, one in enumerate(sources) for number, text in enumerate(one)]
    schema = pa.schema([("id", pa.string()), ("text", pa.large_string()), ("source", pa.string())])
    (folder / "documents").mkdir(parents=True)
    with pa.ipc.new_stream(str(folder / "documents" / "data-00000.arrow"), schema) as writer:
        for row in texts:  # a batch each
            writer.write_batch(pa.record_batch([[cell] for cell in row], schema=schema))
    dropped = dropped or {}
    entries = [
        {
            "name": f"s{index}",
            "kind": "files",
            "licence": "CC0-1.0",
            "documents": len(one),
            "characters": len("".join(one)),
        }
        for index, one in enumerate(sources)
    ]
    statistics = {
        "documents_read": len(texts) + sum(dropped.values()),
        "characters_read": 10_000,
        "documents": len(texts),
        "characters": sum(entry["characters"] for entry in entries),
        "dropped": dropped,
        "scrubbed": {},
        "sources": entries,
    }
    return Documents(folder, statistics)


def test_a_small_corpus_is_counted(tmp_path, tokenizer):
    documents = make_documents(
        tmp_path,
        [["heart heart blood", "the price, aorta."], ["muscle muscle muscle muscle muscle heart"]],
        {"too short": 2},
    )
    found = profile(documents, tokenizer, GENERAL, {"qa": ["heart aorta"]}, ["the blood, qb"])
    one, two = found.sources
    assert (one.documents, one.words, one.tokens) == (2, 6, 8) and (two.documents, two.words, two.tokens) == (1, 6, 6)
    assert (found.total("words"), found.total("tokens"), found.documents_read) == (12, 14, 5)
    assert found.fertility == 1.0  # words and marks are 14 as well
    assert found.general_fertility == 5 / 4  # the tokenizer knows "q" and "##b"
    assert found.lengths == (LengthBin(2, 4, 1), LengthBin(4, 8, 2))
    assert not found.is_estimated and found.sampled_characters == documents.statistics["characters"]
    # Domain: muscle, heart, aorta, blood, price; the three first against house, price, heart.
    assert found.overlaps[0] == Overlap("general English", pytest.approx(1 / 3), 3)
    assert found.overlaps[1] == Overlap("qa", 0.5, 2)
    assert {term.word for term in found.terms[:2]} == {"muscle", "heart"}
    values = json.loads(json.dumps(found.as_json()))
    assert values["tokens"] == 14 and values["lengths"][0] == {"low": 2, "high": 4, "documents": 1}
    assert values["dropped"] == {"too short": 2}


def test_a_large_corpus_is_estimated_source_by_source(tmp_path, tokenizer, monkeypatch):
    monkeypatch.setattr(profiling, "TOKENISED_CHARACTERS", 3_000)
    sources = [["heart blood"] * 600, ["qb qb qb"] * 400]  # 2 tokens of 11 characters, 6 of 8
    found = profile(make_documents(tmp_path, sources), tokenizer, GENERAL, {}, [])
    assert found.is_estimated and 2_500 <= found.sampled_characters <= 3_000
    assert [source.tokens for source in found.sources] == [1_200, 2_400]
    assert [source.words for source in found.sources] == [1_200, 1_200]  # counted
    assert found.general_fertility is None
    assert sum(entry.documents for entry in found.lengths) == pytest.approx(1_000, abs=2)


def test_a_source_without_documents(tmp_path, tokenizer):
    found = profile(make_documents(tmp_path, [[], ["heart"], []]), tokenizer, GENERAL, {}, [])
    assert [(source.documents, source.tokens) for source in found.sources] == [(0, 0), (1, 1), (0, 0)]
