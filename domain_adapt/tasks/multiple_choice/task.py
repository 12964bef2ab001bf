"""Multiple choice behind the interface of task types. Light: every heavy part is imported where it is used."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from domain_adapt.bases import load_multiple_choice, longest_input
from domain_adapt.recipes import FinetuneSettings, HubDataset, MultipleChoiceSettings, TaskRecipe
from domain_adapt.tasks.interface import LoadedExamples, Plot, TaskType
from domain_adapt.tasks.multiple_choice.data import Example, load_examples

if TYPE_CHECKING:
    import numpy as np
    import torch
    from transformers import PreTrainedModel

    from domain_adapt.tasks.counting import Counts, Shown
    from domain_adapt.tasks.multiple_choice.features import Features
    from domain_adapt.tasks.multiple_choice.objective import Objective


@dataclass(frozen=True)
class Prediction:
    """A choice, 0-based, its text and its probability in (0, 1] among the choices of the question."""

    choice: int
    text: str
    score: float


class MultipleChoice:
    """See :class:`domain_adapt.tasks.interface.TaskType`."""

    name = "multiple-choice"

    def selection_metric(self, recipe: TaskRecipe) -> str:
        """Returns ``accuracy``."""
        return "accuracy"

    def load_model(
        self, folder: Path, examples: Sequence[Example], recipe: TaskRecipe, *, seed: int
    ) -> PreTrainedModel:
        """Returns a model that gives every choice a score."""
        return load_multiple_choice(folder, seed=seed)

    def settings(self, recipe: TaskRecipe, config: Any) -> MultipleChoiceSettings:
        """Returns the ``[multiple_choice]`` table, rows no longer than the model can read."""
        wanted = recipe.multiple_choice
        length = min(wanted.max_length, longest_input(config) or wanted.max_length)
        return wanted.model_copy(update={"max_length": length})

    def load(self, source: Sequence[Path] | HubDataset, recipe: TaskRecipe) -> LoadedExamples[Example]:
        """Returns the questions in files or in a Hub data set, whose columns the recipe may name."""
        return load_examples(source, recipe.multiple_choice)

    def group(self, example: Example) -> str:
        """Returns the context, or the question where there is none."""
        return example.context if example.context.strip() else example.question

    def document(self, example: Example) -> str:
        """Returns "": the data does not say."""
        return ""

    def featurise(self, examples: Sequence[Example], tokenizer: Any, settings: MultipleChoiceSettings) -> Features:
        """Returns one row a choice."""
        from domain_adapt.tasks.multiple_choice.features import featurise

        return featurise(examples, tokenizer, settings)

    def objective(self, features: Features, pad_token_id: int, settings: FinetuneSettings) -> Objective:
        """Returns the training objective over the examples."""
        from domain_adapt.tasks.multiple_choice.objective import Objective

        return Objective(features, pad_token_id, settings)

    def logits(
        self,
        model: torch.nn.Module,
        features: Features,
        *,
        batch_size: int,
        device: torch.device | str,
        pad_token_id: int,
        dtype: torch.dtype | None = None,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> np.ndarray:
        """Returns the score of every choice of every example, (rows,) float32."""
        import numpy as np

        from domain_adapt.tasks.token_rows import finite, forward

        scores = np.zeros(len(features), dtype=np.float32)
        for rows, _, outputs in forward(
            model,
            features,
            batch_size=batch_size,
            device=device,
            pad_token_id=pad_token_id,
            dtype=dtype,
            on_progress=on_progress,
        ):
            scores[rows] = finite(outputs.logits)[0]
        return scores

    def tune(
        self, logits: Any, features: Features, examples: Sequence[Example], settings: MultipleChoiceSettings
    ) -> dict[str, float]:
        """Returns nothing: there is nothing to choose."""
        return {}

    def decode(
        self, logits: np.ndarray, features: Features, examples: Sequence[Example], settings: MultipleChoiceSettings
    ) -> list[Prediction]:
        """Returns the likeliest choice of each example, the first of equals."""
        import numpy as np

        predictions = []
        for example, scores in zip(examples, np.split(logits, features.example_splits[1:-1]), strict=True):
            powers = np.exp(scores - scores.max())
            best = int(powers.argmax())
            predictions.append(Prediction(best, example.choices[best], float(powers[best] / powers.sum())))
        return predictions

    def metric(self, examples: Sequence[Example], predictions: Sequence[Prediction]) -> dict[str, float]:
        """Returns ``accuracy``."""
        from domain_adapt.tasks.multiple_choice.metric import ChoiceMetric

        found: dict[str, float] = ChoiceMetric().compute(
            predictions=[prediction.choice for prediction in predictions],
            references=[example.answer for example in examples],
        )
        return found

    def counts(
        self, examples: Sequence[Example], predictions: Sequence[Prediction], known: Sequence[Example]
    ) -> Counts:
        """Returns for each question whether the right choice was taken."""
        import numpy as np

        from domain_adapt.tasks.counting import mean_counts

        hits = [one.choice == example.answer for one, example in zip(predictions, examples, strict=True)]
        return mean_counts(np.array(hits, dtype=np.float64))

    def show(self, example: Example, prediction: Prediction | None) -> Shown:
        """Returns question, context, right choice and the one taken."""
        from domain_adapt.tasks.counting import Shown

        return Shown(
            example.question, example.context, example.choices[example.answer], prediction.text if prediction else ""
        )

    def plots(self, recipe: TaskRecipe) -> Mapping[str, Plot]:
        """Returns none."""
        return {}


TASK: TaskType = MultipleChoice()
