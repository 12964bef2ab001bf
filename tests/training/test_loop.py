import json
import os
import signal

import numpy as np
import pytest
import torch
from transformers import AutoModelForMaskedLM, AutoTokenizer

from domain_adapt.errors import Stopped
from domain_adapt.mlm.masking import masking_vocabulary
from domain_adapt.mlm.objective import MaskedLMObjective
from domain_adapt.mlm.sparse_head import SparseHead
from domain_adapt.recipes import Budget, MlmSettings, RuntimeSettings
from domain_adapt.training.freezing import parameter_groups, set_dropout
from domain_adapt.training.loop import TrainingLoop
from domain_adapt.training.plan import make_plan
from domain_adapt.training.runtime import Runtime

SETTINGS = MlmSettings(learning_rate=1e-3, batch_size=16, dropout=0.0)


@pytest.fixture
def blocks(tiny_wordpiece):
    size = len(AutoTokenizer.from_pretrained(tiny_wordpiece))
    drawn = np.random.Generator(np.random.Philox(0)).integers(5, size, (72, 32)).astype(np.int32)
    drawn[-1, 20:] = 0  # the last block of a corpus is padded
    return drawn


def loop(folder, model_folder, blocks, *, rows=16, epochs=3.0, settings=SETTINGS, save_seconds=1e9, hook=None):
    tokenizer = AutoTokenizer.from_pretrained(model_folder)
    model = AutoModelForMaskedLM.from_pretrained(model_folder)
    head = SparseHead(model)
    set_dropout(model, settings.dropout)
    teacher = None
    if settings.distill_weight:
        teacher = AutoModelForMaskedLM.from_pretrained(model_folder).base_model.eval().requires_grad_(False)
    objective = MaskedLMObjective(
        blocks, masking_vocabulary(tokenizer), settings, seed=0, pad_id=0, head=head, teacher=teacher
    )
    if hook is not None:
        objective = hook(objective)
    return model, TrainingLoop(
        model,
        objective,
        make_plan(np.count_nonzero(blocks, axis=1), settings, budget=Budget(epochs=epochs), seed=0),
        settings,
        groups=parameter_groups(model, learning_rate=settings.learning_rate, weight_decay=0.01),
        run_folder=folder,
        runtime=Runtime("cpu", "fp32", torch.get_num_threads()),
        runtime_settings=RuntimeSettings(save_seconds=save_seconds),
        micro_batch_rows=rows,
        label="test",
    )


def lines(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def folder_of(tmp_path, name):
    (tmp_path / name).mkdir()
    return tmp_path / name


@pytest.mark.parametrize("distill_weight", [0.0, 10.0])
def test_trainer_loss_inflation_under_accumulation_does_not_happen_here(
    tmp_path, tiny_model_folder, blocks, distill_weight
):
    """Trainer 5.23 multiplies the masked-LM loss and gradient norm by the accumulation steps (5.8 became 23.3)."""
    settings = SETTINGS.model_copy(update={"distill_weight": distill_weight, "distill_share": 0.5})
    curves = {}
    for rows in (16, 4, 1):
        folder = folder_of(tmp_path, str(rows))
        loop(folder, tiny_model_folder, blocks, rows=rows, settings=settings)[1].run()
        curves[rows] = [(line["loss"], line["grad_norm"]) for line in lines(folder)]
    assert len(curves[16]) == 15  # 72 rows are five steps an epoch, the last one with eight rows
    np.testing.assert_allclose(curves[4], curves[16], rtol=0, atol=1e-5 * max(1.0, np.max(curves[16])))
    np.testing.assert_allclose(curves[1], curves[16], rtol=0, atol=1e-5 * max(1.0, np.max(curves[16])))


def test_the_loss_is_the_mean_over_all_masked_tokens_of_the_step(tmp_path, tiny_model_folder, blocks):
    _, training = loop(tmp_path, tiny_model_folder, blocks, epochs=0.2, rows=3)
    stock = AutoModelForMaskedLM.from_pretrained(tiny_model_folder).eval()
    rows = training._plan.rows(0, training._plan.order(0))
    batch = training._objective.batch(rows, 0).inputs
    labels = torch.full((len(rows), 32), -100)
    labels.view(-1)[batch["positions"]] = batch["labels"]
    mask = batch.get("attention_mask")
    expected = stock(input_ids=batch["input_ids"], attention_mask=mask, labels=labels).loss.item()
    training.run()
    assert lines(tmp_path)[0]["loss"] == pytest.approx(expected, abs=1e-5)


def test_training_reduces_the_loss_and_counts_tokens_without_padding(tmp_path, tiny_model_folder, blocks):
    totals = loop(tmp_path, tiny_model_folder, np.repeat(blocks[:8], 9, axis=0), epochs=6)[1].run()
    curve = [line["loss"] for line in lines(tmp_path)]
    assert curve[-1] < curve[0] - 0.3
    assert totals.tokens == 72 * 32 * 6


class Interrupting:
    """Sends this process a signal while it builds its n-th batch."""

    def __init__(self, objective, number, batch):
        self._objective, self._signal, self._left = objective, number, batch
        self.weights, self.loss = objective.weights, objective.loss

    def batch(self, indices, epoch, progress):
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), self._signal)
        return self._objective.batch(indices, epoch, progress)


@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_stopped_and_resumed_ends_with_the_same_bytes(tmp_path, tiny_model_folder, blocks, dropout):
    settings = SETTINGS.model_copy(update={"dropout": dropout})
    whole, training = loop(folder_of(tmp_path, "whole"), tiny_model_folder, blocks, settings=settings)
    training.run()
    parts = folder_of(tmp_path, "parts")
    for batch, number in ((4, signal.SIGINT), (5, signal.SIGTERM)):
        stopping = loop(
            parts,
            tiny_model_folder,
            blocks,
            settings=settings,
            hook=lambda objective, batch=batch, number=number: Interrupting(objective, number, batch),
        )[1]
        with pytest.raises(Stopped, match=r"stopped after step \d+ of 15"):
            stopping.run()
    resumed, training = loop(parts, tiny_model_folder, blocks, settings=settings)
    totals = training.run()
    for (name, one), (_, other) in zip(whole.named_parameters(), resumed.named_parameters(), strict=True):
        assert torch.equal(one, other), name
    assert [line["step"] for line in lines(parts)] == list(range(1, 16))
    assert [line["loss"] for line in lines(parts)] == [line["loss"] for line in lines(tmp_path / "whole")]
    assert totals.tokens == lines(parts)[-1]["tokens"]


def test_states_are_saved_while_it_runs(tmp_path, tiny_model_folder, blocks):
    loop(tmp_path, tiny_model_folder, blocks, epochs=1, save_seconds=0.0)[1].run()
    assert sorted(path.name for path in tmp_path.glob("state-*")) == ["state-00000003", "state-00000004"]


def test_a_line_cut_by_a_kill_is_dropped_from_the_metrics(tmp_path, tiny_model_folder, blocks):
    (tmp_path / "metrics.jsonl").write_text('{"step": 99}\n{"step": 1, "lo')
    loop(tmp_path, tiny_model_folder, blocks, epochs=0.2)[1].run()
    assert [line["step"] for line in lines(tmp_path)] == [1]
