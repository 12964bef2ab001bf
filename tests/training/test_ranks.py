import os

import pytest
import torch
from torch.distributed import HashStore

from domain_adapt.errors import DomainAdaptError
from domain_adapt.training import ranks


@pytest.fixture
def several(monkeypatch):
    """Puts this process into a run of three on two machines, as the second of the two on its own."""
    for key, value in {"RANK": 2, "WORLD_SIZE": 3, "LOCAL_RANK": 1, "LOCAL_WORLD_SIZE": 2}.items():
        monkeypatch.setenv(key, str(value))


def test_alone_is_the_default(monkeypatch):
    for key in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE"):
        monkeypatch.delenv(key, raising=False)
    assert (ranks.rank(), ranks.count(), ranks.local_rank(), ranks.local_count()) == (0, 1, 0, 1)
    assert ranks.is_main() and ranks.rows_per_rank(16) == 16
    assert ranks.summed([1, 2.5]) == [1, 2.5] and ranks.any_rank(True, False) == [True, False]
    assert ranks.least(3) == 3 and ranks.from_main({"a": None}) == {"a": None}
    ranks.join("cpu")
    assert not torch.distributed.is_initialized()


def test_the_launcher_says_who_is_who(several):
    assert (ranks.rank(), ranks.count(), ranks.local_rank(), ranks.local_count()) == (2, 3, 1, 2)
    assert not ranks.is_main()


@pytest.mark.parametrize(("batch", "rows"), [(16, 6), (15, 5), (2, 1)])
def test_rows_of_the_rank_with_most_of_them(several, batch, rows):
    assert ranks.rows_per_rank(batch) == rows


def test_a_process_without_a_gpu_of_its_own_is_an_error(several, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(DomainAdaptError, match="2 processes on a machine with 1 GPUs"):
        ranks.place("cuda")
    with pytest.raises(DomainAdaptError, match=r"runtime\.device: mps cannot be shared"):
        ranks.place("mps")
    ranks.place("cpu")


def test_each_process_takes_the_gpu_of_its_number(several, monkeypatch):
    chosen = []
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    ranks.place("cuda")
    assert chosen == [1] and ranks.own_device("cuda") == torch.device("cuda", 1)
    assert ranks.own_device("cpu") == torch.device("cpu")


def test_values_cross_a_process_group_unchanged(several, monkeypatch):
    """A group of one is enough: what is tested is the way there and back."""
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setattr(ranks, "count", lambda: 1 if torch.distributed.is_initialized() is False else 2)
    torch.distributed.init_process_group("gloo", store=HashStore(), rank=0, world_size=1)
    try:
        assert ranks.summed([2**53 - 1, 0.1]) == [2**53 - 1, 0.1]
        notes = {"best": {"epoch": 3, "metrics": {"f1": 0.1 + 0.2}}, "name": "größer", "none": None}
        assert ranks.from_main(notes) == notes
        assert ranks.least(7) == 7
        ranks.wait_for_all()
    finally:
        ranks.abandon()
    assert not torch.distributed.is_initialized()
    assert os.environ["WORLD_SIZE"] == "3"
