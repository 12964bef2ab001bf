from __future__ import annotations

import json
import logging
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from transformers import CanineTokenizer, PreTrainedTokenizerBase

from domain_adapt.corpus.dedup import content_hash
from domain_adapt.corpus.prepare import Corpus, corpus_fingerprint, prepare_corpus
from domain_adapt.corpus.preparing import CorpusPlan
from domain_adapt.errors import DomainAdaptError
from domain_adapt.recipes import CorpusSettings
from domain_adapt.workspace import Workspace

WORDS = ("patients", "fever", "cough", "chest", "pain", "heart", "bonds", "coupon", "price", "market", "yields", "rate")


def sentences(count: int, start: int = 0) -> list[str]:
    """Different sentences of known words."""
    return [
        " ".join(WORDS[(number * 7 + step * step + step * number // 3) % len(WORDS)] for step in range(8))
        + f" {number}."
        for number in range(start, start + count)
    ]


@pytest.fixture
def prepare(tmp_path: Path, tokenizer: PreTrainedTokenizerBase, listed: Callable[..., Any]) -> Callable[..., Corpus]:
    def run(*texts: list[str], progress: Callable[[int, int], None] | None = None, **keys: Any) -> Corpus:
        settings = CorpusSettings(**{"block_size": 16, **keys})
        sources = [listed(part, f"source {number}") for number, part in enumerate(texts)]
        plan = CorpusPlan(sources, settings)
        return prepare_corpus(plan, tokenizer, "hash", Workspace(tmp_path), on_progress=progress)

    return run


def content(blocks: np.ndarray, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    special = {tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.pad_token_id}
    return [token for token in blocks.ravel().tolist() if token not in special]


def ids(texts: list[str], tokenizer: PreTrainedTokenizerBase) -> list[int]:
    return [token for text in texts for token in tokenizer(text, add_special_tokens=False)["input_ids"]]


def test_every_token_of_every_kept_document_is_on_its_side_in_the_order_read(
    prepare: Callable[..., Corpus], tokenizer: PreTrainedTokenizerBase
) -> None:
    texts = sentences(200)
    corpus = prepare(texts, holdout=0.2)
    heldout = [text for text in texts if int(content_hash(text)[:13], 16) / 16**13 < 0.2]
    assert 20 < len(heldout) < 60
    assert content(corpus.heldout, tokenizer) == ids(heldout, tokenizer)
    assert content(corpus.train, tokenizer) == ids([text for text in texts if text not in heldout], tokenizer)
    assert corpus.train.dtype == np.int32 and corpus.train.shape[1] == 16


def test_statistics_add_up(prepare: Callable[..., Corpus], tokenizer: PreTrainedTokenizerBase) -> None:
    first, second = sentences(30), sentences(10, start=25)
    corpus = prepare([*first, "too short", first[0].upper()], second, holdout=0.2)
    statistics = corpus.statistics
    assert statistics["documents_read"] == 42
    assert statistics["dropped"] == {"duplicate": 6, "too short": 1}
    assert statistics["documents_dropped"] == 7
    assert statistics["documents_train"] + statistics["documents_heldout"] == 35
    assert statistics["tokens_train"] + statistics["tokens_heldout"] == len(ids(sentences(35), tokenizer))
    assert (statistics["blocks_train"], statistics["blocks_heldout"]) == (len(corpus.train), len(corpus.heldout))
    assert statistics["characters"] == sum(map(len, sentences(35)))
    assert [(entry["name"], entry["documents"]) for entry in statistics["sources"]] == [
        ("source 0", 30),
        ("source 1", 5),
    ]
    assert sum(entry["tokens"] for entry in statistics["sources"]) == len(ids(sentences(35), tokenizer))
    assert json.loads((corpus.folder / "statistics.json").read_text()) == statistics


def test_unigram_counts_are_those_of_the_train_tokens(
    prepare: Callable[..., Corpus], tokenizer: PreTrainedTokenizerBase
) -> None:
    corpus = prepare(sentences(50), holdout=0.2)
    expected = np.bincount(content(corpus.train, tokenizer), minlength=len(tokenizer))
    expected[tokenizer.all_special_ids] = 0
    assert np.array_equal(corpus.unigram_counts, expected)
    assert corpus.unigram_counts.dtype == np.int64


def test_a_document_keeps_its_side_when_the_corpus_grows(
    prepare: Callable[..., Corpus], tokenizer: PreTrainedTokenizerBase
) -> None:
    small = content(prepare(sentences(60), holdout=0.3).heldout, tokenizer)
    large = content(prepare(sentences(120), holdout=0.3).heldout, tokenizer)
    assert small and large[: len(small)] == small


@pytest.mark.parametrize(("count", "holdout", "train", "heldout"), [(2, 1e-9, 1, 1), (1, 1e-9, 1, 0), (3, 0.0, 3, 0)])
def test_small_corpora_get_a_heldout_document_where_one_can_be_spared(
    prepare: Callable[..., Corpus], count: int, holdout: float, train: int, heldout: int
) -> None:
    corpus = prepare(sentences(count), holdout=holdout)
    assert corpus.statistics["documents_train"] == train
    assert corpus.statistics["documents_heldout"] == heldout
    assert (len(corpus.heldout) > 0) == (heldout > 0) and corpus.heldout.shape[1] == 16


def test_the_document_with_the_smallest_hash_is_the_one_held_out(
    prepare: Callable[..., Corpus], tokenizer: PreTrainedTokenizerBase
) -> None:
    texts = sentences(5)
    corpus = prepare(texts, holdout=1e-9)
    assert content(corpus.heldout, tokenizer) == ids([min(texts, key=content_hash)], tokenizer)


def test_train_is_never_empty_even_if_all_documents_fall_on_the_other_side(prepare: Callable[..., Corpus]) -> None:
    assert prepare(sentences(1), holdout=0.999999).statistics["documents_train"] == 1
    assert prepare(sentences(3), holdout=0.999999).statistics["documents_train"] == 1


def test_one_short_document_gives_one_padded_block(
    prepare: Callable[..., Corpus], tokenizer: PreTrainedTokenizerBase
) -> None:
    corpus = prepare(["fever"], min_characters=1)
    assert corpus.train.shape == (1, 16)
    assert corpus.train[0, 0] == tokenizer.cls_token_id and corpus.train[0, -1] == tokenizer.pad_token_id


@pytest.mark.parametrize("texts", [[], ["short"], ["\u200b" * 50]])
def test_nothing_left_is_an_error_and_leaves_nothing_behind(
    prepare: Callable[..., Corpus], tmp_path: Path, texts: list[str]
) -> None:
    with pytest.raises(DomainAdaptError, match=f"no text to train on: of {len(texts)} documents read"):
        prepare(texts)
    assert not any((tmp_path / ".cache" / "documents").iterdir())
    assert not (tmp_path / ".cache" / "corpora").exists()


def test_special_tokens_spelled_out_in_the_text_stay_text(
    prepare: Callable[..., Corpus], tokenizer: PreTrainedTokenizerBase
) -> None:
    corpus = prepare(["The [MASK] token and the [SEP] token of the patients."])
    assert tokenizer.mask_token_id not in corpus.train
    assert np.count_nonzero(corpus.train == tokenizer.sep_token_id) == len(corpus.train)


def test_the_second_time_comes_from_the_cache(
    prepare: Callable[..., Corpus], listed: Callable[..., Any], tmp_path: Path, tokenizer: PreTrainedTokenizerBase
) -> None:
    first = prepare(sentences(20))
    source = listed(sentences(20), "source 0", licence="CC-BY-4.0")
    again = prepare_corpus(CorpusPlan([source], CorpusSettings(block_size=16)), tokenizer, "hash", Workspace(tmp_path))
    assert source.calls == []
    assert np.array_equal(first.train, again.train) and first.folder == again.folder
    assert again.statistics["sources"][0]["licence"] == "CC-BY-4.0", "the cache must not hide a corrected licence"


def test_the_same_inputs_give_the_same_bytes(
    prepare: Callable[..., Corpus], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = prepare(sentences(50)).folder
    before = {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    shutil.rmtree(tmp_path / ".cache")
    monkeypatch.setattr("domain_adapt.corpus.batching._DOCUMENTS", 7)
    assert prepare(sentences(50)).folder == folder
    assert {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_fingerprint_depends_on_sources_their_order_settings_and_tokenizer(listed: Callable[..., Any]) -> None:
    one, two, settings = listed(["one"]), listed(["two"]), CorpusSettings()
    prints = {
        corpus_fingerprint(CorpusPlan([one, two], settings), "a"),
        corpus_fingerprint(CorpusPlan([two, one], settings), "a"),
        corpus_fingerprint(CorpusPlan([one], settings), "a"),
        corpus_fingerprint(CorpusPlan([one, two], settings), "b"),
        corpus_fingerprint(CorpusPlan([one, two], CorpusSettings(block_size=64)), "a"),
    }
    assert len(prints) == 5


def test_progress_counts_documents_and_characters(prepare: Callable[..., Corpus]) -> None:
    seen: list[tuple[int, int]] = []
    prepare(
        [*sentences(1200), "x"],
        sentences(1),
        progress=lambda documents, characters: seen.append((documents, characters)),
    )
    assert [documents for documents, _ in seen] == [1000, 1200], "what was dropped is not tokenised"
    assert seen[-1][1] == sum(map(len, sentences(1200)))


def test_long_documents_draw_no_warning(prepare: Callable[..., Corpus], caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        prepare([" ".join(sentences(100))])
    assert caplog.records == []


def test_a_slow_tokenizer_works_too(listed: Callable[..., Any], tmp_path: Path) -> None:
    slow = CanineTokenizer()
    assert not slow.is_fast
    text = "Fever and cough for two days."
    corpus = prepare_corpus(
        CorpusPlan([listed([text])], CorpusSettings(block_size=16)), slow, "canine", Workspace(tmp_path)
    )
    special = {slow.cls_token_id, slow.sep_token_id, slow.pad_token_id}
    assert "".join(chr(token) for token in corpus.train.ravel() if token not in special) == text


def test_a_tokenizer_without_the_special_tokens_is_refused(
    listed: Callable[..., Any], tmp_path: Path, tokenizer: PreTrainedTokenizerBase, tiny_wordpiece: Path
) -> None:
    bare = type(tokenizer).from_pretrained(tiny_wordpiece)
    bare.cls_token = bare.pad_token = None
    with pytest.raises(DomainAdaptError, match="the tokenizer has no CLS and no PAD token"):
        prepare_corpus(CorpusPlan([listed(sentences(3))], CorpusSettings()), bare, "bare", Workspace(tmp_path))


def test_the_check_for_changes_loads_neither_torch_nor_transformers(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x")
    program = (
        "import sys; from pathlib import Path\n"
        "from domain_adapt.corpus.prepare import corpus_fingerprint\n"
        "from domain_adapt.corpus.preparing import CorpusPlan\n"
        "from domain_adapt.corpus.sources import open_source\n"
        "from domain_adapt.recipes import CorpusSettings, FilesSource\n"
        "source = open_source(FilesSource(path='a.txt'), Path(sys.argv[1]))\n"
        "corpus_fingerprint(CorpusPlan([source], CorpusSettings()), 'x'); source.info()\n"
        "print(sorted({'torch', 'transformers', 'datasets'} & set(sys.modules)))\n"
    )
    result = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
