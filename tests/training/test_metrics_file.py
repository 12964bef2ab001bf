import json

from hypothesis import given
from hypothesis import strategies as st

from domain_adapt.training.metrics_file import CURVE_POINTS, MetricsFile, training_curve


def write(path, losses):
    with MetricsFile(path, 0) as file:
        for step, loss in enumerate(losses, start=1):
            file.write({"step": step, "tokens": 10 * step, "loss": loss, "seconds": step / 3})


def test_a_short_run_keeps_every_step(tmp_path):
    write(tmp_path / "metrics.jsonl", [4.0, 3.5, 3.25])
    assert training_curve(tmp_path / "metrics.jsonl") == [[10, 4.0], [20, 3.5], [30, 3.25]]


def test_a_long_run_is_averaged_over_stretches(tmp_path):
    write(tmp_path / "metrics.jsonl", [float(n % 2) for n in range(4 * CURVE_POINTS)])
    curve = training_curve(tmp_path / "metrics.jsonl")
    assert curve == [[40 * (n + 1), 0.5] for n in range(CURVE_POINTS)]


@given(st.lists(st.floats(0, 100), min_size=0, max_size=3 * CURVE_POINTS))
def test_tokens_rise_and_the_last_step_is_the_end(tmp_path_factory, losses):
    path = tmp_path_factory.mktemp("curve") / "metrics.jsonl"
    write(path, losses)
    curve = training_curve(path)
    assert len(curve) == min(len(losses), CURVE_POINTS)
    assert [tokens for tokens, _ in curve] == sorted({tokens for tokens, _ in curve})
    if losses:
        assert curve[-1][0] == 10 * len(losses)
        assert all(min(losses) - 1e-6 <= loss <= max(losses) + 1e-6 for _, loss in curve)


def test_no_run_and_a_loss_that_is_no_number(tmp_path):
    assert training_curve(tmp_path / "metrics.jsonl") == []
    (tmp_path / "m").write_text(json.dumps({"step": 1, "tokens": 5, "loss": float("inf")}) + "\n")
    assert training_curve(tmp_path / "m") == []
