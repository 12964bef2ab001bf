"""Checkpoints of every kind, with heads that were drawn and not trained: what they say is arbitrary, but theirs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from domain_adapt.bases import (
    load_classifier,
    load_masked_lm,
    load_multiple_choice,
    load_question_answering,
    load_tokenizer,
    resolve_base,
    save_model,
    save_tokenizer,
)
from domain_adapt.checkpoints import Checkpoint, CheckpointStore, Manifest
from domain_adapt.labelled import load_data
from domain_adapt.recipes import load_task
from domain_adapt.tasks import task_type
from tests.conftest import SENTENCES, Project, write_jsonl

ROWS: dict[str, list[dict[str, Any]]] = {
    "text-classification": [
        {"id": str(n), "text": SENTENCES[n % 8], "label": ("law", "medicine")[n % 2]} for n in range(16)
    ],
    "token-classification": [
        {"id": str(n), "text": text, "entities": [{"start": 0, "end": len(text.split()[0]), "label": "first"}]}
        for n, text in enumerate(SENTENCES)
    ],
    "multiple-choice": [
        {"id": str(n), "question": text, "choices": ["fever", "a bond", "the market"][: 2 + n % 2], "answer": n % 2}
        for n, text in enumerate(SENTENCES)
    ],
}
LOAD: dict[str, Callable[[Path], Any]] = {
    "fill-mask": lambda folder: None,
    "feature-extraction": lambda folder: None,
    "question-answering": lambda folder: load_question_answering(folder, seed=1),
    "multiple-choice": lambda folder: load_multiple_choice(folder, seed=1),
    "text-classification": lambda folder: load_classifier(folder, "text", ["law", "medicine"], seed=1),
    "token-classification": lambda folder: load_classifier(folder, "token", ["O", "B-first", "I-first"], seed=1),
}
Publish = Callable[[str], Checkpoint]


@pytest.fixture
def checkpoint_of(adapted: Project) -> Publish:
    """``checkpoint_of("question-answering")`` publishes such a model of ``heart@v1`` with a task and its data."""
    store = CheckpointStore(adapted.workspace.checkpoints)
    heart = store.find("heart")

    def publish(kind: str) -> Checkpoint:
        if kind == "fill-mask":
            return heart
        base = resolve_base(heart.ref, workspace=adapted.workspace)
        model = load_masked_lm(base).base_model if kind == "feature-extraction" else LOAD[kind](base.folder)
        for name, weight in model.named_parameters():  # drawn heads are so small that any answer would do
            if name.startswith(("classifier", "qa_outputs")):
                weight.data.mul_(20)
        changes: dict[str, Any] = {"stage": "finetune", "name": kind}
        if kind != "feature-extraction":
            changes |= _task(adapted, kind)

        def fill(folder: Path) -> None:
            save_model(model, folder)
            save_tokenizer(load_tokenizer(base.folder), folder)

        def make(version: int, files: dict[str, str]) -> Manifest:
            return heart.manifest.model_copy(update=changes | {"version": version, "files": files})

        return store.publish(kind, fill, make)

    return publish


def _task(project: Project, kind: str) -> dict[str, Any]:
    """Writes a task with data and returns what a manifest says about it."""
    name = "qa" if kind == "question-answering" else kind
    if kind in ROWS:
        folder = project.workspace.tasks / name
        folder.mkdir(parents=True)
        write_jsonl(folder / "rows.jsonl", ROWS[kind])
        (folder / "task.toml").write_text(
            f'name = "{name}"\ntype = "{kind}"\n[data.heart]\ntrain = "rows.jsonl"\ndev = "rows.jsonl"\n'
        )
    recipe = load_task(name, workspace=project.workspace)
    data = load_data(recipe, task_type(kind), "heart", (), ())
    values = json.loads(recipe.values.model_dump_json())
    return {"task": name, "domain": "heart", "recipe": values, "corpus": data.describe(name)}
