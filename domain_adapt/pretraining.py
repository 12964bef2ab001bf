"""The model's side of stage 1: held-out loss, a new head, the training itself."""

from __future__ import annotations

import copy
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel

from domain_adapt.corpus.prepare import Corpus
from domain_adapt.evaluate import heldout_mlm_loss, perplexity
from domain_adapt.mlm.documents import document_attention
from domain_adapt.mlm.masking import MaskingVocabulary, Strategy, WordTable, make_strategy
from domain_adapt.mlm.objective import MaskedLMObjective
from domain_adapt.mlm.sparse_head import SparseHead
from domain_adapt.randomness import integer_seed
from domain_adapt.recipes import DomainRecipe, MlmSettings
from domain_adapt.stages import Run
from domain_adapt.training.compiling import undo_compilation
from domain_adapt.training.fitting import fit_to_machine
from domain_adapt.training.freezing import freeze, parameter_groups, set_dropout
from domain_adapt.training.frozen_states import frozen_states
from domain_adapt.training.loop import Totals, TrainingLoop
from domain_adapt.training.lora import Adapters
from domain_adapt.training.memory import Load
from domain_adapt.training.plan import Plan, make_plan
from domain_adapt.training.progress import meter
from domain_adapt.training.runtime import Runtime
from domain_adapt.training.schedule import learning_rate_factor
from domain_adapt.training.staying_near import Average, BeforeStep, HeadFirst, PullToStart, in_turn

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pretraining:
    """What evaluating and training share.

    Attributes:
        model: The base; trained in place.
        head: Sparse head installed on ``model``.
        corpus: To train on and to hold out.
        vocabulary: Of the tokenizer.
        pad_id: Padding id.
        runtime: Device and precision.
        words: Where words begin, if ``mlm.masking`` needs to know.
    """

    model: PreTrainedModel
    head: SparseHead
    corpus: Corpus
    vocabulary: MaskingVocabulary
    sep_id: int
    pad_id: int
    runtime: Runtime
    words: WordTable | None = None


def heldout(moment: str, stage: Pretraining) -> dict[str, float]:
    """Returns the held-out loss and perplexity, and says them."""
    blocks = stage.corpus.heldout
    if len(blocks) == 0:
        return {}
    device = torch.device(stage.runtime.device)
    with meter(f"held-out loss {moment} training", len(blocks)) as progress:
        loss = heldout_mlm_loss(
            stage.model.to(device),
            stage.head,
            blocks,
            stage.vocabulary,
            pad_id=stage.pad_id,
            device=device,
            rows=16,
            on_progress=progress.update,
        )
    logger.info("held-out MLM loss %s training: %.3f (perplexity %.1f)", moment, loss, perplexity(loss))
    suffix = "_before" if moment == "before" else ""
    return {f"heldout/mlm_loss{suffix}": loss, f"heldout/perplexity{suffix}": perplexity(loss)}


def train(recipe: DomainRecipe, stage: Pretraining, new_head: Sequence[str], run: Run) -> Totals:
    """Trains the model in place, resumably, and returns what the run added up."""
    settings, blocks, runtime = recipe.mlm, stage.corpus.train, stage.runtime
    strategy = _strategy(recipe, stage)
    teacher: Any = None
    if settings.distill_weight:
        teacher = copy.deepcopy(stage.model.base_model).eval().requires_grad_(False).to(torch.device(runtime.device))
    average = Average(stage.model, settings.interpolation, new_head) if settings.interpolation < 1 else None
    set_dropout(stage.model, settings.dropout)
    frozen = freeze(stage.model, settings.freeze, "mlm")
    if frozen:
        logger.info("frozen: %s of %s weights", f"{frozen:,}", f"{stage.model.num_parameters():,}")
    adapters = None
    if settings.lora.rank:
        seed = integer_seed(recipe.seed, "adapters")
        adapters = Adapters(stage.model, settings.lora, frozen_layers=settings.freeze.layers, table="mlm", seed=seed)
    objective = _objective(recipe, stage, strategy, teacher)
    lengths = np.full(len(blocks), blocks.shape[1], dtype=np.int64)  # padding is rare enough not to matter here
    plan = make_plan(lengths, settings, budget=recipe.budget, seed=recipe.seed)
    rows = fit_to_machine(
        stage.model,
        objective,
        plan,
        row_load(recipe, stage),
        runtime=runtime,
        settings=recipe.runtime,
        run_folder=run.folder,
    )
    groups = parameter_groups(
        stage.model,
        learning_rate=settings.learning_rate,
        weight_decay=settings.weight_decay,
        layer_decay=settings.layer_decay,
        fast=new_head,
        fast_scale=settings.head_learning_rate_scale,
    )
    with frozen_states(
        objective,
        stage.model,
        settings.freeze,
        lengths=lengths,
        sets=0 if settings.probability_end is not None else settings.mask_sets,
        passes=plan.passes,
        folder=run.folder,
        runtime=runtime,
    ) as cached:
        totals = TrainingLoop(
            stage.model,
            cached,
            plan,
            settings,
            groups=groups,
            run_folder=run.folder,
            runtime=runtime,
            runtime_settings=recipe.runtime,
            micro_batch_rows=rows,
            label="adapting",
            before_step=_before_step(stage.model, settings, plan, new_head),
        ).run()
    if adapters is not None:
        adapters.merge()
    if average is not None:
        average.apply(stage.model)
    return totals


def _before_step(
    model: PreTrainedModel, settings: MlmSettings, plan: Plan, new_head: Sequence[str]
) -> BeforeStep | None:
    """Returns what happens to the weights, or to what learns, before each step."""
    pull = head_first = None
    if settings.l2sp_weight:

        def rate(step: int) -> float:
            return settings.learning_rate * learning_rate_factor(step, plan.steps, settings)

        pull = PullToStart(model, settings.l2sp_weight, rate, new_head)
    if settings.head_warmup_ratio and new_head:
        head_first = HeadFirst(model, new_head, round(settings.head_warmup_ratio * plan.steps))
    return in_turn([pull, head_first])


def _strategy(recipe: DomainRecipe, stage: Pretraining) -> Strategy:
    """Returns what is masked together; must be asked before training, as it may go by the base's embeddings."""
    return make_strategy(
        recipe.mlm,
        stage.words,
        blocks=stage.corpus.train,
        counts=stage.corpus.unigram_counts,
        embeddings=stage.model.get_input_embeddings().weight.detach().float().cpu().numpy(),
    )


def _objective(recipe: DomainRecipe, stage: Pretraining, strategy: Strategy, teacher: Any) -> MaskedLMObjective:
    """Returns the training side of stage 1; the model is as it will be trained, adapters included."""
    settings = recipe.mlm
    documents = None
    if settings.document_attention:
        documents = document_attention(stage.model, sep_id=stage.sep_id, pad_id=stage.pad_id)
    return MaskedLMObjective(
        stage.corpus.train,
        stage.vocabulary,
        settings,
        seed=recipe.seed,
        pad_id=stage.pad_id,
        head=stage.head,
        teacher=teacher,
        documents=documents,
        strategy=strategy,
    )


def training_flops(recipe: DomainRecipe, stage: Pretraining, totals: Totals) -> float:
    """Returns the FLOP of all training steps, an estimate: those of a token now, at the end, times the tokens."""
    from domain_adapt.mlm.flops import flops_per_token

    undo_compilation(stage.model)  # nothing is counted within compiled layers, and they are not needed any more
    load = row_load(recipe, stage)
    token = flops_per_token(
        stage.model, stage.head, tokens=load.row_tokens, predicted=load.predicted, distilled=load.distilled
    )
    return token * totals.tokens


def row_load(recipe: DomainRecipe, stage: Pretraining) -> Load:
    """Returns what a row of stage 1 asks of the memory."""
    settings = recipe.mlm
    predicted = max(settings.probability, settings.probability_end or 0.0) if stage.head.is_sparse else 1.0
    distilled = settings.distill_share if settings.distill_weight else 0.0
    return Load(recipe.corpus.block_size, predicted, distilled)
