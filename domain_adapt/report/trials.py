"""The trials of a search in words and in rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

STUDY = "study.json"  # beside the model that won


def show(key: str, value: float) -> str:
    """Returns a parameter's value as people read it: ``3.1e-4`` for a learning rate, ``0.9`` for others."""
    if key != "learning_rate":
        return f"{value:g}"
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa}e{int(exponent)}"


def describe(parameters: Mapping[str, float]) -> str:
    """Returns ``learning_rate 3.1e-4, epochs 6, freeze 2, layer_decay 0.9``."""
    return ", ".join(f"{key} {show(key, value)}" for key, value in parameters.items())


def trial_rows(study: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Returns the header and a row a trial of what ``study.json`` holds."""
    header = ["trial", *study["space"]["own"], study["metric"], "epochs done", "remark"]
    return header, [_row(trial, study["winner"]) for trial in study["trials"]]


def _row(trial: Mapping[str, Any], winner: int) -> list[str]:
    remarks = {
        "the recipe's own": trial["number"] == 1,
        trial["state"]: trial["state"] != "complete",
        "winner": trial["number"] == winner,
    }
    return [
        str(trial["number"]),
        *(show(key, value) for key, value in trial["parameters"].items()),
        f"{trial['value']:.1f}",
        str(trial["epochs_done"]),
        ", ".join(remark for remark, applies in remarks.items() if applies),
    ]
