import pytest
import torch
from transformers import DistilBertConfig, RobertaConfig

from domain_adapt.training import measuring
from domain_adapt.training.measuring import encoder_shapes, gemm_peak

CPU = torch.device("cpu")


def test_the_shapes_of_an_encoder_layer():
    config = RobertaConfig(hidden_size=32, num_attention_heads=2, intermediate_size=96)
    assert encoder_shapes(config, 7) == [(7, 32, 96), (7, 96, 32), (7, 32, 32)]
    assert encoder_shapes(DistilBertConfig(dim=32, hidden_dim=96, n_heads=2), 7)[0] == (7, 32, 96)


def test_the_peak_is_the_best_of_all_products(monkeypatch):
    """2 x 10 x 20 x 30 FLOP in 1 ms at best, 2 x 10 x 20 x 5 in half that: 12 and 4 MFLOP/s."""
    times = {30: iter([0.004, 0.001, 0.002]), 5: iter([0.0005] * 3)}
    monkeypatch.setattr(measuring, "_product_seconds", lambda one, other: next(times[other.shape[1]]))
    assert gemm_peak(CPU, torch.float32, [(10, 20, 30), (10, 20, 5)], seconds=0.0) == pytest.approx(12e6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_real_products_take_time(dtype):
    assert 1e3 < gemm_peak(CPU, dtype, [(32, 16, 64)], seconds=0.001) < 1e15
