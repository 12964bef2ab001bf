"""What a text is labelled with, as recipes and as configurations of transformers call it."""

from __future__ import annotations

from typing import Any, Literal

Problem = Literal["single-label", "multi-label", "regression"]

# As transformers calls them in ``config.problem_type``.
STOCK_NAMES: dict[Problem, str] = {
    "single-label": "single_label_classification",
    "multi-label": "multi_label_classification",
    "regression": "regression",
}


def problem_of_config(config: Any) -> Problem:
    """Returns what a model gives a text; one output without a word about it is a number, as in transformers."""
    stock = getattr(config, "problem_type", None)
    named = next((problem for problem, name in STOCK_NAMES.items() if name == stock), None)
    return named or ("regression" if config.num_labels == 1 else "single-label")
