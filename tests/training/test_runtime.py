import json
import os
import sys

import pytest
import torch

from domain_adapt.errors import DomainAdaptError
from domain_adapt.recipes import RuntimeSettings
from domain_adapt.training import runtime
from domain_adapt.training.runtime import Runtime, detect, has_fast_bf16, local_ranks, torch_device, usable_cpus


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


def test_usable_cpus_are_limited_by_affinity_quota_and_other_ranks(monkeypatch):
    assert 1 <= usable_cpus() <= (os.cpu_count() or 1)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)), raising=False)
    for quota, ranks, expected in ((sys.maxsize, "", 8), (3, "1", 3), (0, "1", 1), (sys.maxsize, "4", 2), (2, "4", 1)):
        monkeypatch.setattr(runtime, "cpu_quota", lambda quota=quota: quota)
        monkeypatch.setenv("LOCAL_WORLD_SIZE", ranks)
        assert usable_cpus() == expected
        assert local_ranks() == int(ranks or 1)


def test_a_resumed_run_has_the_threads_and_precision_it_began_with(monkeypatch, tmp_path, caplog):
    monkeypatch.setattr(runtime, "usable_cpus", lambda: 2)
    monkeypatch.setattr(runtime, "has_fast_bf16", lambda device: False)
    begun = detect(RuntimeSettings(device="cpu"), tmp_path)
    assert begun == Runtime("cpu", "fp32", 2)
    monkeypatch.setattr(runtime, "usable_cpus", lambda: 4)
    monkeypatch.setattr(runtime, "has_fast_bf16", lambda device: True)
    assert detect(RuntimeSettings(device="cpu"), tmp_path) == begun
    assert caplog.text == ""
    monkeypatch.setattr(runtime, "usable_cpus", lambda: 1)
    assert detect(RuntimeSettings(device="cpu"), tmp_path) == Runtime("cpu", "fp32", 1)
    assert "threads = 2 until now and goes on with 1" in caplog.text
    kept = json.loads((tmp_path / "machine.json").read_text())
    assert kept == {"device": "cpu", "precision": "fp32", "threads": 1}


def test_a_run_that_began_on_a_gpu_goes_on_without_it_and_says_so(monkeypatch, tmp_path, caplog):
    (tmp_path / "machine.json").write_text('{"device": "cuda", "threads": 1, "precision": "bf16"}')
    monkeypatch.setattr(runtime, "_available", lambda device: device == "cpu")
    monkeypatch.setattr(runtime, "has_fast_bf16", lambda device: device == "cuda")
    assert detect(RuntimeSettings(), tmp_path) == Runtime("cpu", "fp32", 1)
    assert [line.split(" until")[0] for line in caplog.messages] == [
        "this run had device = cuda",
        "this run had precision = bf16",
    ]


def test_description_for_the_manifest():
    described = Runtime("cpu", "bf16", 2).describe()
    assert {"device": "cpu", "precision": "bf16", "threads": 2}.items() <= described.items()
    assert described["python"] == ".".join(map(str, sys.version_info[:3])) and described["platform"]
    assert torch_device(Runtime("cpu", "fp32", 1)) == torch.device("cpu")
