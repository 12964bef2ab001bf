"""Runs on two processes, started as users start them."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from domain_adapt.adapt import adapt
from domain_adapt.checkpoints import CheckpointStore, verify
from domain_adapt.finetune import finetune

pytestmark = pytest.mark.many_processes
PATIENCE = 180.0
CURVE = Path(__file__).with_name("loss_curve.py")


def launch(folder, *arguments, ranks=2, restarts=0):
    """Starts a command on several ranks of this machine."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(ranks)),
            *("--master-addr", "127.0.0.1", "--master-port", str(port)),
            *("--max-restarts", str(restarts), "--monitor-interval", "0.1"),
            *map(str, arguments),
        ],
        cwd=folder,
        env=os.environ | {"HF_HUB_OFFLINE": "1", "GLOO_SOCKET_IFNAME": "lo"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process):
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err
    return err


def curve(folder):
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return np.array([[line["loss"], line["grad_norm"]] for line in lines]), [line["tokens"] for line in lines]


@pytest.mark.parametrize("distill", [0.0, 10.0])
def test_one_pass_four_passes_and_two_ranks_give_the_same_loss_curve(tmp_path, tiny_model_folder, distill):
    runs = {
        "1x16": [sys.executable, str(CURVE)],
        "4x4": [sys.executable, str(CURVE), "--rows", "4"],
    }
    for name, command in runs.items():
        subprocess.run(
            [*command, tiny_model_folder, tmp_path / name, "--distill", str(distill)], check=True, capture_output=True
        )
    finish(launch(tmp_path, CURVE, tiny_model_folder, tmp_path / "2x8", "--distill", distill))
    expected, tokens = curve(tmp_path / "1x16")
    assert len(expected) == 50
    for name in ("4x4", "2x8"):
        found, counted = curve(tmp_path / name)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * max(1.0, float(expected.max())), err_msg=name)
        assert counted == tokens


def weights(checkpoint):
    return load_file(checkpoint.folder / "model.safetensors")


def test_two_ranks_adapt_and_finetune_and_publish_once(adapted):
    err = finish(launch(adapted.root, "-m", "domain_adapt", "adapt", "heart", "--set", "budget.epochs=3"))
    assert err.count("published heart@v2") == 1 and err.count("corpus: ") == 1 and "Traceback" not in err
    assert adapted.leftovers == [] and adapted.published == ["heart@v1", "heart@v2"]
    two = CheckpointStore(adapted.workspace.checkpoints).find("heart@v2")
    verify(two)
    one = adapt("heart", overrides=["budget.epochs=3"], force=True, workspace=adapted.workspace)
    assert one.manifest.fingerprint == two.manifest.fingerprint
    for name, tensor in weights(one).items():
        np.testing.assert_allclose(weights(two)[name], tensor, atol=1e-4, err_msg=name)
    losses = [checkpoint.manifest.metrics["heldout/mlm_loss"] for checkpoint in (one, two)]
    assert losses[0] == pytest.approx(losses[1], abs=1e-3)

    err = finish(launch(adapted.root, "-m", "domain_adapt", "finetune", "qa", "--from", "heart@v1"))
    assert err.count("published heart-qa@v1") == 1
    alone = finetune("qa", start="heart@v1", force=True, workspace=adapted.workspace)
    both = CheckpointStore(adapted.workspace.checkpoints).find("heart-qa@v1")
    assert alone.manifest.fingerprint == both.manifest.fingerprint
    err = finish(launch(adapted.root, "-m", "domain_adapt", "finetune", "qa", "--from", "heart@v1"))
    assert err.count("up to date") == 1


def run_folder(project):
    return next(path for path in project.workspace.runs.iterdir() if path.is_dir())


def wait_for(process, happened):
    deadline = time.monotonic() + PATIENCE
    while not happened():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.005)


def steps_done(project):
    return sum(path.read_bytes().count(b"\n") for path in project.workspace.runs.glob("*/metrics.jsonl"))


def workers(process):
    """Returns the process ids of the ranks of a launcher."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return [int(child) for child in children]


LONG = ("-m", "domain_adapt", "adapt", "heart", "--set", "budget.epochs=20", "--set", "runtime.save_seconds=0")


def test_a_killed_worker_is_started_again_and_the_bytes_are_those_of_a_calm_run(project):
    process = launch(project.root, *LONG, restarts=3)
    wait_for(process, lambda: steps_done(project) >= 20)
    os.kill(workers(process)[-1], signal.SIGKILL)
    err = finish(process)
    assert "going on after step" in err and err.count("published heart@v1") == 1
    finish(launch(project.root, *LONG, "--force"))
    store = CheckpointStore(project.workspace.checkpoints)
    disturbed, calm = (store.find(ref).folder / "model.safetensors" for ref in ("heart@v1", "heart@v2"))
    assert disturbed.read_bytes() == calm.read_bytes()


def test_ctrl_c_stops_all_ranks_with_a_saved_state_and_one_line_and_one_rank_goes_on(project):
    process = launch(project.root, *LONG)
    wait_for(process, lambda: steps_done(project) >= 10)
    for pid in [*workers(process), process.pid]:  # a terminal sends it to all, and the launcher passes it on
        os.kill(pid, signal.SIGINT)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode != 0 and project.published == []
    assert err.count("the same command goes on from there") == 1
    checkpoint = adapt("heart", overrides=["budget.epochs=20"], workspace=project.workspace)
    assert checkpoint.ref == "heart@v1" and project.leftovers == []


def test_an_error_of_the_main_process_ends_all_of_them(project):
    process = launch(project.root, "-m", "domain_adapt", "adapt", "heart", "--set", "corpus.block_size=131")
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode != 0
    assert "error: corpus.block_size: 131 is more than the 129 tokens the base can read" in err
