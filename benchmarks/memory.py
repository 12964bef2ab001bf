"""What a training pass needs against what is planned for it, and what gradient checkpointing saves and costs.

Every case runs in a process of its own on the CPU: a model of random weights in the shape of ``mini`` or of
roberta-base takes one step on a single row, then steps on all rows; the growth of the peak resident memory between the
two is what rows cost. Prints measured and estimated bytes a row, their ratio, and seconds a step.

    python benchmarks/memory.py [--cases mini,roberta] [--threads 1]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

SHAPES: dict[str, dict[str, int]] = {
    "mini": {
        "vocab_size": 30522,
        "hidden_size": 384,
        "num_hidden_layers": 6,
        "num_attention_heads": 12,
        "intermediate_size": 1536,
    },
    "roberta": {
        "vocab_size": 50265,
        "hidden_size": 768,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "intermediate_size": 3072,
    },
}
CASES = [  # shape, tokens in a row, rows, distilled share, dropout, precision
    ("mini", 128, 8, 0.25, 0.0, "fp32"),
    ("mini", 128, 32, 0.25, 0.0, "fp32"),
    ("mini", 128, 32, 0.0, 0.0, "fp32"),
    ("mini", 512, 8, 0.0, 0.1, "fp32"),
    ("mini", 128, 16, 0.0, 0.0, "bf16"),
    ("roberta", 128, 8, 0.0, 0.0, "fp32"),
    ("roberta", 512, 4, 0.0, 0.0, "fp32"),
]


def resident(key: str) -> int:
    """Returns ``VmRSS`` (now) or ``VmHWM`` (peak) of this process in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(key))


def measure(case: tuple[Any, ...], checkpointing: bool, threads: int) -> dict[str, float]:
    """Returns bytes and seconds of one case; to be called once a process."""
    from domain_adapt.training.memory import Load, plan_memory, tune_allocator

    tune_allocator()
    import copy

    import numpy as np
    import torch
    from transformers import RobertaConfig, RobertaForMaskedLM

    from domain_adapt.mlm.masking import MaskingVocabulary
    from domain_adapt.mlm.objective import MaskedLMObjective
    from domain_adapt.mlm.sparse_head import SparseHead
    from domain_adapt.recipes import MlmSettings
    from domain_adapt.training.fitting import enable_checkpointing
    from domain_adapt.training.runtime import Runtime

    shape, tokens, rows, distilled, dropout, precision = case
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    rates = {"hidden_dropout_prob": dropout, "attention_probs_dropout_prob": dropout}
    config = RobertaConfig(
        **SHAPES[shape], **rates, max_position_embeddings=tokens + 2, type_vocab_size=1, pad_token_id=0
    )
    model = RobertaForMaskedLM(config).train()
    teacher = copy.deepcopy(model.base_model).eval().requires_grad_(False) if distilled else None
    if checkpointing:
        enable_checkpointing(model)
    ordinary = np.arange(config.vocab_size) > 4
    settings = MlmSettings(distill_weight=10.0 if distilled else 0.0, distill_share=distilled or 1.0)
    blocks = np.random.default_rng(0).integers(5, config.vocab_size, (64, tokens)).astype(np.int32)
    objective = MaskedLMObjective(
        blocks,
        MaskingVocabulary(4, np.flatnonzero(ordinary), ordinary),
        settings,
        seed=0,
        pad_id=0,
        head=SparseHead(model),
        teacher=teacher,
    )
    load = Load(tokens, settings.probability, distilled)
    before = resident("VmRSS")
    runtime = Runtime("cpu", precision, threads)
    plan = plan_memory(model, load, runtime, batch_rows=rows, checkpointing=checkpointing).with_rows(rows)
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)

    def step(count: int, epoch: int) -> float:
        started = time.perf_counter()
        batch = objective.batch(np.arange(count), epoch)
        with torch.autocast("cpu", torch.bfloat16, precision == "bf16"):
            losses = objective.loss(model, batch.inputs)
        torch.stack(list(losses.values())).sum().backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return time.perf_counter() - started

    step(1, 0)
    one = resident("VmHWM")
    seconds = [step(rows, epoch) for epoch in range(1, 4)]
    peak = resident("VmHWM")
    return {
        "row": (peak - one) / (rows - 1),
        "estimated_row": plan.row,
        "needed": peak - before,
        "estimated": plan.needed,
        "seconds": min(seconds),
    }


def main() -> None:
    """Runs every case in a process of its own and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", default="mini,roberta")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        case, checkpointing = json.loads(arguments.one)
        print(json.dumps(measure(tuple(case), checkpointing, arguments.threads)))
        return
    print("case                                    MB a row: measured estimated ratio | MB in all: measured estimated")
    for case in CASES:
        if case[0] not in arguments.cases.split(","):
            continue
        found = {}
        for checkpointing in (False, True):
            command = [sys.executable, __file__, "--one", json.dumps([case, checkpointing])]
            command += ["--threads", str(arguments.threads)]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            now = found[checkpointing] = json.loads(done.stdout.splitlines()[-1])
            name = "{} {} x {}, distil {}, dropout {}, {}".format(case[0], case[2], case[1], *case[3:])
            print(
                f"{name:44}{now['row'] / 1e6:10.1f}{now['estimated_row'] / 1e6:10.1f}"
                f"{now['estimated_row'] / now['row']:6.2f} |{now['needed'] / 1e6:10.0f}{now['estimated'] / 1e6:10.0f}"
                + (" checkpointed" if checkpointing else ""),
                flush=True,
            )
        print(
            f"  checkpointing: {found[True]['needed'] / found[False]['needed']:.2f} of the memory, "
            f"{found[True]['seconds'] / found[False]['seconds']:.2f} of the seconds a step",
            flush=True,
        )


if __name__ == "__main__":
    main()
