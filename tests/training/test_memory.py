import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import RobertaConfig, RobertaForMaskedLM

from domain_adapt.errors import DomainAdaptError
from domain_adapt.training import memory
from domain_adapt.training.cgroups import UNLIMITED
from domain_adapt.training.freezing import set_dropout
from domain_adapt.training.memory import (
    SATURATING_TOKENS,
    USABLE_SHARE,
    Load,
    MemoryPlan,
    explain_out_of_memory,
    fixed_bytes,
    free_memory,
    meminfo,
    plan_memory,
    token_bytes,
)
from domain_adapt.training.runtime import Runtime

FP32, BF16 = Runtime("cpu", "fp32", 1), Runtime("cpu", "bf16", 1)


@pytest.fixture(scope="module")
def model():
    config = RobertaConfig(
        vocab_size=500,
        hidden_size=64,
        num_hidden_layers=4,
        num_attention_heads=4,
        intermediate_size=256,
        max_position_embeddings=132,
        type_vocab_size=1,
        pad_token_id=0,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return RobertaForMaskedLM(config).train()


def test_free_memory_is_what_the_kernel_or_the_group_leaves(tmp_path, monkeypatch):
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/meminfo").write_text("MemTotal: 4000 kB\nMemAvailable:    3000 kB\nHugePages_Total:   7\n")
    assert meminfo(tmp_path) == {"MemTotal": 4_096_000, "MemAvailable": 3_072_000}
    assert free_memory("cpu", tmp_path) == 3_072_000
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    assert free_memory("cpu", tmp_path) == 1_536_000
    monkeypatch.delenv("LOCAL_WORLD_SIZE")
    monkeypatch.setattr(memory, "memory_left", lambda root: 1_000)
    assert free_memory("cpu", tmp_path) == 1_000


def test_where_nothing_tells_memory_is_unlimited(tmp_path):
    assert meminfo(tmp_path) == {} and free_memory("cpu", tmp_path) == UNLIMITED


def rows(monkeypatch, model, *, free=UNLIMITED, batch=16, tokens=128, device="cpu"):
    monkeypatch.setattr(memory, "free_memory", lambda device: free)
    return plan_memory(model, Load(tokens, 0.15), Runtime(device, "fp32", 1), batch_rows=batch).rows


@pytest.mark.parametrize(
    ("batch", "tokens", "device", "expected"),
    [
        (16, 128, "cpu", 16),  # 4,096 tokens would be 32 rows, but the batch has 16
        (48, 384, "cpu", 10),
        (2048, 512, "cuda", 64),
        (16, 8192, "cpu", 1),  # longer than what saturates: still one row
    ],
)
def test_with_much_memory_rows_are_limited_by_the_batch_and_by_what_gains_anything(
    monkeypatch, model, batch, tokens, device, expected
):
    assert rows(monkeypatch, model, batch=batch, tokens=tokens, device=device) == expected


def test_little_memory_makes_fewer_rows(monkeypatch, model):
    plan = plan_memory(model, Load(128, 0.15), FP32, batch_rows=16)
    for wanted in (1, 5, 15):
        free = (plan.fixed + (wanted + 0.5) * plan.row) / USABLE_SHARE["cpu"]
        assert rows(monkeypatch, model, free=int(free)) == wanted


@given(free=st.integers(0, 2**33), batch=st.integers(1, 64), tokens=st.integers(8, 128))
@settings(deadline=None, max_examples=50)
def test_a_plan_keeps_within_its_share_or_says_that_it_does_not_fit(model, free, batch, tokens):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memory, "free_memory", lambda device: free)
        plan = plan_memory(model, Load(tokens, 0.15), FP32, batch_rows=batch)
    assert 1 <= plan.rows <= batch and plan.rows * tokens <= SATURATING_TOKENS["cpu"]
    assert plan.rows == 1 or plan.needed <= USABLE_SHARE["cpu"] * free
    assert plan.fits == (plan.needed <= free)
    more = plan.with_rows(plan.rows + 1)
    saturated = more.rows * tokens > SATURATING_TOKENS["cpu"]
    assert plan.rows == batch or saturated or more.needed > USABLE_SHARE["cpu"] * free


def test_not_even_one_row_is_a_warning_with_the_figures_and_the_way_out(caplog):
    MemoryPlan(free=2_000_000_000, fixed=1_500_000_000, row=700_000_000, rows=1).warn()
    (line,) = caplog.messages
    assert "2.2 GB with 1 rows a pass and 2.0 GB are free" in line
    assert "runtime.micro_batch_size" in line and "runtime.gradient_checkpointing" in line


def kept_bytes(model, *, tokens, dtype=None):
    """Returns the bytes a token that autograd keeps for the encoder's backward pass; weights do not count."""
    weights = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    sizes = {parameter.numel() for parameter in model.parameters()}
    kept = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        cast_weight = tensor.dtype == torch.bfloat16 and tensor.numel() in sizes and tensor.ndim == 2
        if storage.data_ptr() not in weights and not cast_weight:
            kept[storage.data_ptr()] = tensor, storage.nbytes()  # held, so that no address comes twice
        return tensor

    input_ids = torch.randint(5, 500, (3, tokens), generator=torch.Generator().manual_seed(0))
    with (
        torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
        torch.autocast("cpu", torch.bfloat16, dtype is not None),
    ):
        model.roberta(input_ids)
    return sum(size for _, size in kept.values()) / input_ids.numel()


@pytest.mark.parametrize("tokens", [32, 128])
@pytest.mark.parametrize(("runtime", "dropout"), [(FP32, 0.0), (FP32, 0.1), (BF16, 0.0)])
def test_the_estimate_covers_what_autograd_keeps_within_a_factor_of_two(model, runtime, dropout, tokens):
    model = copy.deepcopy(model)
    set_dropout(model, dropout)
    kept = kept_bytes(model, tokens=tokens, dtype=torch.bfloat16 if runtime is BF16 else None)
    estimate = token_bytes(model, Load(tokens), runtime, checkpointing=False)
    assert kept <= estimate <= 2 * kept


def test_the_estimate_of_logits_distillation_and_checkpointing(model):
    model = copy.deepcopy(model)
    set_dropout(model, 0.0)

    def estimate(load, checkpointing=False):
        return token_bytes(model, load, FP32, checkpointing=checkpointing)

    # Three copies of the logits at the peak, and the head's own few states of the hidden width.
    assert estimate(Load(64, predicted=0.5)) - estimate(Load(64)) == 0.5 * (3 * 4 * 500 + 6 * 4 * 64)
    assert estimate(Load(64, distilled=0.5)) > estimate(Load(64, distilled=0.25)) > estimate(Load(64))
    saved = estimate(Load(64)) - estimate(Load(64), checkpointing=True)
    layer = 4 * (8 * 64 + 2 * 256)
    assert saved == 4 * layer - (4 * 4 * 64 + layer)  # the inputs of four layers and all of one stay


def test_scores_that_are_stored_grow_with_the_length_of_a_row(model):
    model = copy.deepcopy(model)
    fused = token_bytes(model, Load(128), Runtime("cuda", "fp32", 1), checkpointing=False)
    stored = token_bytes(model, Load(128), FP32, checkpointing=False)  # dropout of 0.1: no fused kernel on a CPU
    assert stored - fused == 4 * (4 * 4 * 4 * 128)  # layers x copies x bytes x heads x tokens


def test_what_does_not_grow_with_the_rows(model):
    model = copy.deepcopy(model)
    count, table = model.num_parameters(), 500 * 64
    assert fixed_bytes(model, FP32) == 12 * count + 4 * table + memory.WORKING_BYTES
    assert fixed_bytes(model, BF16) - fixed_bytes(model, FP32) == 2 * count
    frozen = model.roberta.encoder.layer[0].requires_grad_(False)
    learning = count - sum(parameter.numel() for parameter in frozen.parameters())
    assert fixed_bytes(model, FP32) == 12 * learning + 4 * table + memory.WORKING_BYTES


def test_running_out_of_memory_says_what_to_do():
    with pytest.raises(DomainAdaptError, match="out of memory in a pass of 8 rows") as caught, explain_out_of_memory(8):
        torch.empty(2**60, dtype=torch.int8)  # the CPU's own allocator refuses
    assert "runtime.micro_batch_size" in caught.value.hint
    with pytest.raises(DomainAdaptError), explain_out_of_memory(8):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
    with pytest.raises(RuntimeError, match="shapes"), explain_out_of_memory(8):
        raise RuntimeError("shapes do not match")
