from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from transformers import BertConfig

from domain_adapt.errors import DomainAdaptError
from domain_adapt.recipes import QuestionAnsweringSettings, TaskRecipe
from domain_adapt.tasks import task_type


def test_unknown_task_type_suggests_the_nearest():
    with pytest.raises(DomainAdaptError, match="known: multiple-choice, question-answering") as error:
        task_type("question-answer")
    assert error.value.hint == "did you mean 'question-answering'?"


def test_registry_and_loading_import_no_torch():
    code = (
        "import sys; from domain_adapt.tasks import task_type; task_type('question-answering')\n"
        "print([name for name in ('torch', 'transformers', 'datasets', 'evaluate') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_whole_way_from_file_to_metric(tmp_path: Path, wordpiece: Any):
    task = task_type("question-answering")
    path = tmp_path / "a.jsonl"
    lines = [
        '{"id": "1", "question": "Who?", "context": "fever day", "answers": {"text": ["day"], "answer_start": [6]}}',
        '{"id": "2", "question": "Who?", "context": "pain", "answers": {"text": [], "answer_start": []}}',
    ]
    path.write_text("\n".join(lines))
    recipe = TaskRecipe(name="qa", type="question-answering")
    settings = task.settings(recipe, BertConfig(max_position_embeddings=512))
    assert settings == QuestionAnsweringSettings()
    assert task.settings(recipe, BertConfig(max_position_embeddings=64)).max_length == 64
    examples = task.load([path], recipe).examples
    assert [task.group(example) for example in examples] == ["fever day", "pain"]
    features = task.featurise(examples, wordpiece, settings)
    objective = task.objective(features, wordpiece.pad_token_id, recipe.finetune)
    assert objective.lengths.tolist() == features.lengths.tolist()
    start = np.zeros((2, features.lengths.max()), dtype=np.float32)
    end = start.copy()
    start[0, features.start_labels[0]] = end[0, features.end_labels[0]] = 5
    start[1, 0] = 5
    predictions = task.decode((start, end), features, examples, settings)
    assert [one.text for one in predictions] == ["day", ""]
    assert task.metric(examples, predictions)[task.selection_metric(recipe)] == 100
    with pytest.raises(ValueError, match="different ids"):
        task.metric(examples, predictions[::-1])
