"""The launcher's files in ``configs/accelerate`` say to accelerate what their comments say."""

from pathlib import Path

import pytest
from accelerate.commands.config.config_args import load_config_from_file
from accelerate.commands.launch import _validate_launch_command, launch_command_parser

FOLDER = Path(__file__).parents[1] / "configs" / "accelerate"
EXPECTED = {
    "ddp-cpu.yaml": {"num_processes": 2, "multi_gpu": True, "use_fsdp": False, "num_machines": 1},
    "ddp-gpus.yaml": {"num_processes": 8, "multi_gpu": True, "use_fsdp": False, "num_machines": 1},
    "fsdp-gpus.yaml": {"num_processes": 8, "multi_gpu": False, "use_fsdp": True, "fsdp_version": 2},
    "multi-node.yaml": {"num_processes": 16, "multi_gpu": True, "num_machines": 2, "machine_rank": 1},
}


def test_every_file_is_looked_at():
    assert sorted(path.name for path in FOLDER.iterdir()) == sorted(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_accelerate_understands_the_file(name):
    load_config_from_file(str(FOLDER / name))  # raises for a key that it does not know
    words = ["--config_file", str(FOLDER / name), "--machine_rank", "1" if name == "multi-node.yaml" else "0"]
    arguments, _, _ = _validate_launch_command(launch_command_parser().parse_args([*words, "-m", "domain_adapt"]))
    assert {key: getattr(arguments, key) for key in EXPECTED[name]} == EXPECTED[name]
    assert arguments.mixed_precision == "no"  # or two would choose the precision
    assert not arguments.use_deepspeed and arguments.dynamo_backend == "no" and arguments.module
    if arguments.use_fsdp:  # what training.trainee refuses
        assert arguments.fsdp_offload_params is False and arguments.fsdp_activation_checkpointing is False
        assert arguments.fsdp_cpu_ram_efficient_loading is False
