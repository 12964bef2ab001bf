import logging
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from domain_adapt.errors import Stopped
from domain_adapt.finetune import finetune
from domain_adapt.mlm.masking import MaskingVocabulary
from domain_adapt.mlm.objective import MaskedLMObjective
from domain_adapt.mlm.sparse_head import SparseHead
from domain_adapt.recipes import Budget, Freeze, MlmSettings, RuntimeSettings
from domain_adapt.training import frozen_states as module
from domain_adapt.training.freezing import freeze, parameter_groups
from domain_adapt.training.frozen_states import frozen_states
from domain_adapt.training.loop import TrainingLoop
from domain_adapt.training.plan import make_plan
from domain_adapt.training.runtime import Runtime

VOCABULARY = MaskingVocabulary(4, np.arange(5, 90), np.arange(90) >= 5)
CPU = Runtime("cpu", "fp32", 1)
LOWEST = Freeze(embeddings=True, layers=1)


@pytest.fixture(scope="module")
def blocks():
    drawn = np.random.Generator(np.random.Philox(0)).integers(5, 90, (37, 24)).astype(np.int32)
    drawn[:, 0], drawn[:, 9], drawn[:, -1] = 2, 3, 3
    return drawn


def objective_of(model, blocks, **keys):
    return MaskedLMObjective(
        blocks, VOCABULARY, MlmSettings(mask_sets=2, **keys), seed=0, pad_id=0, head=SparseHead(model)
    )


def around(objective, model, blocks, folder, *, settings=LOWEST, sets=2, passes=3.0):
    lengths = np.full(len(blocks), blocks.shape[1])
    return frozen_states(
        objective, model, settings, lengths=lengths, sets=sets, passes=passes, folder=folder, runtime=CPU
    )


@pytest.mark.parametrize("kind", sorted(module._SKIPPABLE))
def test_loss_and_gradients_are_those_of_the_whole_model_and_no_frozen_layer_runs(tmp_path, build, blocks, kind):
    rows = np.array([30, 3, 17])
    results = []
    for cached in (False, True):
        model = build(kind)
        freeze(model, LOWEST, "mlm")
        objective = objective_of(model, blocks)
        with around(objective, model, blocks, tmp_path, passes=3.0 if cached else 1.0) as training:
            assert (training is not objective) == cached
            ran = []
            lowest = next(part for name, part in model.named_modules() if name.endswith((".layer.0", ".layers.0")))
            next(lowest.children()).register_forward_hook(lambda *_, ran=ran: ran.append(1))
            losses = [training.loss(model, training.batch(rows, epoch).inputs)["mlm"] for epoch in (0, 1, 2)]
            sum(losses).backward()
            assert bool(ran) != cached
        gradients = {name: part.grad for name, part in model.named_parameters() if part.grad is not None}
        results.append((losses, gradients))
        assert not list(tmp_path.iterdir())
        with torch.no_grad():  # afterwards the model is whole again
            again = objective.loss(model, objective.batch(rows, 0).inputs)["mlm"]
        torch.testing.assert_close(again, losses[0].detach(), rtol=1e-5, atol=1e-5)
    (whole, gradients), (skipped, others) = results
    torch.testing.assert_close(torch.stack(skipped), torch.stack(whole), rtol=1e-5, atol=1e-5)
    assert gradients.keys() == others.keys()
    for name, gradient in gradients.items():
        torch.testing.assert_close(others[name], gradient, rtol=1e-4, atol=1e-5, msg=name)


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ({"sets": 0}, "every epoch draws new masks"),
        ({"passes": 2.0}, "no input comes twice"),
        ({"settings": Freeze(layers=1)}, "something below them learns"),
        ({"dropout": 0.1}, "dropout is on"),
        ({"free": 1000}, "more than half of the 0.0 GB free on disk"),
        ({"kind": "deberta-v2"}, "type 'deberta-v2' cannot be skipped"),
    ],
)
def test_where_it_does_not_pay_a_line_says_why(tmp_path, build, blocks, caplog, monkeypatch, keys, reason):
    caplog.set_level(logging.INFO, "domain_adapt")
    model = build(keys.pop("kind", "roberta"))
    freeze(model, keys.get("settings", LOWEST), "mlm")
    next(part for part in model.modules() if isinstance(part, torch.nn.Dropout)).p = keys.pop("dropout", 0.0)
    if "free" in keys:
        monkeypatch.setattr(shutil, "disk_usage", lambda _, free=keys.pop("free"): SimpleNamespace(free=free))
    objective = objective_of(model, blocks)
    with around(objective, model, blocks, tmp_path, **keys) as training:
        assert training is objective
    assert caplog.messages[-1].startswith("frozen layers are computed in every step: ") and reason in caplog.text


def test_it_says_what_it_saves(tmp_path, build, blocks, caplog):
    caplog.set_level(logging.INFO, "domain_adapt")
    model = build("roberta")
    freeze(model, LOWEST, "mlm")
    with around(objective_of(model, blocks), model, blocks, tmp_path, passes=4.0):
        assert (tmp_path / "frozen-states.raw").stat().st_size == 2 * 37 * 24 * 32 * 4
    # One of two layers is frozen: 1 of 1 + 3 parts of the work, in half of the passes.
    assert caplog.messages[0].endswith("(0.00 GB on disk): saves about 12 % of the encoder's work")


class StopsAt:
    """Stands for Ctrl-C at one step."""

    def __init__(self, objective, step):
        self._objective, self._left = objective, step
        self.weights, self.batch = objective.weights, objective.batch

    def loss(self, model, inputs):
        self._left -= 1
        if self._left == 0:
            raise Stopped(0, 0)
        return self._objective.loss(model, inputs)


def test_a_run_that_was_stopped_goes_on_to_the_same_bytes(tmp_path, build, blocks):
    settings = MlmSettings(mask_sets=2, learning_rate=1e-3, batch_size=8, freeze=LOWEST)

    def train(folder, stop=0):
        model = build("roberta")
        freeze(model, LOWEST, "mlm")
        objective = objective_of(model, blocks)
        plan = make_plan(np.full(37, 24), settings, budget=Budget(epochs=3), seed=0)
        with around(objective, model, blocks, folder) as training:
            TrainingLoop(
                model,
                StopsAt(training, stop),
                plan,
                settings,
                groups=parameter_groups(model, learning_rate=1e-3, weight_decay=0.01),
                run_folder=folder,
                runtime=CPU,
                runtime_settings=RuntimeSettings(save_seconds=0),
                micro_batch_rows=8,
                label="test",
            ).run()
        return model

    for name in ("whole", "parts"):
        (tmp_path / name).mkdir()
    whole = train(tmp_path / "whole")
    for stop in (3, 7):
        with pytest.raises(Stopped):
            train(tmp_path / "parts", stop)
    assert (tmp_path / "parts" / "frozen-states.raw").exists()
    resumed = train(tmp_path / "parts")
    for (name, one), (_, other) in zip(whole.named_parameters(), resumed.named_parameters(), strict=True):
        assert torch.equal(one, other), name


def test_stage_2_uses_it_for_windows_of_any_length(adapted, caplog, monkeypatch):
    caplog.set_level(logging.INFO, "domain_adapt")
    frozen = ["finetune.freeze.embeddings=true", "finetune.freeze.layers=1", "finetune.dropout=0"]
    first = finetune("qa", overrides=frozen, workspace=adapted.workspace)
    assert "frozen layers are computed once and kept" in caplog.text
    monkeypatch.setattr(module, "_SKIPPABLE", frozenset())
    second = finetune("qa", overrides=frozen, workspace=adapted.workspace, force=True)
    assert "cannot be skipped" in caplog.text
    scores = [one.manifest.metrics["dev/f1"] for one in (first, second)]
    assert scores[0] == pytest.approx(scores[1], abs=5.1)  # one of twenty questions
    assert adapted.leftovers == []
