"""The keys a recipe may have, their types, bounds and defaults."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from domain_adapt.recipes.corpus_tables import CorpusSettings, QuestionSettings, SourceSpec, VocabularySettings
from domain_adapt.recipes.table import Table
from domain_adapt.recipes.task_tables import (
    MultipleChoiceSettings,
    MultitaskSettings,
    QuestionAnsweringSettings,
    TextClassificationSettings,
    TokenClassificationSettings,
)


class Budget(Table):
    """How long to train: exactly one of the two."""

    epochs: float | None = Field(None, gt=0, description="passes over the training data")
    tokens: int | None = Field(None, gt=0, description="training tokens, padding not counted")

    @model_validator(mode="after")
    def _one_limit(self) -> Budget:
        if (self.epochs is None) == (self.tokens is None):
            raise ValueError("expected exactly one of budget.epochs and budget.tokens")
        return self


class Freeze(Table):
    """What does not learn."""

    embeddings: bool = Field(False, description="keep the embeddings as they are")
    layers: int = Field(0, ge=0, description="keep the lowest so many layers as they are")


class Lora(Table):
    """Low-rank adapters: the base stays as it is, and each adapted matrix learns a product of two thin ones."""

    rank: int = Field(0, ge=0, description="columns of the thin matrices; 0 is off")
    alpha: float = Field(16.0, gt=0, description="the product is scaled by alpha / rank")
    targets: list[str] = Field(
        [], description="ends of the names of the adapted linear layers, e.g. query and value; none: all of the encoder"
    )


class OptimizerSettings(Table):
    """AdamW and its schedule; both stages share these keys."""

    learning_rate: float = Field(2e-4, gt=0, description="peak learning rate")
    batch_size: int = Field(16, ge=1, description="rows per optimizer step, over all ranks and micro-batches")
    batch_size_start: int | None = Field(
        None, ge=1, description="rows of the first step, growing linearly to batch_size over batch_warmup_ratio"
    )
    batch_warmup_ratio: float = Field(
        0.1, gt=0, le=1, description="with batch_size_start: share of the training rows over which the batch grows"
    )
    schedule: Literal["linear", "cosine", "constant", "wsd"] = Field(
        "linear", description="shape of the learning rate after warm-up; wsd is warm-up, stable, decay"
    )
    warmup_ratio: float = Field(0.06, ge=0, le=1, description="share of the steps in which the rate rises from 0")
    decay_ratio: float = Field(
        0.2, gt=0, le=1, description="with wsd: share of the steps, at the end, in which the rate falls to 0"
    )
    weight_decay: float = Field(0.01, ge=0, description="decoupled weight decay; not on biases and norms")
    adam_beta1: float = Field(0.9, ge=0, lt=1, description="decay of AdamW's first moment")
    adam_beta2: float = Field(0.98, ge=0, lt=1, description="decay of AdamW's second moment")
    adam_epsilon: float = Field(1e-6, gt=0, description="AdamW's epsilon")
    max_grad_norm: float = Field(1.0, gt=0, description="gradients are scaled down to this norm")
    dropout: float | None = Field(0.0, ge=0, lt=1, description="dropout while training")
    layer_decay: float = Field(
        1.0, gt=0, le=1, description="each layer learns at this factor of the rate of the one above; 1 is off"
    )
    freeze: Freeze = Field(Freeze(), description="what does not learn")
    lora: Lora = Field(Lora(), description="low-rank adapters; merged into the weights that are published")


class MlmSettings(OptimizerSettings):
    """Stage 1: masked-language-model training."""

    masking: Literal["token", "whole-word", "span", "difference"] = Field(
        "token",
        description="what is masked together: single tokens, whole words, spans of words, or the domain's words",
    )
    probability: float = Field(0.15, gt=0, lt=1, description="share of tokens to predict (80/10/10 mask/random/kept)")
    probability_end: float | None = Field(
        None, gt=0, lt=1, description="share at the last step, reached linearly; unset keeps probability throughout"
    )
    difference_anchors: int = Field(
        20, ge=1, description="with difference masking: words most typical of the domain that others are compared to"
    )
    mask_sets: int = Field(
        0, ge=0, description="different masks a block gets, used in turn by the epochs; 0 is new ones every epoch"
    )
    document_attention: bool = Field(
        False, description="tokens see their own document only, and positions restart with each document in a block"
    )
    head_learning_rate_scale: float = Field(
        1.0,
        gt=0,
        description="factor on the learning rate of an LM head that the base lacked and that starts untrained",
    )
    distill_weight: float = Field(
        0.0, ge=0, description="weight of 1 - cosine to the base's last states at unmasked positions; 0 is off"
    )
    distill_share: float = Field(
        1.0, gt=0, le=1, description="share of the rows of a batch that distillation is computed on, to save time"
    )
    head_warmup_ratio: float = Field(
        0.0, ge=0, lt=1, description="share of the steps in which an LM head that the base lacked learns alone"
    )
    l2sp_weight: float = Field(
        0.0, ge=0, description="pull back towards the base's weights, decoupled as weight decay is (L2-SP); 0 is off"
    )
    interpolation: float = Field(
        1.0, gt=0, le=1, description="share of the adapted weights in what is published, the rest is the base (WiSE-FT)"
    )


class FinetuneSettings(OptimizerSettings):
    """Stage 2: training on labels."""

    dropout: float | None = Field(None, ge=0, lt=1, description="dropout while training; unset is the base's own")
    dev_share: float = Field(0.1, gt=0, lt=1, description="share of contexts held out when the data names no dev part")
    folds: int = Field(
        0, ge=0, description="cross-validation: train and dev part together are cut into so many parts; 0 is off"
    )
    fold: int = Field(0, ge=0, description="with folds: the part that is held out as the dev part, counted from 0")
    patience: int = Field(
        0, ge=0, description="stop when the dev part has not got better for so many epochs; 0 trains to the end"
    )
    reinitialise_layers: int = Field(
        0, ge=0, description="start the highest so many encoder layers anew (steadier with few labels, larger bases)"
    )
    gradual_unfreezing: float = Field(
        0.0, ge=0, le=1, description="share of the steps over which the layers begin to learn, from the top; 0 is off"
    )
    label_smoothing: float = Field(0.0, ge=0, lt=1, description="share of the target spread over all possible labels")
    class_weights: Literal["none", "balanced"] = Field(
        "none", description="balanced: each label weighs as much in the loss as any other, however rare it is"
    )

    @model_validator(mode="after")
    def _fold_exists(self) -> FinetuneSettings:
        if self.folds == 1 or (self.folds and self.fold >= self.folds):
            raise ValueError("expected finetune.folds of 2 or more, and finetune.fold below it")
        return self


class RuntimeSettings(Table):
    """The machine's side: never part of the fingerprint."""

    device: str = Field("auto", description="auto, cpu, cuda or mps")
    precision: Literal["auto", "fp32", "bf16"] = Field("auto", description="auto is bf16 where the hardware has it")
    threads: int = Field(0, ge=0, description="CPU threads; 0 is what the process may use")
    micro_batch_size: int = Field(0, ge=0, description="rows in one forward pass; 0 is chosen by the free memory")
    workers: int = Field(
        1, ge=0, description="threads that build the next batches; 0 builds them in the training thread"
    )
    compile: Literal["auto", "on", "off"] = Field(
        "auto", description="torch.compile; auto measures on long runs whether it pays on this device"
    )
    gradient_checkpointing: bool = Field(
        False, description="recompute activations in the backward pass: a third slower, a fraction of the memory"
    )
    save_seconds: float = Field(60.0, ge=0, description="seconds between two saved states")
    keep_last: int = Field(2, ge=1, description="saved states kept")


class DomainRecipe(Table):
    """Stage 1 for one domain."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", description="name of the domain and of its checkpoints")
    description: str = Field("", description="one line, shown by `domain-adapt recipes`")
    base: str = Field("mini", description="starting weights: mini, a Hub id, a folder or a checkpoint")
    base_revision: str | None = Field(None, description="branch, tag or commit of a Hub base")
    seed: int = Field(0, ge=0, description="decides order and masks")
    sources: list[SourceSpec] = Field(min_length=1, description="where the text comes from")
    corpus: CorpusSettings = CorpusSettings()
    vocabulary: VocabularySettings = VocabularySettings()
    questions: QuestionSettings = QuestionSettings()
    budget: Budget = Budget(epochs=1)
    mlm: MlmSettings = MlmSettings()
    runtime: RuntimeSettings = RuntimeSettings()


class HubDataset(Table):
    """Labelled data on the Hub."""

    hub: str = Field(description="Hub id of the data set")
    config: str | None = Field(None, description="configuration (subset)")
    split: str = Field("train", description="split to read")
    revision: str = Field("main", description="branch, tag or commit; pinned to a commit when the run starts")


class TaskData(Table):
    """The labelled data of one domain."""

    train: str | list[str] | HubDataset = Field(description="files relative to the recipe's folder, or a Hub data set")
    dev: str | list[str] | HubDataset | None = Field(None, description="absent: dev_share of train's contexts")
    test: str | list[str] | HubDataset | None = Field(None, description="scored once, with the best epoch's weights")
    licence: str = Field("unknown", description="licence of the labelled data, recorded in the checkpoint")


class TaskRecipe(Table):
    """Stage 2 for one task."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", description="name of the task")
    description: str = Field("", description="one line, shown by `domain-adapt recipes`")
    type: Literal["multiple-choice", "question-answering", "text-classification", "token-classification"] = Field(
        description="task type"
    )
    base: str = Field("mini", description="starting weights when fine-tuned without an adapted checkpoint")
    base_revision: str | None = Field(None, description="branch, tag or commit of a Hub base")
    seed: int = Field(0, ge=0, description="decides order, dropout and the new head")
    data: dict[str, TaskData] = Field({}, description="domain -> its labelled data")
    budget: Budget = Budget(epochs=4)
    finetune: FinetuneSettings = FinetuneSettings()
    multiple_choice: MultipleChoiceSettings = MultipleChoiceSettings()
    question_answering: QuestionAnsweringSettings = QuestionAnsweringSettings()
    text_classification: TextClassificationSettings = TextClassificationSettings()
    token_classification: TokenClassificationSettings = TokenClassificationSettings()
    multitask: MultitaskSettings = MultitaskSettings()
    runtime: RuntimeSettings = RuntimeSettings()
