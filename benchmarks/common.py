"""What the benchmarks share: the models, the blocks, the machine's peak, tables and JSON."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
BLOCK = 128
# Shapes with random weights; `mini` is the embedded base itself.
SHAPES: dict[str, dict[str, int]] = {
    "tiny": {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 128},
    "mini": {"hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12, "intermediate_size": 1536},
    "roberta-base": {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072},
}
BATCH = {"tiny": 16, "mini": 16, "roberta-base": 8}


def make_config(name: str, vocab_size: int | None = None) -> Any:
    """Returns the RoBERTa configuration of a shape; roberta-base has its own 50,265 entries, the others 30,522."""
    from transformers import RobertaConfig

    size = vocab_size or (50_265 if name == "roberta-base" else 30_522)
    return RobertaConfig(
        vocab_size=size, max_position_embeddings=514, type_vocab_size=1, pad_token_id=0, **SHAPES[name]
    )


def prepare(folder: Path, model: str) -> None:
    """Writes the starting weights and the blocks of the shipped medical corpus into ``folder``.

    ``start/`` is a masked LM with tokenizer, ``train.npy`` and ``heldout.npy`` are ``(blocks, 128)`` int32.
    """
    import numpy as np
    import torch
    from transformers import RobertaForMaskedLM

    from domain_adapt.bases import load_masked_lm, load_tokenizer, resolve_base
    from domain_adapt.corpora import corpus_plan
    from domain_adapt.corpus.prepare import prepare_corpus
    from domain_adapt.recipes import load_domain
    from domain_adapt.workspace import Workspace

    project = Workspace(HERE.parent)
    recipe = load_domain("medical", workspace=project)
    base = resolve_base("mini", workspace=project)
    tokenizer = load_tokenizer(base.folder)
    corpus = prepare_corpus(corpus_plan(recipe, project), tokenizer, base.tokenizer_sha256, project)
    torch.manual_seed(0)
    start = load_masked_lm(base) if model == "mini" else RobertaForMaskedLM(make_config(model))
    start.save_pretrained(folder / "start")
    tokenizer.save_pretrained(folder / "start")
    np.save(folder / "train.npy", corpus.train)
    np.save(folder / "heldout.npy", corpus.heldout)


def trainer_options(
    folder: Path, settings: Any, *, batch: int, steps: int, rate: float, warmup: float
) -> dict[str, Any]:
    """Returns what ``TrainingArguments`` are told on every benchmark: our optimizer, this CPU, no files, no reports.

    Args:
        folder: Of the run.
        settings: Optimizer settings of our side.
        batch: Rows of a step.
        steps: To train.
        rate: Peak learning rate.
        warmup: Share of the steps in which the rate rises.
    """
    return {
        "output_dir": str(folder / "trainer"),
        "per_device_train_batch_size": batch,
        "max_steps": steps,
        "learning_rate": rate,
        "warmup_steps": round(warmup * steps),
        "weight_decay": settings.weight_decay,
        "adam_beta1": settings.adam_beta1,
        "adam_beta2": settings.adam_beta2,
        "adam_epsilon": settings.adam_epsilon,
        "use_cpu": True,
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "logging_steps": 10**9,
    }


def clock(moments: list[float]) -> Any:
    """Returns a callback of Trainer that notes in ``moments`` when each step begins."""
    from transformers import TrainerCallback

    class Clock(TrainerCallback):
        def on_step_begin(self, *arguments: Any, **keywords: Any) -> None:
            moments.append(time.perf_counter())

    return Clock()


def run_side(script: str, *arguments: str) -> dict[str, Any]:
    """Runs one side of a comparison in a process of its own and returns the JSON object it prints last."""
    command = [sys.executable, str(HERE / script), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr}")
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def gemm_gflops(dtype: str, shapes: list[tuple[int, int, int]]) -> float:
    """Returns the best GFLOP/s of ``(m, k) @ (k, n)`` over ``shapes`` on the CPU."""
    import torch

    from domain_adapt.training.measuring import gemm_peak

    return gemm_peak(torch.device("cpu"), getattr(torch, dtype), shapes) / 1e9


def model_shapes(name: str) -> list[tuple[int, int, int]]:
    """Returns the matrix products of a model's layers at its batch: attention projections and feed-forward."""
    tokens, hidden = BATCH[name] * BLOCK, SHAPES[name]["hidden_size"]
    inner = SHAPES[name]["intermediate_size"]
    return [(tokens, hidden, hidden), (tokens, hidden, inner), (tokens, inner, hidden), (2048, 1536, 1536)]


def machine() -> dict[str, Any]:
    """Returns what a figure depends on: processor, threads, versions, load."""
    import torch
    import transformers

    names = [
        line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line
    ]
    return {
        "cpu": names[0] if names else platform.processor(),
        "threads": torch.get_num_threads(),
        "load": os.getloadavg()[0],
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }


def report(name: str, table: Any, results: dict[str, Any], output: Path | None) -> None:
    """Prints a table and writes the results beside the facts of the machine."""
    from rich.console import Console

    Console(width=None if sys.stdout.isatty() else 140).print(table)
    path = output or HERE / "results" / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"machine": machine(), **results}, indent=2) + "\n", encoding="utf-8")
    print(f"written to {path}")


def scratch() -> tempfile.TemporaryDirectory[str]:
    """Returns a temporary folder."""
    return tempfile.TemporaryDirectory(prefix="domain-adapt-benchmark-")
