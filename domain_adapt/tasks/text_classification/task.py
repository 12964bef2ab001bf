"""Text classification behind the interface of task types. Light: every heavy part is imported where it is used."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from domain_adapt.bases import load_classifier, longest_input
from domain_adapt.recipes import FinetuneSettings, HubDataset, TaskRecipe
from domain_adapt.report.reliability import RELIABILITY_PLOT, Reliability, reliability_plot
from domain_adapt.tasks.interface import LoadedExamples, Plot, TaskType
from domain_adapt.tasks.labelled_rows import check_known, labels_of_config
from domain_adapt.tasks.text_classification.data import Example, load_examples

if TYPE_CHECKING:
    import numpy as np
    import torch
    from transformers import PreTrainedModel

    from domain_adapt.tasks.text_classification.features import Features, Objective, Settings


@dataclass(frozen=True)
class Prediction:
    """A label and its probability in (0, 1]."""

    label: str
    score: float


class TextClassification:
    """See :class:`domain_adapt.tasks.interface.TaskType`."""

    name = "text-classification"
    selection_metric = "macro_f1"

    def load_model(self, folder: Path, examples: Sequence[Example], *, seed: int) -> PreTrainedModel:
        """Returns a model with one output for each label of the training examples, in alphabetical order."""
        return load_classifier(folder, "text", sorted({example.label for example in examples}), seed=seed)

    def settings(self, recipe: TaskRecipe, config: Any) -> Settings:
        """Returns the ``[text_classification]`` table, texts no longer than the model can read, and its labels."""
        from domain_adapt.tasks.text_classification.features import Settings

        wanted = recipe.text_classification.max_length
        return Settings(min(wanted, longest_input(config) or wanted), labels_of_config(config))

    def load(self, source: Sequence[Path] | HubDataset) -> LoadedExamples[Example]:
        """Returns the labelled texts in files or in a Hub data set."""
        return load_examples(source)

    def group(self, example: Example) -> str:
        """Returns the text."""
        return example.text

    def featurise(self, examples: Sequence[Example], tokenizer: Any, settings: Settings) -> Features:
        """Returns one row a text."""
        from domain_adapt.tasks.text_classification.features import featurise

        check_known(((example.place, example.label) for example in examples), settings.labels)
        return featurise(examples, tokenizer, settings)

    def objective(self, features: Features, pad_token_id: int, settings: FinetuneSettings) -> Objective:
        """Returns the training objective over the texts."""
        from domain_adapt.tasks.text_classification.features import Objective

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
        """Returns (texts, labels) float32."""
        import numpy as np

        from domain_adapt.tasks.token_rows import finite, forward

        found: dict[int, np.ndarray] = {}
        for rows, _, outputs in forward(
            model,
            features,
            batch_size=batch_size,
            device=device,
            pad_token_id=pad_token_id,
            dtype=dtype,
            on_progress=on_progress,
        ):
            found.update(zip(rows.tolist(), finite(outputs.logits), strict=True))
        return np.stack([found[row] for row in range(len(features))])

    def tune(
        self, logits: Any, features: Features, examples: Sequence[Example], settings: Settings
    ) -> dict[str, float]:
        """Returns nothing: there is nothing to choose."""
        return {}

    def decode(
        self, logits: np.ndarray, features: Features, examples: Sequence[Example], settings: Settings
    ) -> list[Prediction]:
        """Returns the likeliest label of each text."""
        import numpy as np

        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        chances = powers / powers.sum(axis=1, keepdims=True)
        best = chances.argmax(axis=1)
        return [Prediction(settings.labels[index], float(row[index])) for index, row in zip(best, chances, strict=True)]

    def metric(self, examples: Sequence[Example], predictions: Sequence[Prediction]) -> dict[str, float]:
        """Returns ``accuracy``, ``macro_f1``, ``mcc`` and ``ece``, the calibration error, of which lower is better."""
        from domain_adapt.tasks.text_classification.metric import ClassificationMetric

        found: dict[str, float] = ClassificationMetric().compute(
            predictions=[prediction.label for prediction in predictions],
            references=[example.label for example in examples],
        )
        return found | {"ece": _reliability(examples, predictions).error}

    def plots(self) -> Mapping[str, Plot]:
        """Returns the reliability diagram."""
        return {
            RELIABILITY_PLOT: lambda examples, predictions, title: reliability_plot(
                _reliability(examples, predictions), title
            )
        }


def _reliability(examples: Sequence[Example], predictions: Sequence[Prediction]) -> Reliability:
    from domain_adapt.tasks.calibration import reliability

    correct = [prediction.label == example.label for example, prediction in zip(examples, predictions, strict=True)]
    return reliability([prediction.score for prediction in predictions], correct)


TASK: TaskType = TextClassification()
