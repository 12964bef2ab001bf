"""What keeping the output of frozen layers on disk saves: training steps of ``mini`` with the lowest layers frozen.

Three ways, each in a process of its own, in turn: everything learns; the embeddings and the lowest layers are frozen;
frozen and read from disk. The time to fill the file is given too, in steps it takes to win it back.

    python benchmarks/frozen_layers.py [--layers 4] [--rounds 3]
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import time
from pathlib import Path
from typing import Any

import common

BATCH = 16
SIDES = ("all learn", "frozen", "frozen and kept")


def measure(side: str, layers: int, blocks_count: int, steps: int) -> dict[str, float]:
    """Returns the median seconds of a step, and the seconds before the first one."""
    from domain_adapt.training.memory import tune_allocator

    tune_allocator()
    import numpy as np
    from transformers import RobertaForMaskedLM

    from domain_adapt.mlm.masking import MaskingVocabulary
    from domain_adapt.mlm.objective import MaskedLMObjective
    from domain_adapt.mlm.sparse_head import SparseHead
    from domain_adapt.recipes import Budget, Freeze, MlmSettings, RuntimeSettings
    from domain_adapt.training.freezing import freeze, parameter_groups, set_dropout
    from domain_adapt.training.frozen_states import frozen_states
    from domain_adapt.training.loop import TrainingLoop
    from domain_adapt.training.plan import make_plan
    from domain_adapt.training.runtime import detect

    runtime = detect(RuntimeSettings())
    model = RobertaForMaskedLM(common.make_config("mini"))
    set_dropout(model, 0.0)
    frozen = Freeze(embeddings=side != SIDES[0], layers=layers if side != SIDES[0] else 0)
    freeze(model, frozen, "mlm")
    size = model.config.vocab_size
    blocks = np.random.default_rng(0).integers(5, size, (blocks_count, common.BLOCK)).astype(np.int32)
    settings = MlmSettings(batch_size=BATCH, freeze=frozen, mask_sets=1)
    vocabulary = MaskingVocabulary(4, np.arange(5, size), np.arange(size) >= 5)
    objective = MaskedLMObjective(blocks, vocabulary, settings, seed=0, pad_id=0, head=SparseHead(model))
    lengths = np.full(blocks_count, common.BLOCK)
    plan = make_plan(lengths, settings, budget=Budget(epochs=steps * BATCH / blocks_count), seed=0)
    moments: list[float] = []
    with common.scratch() as scratch:
        folder = Path(scratch)
        started = time.perf_counter()
        passes = plan.passes if side == SIDES[2] else 1.0  # a single pass is never kept
        with frozen_states(
            objective, model, frozen, lengths=lengths, sets=1, passes=passes, folder=folder, runtime=runtime
        ) as training:
            filled = time.perf_counter() - started

            class Timed:
                weights, batch = training.weights, training.batch

                def loss(self, *arguments: Any) -> Any:
                    moments.append(time.perf_counter())
                    return training.loss(*arguments)

            TrainingLoop(
                model,
                Timed(),
                plan,
                settings,
                groups=parameter_groups(model, learning_rate=1e-4, weight_decay=0.01),
                run_folder=folder,
                runtime=runtime,
                runtime_settings=RuntimeSettings(save_seconds=1e9),
                micro_batch_rows=BATCH,
                label=side,
            ).run()
    steps_taken = [after - before for before, after in itertools.pairwise(moments)]
    return {"seconds": statistics.median(steps_taken), "filling": filled}


def main() -> None:
    """Compares and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", type=int, default=4, help="of the six of mini")
    parser.add_argument("--blocks", type=int, default=64)
    parser.add_argument("--steps", type=int, default=14)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--output", type=Path, help="JSON file; default: benchmarks/results/frozen-layers.json")
    parser.add_argument("--side", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side:
        print(json.dumps(measure(arguments.side, arguments.layers, arguments.blocks, arguments.steps)))
        return
    from rich.table import Table

    found: dict[str, list[dict[str, float]]] = {side: [] for side in SIDES}
    for _ in range(arguments.rounds):
        for side in SIDES:
            call = ["--side", side, "--layers", str(arguments.layers)]
            call += ["--blocks", str(arguments.blocks), "--steps", str(arguments.steps)]
            found[side].append(common.run_side("frozen_layers.py", *call))
    table = Table("side", "seconds a step", "faster than all learn", "of each round", "filling, seconds")
    for side, rounds in found.items():
        ratios = [whole["seconds"] / one["seconds"] for whole, one in zip(found[SIDES[0]], rounds, strict=True)]
        table.add_row(
            side,
            f"{statistics.median(one['seconds'] for one in rounds):.3f}",
            f"{statistics.median(ratios):.2f} x",
            " ".join(f"{ratio:.2f}" for ratio in ratios),
            f"{statistics.median(one['filling'] for one in rounds):.1f}" if side == SIDES[2] else "",
        )
    common.report("frozen-layers", table, {"layers": arguments.layers, "rounds": found}, arguments.output)


if __name__ == "__main__":
    main()
