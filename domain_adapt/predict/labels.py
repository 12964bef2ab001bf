"""Labels of texts, and of spans in texts, from a fine-tuned model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

from domain_adapt.bases import load_classifier, load_tokenizer, longest_input
from domain_adapt.errors import DomainAdaptError
from domain_adapt.predict.finding import CHUNK, find_model, trained_settings, validated
from domain_adapt.recipes import RuntimeSettings, TextClassificationSettings, TokenClassificationSettings
from domain_adapt.tasks import TaskType, task_type
from domain_adapt.tasks.json_rows import text_field
from domain_adapt.tasks.text_classification.data import Example as Text
from domain_adapt.tasks.token_classification.data import Example as TaggedText
from domain_adapt.workspace import Workspace


class _Labeller:
    """What both kinds share: the model, its tokenizer, batches."""

    def __init__(
        self,
        kind: Literal["text", "token"],
        path: str | Path,
        device: str,
        precision: str,
        max_length: int | None,
        workspace: Workspace,
    ) -> None:
        import torch

        from domain_adapt.training.runtime import detect, torch_device

        self.folder = find_model(path, workspace)
        runtime = detect(validated(RuntimeSettings, {"device": device, "precision": precision}))
        self.device = torch_device(runtime)
        self._dtype = torch.bfloat16 if runtime.precision == "bf16" else None
        self._kind: TaskType = task_type(f"{kind}-classification")
        self.tokenizer = load_tokenizer(self.folder)
        self.model = load_classifier(self.folder, kind, None, seed=None).to(self.device).eval()
        table: type[TextClassificationSettings] | type[TokenClassificationSettings] = (
            TextClassificationSettings if kind == "text" else TokenClassificationSettings
        )
        given = {} if max_length is None else {"max_length": max_length}
        wanted = int(trained_settings(self.folder, table, f"{kind}_classification", given).max_length)
        self.max_length = min(wanted, longest_input(self.model.config) or wanted)

    def predict(self, examples: Sequence[Any], settings: Any, featurise: Any, batch_size: int) -> list[Any]:
        """Returns one prediction an example."""
        if batch_size < 1:
            raise DomainAdaptError(f"batch_size: expected at least 1 (found {batch_size})")
        found: list[Any] = []
        for begin in range(0, len(examples), CHUNK):
            chunk = examples[begin : begin + CHUNK]
            features = featurise(chunk, self.tokenizer, settings)
            logits = self._kind.logits(
                self.model,
                features,
                batch_size=batch_size,
                device=self.device,
                pad_token_id=self.tokenizer.pad_token_id,
                dtype=self._dtype,
            )
            found.extend(self._kind.decode(logits, features, chunk, settings))
        return found


class TextClassifier:
    """Gives texts, or pairs of texts, a label, several, or a number.

    >>> TextClassifier("medical-topics")("The femur is the longest bone.")  # doctest: +SKIP
    {'label': 'anatomy', 'score': 0.91}

    Args:
        path: A folder, a checkpoint (``medical-topics``, ``medical-topics@v1``) or a Hub id of a model that
            ``AutoModelForSequenceClassification`` loads; safetensors only.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        precision: ``fp32``, ``bf16`` (autocast), or ``auto``: bf16 where the hardware has it.
        max_length: Tokens of a text; None: as it was trained, if the folder says so.
        workspace: Where checkpoints are.

    Raises:
        DomainAdaptError: If there is no such model, or it has no such head.
    """

    optional = ()

    def __init__(
        self,
        path: str | Path,
        *,
        device: str = "auto",
        precision: str = "fp32",
        max_length: int | None = None,
        workspace: Workspace = Workspace(),
    ) -> None:
        from domain_adapt.tasks.labelled_rows import labels_of_config
        from domain_adapt.tasks.text_classification.features import Settings
        from domain_adapt.tasks.text_classification.problem import problem_of_config

        self._labeller = _Labeller("text", path, device, precision, max_length, workspace)
        config = self._labeller.model.config
        self.labels = labels_of_config(config)
        self._settings = Settings(self._labeller.max_length, self.labels, problem_of_config(config))
        trained = trained_settings(self._labeller.folder, TextClassificationSettings, "text_classification", {})
        self.columns = (trained.text, *([trained.text_pair] if trained.text_pair else []))
        self.options = ("--text", "--text-pair")[: len(self.columns)]

    def __call__(
        self, text: str | Sequence[str], text_pair: str | Sequence[str] | None = None, *, batch_size: int = 16
    ) -> Any:
        """Returns the prediction of a text as a dict, or a list of them for a list of texts.

        One label a text: ``{"label", "score"}``, with its probability in (0, 1]. Several: ``{"labels", "scores"}``, all
        labels of a probability of at least a half, and the probability of every one. A number: ``{"value"}``.

        Args:
            text: One, or several.
            text_pair: The second text of each, if the model reads pairs.
            batch_size: Texts in one forward pass.

        Raises:
            DomainAdaptError: If a text is blank, or there are not as many second texts as texts.
        """
        from domain_adapt.tasks.text_classification.features import featurise

        texts = _texts(text)
        pairs = [""] * len(texts) if text_pair is None else _texts(text_pair)
        if len(texts) != len(pairs):
            raise DomainAdaptError(f"{len(texts)} texts but {len(pairs)} second texts: expected as many")
        both = enumerate(zip(texts, pairs, strict=True))
        examples = [Text(str(number), one, "", pair=pair) for number, (one, pair) in both]
        if self._settings.problem != "single-label":  # the label only has to be of the right kind
            label: tuple[str, ...] | float = () if self._settings.problem == "multi-label" else 0.0
            examples = [replace(example, label=label) for example in examples]
        found = self._labeller.predict(examples, self._settings, featurise, batch_size)
        rows = [asdict(prediction) for prediction in found]
        return rows[0] if isinstance(text, str) else rows

    def predict_rows(self, rows: Sequence[Mapping[str, Any]], *, batch_size: int = 16) -> list[dict[str, Any]]:
        """Returns the prediction for each row, whose columns are called as the checkpoint's recipe says."""
        columns = [[row[name] for row in rows] for name in self.columns]
        found: list[dict[str, Any]] = self(*columns, batch_size=batch_size)
        return found


class EntityTagger:
    """Finds labelled spans in texts.

    >>> EntityTagger("medical-terms")("Aspirin thins the blood.")  # doctest: +SKIP
    [{'start': 0, 'end': 7, 'label': 'drug', 'text': 'Aspirin'}, ...]

    The arguments are those of :class:`TextClassifier`; the model is one that ``AutoModelForTokenClassification`` loads,
    with BIO tags. A text longer than ``max_length`` tokens is read in several pieces.
    """

    options = ("--text",)
    optional = ()
    columns = ("text",)

    def __init__(
        self,
        path: str | Path,
        *,
        device: str = "auto",
        precision: str = "fp32",
        max_length: int | None = None,
        workspace: Workspace = Workspace(),
    ) -> None:
        from domain_adapt.tasks.labelled_rows import labels_of_config
        from domain_adapt.tasks.token_classification.features import Settings

        self._labeller = _Labeller("token", path, device, precision, max_length, workspace)
        self._settings = Settings(self._labeller.max_length, labels_of_config(self._labeller.model.config))

    def __call__(self, text: str | Sequence[str], *, batch_size: int = 16) -> Any:
        """Returns a list of ``{"start", "end", "label", "text"}``, or a list of such lists for a list of texts.

        Raises:
            DomainAdaptError: If a text is blank.
        """
        from domain_adapt.tasks.token_classification.features import featurise

        texts = _texts(text)
        examples = [TaggedText(str(number), one, ()) for number, one in enumerate(texts)]
        found = self._labeller.predict(examples, self._settings, featurise, batch_size)
        rows = [
            [asdict(entity) | {"text": one[entity.start : entity.end]} for entity in prediction.entities]
            for one, prediction in zip(texts, found, strict=True)
        ]
        return rows[0] if isinstance(text, str) else rows

    def predict_rows(self, rows: Sequence[Mapping[str, Any]], *, batch_size: int = 16) -> list[dict[str, Any]]:
        """Returns ``{"entities": [...]}`` for each row with ``text``."""
        return [{"entities": entities} for entities in self([row["text"] for row in rows], batch_size=batch_size)]


def _texts(text: str | Sequence[str]) -> list[str]:
    texts = [text] if isinstance(text, str) else list(text)
    for number, one in enumerate(texts):
        if not text_field({"text": one}, "text", f"item {number}").strip():
            raise DomainAdaptError(f"item {number}: text is blank")
    return texts
