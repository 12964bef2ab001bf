"""Memory: an allocator that keeps what it has, what is free, and how many rows fit into one pass."""

from __future__ import annotations

import ctypes
import logging
import math
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from domain_adapt.errors import DomainAdaptError
from domain_adapt.training.cgroups import UNLIMITED, memory_left
from domain_adapt.training.runtime import Runtime, local_ranks

if TYPE_CHECKING:
    from transformers import PreTrainedModel

logger = logging.getLogger(__name__)

_M_TRIM_THRESHOLD = -1  # parameters of mallopt(3)
_M_MMAP_THRESHOLD = -3

# Tokens in one pass beyond which more gain nothing: they saturate the matrix products.
SATURATING_TOKENS = {"cpu": 4_096, "cuda": 32_768, "mps": 4_096}
# Share of the free memory that a run plans for; the rest is for fragments, other processes and what was not foreseen.
USABLE_SHARE = {"cpu": 0.8, "cuda": 0.9, "mps": 0.7}
# What an allocator holds beyond the tensors that are alive: a heap that never gives back has the larger holes. Measured
# on a CPU: 1.1 to 2 times (benchmarks/memory.py).
FRAGMENTATION = {"cpu": 1.5, "cuda": 1.1, "mps": 1.5}
# Buffers of the matrix-product library and of threads, the feed's batches.
WORKING_BYTES = 128 * 2**20
HINT = "set runtime.micro_batch_size to fewer rows, or runtime.gradient_checkpointing = true"


def tune_allocator() -> None:
    """Keeps freed memory in the process instead of giving it back to the kernel after every step.

    A training step allocates and frees the same hundred buffers of some megabytes; glibc returns each to the kernel
    and pays page faults to get it again. Keeping them makes a CPU step of ``mini`` about a tenth faster
    (``benchmarks/allocator.py``). Huge pages for torch's own buffers gain a little more. To be called before torch
    allocates anything; does nothing where the C library is not glibc.
    """
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    if sys.platform != "linux":
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    mallopt(_M_MMAP_THRESHOLD, 2**31 - 1)
    mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


def free_memory(device: str, root: Path = Path("/")) -> int:
    """Returns the bytes that this process may still allocate on ``device``, or ``UNLIMITED`` where nothing tells.

    On a CPU it is what the kernel calls available, or what the control group's limit leaves if that is less, divided
    among the ranks on this machine.
    """
    if device == "cuda":
        import torch

        # What torch has reserved and does not use counts as used in the first figure.
        return int(torch.cuda.mem_get_info()[0] + torch.cuda.memory_reserved() - torch.cuda.memory_allocated())
    available = meminfo(root).get("MemAvailable", UNLIMITED)
    return min(available, memory_left(root)) // local_ranks()


def meminfo(root: Path = Path("/")) -> dict[str, int]:
    """Returns ``/proc/meminfo`` in bytes; empty where there is none."""
    try:
        lines = (root / "proc/meminfo").read_text().splitlines()
    except OSError:
        return {}
    parts = [line.replace(":", "").split() for line in lines]
    return {part[0]: int(part[1]) * 1024 for part in parts if part[2:] == ["kB"]}


@dataclass(frozen=True)
class Load:
    """What decides, beside the model, how much memory a row of a training pass needs.

    Attributes:
        row_tokens: Tokens of the longest row.
        predicted: Share of the tokens whose logits over the vocabulary are computed.
        distilled: Share of the rows that a teacher of the model's own size reads too.
    """

    row_tokens: int
    predicted: float = 0.0
    distilled: float = 0.0


@dataclass(frozen=True)
class MemoryPlan:
    """How a training step fits into memory; bytes, estimated.

    Attributes:
        free: What may still be allocated before training starts.
        fixed: Gradients, optimizer moments and whatever else does not grow with the rows.
        row: Activations of one row.
        rows: Rows of one pass.
    """

    free: int
    fixed: int
    row: int
    rows: int

    @property
    def needed(self) -> int:
        """Bytes that training adds at its peak."""
        return self.fixed + self.rows * self.row

    @property
    def fits(self) -> bool:
        """Tells whether the estimate is within the free memory; with one row it may not be."""
        return self.needed <= self.free

    def with_rows(self, rows: int) -> MemoryPlan:
        """Returns the plan for another number of rows."""
        return replace(self, rows=rows)

    def warn(self) -> None:
        """Says in one line that training may run out of memory, with the figures and the way out."""
        logger.warning(
            "training needs about %s with %d rows a pass and %s are free: it may run out of memory; %s",
            *(gigabytes(self.needed), self.rows, gigabytes(self.free), HINT),
        )


def plan_memory(
    model: PreTrainedModel, load: Load, runtime: Runtime, *, batch_rows: int, checkpointing: bool = False
) -> MemoryPlan:
    """Returns how many rows go into one pass, and why.

    As many as fit into the free memory, at least one, and not more than the batch has or than gain anything.

    Args:
        model: On the device already; its gradients and optimizer moments are not there yet.
        load: What a row asks for.
        runtime: Device and precision.
        batch_rows: Rows of this rank in one optimizer step.
        checkpointing: Activations are computed again in the backward pass.
    """
    free = free_memory(runtime.device)
    fixed = fixed_bytes(model, runtime)
    token = token_bytes(model, load, runtime, checkpointing=checkpointing)
    row = math.ceil(FRAGMENTATION[runtime.device] * token * load.row_tokens)
    fitting = int(free * USABLE_SHARE[runtime.device] - fixed) // row
    rows = max(1, min(batch_rows, SATURATING_TOKENS[runtime.device] // load.row_tokens, fitting))
    return MemoryPlan(free, fixed, row, rows)


def fixed_bytes(model: PreTrainedModel, runtime: Runtime) -> int:
    """Returns the bytes that training adds whatever the number of rows: gradients, two moments, weights in bf16."""
    learning = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    # The table is tied to the output: it has two gradients before they are added.
    table = model.get_input_embeddings().weight.numel()
    cast = 2 * model.num_parameters() if runtime.precision == "bf16" else 0
    return int(12 * learning + 4 * table + cast + WORKING_BYTES)


def token_bytes(model: PreTrainedModel, load: Load, runtime: Runtime, *, checkpointing: bool) -> float:
    """Returns the bytes of the tensors that are alive for one token at the peak of a forward and backward pass.

    A layer keeps, with ``h`` the hidden and ``i`` the intermediate width: its input, queries, keys, values and the
    attention's result (5 h), input and result of two layer norms (of the last one's result the next layer has been
    counted: 3 h), and the feed-forward layer before and after its activation (2 i); dropout adds its masks, attention
    that is not fused its scores. (The terms of Korthikanti et al. 2022, arXiv 2205.05198, in fp32.) The logits exist
    three times at the peak. ``benchmarks/memory.py`` compares this to what is measured.
    """
    config = model.config
    hidden, layers = config.hidden_size, config.num_hidden_layers
    bf16 = runtime.precision == "bf16"
    # A gated feed-forward layer (ModernBERT) has twice the intermediate tensors.
    gated = 2 if config.model_type == "modernbert" else 1
    wide = 2 * gated * _intermediate(config) * (2 if bf16 else 4)
    dropout = _highest_dropout(model) > 0
    kept = 4 * hidden * (10 if dropout else 8) + wide + _score_bytes(config, load, runtime, dropout=dropout)
    backward = wide + 4 * 4 * hidden + 5 * load.row_tokens  # gradients inside one layer; an attention mask
    encoder = layers * 4 * hidden + kept + backward if checkpointing else layers * kept + backward
    logits = load.predicted * (config.vocab_size * (16 if bf16 else 12) + 6 * 4 * hidden)
    teacher = load.distilled * (wide + 12 * 4 * hidden)
    return float(encoder + 3 * 4 * hidden + logits + teacher)


def _intermediate(config: Any) -> int:
    found = getattr(config, "intermediate_size", None) or getattr(config, "hidden_dim", None)  # DistilBERT's word
    return int(found or 4 * config.hidden_size)


def _score_bytes(config: Any, load: Load, runtime: Runtime, *, dropout: bool) -> int:
    """Returns the bytes of attention scores a token and layer, 0 where the kernel is fused and never stores them."""
    fused = getattr(config, "_attn_implementation", "eager") != "eager"
    if fused and (runtime.device == "cuda" or (runtime.device == "cpu" and not dropout)):
        return 0
    copies = 8 if config.model_type == "deberta-v2" else 4  # DeBERTa adds content-to-position scores, both ways
    return int(copies * 4 * config.num_attention_heads * load.row_tokens)


def _highest_dropout(model: PreTrainedModel) -> float:
    from torch import nn

    return max((module.p for module in model.modules() if isinstance(module, nn.Dropout)), default=0.0)


@contextmanager
def explain_out_of_memory(rows: int) -> Iterator[None]:
    """Turns running out of memory into an error that says what to do; others pass through.

    Args:
        rows: Rows in one pass.

    Raises:
        DomainAdaptError: If memory on the device, or an allocation on the CPU, has failed.
    """
    import torch

    try:
        yield
    except RuntimeError as error:  # torch.OutOfMemoryError is one; the CPU's allocator raises it bare
        if not isinstance(error, torch.OutOfMemoryError) and "can't allocate memory" not in str(error):
            raise
        raise DomainAdaptError(f"out of memory in a pass of {rows} rows", hint=HINT) from error


def gigabytes(count: int) -> str:
    """Returns ``1_500_000_000`` as ``1.5 GB``."""
    return f"{count / 1e9:.1f} GB"
