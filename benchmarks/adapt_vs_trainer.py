"""Stage 1 here against ``transformers.Trainer`` with its defaults: tokens a second, peak memory, loss.

Same starting weights, same blocks of 128 tokens, same batch, learning rate, schedule and AdamW settings. The sides
alternate, each in a process of its own. Trainer runs as the masked-LM example script sets it up:
``DataCollatorForLanguageModeling``, the model's own dropout, all logits; once more with bf16. Ours runs the training
loop of ``domain-adapt adapt`` without distillation. A step's time is the time between two steps, the first ones left
out; the figure of a side is its median step.

    python benchmarks/adapt_vs_trainer.py --model mini
    python benchmarks/adapt_vs_trainer.py --model roberta-base --steps 5
    python benchmarks/adapt_vs_trainer.py --model mini --loss-steps 300     # held-out loss after equal tokens
    python benchmarks/adapt_vs_trainer.py --model mini --ablate             # what each part is worth
"""

from __future__ import annotations

import argparse
import itertools
import json
import resource
import statistics
import time
from pathlib import Path
from typing import Any

import common

LEARNING_RATE, WARMUP = 2e-4, 0.06
WARM_STEPS = 2  # the first steps allocate memory and are not counted
# Our side with one part taken away.
ABLATIONS = ("all-logits", "whole-last-layer", "dropout", "plain-allocator")


def ours(folder: Path, model_name: str, steps: int, without: str, dropout: bool) -> tuple[Any, Any, list[float]]:
    """Trains with our loop and returns the model, its sparse head and the moments at which steps began."""
    from domain_adapt.training.memory import tune_allocator
    from domain_adapt.training.runtime import detect

    if without != "plain-allocator":
        tune_allocator()
    import numpy as np
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    from domain_adapt.mlm import sparse_head, sparse_layer
    from domain_adapt.mlm.masking import masking_vocabulary
    from domain_adapt.mlm.objective import MaskedLMObjective
    from domain_adapt.recipes import Budget, MlmSettings, RuntimeSettings
    from domain_adapt.training.freezing import parameter_groups, set_dropout
    from domain_adapt.training.loop import TrainingLoop
    from domain_adapt.training.plan import make_plan

    if without == "all-logits":
        sparse_head.HEAD_MODULES.clear()
    if without in ("all-logits", "whole-last-layer"):
        sparse_layer._LIKE_BERT = frozenset()
    model = AutoModelForMaskedLM.from_pretrained(folder / "start")
    blocks = np.load(folder / "train.npy", mmap_mode="r")
    batch = common.BATCH[model_name]
    settings = MlmSettings(learning_rate=LEARNING_RATE, batch_size=batch, warmup_ratio=WARMUP)
    if not (dropout or without == "dropout"):
        set_dropout(model, settings.dropout)
    head = sparse_head.SparseHead(model)
    tokenizer = AutoTokenizer.from_pretrained(folder / "start")
    objective = MaskedLMObjective(
        blocks, masking_vocabulary(tokenizer), settings, seed=0, pad_id=tokenizer.pad_token_id, head=head
    )
    moments: list[float] = []

    class Timed:
        weights, batch = objective.weights, objective.batch

        def loss(self, *arguments: Any) -> Any:
            moments.append(time.perf_counter())
            return objective.loss(*arguments)

    runtime_settings = RuntimeSettings(save_seconds=1e9)
    runtime = detect(runtime_settings)
    TrainingLoop(
        model,
        Timed(),
        make_plan(np.full(len(blocks), 128), settings, budget=Budget(epochs=steps * batch / len(blocks)), seed=0),
        settings,
        groups=parameter_groups(model, learning_rate=LEARNING_RATE, weight_decay=settings.weight_decay),
        run_folder=folder,
        runtime=runtime,
        runtime_settings=runtime_settings,
        micro_batch_rows=batch,
        label="ours",
    ).run()
    return model, head, moments


def trainer(folder: Path, model_name: str, steps: int, bf16: bool) -> tuple[Any, Any, list[float]]:
    """Trains with Trainer and returns the model, a sparse head for evaluation and the moments at which steps began."""
    import numpy as np
    from transformers import (
        AutoModelForMaskedLM,
        AutoTokenizer,
        DataCollatorForLanguageModeling,
        Trainer,
        TrainingArguments,
    )

    from domain_adapt.mlm.sparse_head import SparseHead
    from domain_adapt.recipes import MlmSettings

    tokenizer = AutoTokenizer.from_pretrained(folder / "start")
    model = AutoModelForMaskedLM.from_pretrained(folder / "start")
    blocks = np.load(folder / "train.npy", mmap_mode="r")
    special = np.isin(blocks, tokenizer.all_special_ids).astype(np.int64)
    rows = [
        {"input_ids": row.astype(np.int64), "attention_mask": np.ones_like(marks), "special_tokens_mask": marks}
        for row, marks in zip(blocks, special, strict=True)
    ]
    moments: list[float] = []

    settings = MlmSettings()
    options = common.trainer_options(
        folder, settings, batch=common.BATCH[model_name], steps=steps, rate=LEARNING_RATE, warmup=WARMUP
    )
    Trainer(
        model=model,
        args=TrainingArguments(**options, bf16=bf16),
        data_collator=DataCollatorForLanguageModeling(tokenizer),
        train_dataset=rows,
        callbacks=[common.clock(moments)],
    ).train()
    return model, SparseHead(model), moments


def heldout_loss(folder: Path, model: Any, head: Any) -> float:
    """Returns the loss that ``domain-adapt`` reports, on the same masks for every side."""
    import numpy as np
    import torch
    from transformers import AutoTokenizer

    from domain_adapt.evaluate import heldout_mlm_loss
    from domain_adapt.mlm.masking import masking_vocabulary

    tokenizer = AutoTokenizer.from_pretrained(folder / "start")
    return heldout_mlm_loss(
        model.to("cpu"),
        head,
        np.load(folder / "heldout.npy"),
        masking_vocabulary(tokenizer),
        pad_id=tokenizer.pad_token_id,
        device=torch.device("cpu"),
        rows=16,
    )


def one_side(arguments: argparse.Namespace) -> dict[str, Any]:
    """Runs one side in this process."""
    folder, steps = arguments.folder, arguments.steps
    side, _, without = arguments.side.partition(":")
    if side == "ours":
        model, head, moments = ours(folder, arguments.model, steps, without, arguments.match_dropout)
    else:
        model, head, moments = trainer(folder, arguments.model, steps, side == "trainer-bf16")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    seconds = [after - before for before, after in itertools.pairwise(moments)][WARM_STEPS:]
    tokens = common.BATCH[arguments.model] * common.BLOCK
    answer = {"tokens_per_second": tokens / statistics.median(seconds), "peak_rss_gb": peak, "steps": len(seconds)}
    if arguments.with_loss:
        answer["heldout_loss"] = heldout_loss(folder, model, head)
    return answer


def compare(arguments: argparse.Namespace, folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Runs all sides in turn, ``--rounds`` times, and returns their figures."""
    sides = ["ours", "trainer"]
    if arguments.ablate:
        sides += [f"ours:{part}" for part in ABLATIONS]
    elif not arguments.loss_steps and not arguments.no_bf16:
        sides.append("trainer-bf16")
    found: dict[str, list[dict[str, Any]]] = {side: [] for side in sides}
    for number in range(arguments.rounds):
        for side in sides:
            steps = arguments.loss_steps or (arguments.bf16_steps if side == "trainer-bf16" else arguments.steps)
            call = ["--side", side, "--model", arguments.model, "--steps", str(steps), "--folder", str(folder)]
            call += ["--with-loss"] if arguments.loss_steps else []
            call += ["--match-dropout"] if arguments.match_dropout else []
            found[side].append(common.run_side("adapt_vs_trainer.py", *call))
            print(f"round {number + 1}, {side}: {found[side][-1]}", flush=True)
    return found


def main() -> None:
    """Compares and reports."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=list(common.SHAPES), default="mini")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=10, help="steps a side and round, the first two not counted")
    parser.add_argument("--bf16-steps", type=int, default=5, help="the same for Trainer with bf16")
    parser.add_argument("--no-bf16", action="store_true", help="leave Trainer with bf16 out")
    parser.add_argument("--loss-steps", type=int, default=0, help="train so long and compare the held-out loss")
    parser.add_argument("--match-dropout", action="store_true", help="our side with the model's own dropout too")
    parser.add_argument("--ablate", action="store_true", help="also our side with one part taken away")
    parser.add_argument("--output", type=Path, help="JSON file; default: benchmarks/results/")
    for hidden in ("--side", "--folder"):
        parser.add_argument(hidden, help=argparse.SUPPRESS, type=Path if hidden == "--folder" else str)
    parser.add_argument("--with-loss", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side:
        print(json.dumps(one_side(arguments)))
        return
    from rich.table import Table

    with common.scratch() as scratch:
        common.prepare(Path(scratch), arguments.model)
        peaks = {
            dtype: common.gemm_gflops(dtype, common.model_shapes(arguments.model)) for dtype in ("float32", "bfloat16")
        }
        found = compare(arguments, Path(scratch))
    table = Table("side", "tokens/s", "ours is faster by", "of each round", "peak RSS, GB", "held-out loss")
    results: dict[str, Any] = {"gemm_gflops": peaks, "rounds": found, "ratios": {}}
    for side, rounds in found.items():
        pairs = zip(found["ours"], rounds, strict=True)
        ratios = [mine["tokens_per_second"] / other["tokens_per_second"] for mine, other in pairs]
        results["ratios"][side] = statistics.median(ratios)
        losses = [one["heldout_loss"] for one in rounds if "heldout_loss" in one]
        table.add_row(
            side,
            f"{statistics.median(one['tokens_per_second'] for one in rounds):,.0f}",
            f"{statistics.median(ratios):.2f} x",
            " ".join(f"{ratio:.2f}" for ratio in ratios),
            f"{max(one['peak_rss_gb'] for one in rounds):.2f}",
            f"{statistics.median(losses):.3f}" if losses else "",
        )
    print(f"GEMM peak: {peaks['float32']:.0f} GFLOP/s in fp32, {peaks['bfloat16']:.0f} in bf16")
    kind = "-loss" if arguments.loss_steps else "-ablation" if arguments.ablate else ""
    common.report(f"adapt-vs-trainer-{arguments.model}{kind}", table, results, arguments.output)


if __name__ == "__main__":
    main()
