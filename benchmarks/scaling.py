"""Tokens a second and the share of the machine's matrix-product peak, over block size, batch and width.

Floating-point operations of a training step are three times those of the forward pass; that is, per token and layer
``2 (4 h^2 + 2 h f)`` for the projections and the feed-forward network and ``4 T h`` for attention over ``T`` tokens,
and at the predicted share ``p`` of the positions ``2 (h^2 + h V)`` for the head. In the last layer, queries, output
projection, feed-forward network and attention are computed at that share only. Only what is computed is counted. The
peak is the fastest matrix product of the model's own shapes, measured in the same process and dtype.

    python benchmarks/scaling.py                              # block sizes, batches, widths
    python benchmarks/scaling.py --model roberta-base --profile   # where the time of a step goes
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import Any

import common

PROBABILITY = 0.15
QUICK = [("mini", 128, 8), ("mini", 128, 16), ("mini", 256, 8), ("roberta-base", 128, 8)]
FULL = [(m, t, b) for m in ("mini", "roberta-base") for t in (64, 128, 256, 512) for b in (4, 8, 16)]
# Parts of a step and the operators that do them.
PARTS = {
    "matrix products": ("mm", "addmm", "bmm", "matmul"),
    "attention": ("_scaled_dot_product",),
    "optimizer": ("_fused_adam", "_foreach", "linalg_vector_norm", "clip"),
    "GELU": ("gelu",),
    "layer norm": ("layer_norm",),
    "loss": ("log_softmax", "nll_loss", "cross_entropy"),
    "rows in and out": ("index", "embedding", "gather", "scatter"),
    "adding and copying": ("add", "copy", "zero", "fill", "sum", "mul", "cat"),
}


def flops_per_token(model: str, block: int, vocab_size: int) -> float:
    """Returns the floating-point operations of a training step per token."""
    shape = common.SHAPES[model]
    hidden, inner, layers = shape["hidden_size"], shape["intermediate_size"], shape["num_hidden_layers"]
    whole = 2 * (4 * hidden**2 + 2 * hidden * inner) + 4 * block * hidden
    keys_and_values = 2 * 2 * hidden**2
    last = keys_and_values + PROBABILITY * (whole - keys_and_values)
    head = PROBABILITY * 2 * (hidden**2 + hidden * vocab_size)
    return 3 * ((layers - 1) * whole + last + head)


def build(model_name: str, block: int, batch: int) -> Any:
    """Returns a function that does one training step on random blocks."""
    from domain_adapt.training.memory import tune_allocator

    tune_allocator()
    import numpy as np
    import torch
    from transformers import RobertaForMaskedLM

    from domain_adapt.mlm.masking import MaskingVocabulary
    from domain_adapt.mlm.objective import MaskedLMObjective
    from domain_adapt.mlm.sparse_head import SparseHead
    from domain_adapt.recipes import MlmSettings, RuntimeSettings
    from domain_adapt.training.freezing import parameter_groups, set_dropout
    from domain_adapt.training.runtime import detect

    detect(RuntimeSettings())
    model = RobertaForMaskedLM(common.make_config(model_name)).train()
    set_dropout(model, 0.0)
    size = model.config.vocab_size
    blocks = np.random.default_rng(0).integers(5, size, (64 * batch, block)).astype(np.int32)
    ordinary = np.arange(5, size)
    vocabulary = MaskingVocabulary(4, ordinary, np.arange(size) >= 5)
    settings = MlmSettings(probability=PROBABILITY)
    objective = MaskedLMObjective(blocks, vocabulary, settings, seed=0, pad_id=0, head=SparseHead(model))
    optimizer = torch.optim.AdamW(parameter_groups(model, learning_rate=1e-4, weight_decay=0.01), fused=True)
    number = 0

    def step() -> None:
        nonlocal number
        data = objective.batch(np.arange(number, number + batch) % len(blocks), 0)
        number += batch
        (objective.loss(model, data.inputs)["mlm"] / data.targets["mlm"]).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step


def measure(model: str, block: int, batch: int, steps: int) -> dict[str, float]:
    """Returns tokens/s and the share of the peak; the peak is measured before, between and after the steps."""
    step = build(model, block, batch)
    config = common.make_config(model)
    shapes, seconds, peak = common.model_shapes(model), [], 0.0
    for number in range(steps + 2):
        if number in (0, 2 + steps // 2):
            peak = max(peak, common.gemm_gflops("float32", shapes))
        started = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - started)
    peak = max(peak, common.gemm_gflops("float32", shapes))
    rate = batch * block / statistics.median(seconds[2:])
    reached = rate * flops_per_token(model, block, config.vocab_size) / 1e9
    return {"tokens_per_second": rate, "gflops": reached, "peak_gflops": peak, "utilisation": reached / peak}


def profile(model: str, block: int, batch: int, steps: int) -> dict[str, float]:
    """Returns the share of each part in the CPU time of some steps."""
    import torch

    step = build(model, block, batch)
    step()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as recorded:
        for _ in range(steps):
            step()
    found = dict.fromkeys([*PARTS, "other"], 0.0)
    for event in recorded.key_averages():
        name = event.key.lower()
        part = next((part for part, words in PARTS.items() if any(f"::{word}" in name for word in words)), "other")
        if "fused_adam" in name or "foreach" in name:
            part = "optimizer"
        found[part] += event.self_cpu_time_total
    total = sum(found.values())
    return {part: time_ / total for part, time_ in sorted(found.items(), key=lambda item: -item[1])}


def main() -> None:
    """Measures each setting in a process of its own and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=list(common.SHAPES), help="only this one")
    parser.add_argument("--full", action="store_true", help="24 settings instead of 4")
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--profile", action="store_true", help="where the time of a step goes")
    parser.add_argument("--output", type=Path, help="JSON file; default: benchmarks/results/")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        model, block, batch = arguments.one[0], int(arguments.one[1]), int(arguments.one[2])
        work = profile if arguments.profile else measure
        print(json.dumps(work(model, block, batch, arguments.steps)))
        return
    from rich.table import Table

    settings = [one for one in (FULL if arguments.full else QUICK) if arguments.model in (None, one[0])]
    if arguments.profile:
        settings = [(model, 128, common.BATCH[model]) for model in dict.fromkeys(one[0] for one in settings)]
    results = []
    for model, block, batch in settings:
        call = ["--one", model, str(block), str(batch), "--steps", str(arguments.steps)]
        call += ["--profile"] if arguments.profile else []
        answer = common.run_side("scaling.py", *call)
        results.append({"model": model, "block": block, "batch": batch, **answer})
        print(f"{model}, {batch} x {block}: {answer}", flush=True)
    if arguments.profile:
        table = Table("part of a step", *(one["model"] for one in results))
        for part in [*PARTS, "other"]:
            table.add_row(part, *(f"{one[part]:.1%}" for one in results))
    else:
        table = Table("model", "block", "batch", "tokens/s", "GFLOP/s", "peak", "utilisation")
        for one in results:
            table.add_row(
                *(str(one[key]) for key in ("model", "block", "batch")),
                f"{one['tokens_per_second']:,.0f}",
                *(f"{one[key]:.0f}" for key in ("gflops", "peak_gflops")),
                f"{one['utilisation']:.0%}",
            )
    name = "scaling-profile" if arguments.profile else "scaling"
    common.report(name, table, {"settings": results}, arguments.output)


if __name__ == "__main__":
    main()
