"""What each method against harm does to stage 1: the loss on the domain learnt and on the general English kept.

Every method adapts `mini` to the medical starter corpus with the same tokens, order and masks; only its own keys differ
from ``plain``. The checkpoints stay in ``checkpoints/`` under ``method-<name>``, so that the tasks can be compared:

    python benchmarks/methods.py
    python benchmarks/methods.py --tokens 150000 --set runtime.threads=1
    python benchmarks/evidence.py --data path/to/sets --only ncbi_disease --checkpoints base method-plain method-l2sp
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import common
import numpy as np
from rich.table import Table
from safetensors.numpy import load_file

from domain_adapt.adapt import adapt
from domain_adapt.bases import resolve_base
from domain_adapt.cli_process import prepare_process
from domain_adapt.comparing.general import general_loss
from domain_adapt.workspace import Workspace

ROOT = Path(__file__).resolve().parents[1]
PLAIN = ("mlm.distill_weight=0", "mlm.interpolation=1")
METHODS: dict[str, tuple[str, ...]] = {
    "plain": PLAIN,
    "low-rate": (*PLAIN, "mlm.learning_rate=5e-5"),
    "layer-decay": (*PLAIN, "mlm.layer_decay=0.8"),
    "frozen": (*PLAIN, "mlm.freeze.embeddings=true", "mlm.freeze.layers=3"),
    "head-first": (*PLAIN, "mlm.head_warmup_ratio=0.3"),
    "l2sp": (*PLAIN, "mlm.l2sp_weight=0.01"),
    "lora": (*PLAIN, "mlm.lora.rank=16", "mlm.learning_rate=1e-3"),
    "replay": (*PLAIN, "corpus.replay=0.3"),
    "half": (*PLAIN, "mlm.interpolation=0.5"),
    "distill": ("mlm.interpolation=1",),
    "distill-half": (),  # the shipped default
}


def drift(adapted: Path, base: Path) -> float:
    """Returns the Euclidean distance of two encoders' weights relative to the norm of the second."""
    new, old = (
        {key.split("roberta.", 1)[-1]: value for key, value in load_file(one).items()} for one in (adapted, base)
    )
    shared = [key for key in old if key in new and key.startswith("encoder.")]
    distance, norm = (
        float(np.sqrt(sum(np.square(part(key), dtype=np.float64).sum() for key in shared)))
        for part in (lambda key: new[key] - old[key], lambda key: old[key])
    )
    return distance / norm


def measure(name: str, tokens: int, overrides: list[str]) -> dict[str, Any]:
    """Returns the figures of one method."""
    workspace = Workspace(ROOT)
    keys = [f"budget.tokens={tokens}", *METHODS[name], *overrides]
    checkpoint = adapt("medical", name=f"method-{name}", overrides=keys, workspace=workspace)
    base = resolve_base("mini", workspace=workspace)
    return {
        "method": name,
        "checkpoint": checkpoint.ref,
        "keys": list(METHODS[name]),
        "domain": checkpoint.manifest.metrics["heldout/mlm_loss"],
        "general": general_loss(resolve_base(checkpoint.ref, workspace=workspace), workspace),
        "drift": drift(checkpoint.folder / "model.safetensors", base.folder / "model.safetensors"),
        "seconds": checkpoint.manifest.metrics["train/seconds"],
    }


def main() -> None:
    """Prints a row for each method."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=list(METHODS), default=list(METHODS))
    parser.add_argument("--tokens", type=int, default=350_000)
    parser.add_argument("--set", dest="overrides", nargs="+", default=[], help="recipe keys: runtime.threads=1")
    parser.add_argument("--output", type=Path, help="default: benchmarks/results/methods.json")
    arguments = parser.parse_args()
    prepare_process()
    rows = [measure(name, arguments.tokens, arguments.overrides) for name in arguments.only]
    table = Table()
    for heading in ("method", "loss, domain", "loss, general", "encoder moved by"):
        table.add_column(heading, justify="left" if heading == "method" else "right")
    for row in rows:
        general = "" if row["general"] is None else f"{row['general']:.3f}"
        table.add_row(row["method"], f"{row['domain']:.3f}", general, f"{row['drift']:.1%}")
    common.report("methods", table, {"tokens": arguments.tokens, "rows": rows}, arguments.output)


if __name__ == "__main__":
    main()
