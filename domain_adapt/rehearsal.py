"""A few real steps of stage 1 on random text: how fast they are, and how much memory they would take."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase

from domain_adapt.bases import Base, check_block_size, load_masked_lm, load_tokenizer
from domain_adapt.corpus.packing import pack
from domain_adapt.corpus.prepare import Corpus, special_ids
from domain_adapt.mlm.flops import flops_per_token
from domain_adapt.mlm.masking import masking_vocabulary, words_for
from domain_adapt.mlm.sparse_head import SparseHead
from domain_adapt.pretraining import Pretraining, row_load, train
from domain_adapt.randomness import stream_key
from domain_adapt.recipes import Budget, DomainRecipe
from domain_adapt.stages import Run
from domain_adapt.training.fitting import settle_rows
from domain_adapt.training.freezing import freeze
from domain_adapt.training.loop import Totals
from domain_adapt.training.measuring import encoder_shapes, gemm_peak
from domain_adapt.training.memory import MemoryPlan
from domain_adapt.training.progress import quiet
from domain_adapt.training.runtime import Runtime, torch_device

# The timed steps go on for about so long, and as long again for warming up.
TIMED_SECONDS = 10.0
DOCUMENT_TOKENS = 150  # of a random document: about an abstract


@dataclass(frozen=True)
class Speed:
    """Training as it was measured.

    Attributes:
        tokens_per_second: Of the training loop, optimizer steps included.
        seconds: Timed for so long.
        batch_size: Rows of an optimizer step while timed; fewer than the recipe's where that would take too long.
        micro_batch_rows: Rows of a pass while timed.
        flops_per_token: Of the forward and backward pass.
        peak: FLOP/s of the best matrix product in the training precision.
        peak_fp32: The same in fp32.
    """

    tokens_per_second: float
    seconds: float
    batch_size: int
    micro_batch_rows: int
    flops_per_token: float
    peak: float
    peak_fp32: float

    @property
    def utilisation(self) -> float:
        """Model FLOP utilisation: FLOP a token x tokens a second / peak (Chowdhery et al. 2022, arXiv 2204.02311)."""
        return self.flops_per_token * self.tokens_per_second / self.peak


@dataclass(frozen=True)
class Rehearsal:
    """What stage 1 would be like.

    Attributes:
        weights: Number of the model's parameters.
        learning: Number of those that learn.
        memory: Rows of a pass and what they need.
        speed: Measured.
    """

    weights: int
    learning: int
    memory: MemoryPlan
    speed: Speed


def rehearse(recipe: DomainRecipe, base: Base, runtime: Runtime) -> Rehearsal:
    """Trains a few steps as :func:`domain_adapt.adapt` would, on random text, and measures them.

    ``runtime.compile = "auto"`` is rehearsed as it is: deciding that takes a run worth compiling for. Nothing is kept.

    Args:
        recipe: Decides batch, block size, masking, distillation.
        base: Starting weights.
        runtime: Device, precision, threads.

    Raises:
        DomainAdaptError: If the base cannot read blocks of this size, or a recipe key does not fit it.
    """
    tokenizer, model = load_tokenizer(base.folder), load_masked_lm(base)
    check_block_size(recipe.corpus.block_size, model.config)
    head = SparseHead(model)
    corpus = random_corpus(tokenizer, recipe.corpus.block_size, rows=recipe.mlm.batch_size)
    _, sep_id, pad_id = special_ids(tokenizer)
    words = words_for(recipe.mlm, tokenizer)
    stage = Pretraining(model, head, corpus, masking_vocabulary(tokenizer), sep_id, pad_id, runtime, words)
    device = torch_device(runtime)
    model.to(device)
    freeze(model, recipe.mlm.freeze, "mlm")
    load = row_load(recipe, stage)
    memory = settle_rows(
        model, load, batch_size=recipe.mlm.batch_size, runtime=runtime, settings=recipe.runtime, run_folder=None
    )
    flops = flops_per_token(model, head, tokens=load.row_tokens, predicted=load.predicted, distilled=load.distilled)
    shapes = encoder_shapes(model.config, memory.rows * load.row_tokens)
    peak_fp32 = gemm_peak(device, torch.float32, shapes)
    peak = gemm_peak(device, torch.bfloat16, shapes) if runtime.precision == "bf16" else peak_fp32
    totals, batch_size, rows = _timed(recipe, stage, memory.rows)
    speed = Speed(totals.tokens / totals.seconds, totals.seconds, batch_size, rows, flops, peak, peak_fp32)
    learning = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    return Rehearsal(model.num_parameters(), learning, memory, speed)


def random_corpus(tokenizer: PreTrainedTokenizerBase, block_size: int, *, rows: int) -> Corpus:
    """Returns ``rows`` blocks of random documents, packed as a corpus is; nothing lies on the disk."""
    cls_id, sep_id, pad_id = special_ids(tokenizer)
    ordinary = masking_vocabulary(tokenizer).ordinary_ids
    raw = np.random.Philox(key=stream_key(0, "rehearsal")).random_raw(rows * block_size)
    tokens = ordinary[(raw % np.uint64(len(ordinary))).astype(np.int64)].astype(np.int32)
    documents = [tokens[start : start + DOCUMENT_TOKENS] for start in range(0, len(tokens), DOCUMENT_TOKENS)]
    blocks = pack(documents, block_size=block_size, cls_id=cls_id, sep_id=sep_id, pad_id=pad_id)[:rows]
    counts = np.bincount(tokens, minlength=max(tokenizer.get_vocab().values()) + 1)
    return Corpus(Path(), blocks, blocks[:0], counts, {})


def _timed(recipe: DomainRecipe, stage: Pretraining, rows: int) -> tuple[Totals, int, int]:
    """Returns the totals of the timed steps, their batch size and their rows of a pass."""
    one = _train(recipe, stage, batch_size=1, rows=1, steps=2).seconds / 2
    # A pass over more rows is quicker a row; where even that takes too long, fewer rows must do.
    rows = max(1, min(rows, int(TIMED_SECONDS / one)))
    a_pass = _train(recipe, stage, batch_size=rows, rows=rows, steps=1).seconds
    passes = max(1, round(TIMED_SECONDS / a_pass))
    batch_size = min(recipe.mlm.batch_size, passes * rows)
    steps = max(1, passes * rows // batch_size)
    return _train(recipe, stage, batch_size=batch_size, rows=rows, steps=steps), batch_size, rows


def _train(recipe: DomainRecipe, stage: Pretraining, *, batch_size: int, rows: int, steps: int) -> Totals:
    """Trains ``steps`` steps with the recipe's settings and returns what the loop added up."""
    runtime: dict[str, Any] = {"micro_batch_size": rows, "save_seconds": 1e9}
    if recipe.runtime.compile == "auto":
        runtime["compile"] = "off"
    short = recipe.model_copy(
        update={
            "mlm": recipe.mlm.model_copy(update={"batch_size": batch_size, "batch_size_start": None}),
            "budget": Budget(tokens=steps * batch_size * recipe.corpus.block_size),
            "runtime": recipe.runtime.model_copy(update=runtime),
        }
    )
    with tempfile.TemporaryDirectory(prefix="domain-adapt-") as folder, quiet():
        return train(short, stage, [], Run(Path(folder), "", time.monotonic()))
