"""Trains small models for some steps and leaves their curves and weights; alone or as one of several ranks.

python tests/e2e/loss_curve.py MODEL FOLDER [--rows 16] [--steps 50] [--distill 0 10] [--architectures bert ...]
python -m torch.distributed.run --nproc-per-node 2 tests/e2e/loss_curve.py MODEL FOLDER
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_model
from transformers import AutoConfig, AutoModelForMaskedLM, AutoTokenizer, PreTrainedModel

from domain_adapt.mlm.masking import masking_vocabulary
from domain_adapt.mlm.objective import MaskedLMObjective
from domain_adapt.mlm.sparse_head import SparseHead
from domain_adapt.recipes import Budget, Freeze, MlmSettings, RuntimeSettings
from domain_adapt.training import ranks
from domain_adapt.training.freezing import freeze, parameter_groups, set_dropout
from domain_adapt.training.loop import TrainingLoop
from domain_adapt.training.plan import make_plan
from domain_adapt.training.runtime import Runtime

BATCH = 16
STEPS_PER_EPOCH = 8
SIZES: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 40,
    "pad_token_id": 0,
}
# What an architecture calls otherwise, or has besides.
ARCHITECTURES: dict[str, dict[str, Any]] = {
    "roberta": {},
    "xlm-roberta": {},
    "camembert": {},
    "bert": {},
    "distilbert": {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64},
    "deberta-v2": {"relative_attention": True, "pos_att_type": ["p2c", "c2p"]},
    "electra": {"embedding_size": 16},
    "albert": {"embedding_size": 16},
    "modernbert": {"cls_token_id": 2, "sep_token_id": 3, "bos_token_id": 2, "eos_token_id": 3},
}


def drawn(architecture: str, entries: int) -> PreTrainedModel:
    """Returns a small model of an architecture, the same every time."""
    config = AutoConfig.for_model(architecture, vocab_size=entries, **SIZES | ARCHITECTURES[architecture])
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return AutoModelForMaskedLM.from_config(config)


def train(
    model: PreTrainedModel,
    teacher: PreTrainedModel,
    tokenizer: Any,
    folder: Path,
    *,
    rows: int,
    steps: int,
    distill: float = 0.0,
    frozen: Freeze = Freeze(),
) -> None:
    """Trains on random blocks; their number is no multiple of the batch, and the last step of an epoch has one row."""
    settings = MlmSettings(learning_rate=1e-3, batch_size=BATCH, distill_weight=distill, distill_share=0.3, dropout=0.0)
    set_dropout(model, 0.0)
    freeze(model, frozen, "mlm")
    generator = np.random.Generator(np.random.Philox(0))
    blocks = generator.integers(5, len(tokenizer), (BATCH * (STEPS_PER_EPOCH - 1) + 1, 32)).astype(np.int32)
    blocks[-1, 20:] = tokenizer.pad_token_id
    objective = MaskedLMObjective(
        blocks,
        masking_vocabulary(tokenizer),
        settings,
        seed=0,
        pad_id=tokenizer.pad_token_id,
        head=SparseHead(model),
        teacher=teacher.base_model.eval().requires_grad_(False) if distill else None,
    )
    folder.mkdir(parents=True, exist_ok=True)
    TrainingLoop(
        model,
        objective,
        make_plan(np.full(len(blocks), 32), settings, budget=Budget(epochs=steps / STEPS_PER_EPOCH), seed=0),
        settings,
        groups=parameter_groups(model, learning_rate=settings.learning_rate, weight_decay=settings.weight_decay),
        run_folder=folder,
        runtime=Runtime("cpu", "fp32", 1),
        runtime_settings=RuntimeSettings(),
        micro_batch_rows=rows,
        label="loss curve",
    ).run()
    if ranks.is_main():
        save_model(model, str(folder / "model.safetensors"))


def main(words: list[str] | None = None) -> None:
    """Trains MODEL once for each weight of the distillation, and each architecture with its embeddings frozen."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=BATCH, help="rows in one forward pass")
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--distill", type=float, nargs="*", default=[])
    parser.add_argument("--architectures", nargs="*", choices=ARCHITECTURES, default=[])
    arguments = parser.parse_args(words)
    torch.set_num_threads(1)
    tokenizer = AutoTokenizer.from_pretrained(arguments.model)
    for distill in arguments.distill:
        model, teacher = (AutoModelForMaskedLM.from_pretrained(arguments.model) for _ in range(2))
        folder = arguments.folder / f"distill-{distill:g}"
        train(model, teacher, tokenizer, folder, rows=arguments.rows, steps=arguments.steps, distill=distill)
    for architecture in arguments.architectures:
        model, teacher = (drawn(architecture, len(tokenizer)) for _ in range(2))
        folder = arguments.folder / architecture
        # Five steps with a rate that is high for 32 dimensions, distillation and a frozen part: everything at once.
        frozen = Freeze(embeddings=True)
        train(model, teacher, tokenizer, folder, rows=arguments.rows, steps=5, distill=1.0, frozen=frozen)
    ranks.leave()


if __name__ == "__main__":
    main()
