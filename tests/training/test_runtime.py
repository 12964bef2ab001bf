import os
import sys

import pytest
import torch

from domain_adapt.errors import DomainAdaptError
from domain_adapt.recipes import RuntimeSettings
from domain_adapt.training import runtime
from domain_adapt.training.runtime import Runtime, detect, has_fast_bf16, micro_batch_rows, torch_device, usable_cpus


@pytest.fixture(autouse=True)
def threads_put_back():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_an_unknown_device_names_the_key():
    with pytest.raises(DomainAdaptError) as caught:
        detect(RuntimeSettings(device="tpu"))
    assert caught.value.message == "runtime.device: expected auto, cpu, cuda or mps (found 'tpu')"


def test_a_device_that_is_not_there(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(DomainAdaptError, match=r"runtime\.device: no cuda device here") as caught:
        detect(RuntimeSettings(device="cuda"))
    assert caught.value.hint == "leave runtime.device at auto"


@pytest.mark.parametrize("fast", [True, False])
def test_auto_is_bf16_only_where_the_hardware_has_it(monkeypatch, fast):
    monkeypatch.setattr(runtime, "has_fast_bf16", lambda device: fast)
    assert detect(RuntimeSettings(device="cpu")).precision == ("bf16" if fast else "fp32")
    assert detect(RuntimeSettings(device="cpu", precision="fp32")).precision == "fp32"
    assert detect(RuntimeSettings(device="cpu", precision="bf16")).precision == "bf16"


def test_bf16_is_judged_without_emulation():
    assert isinstance(has_fast_bf16("cpu"), bool)
    assert has_fast_bf16("mps") is False


def test_threads_are_told_to_torch():
    assert detect(RuntimeSettings(device="cpu", threads=1)).threads == 1 == torch.get_num_threads()
    assert detect(RuntimeSettings(device="cpu")).threads == usable_cpus() == torch.get_num_threads()


def test_usable_cpus_are_limited_by_affinity_and_quota(monkeypatch):
    assert 1 <= usable_cpus() <= (os.cpu_count() or 1)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)), raising=False)
    for quota, expected in ((sys.maxsize, 8), (3, 3), (0, 1)):
        monkeypatch.setattr(runtime, "_cgroup_quota", lambda quota=quota: quota)
        assert usable_cpus() == expected


@pytest.mark.parametrize(
    ("text", "quota"), [("max 100000\n", sys.maxsize), ("150000 100000\n", 2), ("50000 100000\n", 1), ("", sys.maxsize)]
)
def test_cgroup_quota(monkeypatch, tmp_path, text, quota):
    file = tmp_path / "cpu.max"
    file.write_text(text)
    monkeypatch.setattr(runtime, "Path", lambda path: file)
    assert runtime._cgroup_quota() == quota


@pytest.mark.parametrize(
    ("asked", "batch", "length", "device", "rows"),
    [
        (0, 16, 128, "cpu", 16),  # 4,096 tokens would be 32 rows, but the batch has 16
        (0, 48, 384, "cpu", 10),
        (0, 2048, 512, "cuda", 64),
        (0, 16, 8192, "cpu", 1),  # longer than the share of one pass: still one row
        (3, 16, 128, "cpu", 3),
        (64, 16, 128, "cuda", 16),
    ],
)
def test_micro_batch_rows(asked, batch, length, device, rows):
    assert micro_batch_rows(RuntimeSettings(micro_batch_size=asked), batch, length, device) == rows


def test_description_for_the_manifest():
    described = Runtime("cpu", "bf16", 2).describe()
    assert {"device": "cpu", "precision": "bf16", "threads": 2}.items() <= described.items()
    assert described["python"] == ".".join(map(str, sys.version_info[:3])) and described["platform"]
    assert torch_device(Runtime("cpu", "fp32", 1)) == torch.device("cpu")
