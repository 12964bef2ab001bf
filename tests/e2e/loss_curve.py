"""Trains a small model for some steps and leaves metrics.jsonl; alone or as one of several ranks.

python tests/e2e/loss_curve.py MODEL FOLDER [--rows 16] [--steps 50] [--distill 10]
python -m torch.distributed.run --nproc-per-node 2 tests/e2e/loss_curve.py MODEL FOLDER
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForMaskedLM, AutoTokenizer

from domain_adapt.mlm.masking import masking_vocabulary
from domain_adapt.mlm.objective import MaskedLMObjective
from domain_adapt.mlm.sparse_head import SparseHead
from domain_adapt.recipes import Budget, MlmSettings, RuntimeSettings
from domain_adapt.training import ranks
from domain_adapt.training.freezing import parameter_groups, set_dropout
from domain_adapt.training.loop import TrainingLoop
from domain_adapt.training.plan import make_plan
from domain_adapt.training.runtime import Runtime

BATCH = 16


def main() -> None:
    """Trains on random blocks; the number of blocks is no multiple of the batch."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=BATCH, help="rows in one forward pass")
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--distill", type=float, default=0.0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    ranks.join("cpu")
    tokenizer = AutoTokenizer.from_pretrained(arguments.model)
    model = AutoModelForMaskedLM.from_pretrained(arguments.model)
    teacher = AutoModelForMaskedLM.from_pretrained(arguments.model).base_model.eval().requires_grad_(False)
    settings = MlmSettings(
        learning_rate=1e-3, batch_size=BATCH, distill_weight=arguments.distill, distill_share=0.3, dropout=0.0
    )
    set_dropout(model, 0.0)
    generator = np.random.Generator(np.random.Philox(0))
    blocks = generator.integers(5, len(tokenizer), (16 * 7 + 1, 32)).astype(np.int32)
    blocks[-1, 20:] = tokenizer.pad_token_id
    objective = MaskedLMObjective(
        blocks,
        masking_vocabulary(tokenizer),
        settings,
        seed=0,
        pad_id=tokenizer.pad_token_id,
        head=SparseHead(model),
        teacher=teacher if arguments.distill else None,
    )
    arguments.folder.mkdir(exist_ok=True)
    TrainingLoop(
        model,
        objective,
        make_plan(np.full(len(blocks), 32), settings, budget=Budget(epochs=arguments.steps / 8), seed=0),
        settings,
        groups=parameter_groups(model, learning_rate=settings.learning_rate, weight_decay=settings.weight_decay),
        run_folder=arguments.folder,
        runtime=Runtime("cpu", "fp32", 1),
        runtime_settings=RuntimeSettings(),
        micro_batch_rows=arguments.rows,
        label="loss curve",
    ).run()
    ranks.leave()


if __name__ == "__main__":
    main()
