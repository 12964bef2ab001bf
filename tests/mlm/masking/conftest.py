"""Tokenizers of every family whose words are told apart, small and put together by hand.

Not trained: trainers break ties by hash order, differently in each process.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
TEXTS = [
    "Myocardial infarction is the death of heart muscle after its blood supply has stopped.",
    "Bonds pay a coupon twice a year, and their price falls when market yields rise.",
    "A café's naïve co-pay (of 12.5mg), don't! 中文 字かナ 😀👍 한국 Дом U.S. x2b",
]


def fast(tokenizer: Tokenizer) -> PreTrainedTokenizerFast:
    """Wraps a tokenizer with RoBERTa's special tokens."""
    names = ("bos_token", "pad_token", "eos_token", "unk_token", "mask_token")
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        **dict(zip(names, SPECIAL, strict=True)),
        cls_token="<s>",
        sep_token="</s>",
    )


def chunks(words: list[str], sizes: tuple[int, ...] = (2, 3, 5)) -> list[str]:
    """Returns pieces of the words of two, three and five characters, so that most words take several."""
    return sorted({word[at : at + size] for word in words for size in sizes for at in range(0, len(word), size)})


def merges_of(pieces: list[str]) -> list[tuple[str, str]]:
    """Returns BPE merges that build each piece from left to right."""
    return list(dict.fromkeys((piece[:end], piece[end]) for piece in pieces for end in range(1, len(piece))))


def byte_level() -> PreTrainedTokenizerFast:
    """Byte-level BPE as in RoBERTa; some pieces hold parts of characters."""
    splitter = pre_tokenizers.ByteLevel(add_prefix_space=False)
    words = [word for text in TEXTS for word, _ in splitter.pre_tokenize_str(" " + text)]
    merges = merges_of(chunks(words))
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = list(dict.fromkeys([*SPECIAL, *alphabet, *(left + right for left, right in merges)]))
    tokenizer = Tokenizer(models.BPE({token: id for id, token in enumerate(vocabulary)}, merges))
    tokenizer.pre_tokenizer = splitter
    tokenizer.decoder = decoders.ByteLevel()
    return fast(tokenizer)


def sentence_pieces() -> list[str]:
    """Returns letters and pieces of words; one emoji is left out, as what is unknown must be tested too."""
    text = "▁".join(["", *" ".join(TEXTS).replace("😀", "").split()])
    letters = sorted({*text, *"abcdefghijklmnopqrstuvwxyz0123456789"})
    mixed = ["U.S", "▁(", "x-", "字か", "A中"]  # seldom, pieces join what is not a word
    return list(dict.fromkeys([*letters, *mixed, *chunks(re.findall(r"▁?\w+", text))]))


def unigram() -> PreTrainedTokenizerFast:
    """SentencePiece's Unigram as in XLM-R; the fewest pieces win, and what it does not know is ``<unk>``."""
    pieces = [(token, 0.0) for token in SPECIAL] + [(piece, -10.0) for piece in sentence_pieces()]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=3))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    return fast(tokenizer)


def byte_fallback() -> PreTrainedTokenizerFast:
    """SentencePiece's BPE as in Gemma: spaces replaced by a normalizer, unknown characters spelt in bytes."""
    pieces = sentence_pieces()
    merges = merges_of([piece for piece in pieces if len(piece) > 1])
    fallback = [f"<0x{byte:02X}>" for byte in range(256)]
    vocabulary = list(dict.fromkeys([*SPECIAL, *fallback, *pieces, *(left + right for left, right in merges)]))
    model = models.BPE(
        {token: id for id, token in enumerate(vocabulary)}, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True
    )
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    return fast(tokenizer)


@pytest.fixture(scope="session")
def tokenizers(tiny_wordpiece) -> dict[str, PreTrainedTokenizerFast]:
    """One tokenizer a family."""
    makers: dict[str, Callable[[], PreTrainedTokenizerFast]] = {
        "byte-level": byte_level,
        "unigram": unigram,
        "byte-fallback": byte_fallback,
    }
    return {"wordpiece": AutoTokenizer.from_pretrained(tiny_wordpiece)} | {
        name: make() for name, make in makers.items()
    }
