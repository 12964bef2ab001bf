from dataclasses import replace

import pytest

from domain_adapt.training.machine import Machine, allocator, bf16_reason, physical_cores, processor, survey

CALM = Machine(
    processor="a CPU",
    cpus=8,
    affinity=8,
    quota=None,
    cores=8,
    load=1.0,
    memory=16 * 10**9,
    memory_free=10**10,
    memory_limit=None,
    swap_used=0,
    accelerator=None,
    versions={},
)


def test_a_calm_machine_is_nothing_to_warn_of():
    assert CALM.warnings() == [] and CALM.usable_cpus == 8
    assert replace(CALM, load=None).warnings() == []


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"load": 9.0}, "The machine is busy: 9.0 processes want its 8 CPUs"),
        ({"quota": 2, "cores": 2}, "The control group allows 2 of the machine's 8 CPUs."),
        ({"affinity": 4, "cores": 4}, "The affinity of this process allows 4 of the machine's 8 CPUs."),
        ({"cores": 4}, "hardware threads of 4 cores"),
        ({"memory_limit": 2 * 10**9}, "The control group allows 2.0 GB of the machine's 16.0 GB of memory."),
        ({"swap_used": 10**9}, "1.0 GB are swapped out"),
    ],
)
def test_each_trouble_is_one_sentence(change, sentence):
    (warning,) = replace(CALM, **change).warnings()
    assert sentence in warning


def test_two_hardware_threads_are_one_core(tmp_path):
    for cpu, siblings in enumerate(["0,2", "1,3", "0,2", "1,3"]):
        folder = tmp_path / f"sys/devices/system/cpu/cpu{cpu}/topology"
        folder.mkdir(parents=True)
        (folder / "thread_siblings_list").write_text(siblings + "\n")
    assert physical_cores({0, 1, 2, 3}, tmp_path) == 2
    assert physical_cores({0, 1}, tmp_path) == 2
    assert physical_cores({0, 2}, tmp_path) == 1
    assert physical_cores({0, 9}, tmp_path) == 2  # the kernel says nothing of CPU 9


def test_the_survey_reads_what_the_kernel_says(tmp_path):
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "sys/fs/cgroup").mkdir(parents=True)
    (tmp_path / "proc/cpuinfo").write_text("processor\t: 0\nmodel name\t: Some CPU 3000\n")
    figures = "MemTotal: 1000 kB\nMemAvailable: 600 kB\nSwapTotal: 300 kB\nSwapFree: 100 kB\n"
    (tmp_path / "proc/meminfo").write_text(figures)
    (tmp_path / "sys/fs/cgroup/memory.max").write_text("512000")
    (tmp_path / "sys/fs/cgroup/memory.current").write_text("112000")
    (tmp_path / "sys/fs/cgroup/cpu.max").write_text("100000 100000")
    found = survey(root=tmp_path)
    assert (found.processor, found.memory, found.memory_free) == ("Some CPU 3000", 1_024_000, 400_000)
    assert (found.memory_limit, found.swap_used, found.quota) == (512_000, 204_800, 1)
    assert found.usable_cpus == 1 <= found.affinity <= found.cpus
    assert set(found.versions) >= {"python", "torch", "transformers"}


def test_the_survey_of_this_machine():
    found = survey()
    assert found.processor and 1 <= found.usable_cpus <= found.cpus
    assert processor() == found.processor
    assert "glibc" in allocator() or allocator() == "of the system"


def test_the_reason_for_a_precision():
    assert bf16_reason("cpu", "fp32", "auto", fast=False).startswith("the CPU has no bf16 units")
    assert bf16_reason("cuda", "bf16", "auto", fast=True) == "the GPU multiplies bf16 in hardware"
    assert bf16_reason("cpu", "fp32", "fp32", fast=True) == "runtime.precision says so"
    assert bf16_reason("cpu", "bf16", "bf16", fast=False).endswith("but it is emulated here")
