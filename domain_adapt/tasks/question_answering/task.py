"""Question answering behind the interface of task types. Light: every heavy part is imported where it is used."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from domain_adapt.bases import load_question_answering
from domain_adapt.recipes import FinetuneSettings, HubDataset, QuestionAnsweringSettings, TaskRecipe
from domain_adapt.tasks.interface import LoadedExamples, Plot, TaskType
from domain_adapt.tasks.question_answering.data import Example, load_examples, load_hub_examples

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

    from domain_adapt.tasks.counting import Counts, Shown
    from domain_adapt.tasks.question_answering.decoding import Prediction
    from domain_adapt.tasks.question_answering.evaluation import SpanLogits
    from domain_adapt.tasks.question_answering.objective import QuestionAnsweringObjective
    from domain_adapt.tasks.question_answering.windows import Features


class QuestionAnswering:
    """See :class:`domain_adapt.tasks.interface.TaskType`."""

    name = "question-answering"

    def selection_metric(self, recipe: TaskRecipe) -> str:
        """Returns ``f1``."""
        return "f1"

    def load_model(
        self, folder: Path, examples: Sequence[Example], recipe: TaskRecipe, *, seed: int
    ) -> PreTrainedModel:
        """Returns a QA model that knows from its configuration whether questions may be unanswerable."""
        model = load_question_answering(folder, seed=seed)
        model.config.allow_no_answer = any(not example.answers for example in examples)
        vars(model.config).pop("no_answer_threshold", None)  # of an earlier training
        return model

    def settings(self, recipe: TaskRecipe, config: Any) -> QuestionAnsweringSettings:
        """Returns the ``[question_answering]`` table: windows that the model can read, its threshold if none is set."""
        from domain_adapt.tasks.question_answering.windows import fit_to_model

        return fit_to_model(recipe.question_answering, config)

    def load(self, source: Sequence[Path] | HubDataset, recipe: TaskRecipe) -> LoadedExamples[Example]:
        """Returns the questions in files (flat JSONL, nested SQuAD JSON) or in a Hub data set."""
        return load_hub_examples(source) if isinstance(source, HubDataset) else load_examples(source)

    def group(self, example: Example) -> str:
        """Returns the context."""
        return example.context

    def document(self, example: Example) -> str:
        """Returns the title."""
        return example.title

    def featurise(self, examples: Sequence[Example], tokenizer: Any, settings: QuestionAnsweringSettings) -> Features:
        """Returns the windows of question and context."""
        from domain_adapt.tasks.question_answering.windows import featurise

        return featurise(examples, tokenizer, settings)

    def objective(
        self, features: Features, pad_token_id: int, settings: FinetuneSettings
    ) -> QuestionAnsweringObjective:
        """Returns the training objective over the windows."""
        from domain_adapt.tasks.question_answering.objective import QuestionAnsweringObjective

        return QuestionAnsweringObjective(features, pad_token_id, settings)

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
    ) -> SpanLogits:
        """Returns the start and end logits of every window."""
        from domain_adapt.tasks.question_answering.evaluation import predict_logits

        return predict_logits(
            model,
            features,
            batch_size=batch_size,
            device=device,
            pad_token_id=pad_token_id,
            dtype=dtype,
            on_progress=on_progress,
        )

    def tune(
        self,
        logits: SpanLogits,
        features: Features,
        examples: Sequence[Example],
        settings: QuestionAnsweringSettings,
    ) -> dict[str, float]:
        """Returns ``no_answer_threshold``, if there are unanswerable questions and the recipe does not set it."""
        from domain_adapt.tasks.question_answering.decoding import best_spans
        from domain_adapt.tasks.question_answering.threshold import best_threshold

        if settings.no_answer_threshold is not None or all(example.answers for example in examples):
            return {}
        predictions = best_spans(*logits, features, examples, settings, allow_null=False)
        return {"no_answer_threshold": best_threshold(examples, predictions)}

    def decode(
        self,
        logits: SpanLogits,
        features: Features,
        examples: Sequence[Example],
        settings: QuestionAnsweringSettings,
    ) -> list[Prediction]:
        """Returns the best span of each example; "" may win where the set has unanswerable questions."""
        from domain_adapt.tasks.question_answering.decoding import best_spans

        allow_null = any(not example.answers for example in examples)
        return best_spans(*logits, features, examples, settings, allow_null=allow_null)

    def metric(self, examples: Sequence[Example], predictions: Sequence[Prediction]) -> dict[str, float]:
        """Returns ``exact_match``, ``f1`` and, with unanswerable questions, two more."""
        from domain_adapt.tasks.question_answering.metric import score_predictions

        return score_predictions(examples, predictions)

    def counts(
        self, examples: Sequence[Example], predictions: Sequence[Prediction], known: Sequence[Example]
    ) -> Counts:
        """Returns the F1 of each question."""
        from domain_adapt.tasks.counting import mean_counts
        from domain_adapt.tasks.question_answering.metric import score_each

        answers = [[answer.text for answer in example.answers] for example in examples]
        return mean_counts(score_each([prediction.text for prediction in predictions], answers)[1])

    def show(self, example: Example, prediction: Prediction | None) -> Shown:
        """Returns question, context, first accepted answer and the one given; "" is no answer."""
        from domain_adapt.tasks.counting import Shown

        right = example.answers[0].text if example.answers else ""
        return Shown(example.question, example.context, right, prediction.text if prediction else "")

    def plots(self, recipe: TaskRecipe) -> Mapping[str, Plot]:
        """Returns none."""
        return {}


TASK: TaskType = QuestionAnswering()
