"""What a search varies: values around the recipe's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from domain_adapt.recipes import TaskRecipe

# Parameter -> value, e.g. {"learning_rate": 2e-4, "epochs": 4.0, "freeze": 2, "layer_decay": 0.9}.
Setting = Mapping[str, float]

_RATE_FACTOR = 5.0  # the best rates of a size of model lie within such a factor (Liu et al. 2019: 1e-5 to 3e-5)
_LAYER_DECAYS = (0.8, 0.9, 1.0)
_WHOLE = 1_000_000  # optuna counts the steps of a trial in integers


@dataclass(frozen=True)
class Space:
    """The settings that a search may try.

    Attributes:
        own: The recipe's own setting.
        choices: Parameter -> its values, for those that have a few.
        learning_rate: Least and greatest; tried evenly over the logarithm.
    """

    own: dict[str, float]
    choices: dict[str, list[float]]
    learning_rate: tuple[float, float]

    def as_json(self) -> dict[str, Any]:
        """Returns the space as JSON-like values."""
        return asdict(self) | {"learning_rate": list(self.learning_rate)}

    def overrides(self, setting: Setting) -> list[str]:
        """Returns the assignments that lay ``setting`` over the recipe; what is the recipe's own stays as it is there.

        So the recipe's own setting is no assignment at all, and its checkpoint has the fingerprint of a plain run.
        """
        texts = {
            "learning_rate": lambda value: f"finetune.learning_rate={float(value)!r}",
            "epochs": lambda value: f"budget.epochs={float(value)!r}",
            # The embeddings lie below the lowest layer: where that is frozen, they are too.
            "freeze": lambda value: (
                f"finetune.freeze={{embeddings = {'true' if value else 'false'}, layers = {int(value)}}}"
            ),
            "layer_decay": lambda value: f"finetune.layer_decay={float(value)!r}",
        }
        return [texts[key](value) for key, value in setting.items() if value != self.own[key]]

    def progress(self, setting: Setting, epoch: int) -> int:
        """Returns how far a run is after ``epoch`` (1-based): in millionths of its epochs, if they are searched.

        Runs of two and of eight epochs are compared half-way through and not after the second epoch, when the learning
        rate of the one has come down and that of the other has not.
        """
        if "epochs" not in setting:
            return epoch
        return min(_WHOLE, round(_WHOLE * epoch / setting["epochs"]))

    def is_last(self, setting: Setting, epoch: int) -> bool:
        """Tells whether a run is over after ``epoch`` (1-based), as far as the setting knows."""
        return "epochs" in setting and epoch >= setting["epochs"]


def search_space(recipe: TaskRecipe, layers: int) -> Space:
    """Returns the space around the settings of a recipe.

    The learning rate goes from a fifth to five times the recipe's; epochs are half, as many, twice as many (not with a
    budget in tokens); frozen are none, a third or two thirds of the layers; layers learn at 1, 0.9 or 0.8 of the rate
    of the one above. The recipe's own value is always among them.

    Args:
        recipe: With all overrides.
        layers: Encoder layers of the starting weights.
    """
    settings, epochs = recipe.finetune, recipe.budget.epochs
    own: dict[str, float] = {"learning_rate": settings.learning_rate}
    choices: dict[str, list[float]] = {}
    if epochs is not None:
        own["epochs"] = float(epochs)
        choices["epochs"] = _around(own["epochs"], *(float(max(1, round(epochs * share))) for share in (0.5, 2.0)))
    own["freeze"] = settings.freeze.layers
    choices["freeze"] = _around(own["freeze"], 0, layers // 3, 2 * layers // 3)
    own["layer_decay"] = settings.layer_decay
    choices["layer_decay"] = _around(own["layer_decay"], *_LAYER_DECAYS)
    rate = settings.learning_rate
    return Space(own, choices, (rate / _RATE_FACTOR, rate * _RATE_FACTOR))


def _around(own: float, *others: float) -> list[float]:
    return sorted({own, *others})
