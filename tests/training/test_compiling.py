"""Compiling for real takes half a minute, so a backend that runs what was traced stands in for the compiler."""

import json
import logging

import numpy as np
import pytest
import torch
from torch import nn
from transformers import AutoModelForMaskedLM, AutoTokenizer

from domain_adapt.mlm.masking import masking_vocabulary
from domain_adapt.mlm.objective import MaskedLMObjective
from domain_adapt.mlm.sparse_head import SparseHead
from domain_adapt.recipes import Budget, MlmSettings, RuntimeSettings
from domain_adapt.training import compiling
from domain_adapt.training.compiling import (
    Trial,
    compile_layers,
    has_compiler,
    is_compiled,
    settle_compilation,
    undo_compilation,
)
from domain_adapt.training.freezing import encoder_layers
from domain_adapt.training.plan import make_plan
from domain_adapt.training.runtime import Runtime

AUTO, ON, OFF = (RuntimeSettings(compile=choice) for choice in ("auto", "on", "off"))


@pytest.fixture
def trial(tiny_model_folder):
    torch.compiler.reset()
    tokenizer = AutoTokenizer.from_pretrained(tiny_model_folder)
    model = AutoModelForMaskedLM.from_pretrained(tiny_model_folder).eval()
    blocks = np.random.Generator(np.random.Philox(0)).integers(5, len(tokenizer), (24, 16)).astype(np.int32)
    settings = MlmSettings(batch_size=8)
    objective = MaskedLMObjective(
        blocks, masking_vocabulary(tokenizer), settings, seed=0, pad_id=0, head=SparseHead(model)
    )
    plan = make_plan(np.full(24, 16), settings, budget=Budget(epochs=100), seed=0)
    return Trial(model, objective, plan, 8, Runtime("cpu", "fp32", 1))


def fake_compiler(monkeypatch, backend="eager"):
    """Layers are traced and run by ``backend``; returns the list of the layers that were asked to compile."""
    asked = []

    def compile(layer, **options):
        asked.append(options)
        layer._compiled_call_impl = torch.compile(layer._call_impl, backend=backend, **options)

    monkeypatch.setattr(nn.Module, "compile", compile)
    monkeypatch.setattr(compiling, "has_compiler", lambda device: True)
    return asked


def durations(monkeypatch, *, row, eager, compiled):
    """Fixes what a pass takes: over one row, over all rows as it is, and compiled."""

    def seconds(self, rows, passes):
        return row if rows == 1 else compiled if is_compiled(self.model) else eager

    monkeypatch.setattr(Trial, "seconds", seconds)


def test_a_trial_changes_nothing(trial):
    before = {name: tensor.clone() for name, tensor in trial.model.state_dict().items()}
    random = torch.random.get_rng_state()
    assert trial.seconds(8, 2) > 0
    assert all(torch.equal(before[name], tensor) for name, tensor in trial.model.state_dict().items())
    assert all(parameter.grad is None for parameter in trial.model.parameters())
    assert torch.equal(random, torch.random.get_rng_state()) and not trial.model.training


def test_every_trial_reads_the_same_rows(trial):
    one, other = trial.batch(8).inputs, trial.batch(8).inputs
    assert all(torch.equal(one[key], other[key]) for key in one)
    assert one["input_ids"].shape == (8, 16)


def test_a_compiled_model_computes_the_same_and_keeps_its_names(trial, monkeypatch):
    batch = trial.batch(8).inputs
    names, kind = list(trial.model.state_dict()), type(trial.model)
    eager = trial.objective.loss(trial.model, batch)["mlm"]
    asked = fake_compiler(monkeypatch)
    compile_layers(trial.model)
    assert asked == [{"dynamic": True}] * 2 and is_compiled(trial.model)
    compiled = trial.objective.loss(trial.model, batch)["mlm"]
    assert compiled.item() == pytest.approx(eager.item(), rel=1e-6)
    assert list(trial.model.state_dict()) == names and type(trial.model) is kind
    undo_compilation(trial.model)
    assert not is_compiled(trial.model)
    assert torch.equal(trial.objective.loss(trial.model, batch)["mlm"], eager)


def test_rows_and_lengths_that_vary_are_compiled_once(trial, monkeypatch):
    """Positions vary from step to step outside the layers; rows vary at the end of an epoch."""
    graphs = []

    def backend(graph, inputs):
        graphs.append(graph)
        return graph.forward

    fake_compiler(monkeypatch, backend)
    compile_layers(trial.model)
    for rows in (8, 5, 3, 8):
        trial.objective.loss(trial.model, trial.batch(rows).inputs)["mlm"].backward()
    assert len(graphs) == 1


def test_a_short_run_is_left_alone(trial, monkeypatch, tmp_path, caplog):
    caplog.set_level(logging.INFO, "domain_adapt")
    asked = fake_compiler(monkeypatch)
    durations(monkeypatch, row=0.2, eager=1e9, compiled=0.0)  # 2,400 rows: eight minutes
    assert settle_compilation(trial, AUTO, tmp_path) is False
    assert asked == [] and caplog.text == ""
    assert json.loads((tmp_path / "machine.json").read_text()) == {"compile": False}


@pytest.mark.parametrize(("compiled", "kept"), [(3.0, True), (3.9, False), (5.0, False)])
def test_a_long_run_keeps_what_measures_faster(trial, monkeypatch, tmp_path, caplog, compiled, kept):
    caplog.set_level(logging.INFO, "domain_adapt")
    fake_compiler(monkeypatch)
    durations(monkeypatch, row=0.6, eager=4.0, compiled=compiled)
    assert settle_compilation(trial, AUTO, tmp_path) is kept
    assert is_compiled(trial.model) is kept
    assert f"a pass of 8 rows takes {compiled:.3f} s compiled and 4.000 s as it is" in caplog.text
    # Going on with it measures nothing again.
    undo_compilation(trial.model)
    durations(monkeypatch, row=0.0, eager=0.0, compiled=0.0)
    assert settle_compilation(trial, AUTO, tmp_path) is kept
    assert is_compiled(trial.model) is kept


def test_one_row_takes_long_but_all_of_them_do_not(trial, monkeypatch, tmp_path):
    asked = fake_compiler(monkeypatch)
    durations(monkeypatch, row=0.6, eager=1.0, compiled=0.1)  # five minutes in passes of eight rows
    assert settle_compilation(trial, AUTO, tmp_path) is False and asked == []


def test_without_a_compiler_nothing_is_even_measured(trial, monkeypatch, tmp_path):
    monkeypatch.setattr(compiling, "has_compiler", lambda device: False)
    monkeypatch.setattr(Trial, "seconds", None)
    assert settle_compilation(trial, AUTO, tmp_path) is False


def test_the_recipe_wins(trial, monkeypatch, tmp_path, caplog):
    fake_compiler(monkeypatch)
    assert settle_compilation(trial, ON, tmp_path) is True and is_compiled(trial.model)
    undo_compilation(trial.model)
    assert settle_compilation(trial, OFF, tmp_path) is False and not is_compiled(trial.model)
    assert "compile = true until now and goes on with false" in caplog.text


def test_what_cannot_be_compiled_runs_as_it_is_after_one_warning(trial, monkeypatch, tmp_path, caplog):
    def backend(graph, inputs):
        raise OSError("no g++ here")

    fake_compiler(monkeypatch, backend)
    assert settle_compilation(trial, ON, tmp_path) is False
    assert not is_compiled(trial.model) and trial.seconds(8, 1) > 0
    (warning,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert warning.message.startswith("runtime.compile: the model cannot be compiled here") and "g++" in warning.message
    assert json.loads((tmp_path / "machine.json").read_text()) == {"compile": False}


def test_a_model_without_known_layers_is_left_alone(trial, monkeypatch, tmp_path, caplog):
    fake_compiler(monkeypatch)
    monkeypatch.setattr(compiling, "encoder_layers", lambda model: [])
    assert settle_compilation(trial, ON, tmp_path) is False
    assert "no layers are known" in caplog.text


def test_a_compiler_is_looked_for(monkeypatch):
    monkeypatch.setattr(compiling.shutil, "which", lambda name: None)
    assert has_compiler("cpu") is False and has_compiler("mps") is False
    monkeypatch.setattr(compiling.shutil, "which", lambda name: "/usr/bin/g++" if name == "g++" else None)
    assert has_compiler("cpu") is True


def test_the_layers_of_an_encoder(trial):
    assert encoder_layers(trial.model) == list(trial.model.roberta.encoder.layer)
    assert encoder_layers(nn.Linear(2, 2)) == []
