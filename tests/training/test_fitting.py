import copy
import json
import logging

import numpy as np
import pytest
import torch
from transformers import AlbertConfig, AlbertForMaskedLM, AutoModelForMaskedLM, AutoTokenizer

from domain_adapt.errors import DomainAdaptError
from domain_adapt.mlm.masking import masking_vocabulary
from domain_adapt.mlm.objective import MaskedLMObjective
from domain_adapt.mlm.sparse_head import SparseHead
from domain_adapt.recipes import Budget, Freeze, MlmSettings, RuntimeSettings
from domain_adapt.training import memory
from domain_adapt.training.fitting import enable_checkpointing, fit_to_machine, rows_per_rank, settle_rows
from domain_adapt.training.freezing import freeze, set_dropout
from domain_adapt.training.memory import Load, plan_memory
from domain_adapt.training.plan import make_plan
from domain_adapt.training.runtime import Runtime

CPU = Runtime("cpu", "fp32", 1)
LOAD = Load(16, 0.15)


@pytest.fixture
def model(tiny_model_folder):
    return AutoModelForMaskedLM.from_pretrained(tiny_model_folder)


def gradients(model_folder, *, checkpointing, frozen=Freeze(), dropout=0.0, distill_weight=5.0):
    """Returns the gradients of one pass with distillation, by name."""
    tokenizer = AutoTokenizer.from_pretrained(model_folder)
    model = AutoModelForMaskedLM.from_pretrained(model_folder).train()
    teacher = copy.deepcopy(model.base_model).eval().requires_grad_(False)
    set_dropout(model, dropout)
    freeze(model, frozen, "mlm")
    if checkpointing:
        enable_checkpointing(model)
    with torch.no_grad():  # away from the teacher
        for parameter in model.parameters():
            parameter.mul_(1.1)
    blocks = np.random.Generator(np.random.Philox(0)).integers(5, len(tokenizer), (6, 16)).astype(np.int32)
    settings = MlmSettings(distill_weight=distill_weight, distill_share=0.5)
    head = SparseHead(model)
    head._layer._known = False  # a last layer that leaves positions out would draw other dropout
    objective = MaskedLMObjective(
        blocks,
        masking_vocabulary(tokenizer),
        settings,
        seed=0,
        pad_id=0,
        head=head,
        teacher=teacher,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        losses = objective.loss(model, objective.batch(np.arange(6), 0).inputs)
        (losses["mlm"] + distill_weight * losses["distill"]).backward()
    return {name: parameter.grad for name, parameter in model.named_parameters()}


@pytest.mark.parametrize("dropout", [0.0, 0.1])
@pytest.mark.parametrize("frozen", [Freeze(), Freeze(embeddings=True, layers=1)])
def test_checkpointing_gives_the_same_gradients(tiny_model_folder, frozen, dropout):
    plain = gradients(tiny_model_folder, checkpointing=False, frozen=frozen, dropout=dropout)
    saving = gradients(tiny_model_folder, checkpointing=True, frozen=frozen, dropout=dropout)
    assert sum(gradient is not None for gradient in plain.values()) > 10
    for name, gradient in plain.items():
        if gradient is None:
            assert saving[name] is None, name
        else:
            torch.testing.assert_close(saving[name], gradient, rtol=1e-6, atol=1e-6)


def test_checkpointing_keeps_less_and_leaves_the_saved_configuration_alone(model):
    kept = []

    def passing():
        kept.append(0)
        with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
            return model(input_ids=torch.full((4, 32), 7)).logits

    def count(tensor):
        kept[-1] += tensor.numel()
        return tensor

    before = model.config.to_dict()
    model.train()
    set_dropout(model, 0.0)
    logits = passing()
    enable_checkpointing(model)
    assert torch.equal(passing(), logits)
    assert kept[1] < kept[0] / 2
    assert model.config.to_dict() == before


def test_transformers_does_not_warn_of_a_cache_that_an_encoder_never_fills(model, caplog):
    enable_checkpointing(model)
    model.train()(input_ids=torch.full((1, 8), 7))
    assert not [record for record in caplog.records if "use_cache" in record.message]


def test_an_architecture_without_checkpointing_names_the_key():
    config = AlbertConfig(
        vocab_size=20,
        embedding_size=8,
        hidden_size=8,
        num_attention_heads=1,
        intermediate_size=8,
        num_hidden_layers=1,
    )
    with pytest.raises(DomainAdaptError, match=r"runtime\.gradient_checkpointing: AlbertForMaskedLM does not support"):
        enable_checkpointing(AlbertForMaskedLM(config))


def settled(model, folder, monkeypatch, *, free_rows, batch_size=16, **settings):
    """Returns the rows chosen where just ``free_rows`` rows fit into the memory."""
    plan = plan_memory(model, LOAD, CPU, batch_rows=1)
    free = (plan.fixed + (free_rows + 0.5) * plan.row) / memory.USABLE_SHARE["cpu"]
    monkeypatch.setattr(memory, "free_memory", lambda device: int(free))
    runtime_settings = RuntimeSettings(**settings)
    return settle_rows(
        model, LOAD, batch_size=batch_size, runtime=CPU, settings=runtime_settings, run_folder=folder
    ).rows


def test_rows_are_chosen_by_memory_and_kept_when_a_run_goes_on(model, monkeypatch, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    assert settled(model, tmp_path, monkeypatch, free_rows=5) == 5
    assert settled(model, tmp_path, monkeypatch, free_rows=12) == 5
    assert json.loads((tmp_path / "machine.json").read_text()) == {"micro_batch_rows": 5}
    assert caplog.text == ""


def test_rows_that_no_longer_fit_become_fewer_and_a_line_says_so(model, monkeypatch, tmp_path, caplog):
    assert settled(model, tmp_path, monkeypatch, free_rows=12) == 12
    assert settled(model, tmp_path, monkeypatch, free_rows=3) == 3
    assert "micro_batch_rows = 12 until now and goes on with 3" in caplog.text


def test_rows_of_the_recipe_win_within_the_batch(model, monkeypatch, tmp_path):
    assert settled(model, tmp_path, monkeypatch, free_rows=5, micro_batch_size=9) == 9
    assert settled(model, tmp_path, monkeypatch, free_rows=5, micro_batch_size=64) == 16


def test_ranks_share_a_batch(model, monkeypatch, tmp_path):
    monkeypatch.setenv("WORLD_SIZE", "3")
    assert rows_per_rank(16) == 6
    assert settled(model, tmp_path, monkeypatch, free_rows=12) == 6


def fitted(model_folder, folder, **settings):
    tokenizer = AutoTokenizer.from_pretrained(model_folder)
    model = AutoModelForMaskedLM.from_pretrained(model_folder)
    blocks = np.full((8, 16), 7, dtype=np.int32)
    mlm = MlmSettings(batch_size=4)
    objective = MaskedLMObjective(blocks, masking_vocabulary(tokenizer), mlm, seed=0, pad_id=0, head=SparseHead(model))
    plan = make_plan(np.full(8, 16), mlm, budget=Budget(epochs=1), seed=0)
    rows = fit_to_machine(
        model, objective, plan, LOAD, runtime=CPU, settings=RuntimeSettings(**settings), run_folder=folder
    )
    return model, rows


def test_fitting_writes_down_what_was_chosen(tiny_model_folder, tmp_path):
    model, rows = fitted(tiny_model_folder, tmp_path)
    assert rows == 4 and not model.roberta.encoder.layer[0].gradient_checkpointing
    assert json.loads((tmp_path / "machine.json").read_text()) == {"micro_batch_rows": 4, "compile": False}


def test_fitting_turns_checkpointing_on(tiny_model_folder, tmp_path):
    model = fitted(tiny_model_folder, tmp_path, gradient_checkpointing=True)[0]
    assert model.roberta.encoder.layer[1].gradient_checkpointing


def test_no_row_fits_is_said_and_one_is_tried(tiny_model_folder, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(memory, "free_memory", lambda device: 1_000)
    assert fitted(tiny_model_folder, tmp_path)[1] == 1
    assert "it may run out of memory" in caplog.text
