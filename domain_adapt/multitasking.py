"""The models' side of multitask training: one encoder, steps of one task each, a checkpoint for each of them."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from domain_adapt.bases import load_masked_lm, load_tokenizer
from domain_adapt.checkpoints import Checkpoint
from domain_adapt.fingerprint import fingerprint
from domain_adapt.recipes import MlmSettings
from domain_adapt.stages import Publication, Run, publish
from domain_adapt.task_in_run import Inputs, TaskInRun
from domain_adapt.task_training import train_tasks
from domain_adapt.training.ranks import place
from domain_adapt.workspace import Workspace

if TYPE_CHECKING:
    import numpy as np
    from transformers import PreTrainedModel

    from domain_adapt.training.loop import Totals
    from domain_adapt.training.mixture import Mixture, Part

logger = logging.getLogger(__name__)

MASKED_LM = "mlm"  # the part that learns from the texts
ENCODER = "encoder"  # what the checkpoint without a head is called


class Multitasking:
    """One run of stage 2 on several tasks.

    Args:
        inputs: Of the tasks; starting weights and settings are those of the first.
        run: Its folder.
        workspace: Where checkpoints are.
    """

    def __init__(self, inputs: Sequence[Inputs], run: Run, workspace: Workspace) -> None:
        from domain_adapt.training.runtime import detect

        self._first, self._run, self._workspace = inputs[0], run, workspace
        self._start, self._values = self._first.start, self._first.recipe.values
        self._runtime = detect(self._values.runtime, run.folder)
        place(self._runtime.device)
        self._tokenizer = load_tokenizer(self._start.folder)
        self._tasks = [TaskInRun(one, self._tokenizer, self._runtime) for one in inputs]

    def publish(self, encoder_name: str, done: Mapping[str, Checkpoint]) -> dict[str, Checkpoint]:
        """Trains, takes the best epoch's weights and publishes them.

        Args:
            encoder_name: Of the shared encoder's checkpoint.
            done: What an earlier process has published.

        Returns:
            The checkpoints by the names of the tasks, and of the encoder by :data:`ENCODER`; so are those ``done``.
        """
        from safetensors.torch import load_file

        from domain_adapt.training.mixture import Mixture
        from domain_adapt.training.preparing import prepare_encoder
        from domain_adapt.training.state import put_tensors

        masked = load_masked_lm(self._start) if self._values.multitask.mlm_weight else None
        models: dict[str, PreTrainedModel] = {} if masked is None else {MASKED_LM: masked}
        models |= {task.values.name: task.model for task in self._tasks}
        owner = next(iter(models.values()))
        mixture = Mixture(models)
        adapters = prepare_encoder(owner, self._values.finetune, seed=self._values.seed, runtime=self._runtime)
        totals = self._train(mixture, owner, list(self._parts(masked)))
        best = totals.notes["best"]
        put_tensors(mixture, load_file(self._run.folder / best["file"]))
        logger.info("best epoch: %d", best["epoch"])
        if adapters is not None:
            adapters.merge()
        published = dict(done)
        for task in self._tasks:
            name = task.values.name
            if name not in published:
                logger.info("task %s", name)
                described = self._describe(name)
                published[name] = task.publish(best, totals, self._run, self._workspace, {}, described)
        if ENCODER not in published:
            published[ENCODER] = self._publish_encoder(encoder_name, owner, best, totals)
        return {key: published[key] for key in (*(task.values.name for task in self._tasks), ENCODER)}

    def _parts(self, masked: PreTrainedModel | None) -> Iterator[Part]:
        """Yields what is learnt from, the texts first."""
        from domain_adapt.training.mixture import Part

        if masked is not None:
            yield self._texts(masked)
        for task in self._tasks:
            objective = task.objective()
            yield Part(task.values.name, objective, objective.lengths)

    def _texts(self, model: PreTrainedModel) -> Part:
        """Returns masked-language modelling on the texts of all tasks' training parts, each of them once."""
        import numpy as np

        from domain_adapt.corpus.packing import pack
        from domain_adapt.corpus.prepare import special_ids
        from domain_adapt.mlm.masking import masking_vocabulary
        from domain_adapt.mlm.new_head import start_head
        from domain_adapt.mlm.objective import MaskedLMObjective
        from domain_adapt.mlm.sparse_head import SparseHead
        from domain_adapt.training.mixture import Part

        settings = self._values.multitask
        texts = dict.fromkeys(task.kind.group(example) for task in self._tasks for example in task.data.train.examples)
        cls_id, sep_id, pad_id = special_ids(self._tokenizer)
        ids = self._tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"]
        blocks = pack(ids, block_size=settings.mlm_block_size, cls_id=cls_id, sep_id=sep_id, pad_id=pad_id)
        if not self._start.has_lm_head:
            start_head(model, np.bincount(blocks.reshape(-1)))
        logger.info("masked-LM loss on %d texts of the tasks, %s blocks", len(texts), f"{len(blocks):,}")
        objective = MaskedLMObjective(
            blocks,
            masking_vocabulary(self._tokenizer),
            MlmSettings(probability=settings.mlm_probability),
            seed=self._values.seed,
            pad_id=pad_id,
            head=SparseHead(model),
        )
        lengths: np.ndarray = np.full(len(blocks), blocks.shape[1], dtype=np.int64)
        return Part(MASKED_LM, objective, lengths, settings.mlm_weight)

    def _train(self, mixture: Mixture, owner: PreTrainedModel, parts: list[Part]) -> Totals:
        from domain_adapt.training.fitting import fit_to_machine
        from domain_adapt.training.freezing import set_dropout
        from domain_adapt.training.memory import Load
        from domain_adapt.training.mixture import MixtureObjective
        from domain_adapt.training.mixture_plan import make_mixture_plan

        values, settings = self._values, self._values.finetune
        plan = make_mixture_plan(
            [part.lengths for part in parts],
            batch_size=settings.batch_size,
            exponent=values.multitask.size_exponent,
            budget=values.budget,
            seed=values.seed,
        )
        logger.info("steps an epoch: %s", ", ".join(map("{0.name} {1}".format, parts, plan.shares)))
        set_dropout(mixture, settings.dropout)
        objective = MixtureObjective(parts)
        predicted = values.multitask.mlm_probability if MASKED_LM in objective else 0.0
        rows = fit_to_machine(
            owner,
            objective,
            plan,
            Load(int(plan.lengths.max()), predicted),
            runtime=self._runtime,
            settings=values.runtime,
            run_folder=self._run.folder,
            mixture=mixture,
        )
        return train_tasks(
            self._tasks, mixture, objective, plan, run=self._run, runtime=self._runtime, micro_batch_rows=rows
        )

    def _describe(self, name: str | None) -> dict[str, Any]:
        """Returns the corpus entry of a manifest: all data of the run, with the figures of the task called ``name``."""
        entries = {task.values.name: task.data.describe(task.values.name) for task in self._tasks}
        figures = {
            key if one == name else f"{one}_{key}": value
            for one, entry in entries.items()
            for key, value in entry["statistics"].items()
        }
        return {
            "content_sha256": fingerprint({one: entry["content_sha256"] for one, entry in entries.items()}),
            "sources": [source for entry in entries.values() for source in entry["sources"]],
            "statistics": figures,
        }

    def _publish_encoder(
        self, name: str, owner: PreTrainedModel, best: Mapping[str, Any], totals: Totals
    ) -> Checkpoint:
        """Publishes the encoder without a head, with the configuration that it came with."""
        from transformers import AutoConfig

        encoder: PreTrainedModel = owner.base_model
        encoder.config = AutoConfig.from_pretrained(self._start.folder, local_files_only=True)
        metrics = {
            f"dev/{task}_{key}": value
            for task, found in best["tasks"].items()
            for key, value in found["metrics"].items()
        }
        publication = Publication(
            name=name,
            stage="finetune",
            domain=self._first.data.domain,
            task=None,
            profile=self._first.recipe.profile,
            recipe=self._values,
            base=self._start,
            corpus=self._describe(None),
            metrics=metrics | {"train/best_epoch": float(best["epoch"])} | totals.metrics(),
            folder=self._first.recipe.folder,
            multitask=True,
        )
        return publish(publication, encoder, self._tokenizer, self._run, self._runtime, self._workspace)
