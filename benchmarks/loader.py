"""Blocks a second that the data side delivers without a model: masks, labels and the selection of the last layer.

Memory-mapped random blocks, by threads; to be compared with what a training step consumes (`scaling.py`).

    python benchmarks/loader.py [--seconds 3]
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import common

BATCH = 16


def measure(folder: Path, block: int, workers: int, seconds: float) -> float:
    """Returns blocks a second."""
    import numpy as np
    import torch
    from transformers import RobertaForMaskedLM

    from domain_adapt.mlm.masking import MaskingVocabulary
    from domain_adapt.mlm.objective import MaskedLMObjective
    from domain_adapt.mlm.sparse_head import SparseHead
    from domain_adapt.recipes import Budget, MlmSettings
    from domain_adapt.training.feed import Feed
    from domain_adapt.training.plan import make_plan

    torch.set_num_threads(1)
    model = RobertaForMaskedLM(common.make_config("tiny"))
    size = model.config.vocab_size
    path = folder / f"blocks-{block}.npy"
    if not path.exists():
        np.save(path, np.random.default_rng(0).integers(5, size, (20_000, block)).astype(np.int32))
    blocks = np.load(path, mmap_mode="r")
    vocabulary = MaskingVocabulary(4, np.arange(5, size), np.arange(size) >= 5)
    settings = MlmSettings(batch_size=BATCH)
    objective = MaskedLMObjective(blocks, vocabulary, settings, seed=0, pad_id=0, head=SparseHead(model))
    plan = make_plan(np.full(len(blocks), block), settings, budget=Budget(epochs=1000), seed=0)
    started, done = time.perf_counter(), 0
    for data in Feed(plan, objective, BATCH, workers=workers).steps(0):
        done += sum(len(batch.inputs["input_ids"]) for batch in data.batches)
        if time.perf_counter() - started > seconds:
            break
    return done / (time.perf_counter() - started)


def main() -> None:
    """Measures and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3.0, help="for each figure")
    parser.add_argument("--output", type=Path, help="JSON file; default: benchmarks/results/loader.json")
    arguments = parser.parse_args()
    from rich.table import Table

    results: list[dict[str, Any]] = []
    table = Table("block", "threads", "blocks/s", "tokens/s")
    with common.scratch() as scratch:
        for block in (128, 512):
            for workers in (0, 1, 2):
                rate = measure(Path(scratch), block, workers, arguments.seconds)
                results.append({"block": block, "workers": workers, "blocks_per_second": rate})
                table.add_row(str(block), str(workers), f"{rate:,.0f}", f"{rate * block:,.0f}")
    common.report("loader", table, {"settings": results}, arguments.output)


if __name__ == "__main__":
    main()
