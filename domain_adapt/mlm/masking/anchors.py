"""The words most typical of a corpus: frequent in it, rare in general text."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from domain_adapt.errors import DomainAdaptError
from domain_adapt.mlm.masking.words import WordTable
from domain_adapt.randomness import stream_key
from domain_adapt.training.progress import meter

SAMPLED_TOKENS = 20_000_000  # enough for the frequency of any frequent word to three digits; some ten seconds
_CHUNK_TOKENS = 1 << 20
_LONGEST = 16  # pieces of a word that are looked at; a longer one is no word that anchors anything

SHORTEST = 3  # letters
FEWEST = 5  # occurrences: in a small corpus, fewer say nothing
# wordfreq's large English list ends at one occurrence in a hundred million words. Words that are not in it count as if
# they were there in the last place: their weight is then at most 1.6 times that of a word as rare as "abnormality",
# so how often a word occurs in the corpus decides, and a typo that occurs a few times does not win.
RAREST = 1e-8
# One word in 2,000. The some 190 English words above it are function words and the like ("the", "with", "which"): so
# frequent everywhere that term frequency would put them first in spite of the logarithm.
COMMONEST = 5e-4


@dataclass(frozen=True)
class WordCount:
    """A word of the corpus.

    Attributes:
        text: In lower case.
        count: Occurrences in any spelling.
        ids: Pieces of the most frequent spelling.
    """

    text: str
    count: int
    ids: tuple[int, ...]


def count_words(blocks: np.ndarray, words: WordTable) -> list[WordCount]:
    """Returns the words of at least ``SHORTEST`` letters and nothing else, most frequent first.

    Of a large corpus, evenly spaced blocks with some ``SAMPLED_TOKENS`` in all are read.

    Args:
        blocks: ``(n, block_size)`` integer token ids.
        words: Of the tokenizer.
    """
    sampled = blocks[:: max(1, math.ceil(blocks.size / SAMPLED_TOKENS))]
    rows = max(1, _CHUNK_TOKENS // blocks.shape[1])
    counts: dict[int, int] = {}
    pieces: dict[int, tuple[int, ...]] = {}
    with meter("counting words", len(sampled)) as progress:
        for start in range(0, len(sampled), rows):
            _count_chunk(np.asarray(sampled[start : start + rows]), words, counts, pieces)
            progress.update(min(start + rows, len(sampled)))
    spellings: dict[str, list[tuple[int, tuple[int, ...]]]] = {}
    for key, count in counts.items():
        text = words.text(pieces[key]).lower()
        if len(text) >= SHORTEST and text.isalpha():
            spellings.setdefault(text, []).append((count, pieces[key]))
    found = [
        WordCount(text, sum(count for count, _ in variants), min((-count, ids) for count, ids in variants)[1])
        for text, variants in spellings.items()
    ]
    return sorted(found, key=lambda word: (-word.count, word.text))


def _count_chunk(
    blocks: np.ndarray, words: WordTable, counts: dict[int, int], pieces: dict[int, tuple[int, ...]]
) -> None:
    """Adds the words of ``blocks`` to ``counts`` and ``pieces``, by a 64-bit hash of their token ids."""
    first = np.flatnonzero(words.starts(blocks))
    ids = blocks.reshape(-1)
    lengths = np.diff(first, append=len(ids))
    place = np.minimum(np.arange(len(ids)) - np.repeat(first, lengths), _LONGEST - 1)
    factors = np.random.Philox(key=stream_key(0, "word-hash")).random_raw(_LONGEST)
    hashes = np.add.reduceat((ids.astype(np.uint64) + np.uint64(1)) * factors[place], first)
    kept = np.flatnonzero(~words.is_boundary(ids[first]) & (lengths < _LONGEST))
    keys, where, found = np.unique(hashes[kept], return_index=True, return_counts=True)
    for key, word, count in zip(keys.tolist(), kept[where].tolist(), found.tolist(), strict=True):
        if key not in counts:
            pieces[key] = tuple(ids[first[word] : first[word] + lengths[word]].tolist())
        counts[key] = counts.get(key, 0) + count


def find_anchors(words: list[WordCount], number: int, frequency: Callable[[str], float]) -> list[WordCount]:
    """Returns the ``number`` words with the highest TF-ICF, highest first.

    TF-ICF is the term frequency in the corpus times the logarithm of one over the frequency in general text (Wilf et
    al. 2023, arXiv 2305.14577). Words as frequent in general text as function words are left out, see ``COMMONEST``.

    Args:
        words: Of the corpus.
        number: How many to return; fewer are if there are fewer.
        frequency: Share of a word among the words of general text; 0 if unknown.
    """
    scores = {}
    for word in words:
        general = max(frequency(word.text), RAREST)
        if word.count >= FEWEST and general < COMMONEST:
            scores[word] = word.count * -math.log(general)
    return sorted(scores, key=lambda word: (-scores[word], word.text))[:number]


def english_frequency() -> Callable[[str], float]:
    """Returns the frequency of words in general English (wordfreq 3.1: books, web, news, subtitles and more).

    Raises:
        DomainAdaptError: If the package wordfreq is not installed.
    """
    try:
        from wordfreq import word_frequency
    except ImportError as error:
        raise DomainAdaptError(
            'mlm.masking = "difference" compares the corpus to general English by the package wordfreq, '
            f"which cannot be imported: {error}",
            hint="pip install 'domain-adapt[embedded]', or pip install wordfreq",
        ) from error
    return lambda word: word_frequency(word, "en")
