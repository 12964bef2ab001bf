"""What each masking strategy costs: microseconds a row, and the share of tokens it chooses.

Rows are text-like: a quarter of the tokens go on with a word, a document ends every 100 tokens or so. Prints the median
processor time over the repeats (not the time of day, which others on the machine would lengthen).

    python benchmarks/masking_strategies.py [--rows 16] [--width 128] [--probability 0.15]
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np

from domain_adapt.mlm.masking import (
    MaskingVocabulary,
    SingleTokens,
    Spans,
    Strategy,
    WeightedWords,
    WholeWords,
    WordTable,
    mask_blocks,
    masking_key,
)

VOCABULARY, SPECIAL = 30_000, 5
SEPARATOR, MASK = 3, 4


def make_rows(count: int, width: int) -> tuple[np.ndarray, WordTable, MaskingVocabulary]:
    """Returns ``(count, width)`` token ids and what masking needs to know of their vocabulary."""
    generator = np.random.Generator(np.random.Philox(0))
    blocks = generator.integers(SPECIAL, VOCABULARY, (count, width)).astype(np.int32)
    blocks[generator.random(blocks.shape) < 0.01] = SEPARATOR
    blocks[:, 0] = blocks[:, -1] = SEPARATOR
    whole = VOCABULARY * 3 // 4  # the other quarter goes on with a word
    table = WordTable.from_texts([b" word"] * whole + [b"ing"] * (VOCABULARY - whole), range(SPECIAL))
    is_ordinary = np.arange(VOCABULARY) >= SPECIAL
    return blocks, table, MaskingVocabulary(MASK, np.flatnonzero(is_ordinary), is_ordinary)


def measure(strategy: Strategy, rows: int, width: int, probability: float, repeats: int) -> tuple[float, float]:
    """Returns median microseconds a row and the share of tokens chosen."""
    blocks, _, vocabulary = make_rows(rows, width)
    seconds, chosen = [], 0
    for repeat in range(repeats):
        indices = np.arange(repeat * rows, (repeat + 1) * rows)
        started = time.process_time()
        found = mask_blocks(
            blocks, indices, vocabulary, key=masking_key(0, 0), probability=probability, strategy=strategy
        )[1]
        seconds.append(time.process_time() - started)
        chosen += int(found.sum())
    return statistics.median(seconds) / rows * 1e6, chosen / repeats / vocabulary.is_ordinary[blocks].sum()


def main() -> None:
    """Prints one line a strategy."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=16, help="rows in one micro-batch")
    parser.add_argument("--width", type=int, default=128, help="tokens in a row")
    parser.add_argument("--probability", type=float, default=0.15)
    parser.add_argument("--repeats", type=int, default=500)
    arguments = parser.parse_args()
    blocks, words, vocabulary = make_rows(arguments.rows, arguments.width)
    weights = np.random.Generator(np.random.Philox(1)).random(VOCABULARY) * vocabulary.is_ordinary
    counts = np.bincount(blocks.reshape(-1), minlength=VOCABULARY) * vocabulary.is_ordinary
    strategies: dict[str, Strategy] = {
        "token": SingleTokens(),
        "whole-word": WholeWords(words),
        "span": Spans(words),
        "difference": WeightedWords(words, weights, counts),
    }
    for name, strategy in strategies.items():
        cost, share = measure(strategy, arguments.rows, arguments.width, arguments.probability, arguments.repeats)
        print(f"{name:<10}  {cost:5.1f} microseconds a row of {arguments.width} tokens, {share:.1%} chosen")


if __name__ == "__main__":
    main()
