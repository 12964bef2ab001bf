import pytest
import torch
from torch.distributed import HashStore
from torch.distributed.tensor import DTensor
from transformers import AutoModelForMaskedLM

from domain_adapt.errors import DomainAdaptError
from domain_adapt.mlm.sparse_head import head_module
from domain_adapt.training import ranks
from domain_adapt.training.freezing import parameter_groups
from domain_adapt.training.state import load_newest_state, restore, save_state
from domain_adapt.training.trainee import Alone, Replicated, Sharded, make_trainee

CPU = torch.device("cpu")


@pytest.fixture
def group(monkeypatch):
    """A process group of one in which the code believes itself one of two."""
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    torch.distributed.init_process_group("gloo", store=HashStore(), rank=0, world_size=1)
    yield
    ranks.abandon()


@pytest.fixture
def model(tiny_model_folder):
    return AutoModelForMaskedLM.from_pretrained(tiny_model_folder)


def groups_of(model):
    return parameter_groups(model, learning_rate=1e-2, weight_decay=0.01, layer_decay=0.9)


def step(trainee, optimizer, seed):
    input_ids = torch.randint(5, 90, (4, 16), generator=torch.Generator().manual_seed(seed))
    for half, last in ((input_ids[:2], False), (input_ids[2:], True)):
        with trainee.accumulating(last=last):
            trainee.called(input_ids=half, labels=half).loss.backward()
    norm = trainee.clip(1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return float(norm)


def optimizer_of(trainee):
    return torch.optim.AdamW(trainee.groups, fused=True)


def values(model):
    return {name: parameter.detach().clone() for name, parameter in model.named_parameters()}


def reference(model_folder, steps):
    """Weights and gradient norms of a plain model."""
    model = AutoModelForMaskedLM.from_pretrained(model_folder)
    trainee = Alone(model, groups_of(model))
    optimizer = optimizer_of(trainee)
    return [step(trainee, optimizer, seed) for seed in range(steps)], values(model)


def test_one_process_trains_the_model_itself(model):
    trainee = make_trainee(model, groups_of(model), CPU)
    assert isinstance(trainee, Alone) and trainee.called is model and not trainee.is_sharded


@pytest.mark.parametrize("kind", [Replicated, Sharded])
def test_every_kind_makes_the_same_steps_and_leaves_the_model_stock(group, model, tiny_model_folder, kind):
    norms, expected = reference(tiny_model_folder, 3)
    before = [(name, type(module), list(module.__dict__)) for name, module in model.named_modules()]
    parameters = dict(model.named_parameters())
    seen = []
    head_module(model).register_forward_pre_hook(lambda module, arguments: seen.append(module))
    trainee = kind(model, groups_of(model), CPU)
    optimizer = optimizer_of(trainee)
    assert [step(trainee, optimizer, seed) for seed in range(3)] == pytest.approx(norms, rel=1e-5)
    assert len(seen) == 6 and set(seen) == {head_module(model)}
    trainee.finish()
    assert [(name, type(module), list(module.__dict__)) for name, module in model.named_modules()] == before
    for name, parameter in model.named_parameters():
        assert parameter is parameters[name]
        torch.testing.assert_close(parameter.detach(), expected[name])
    model(input_ids=torch.ones(1, 4, dtype=torch.int64))  # needs no other rank
    assert len(seen) == 7


def test_a_sharded_model_is_whole_for_a_while_and_goes_on(group, model, tiny_model_folder):
    _, expected = reference(tiny_model_folder, 2)
    trainee = Sharded(model, groups_of(model), CPU)
    optimizer = optimizer_of(trainee)
    step(trainee, optimizer, 0)
    assert all(isinstance(parameter, DTensor) for parameter in model.parameters())
    with trainee.whole() as whole:
        assert whole is model and type(model).__name__ == "RobertaForMaskedLM"
        assert not any(isinstance(parameter, DTensor) for parameter in model.parameters())
        with torch.inference_mode():
            model(input_ids=torch.ones(1, 4, dtype=torch.int64))
        now = values(model)
    _, after_one = reference(tiny_model_folder, 1)
    torch.testing.assert_close(now, after_one)
    step(trainee, optimizer, 1)
    trainee.finish()
    torch.testing.assert_close(values(model), expected)


def test_states_are_the_same_whoever_writes_them_and_go_on_anywhere(group, model, tiny_model_folder, tmp_path):
    _, expected = reference(tiny_model_folder, 3)
    trainee = Sharded(model, groups_of(model), CPU)
    optimizer = optimizer_of(trainee)
    step(trainee, optimizer, 0)
    save_state(tmp_path / "one", 1, model, optimizer, {}, keep_last=1)
    save_state(tmp_path / "none", 1, model, optimizer, {}, keep_last=1, write=False)
    assert not (tmp_path / "none").exists()

    plain = AutoModelForMaskedLM.from_pretrained(tiny_model_folder)
    alone = Alone(plain, groups_of(plain))
    other = optimizer_of(alone)
    restore(load_newest_state(tmp_path / "one"), plain, other)
    step(alone, other, 1)
    save_state(tmp_path / "two", 2, plain, other, {}, keep_last=1)
    files = [load_newest_state(tmp_path / name) for name in ("one", "two")]
    for kind in ("model", "optimizer"):
        shapes = [{key: value.shape for key, value in getattr(state, kind).items()} for state in files]
        assert shapes[0] == shapes[1]

    again = AutoModelForMaskedLM.from_pretrained(tiny_model_folder)
    sharded = Sharded(again, groups_of(again), CPU)
    third = optimizer_of(sharded)
    restore(files[1], again, third)
    step(sharded, third, 2)
    sharded.finish()
    torch.testing.assert_close(values(again), expected)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("FSDP_VERSION", "1", "fsdp_version: expected 2"),
        ("FSDP_OFFLOAD_PARAMS", "true", "fsdp_offload_params: not supported"),
        ("FSDP_ACTIVATION_CHECKPOINTING", "true", "fsdp_activation_checkpointing: not supported"),
    ],
)
def test_what_a_launcher_may_ask_for_and_is_not_there_is_an_error(model, monkeypatch, key, value, message):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    monkeypatch.setenv(key, value)
    with pytest.raises(DomainAdaptError, match=message):
        make_trainee(model, groups_of(model), CPU)
