"""Token classification behind the interface of task types. Light: every heavy part is imported where it is used."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from domain_adapt.bases import load_classifier, longest_input
from domain_adapt.errors import DomainAdaptError
from domain_adapt.recipes import FinetuneSettings, HubDataset, TaskRecipe
from domain_adapt.tasks.interface import LoadedExamples, Plot, TaskType
from domain_adapt.tasks.labelled_rows import check_known, labels_of_config
from domain_adapt.tasks.token_classification.data import Example, load_examples
from domain_adapt.tasks.token_classification.reading import Entity, spans_of_tags

if TYPE_CHECKING:
    import numpy as np
    import torch
    from transformers import PreTrainedModel

    from domain_adapt.tasks.counting import Counts, Shown
    from domain_adapt.tasks.token_classification.features import Features, Objective, Settings


@dataclass(frozen=True)
class Prediction:
    """The entities of a text."""

    entities: tuple[Entity, ...]


class TokenClassification:
    """See :class:`domain_adapt.tasks.interface.TaskType`."""

    name = "token-classification"

    def selection_metric(self, recipe: TaskRecipe) -> str:
        """Returns ``f1``."""
        return "f1"

    def load_model(
        self, folder: Path, examples: Sequence[Example], recipe: TaskRecipe, *, seed: int
    ) -> PreTrainedModel:
        """Returns a model with one output for each BIO tag of the labels in the training examples."""
        from domain_adapt.tasks.token_classification.features import bio_tags

        labels = sorted({entity.label for example in examples for entity in example.entities})
        if not labels:
            raise DomainAdaptError(
                f"{examples[0].place}: neither this nor another training text has a labelled span: nothing to learn"
            )
        return load_classifier(folder, "token", bio_tags(labels), seed=seed)

    def settings(self, recipe: TaskRecipe, config: Any) -> Settings:
        """Returns the ``[token_classification]`` table, rows no longer than the model can read, and its tags."""
        from domain_adapt.tasks.token_classification.features import Settings

        wanted = recipe.token_classification.max_length
        return Settings(min(wanted, longest_input(config) or wanted), labels_of_config(config))

    def load(self, source: Sequence[Path] | HubDataset, recipe: TaskRecipe) -> LoadedExamples[Example]:
        """Returns the texts with labelled spans in files or in a Hub data set."""
        return load_examples(source, recipe.token_classification)

    def group(self, example: Example) -> str:
        """Returns the text."""
        return example.text

    def document(self, example: Example) -> str:
        """Returns "": the data does not say."""
        return ""

    def featurise(self, examples: Sequence[Example], tokenizer: Any, settings: Settings) -> Features:
        """Returns the rows of the texts."""
        from domain_adapt.tasks.token_classification.features import featurise

        labels = sorted({tag.partition("-")[2] for tag in settings.tags} - {""})
        check_known(((one.place, entity.label) for one in examples for entity in one.entities), labels)
        return featurise(examples, tokenizer, settings)

    def objective(self, features: Features, pad_token_id: int, settings: FinetuneSettings) -> Objective:
        """Returns the training objective over the rows."""
        from domain_adapt.tasks.token_classification.features import Objective

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
    ) -> list[np.ndarray]:
        """Returns for each row (tokens, tags) float32."""
        from domain_adapt.tasks.token_rows import finite, forward

        found: dict[int, np.ndarray] = {}
        for rows, inside, outputs in forward(
            model,
            features,
            batch_size=batch_size,
            device=device,
            pad_token_id=pad_token_id,
            dtype=dtype,
            on_progress=on_progress,
        ):
            values = finite(outputs.logits)
            found.update((int(row), values[number, inside[number]]) for number, row in enumerate(rows))
        return [found[row] for row in range(len(features))]

    def tune(
        self, logits: Any, features: Features, examples: Sequence[Example], settings: Settings
    ) -> dict[str, float]:
        """Returns nothing: there is nothing to choose."""
        return {}

    def decode(
        self, logits: list[np.ndarray], features: Features, examples: Sequence[Example], settings: Settings
    ) -> list[Prediction]:
        """Returns the entities of each text: runs of words by their likeliest tags.

        An ``I-`` that follows no entity of its label begins one.
        """
        tags: list[list[str]] = [["O"] * len(spans) for spans in features.word_spans]
        for row, values in enumerate(logits):
            word = features.word[features.row_splits[row] : features.row_splits[row + 1]]
            best = values.argmax(axis=1)
            for token in (word >= 0).nonzero()[0]:
                tags[features.example_index[row]][word[token]] = settings.tags[best[token]]
        return [
            Prediction(
                tuple(
                    Entity(int(spans[first, 0]), int(spans[last, 1]), label)
                    for first, last, label in spans_of_tags(found, "the model's config")
                )
            )
            for found, spans in zip(tags, features.word_spans, strict=True)
        ]

    def metric(self, examples: Sequence[Example], predictions: Sequence[Prediction]) -> dict[str, float]:
        """Returns ``precision``, ``recall``, ``f1`` (micro) and ``macro_f1``."""
        from domain_adapt.tasks.token_classification.metric import EntityMetric

        found: dict[str, float] = EntityMetric().compute(
            predictions=[[asdict(entity) for entity in prediction.entities] for prediction in predictions],
            references=[[asdict(entity) for entity in example.entities] for example in examples],
        )
        return found

    def counts(
        self, examples: Sequence[Example], predictions: Sequence[Prediction], known: Sequence[Example]
    ) -> Counts:
        """Returns hits, predicted and expected entities of each text, for the micro F1."""
        import numpy as np

        from domain_adapt.tasks.counting import overlap_counts

        sides = [(set(one.entities), set(example.entities)) for one, example in zip(predictions, examples, strict=True)]
        hits = np.array([len(found & right) for found, right in sides], dtype=np.float64)
        return overlap_counts(hits, np.array([len(found) + len(right) for found, right in sides], dtype=np.float64))

    def show(self, example: Example, prediction: Prediction | None) -> Shown:
        """Returns the text and the entities on both sides."""
        from domain_adapt.tasks.counting import Shown

        right, answer = (
            "; ".join(f"{example.text[one.start : one.end]} ({one.label})" for one in entities)
            for entities in (example.entities, prediction.entities if prediction else ())
        )
        return Shown(example.text, "", right, answer)

    def plots(self, recipe: TaskRecipe) -> Mapping[str, Plot]:
        """Returns none."""
        return {}


TASK: TaskType = TokenClassification()
