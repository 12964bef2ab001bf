"""Text classification behind the interface of task types. Light: every heavy part is imported where it is used."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from domain_adapt.bases import load_classifier, longest_input
from domain_adapt.errors import DomainAdaptError
from domain_adapt.recipes import FinetuneSettings, HubDataset, TaskRecipe
from domain_adapt.report.reliability import RELIABILITY_PLOT
from domain_adapt.tasks.interface import LoadedExamples, Plot, TaskType
from domain_adapt.tasks.labelled_rows import check_known, labels_of_config
from domain_adapt.tasks.text_classification.data import Example, load_examples
from domain_adapt.tasks.text_classification.problem import STOCK_NAMES, problem_of_config
from domain_adapt.tasks.text_classification.reading import labels_of

if TYPE_CHECKING:
    import numpy as np
    import torch
    from transformers import PreTrainedModel

    from domain_adapt.tasks.counting import Counts, Shown
    from domain_adapt.tasks.text_classification.decoding import Prediction
    from domain_adapt.tasks.text_classification.features import Features, Settings
    from domain_adapt.tasks.text_classification.objective import Objective


class TextClassification:
    """See :class:`domain_adapt.tasks.interface.TaskType`."""

    name = "text-classification"

    def selection_metric(self, recipe: TaskRecipe) -> str:
        """Returns ``macro_f1``; for a regression ``r2``: a correlation does not see that numbers are all too small."""
        return "r2" if recipe.text_classification.problem == "regression" else "macro_f1"

    def load_model(
        self, folder: Path, examples: Sequence[Example], recipe: TaskRecipe, *, seed: int
    ) -> PreTrainedModel:
        """Returns a model with an output a label of the training examples, in alphabetical order, or one for a number.

        A new output of a number starts at the mean of the training labels and varies with their deviation.
        """
        from domain_adapt.tasks.text_classification.regression import start_head

        problem = recipe.text_classification.problem
        is_number = problem == "regression"
        if len({one.label for one in examples}) < 2:
            found = examples[0].label
            shown = ", ".join(found) or "none" if isinstance(found, tuple) else found
            raise DomainAdaptError(
                f"{examples[0].place}: this and all other training texts have the same label, {shown}: "
                "nothing can be learnt"
            )
        labels = ["value"] if is_number else sorted({label for one in examples for label in labels_of(one.label)})
        model = load_classifier(folder, "text", labels, seed=seed, problem_type=STOCK_NAMES[problem])
        if is_number:
            start_head(model, [float(str(example.label)) for example in examples])
        return model

    def settings(self, recipe: TaskRecipe, config: Any) -> Settings:
        """Returns the ``[text_classification]`` table, texts no longer than the model can read, and its labels."""
        from domain_adapt.tasks.text_classification.features import Settings

        wanted = recipe.text_classification.max_length
        fitting = min(wanted, longest_input(config) or wanted)
        return Settings(fitting, labels_of_config(config), problem_of_config(config))

    def load(self, source: Sequence[Path] | HubDataset, recipe: TaskRecipe) -> LoadedExamples[Example]:
        """Returns the labelled texts in files or in a Hub data set."""
        return load_examples(source, recipe.text_classification)

    def group(self, example: Example) -> str:
        """Returns the text."""
        return example.text

    def document(self, example: Example) -> str:
        """Returns "": the data does not say."""
        return ""

    def featurise(self, examples: Sequence[Example], tokenizer: Any, settings: Settings) -> Features:
        """Returns one row a text."""
        from domain_adapt.tasks.text_classification.features import featurise

        check_known(((one.place, label) for one in examples for label in labels_of(one.label)), settings.labels)
        return featurise(examples, tokenizer, settings)

    def objective(self, features: Features, pad_token_id: int, settings: FinetuneSettings) -> Objective:
        """Returns the training objective over the texts."""
        from domain_adapt.tasks.text_classification.objective import Objective

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
        """Returns (texts, outputs) float32."""
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

    def tune(self, logits: Any, features: Any, examples: Sequence[Example], settings: Settings) -> dict[str, float]:
        """Returns nothing: there is nothing to choose."""
        return {}

    def decode(
        self, logits: np.ndarray, features: Features, examples: Sequence[Example], settings: Settings
    ) -> list[Prediction]:
        """Returns the likeliest label of each text, or all that are likely, or the number."""
        from domain_adapt.tasks.text_classification.decoding import decode

        return decode(logits, settings)

    def metric(self, examples: Sequence[Example], predictions: Sequence[Prediction]) -> dict[str, float]:
        """Returns the figures of the metric that fits the predictions."""
        from domain_adapt.tasks.text_classification.decoding import score

        return score(examples, predictions)

    def counts(
        self, examples: Sequence[Example], predictions: Sequence[Prediction], known: Sequence[Example]
    ) -> Counts:
        """Returns what macro F1 is made of, or for numbers the share of variance explained."""
        from domain_adapt.tasks.text_classification.decoding import count

        return count(examples, predictions, known)

    def show(self, example: Example, prediction: Prediction | None) -> Shown:
        """Returns the text, or both, the label and the one predicted."""
        from domain_adapt.tasks.counting import Shown
        from domain_adapt.tasks.text_classification.decoding import label_text, predicted_label

        answer = label_text(predicted_label(prediction)) if prediction else ""
        return Shown(example.text, example.pair, label_text(example.label), answer)

    def plots(self, recipe: TaskRecipe) -> Mapping[str, Plot]:
        """Returns the reliability diagram, where a text has one label."""
        if recipe.text_classification.problem != "single-label":
            return {}
        from domain_adapt.tasks.text_classification.decoding import draw_reliability

        return {RELIABILITY_PLOT: draw_reliability}


TASK: TaskType = TextClassification()
