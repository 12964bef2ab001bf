"""Runs on two processes, started as users start them: by torchrun, by accelerate, or by hand."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from filelock import FileLock
from safetensors.numpy import load_file

from domain_adapt.adapt import adapt, adapt_fingerprint
from domain_adapt.bases import resolve_base
from domain_adapt.checkpoints import CheckpointStore, verify
from domain_adapt.corpus.sources import open_source
from domain_adapt.finetune import finetune
from domain_adapt.recipes import load_domain
from tests.e2e import loss_curve

pytestmark = pytest.mark.many_processes
ROOT = Path(__file__).parents[2]
PATIENCE = 240.0  # seconds until a process counts as stuck, on a busy machine too
ENVIRONMENT = os.environ | {"HF_HUB_OFFLINE": "1", "GLOO_SOCKET_IFNAME": "lo", "PYTHONPATH": str(ROOT)}
SHARDED = {"ACCELERATE_USE_FSDP": "true"}


_STARTED: list[subprocess.Popen[str]] = []


@pytest.fixture(autouse=True)
def _no_process_survives():
    yield
    for process in _STARTED:
        if process.poll() is None:
            process.terminate()  # torchrun ends its ranks then
    while _STARTED:
        process = _STARTED.pop()
        try:
            process.wait(timeout=40)
        except subprocess.TimeoutExpired:
            process.kill()


def start(folder, command, **environment):
    process = subprocess.Popen(
        [sys.executable, *map(str, command)],
        cwd=folder,
        env=ENVIRONMENT | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    _STARTED.append(process)
    return process


def torchrun(folder, *command, restarts=0, **environment):
    """Starts a command on two ranks by torchrun."""
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", 2, "--max-restarts", restarts)
    return start(folder, [*launcher, *command], **environment)


def by_hand(folder, *commands, **environment):
    """Starts one process for each command, the ranks of one run, as a cluster's scheduler would."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    size = str(len(commands))
    shared = {"WORLD_SIZE": size, "LOCAL_WORLD_SIZE": size, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    return [
        start(folder, command, RANK=str(rank), LOCAL_RANK=str(rank), **shared, **environment)
        for rank, command in enumerate(commands)
    ]


def finish(process):
    """Returns what a process said on stderr before it succeeded."""
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err
    return err


def end(processes):
    """Returns the exit codes, and what all said on stderr."""
    texts = [process.communicate(timeout=PATIENCE)[1] for process in processes]
    return [process.returncode for process in processes], "".join(texts)


def wait_for_step(project, process, step):
    deadline = time.monotonic() + PATIENCE
    while sum(path.read_bytes().count(b"\n") for path in project.workspace.runs.glob("*/metrics.jsonl")) < step:
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.005)


def workers(launcher):
    """Returns the process ids of the ranks of a launcher."""
    return [int(child) for child in Path(f"/proc/{launcher.pid}/task/{launcher.pid}/children").read_text().split()]


def weights(checkpoint):
    return load_file(checkpoint.folder / "model.safetensors")


def assert_close(one, other, atol):
    assert one.keys() == other.keys()
    for name, tensor in one.items():
        np.testing.assert_allclose(other[name], tensor, rtol=0, atol=atol, err_msg=name)


def curve(folder):
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return np.array([[line["loss"], line["grad_norm"]] for line in lines]), [line["tokens"] for line in lines]


ARGUMENTS = ["--distill", "0", "10", "--architectures", *loss_curve.ARCHITECTURES]


@pytest.fixture(scope="module")
def one_process(tmp_path_factory, tiny_model_folder):
    """What one process computes with whole batches, and with batches in four passes."""
    folder = tmp_path_factory.mktemp("one-process")
    before = torch.get_num_threads()
    for name, rows in (("1x16", 16), ("4x4", 4)):
        loss_curve.main([str(tiny_model_folder), str(folder / name), "--rows", str(rows), *ARGUMENTS])
    torch.set_num_threads(before)
    return folder


def assert_same_training(found, expected):
    for distill in ("distill-0", "distill-10"):
        curves = {folder: curve(folder / distill) for folder in (found, expected)}
        assert len(curves[expected][0]) == 50
        # In units of the first loss, as the distillation's weight of 10 makes the numbers larger.
        unit = max(1.0, float(curves[expected][0][:, 0].max()))
        np.testing.assert_allclose(curves[found][0], curves[expected][0], rtol=0, atol=1e-5 * unit)
        assert curves[found][1] == curves[expected][1]
    for name in loss_curve.ARCHITECTURES:
        assert_close(*(load_file(folder / name / "model.safetensors") for folder in (found, expected)), atol=1e-5)


def test_four_passes_train_as_one_does(one_process):
    assert_same_training(one_process / "4x4", one_process / "1x16")


@pytest.mark.parametrize("environment", [{}, SHARDED], ids=["replicated", "sharded"])
def test_two_ranks_train_as_one_process_does(tmp_path, tiny_model_folder, one_process, environment):
    """Uneven last batches, distillation, frozen parts and every supported architecture are among what is trained.

    Each rank's share of a batch goes in passes of three rows: one more on the rank with more rows, but for stand-ins.
    """
    script = ROOT / "tests" / "e2e" / "loss_curve.py"
    finish(torchrun(tmp_path, script, tiny_model_folder, tmp_path / "2x8", "--rows", 3, *ARGUMENTS, **environment))
    assert_same_training(tmp_path / "2x8", one_process / "1x16")


def test_two_ranks_adapt_and_finetune_and_publish_once(adapted):
    config = ROOT / "configs" / "accelerate" / "ddp-cpu.yaml"
    command = ("domain_adapt", "adapt", "heart", "--set", "budget.epochs=3")
    err = finish(start(adapted.root, ["-m", "accelerate.commands.launch", "--config_file", config, "-m", *command]))
    assert err.count("published heart@v2") == 1 and err.count("corpus: ") == 1 and "Warning" not in err
    assert adapted.leftovers == [] and adapted.published == ["heart@v1", "heart@v2"]
    two = CheckpointStore(adapted.workspace.checkpoints).find("heart@v2")
    verify(two)
    assert two.manifest.environment["processes"] == 2
    one = adapt("heart", overrides=["budget.epochs=3"], force=True, workspace=adapted.workspace)
    assert one.manifest.fingerprint == two.manifest.fingerprint
    assert_close(weights(one), weights(two), atol=1e-5)
    losses = [checkpoint.manifest.metrics["heldout/mlm_loss"] for checkpoint in (one, two)]
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)

    command = ["-m", "domain_adapt", "finetune", "qa", "--from", "heart@v1", "--set", "finetune.dropout=0"]
    codes, err = end(by_hand(adapted.root, command, command, **SHARDED))
    assert codes == [0, 0] and err.count("published heart-qa@v1") == 1 and err.count("epoch 1: ") == 1
    both = CheckpointStore(adapted.workspace.checkpoints).find("heart-qa@v1")
    verify(both)
    overrides = ["finetune.dropout=0"]
    alone = finetune("qa", start="heart@v1", overrides=overrides, force=True, workspace=adapted.workspace)
    assert alone.manifest.fingerprint == both.manifest.fingerprint
    assert_close(weights(alone), weights(both), atol=1e-4)
    assert (alone.folder / "config.json").read_bytes() == (both.folder / "config.json").read_bytes()

    codes, err = end(by_hand(adapted.root, command, command))
    assert codes == [0, 0] and err.count("heart-qa@v2 is up to date") == 1


LONG = ("-m", "domain_adapt", "adapt", "heart", "--set", "budget.epochs=30", "--set", "runtime.save_seconds=0")


def test_a_killed_worker_is_started_again_and_the_bytes_are_those_of_a_calm_run(project):
    process = torchrun(project.root, *LONG, restarts=3)
    wait_for_step(project, process, 20)
    os.kill(workers(process)[-1], signal.SIGKILL)
    err = finish(process)
    gone_on = re.findall(r"going on after step (\d+) of", err)
    assert len(gone_on) == 1 and int(gone_on[0]) >= 19 and err.count("published heart@v1") == 1
    finish(torchrun(project.root, *LONG, "--force"))
    store = CheckpointStore(project.workspace.checkpoints)
    disturbed, calm = (store.find(ref).folder / "model.safetensors" for ref in ("heart@v1", "heart@v2"))
    assert disturbed.read_bytes() == calm.read_bytes()


def stopped_after(err):
    """Returns the step that the one line names."""
    found = re.findall(r"stopped after step (\d+) of \d+; the same command goes on from there", err)
    assert len(found) == 1, err  # torchrun adds a traceback of its own
    return int(found[0])


def test_two_ranks_one_process_and_sharded_ranks_go_on_from_each_other_s_states(project):
    """Each is stopped by a signal: to one rank, to the only process, to torchrun."""
    ranks = by_hand(project.root, LONG, LONG)
    wait_for_step(project, ranks[0], 10)
    ranks[1].send_signal(signal.SIGTERM)
    codes, err = end(ranks)
    first = stopped_after(err)
    assert codes == [130, 130] and first >= 10 and project.published == []

    alone = start(project.root, LONG)
    wait_for_step(project, alone, first + 5)
    alone.send_signal(signal.SIGINT)
    (code,), err = end([alone])
    second = stopped_after(err)
    assert code == 130 and f"going on after step {first} of" in err

    launcher = torchrun(project.root, *LONG, **SHARDED)
    wait_for_step(project, launcher, second + 5)
    launcher.send_signal(signal.SIGINT)
    _, err = end([launcher])
    third = stopped_after(err)
    assert f"going on after step {second} of" in err and project.published == []

    alone = start(project.root, LONG)
    assert f"going on after step {third} of" in finish(alone)
    assert project.leftovers == []
    calm = adapt("heart", overrides=["budget.epochs=30"], force=True, workspace=project.workspace)
    assert_close(weights(CheckpointStore(project.workspace.checkpoints).find("heart@v1")), weights(calm), atol=1e-4)


def errors(text):
    return [line for line in text.splitlines() if line.startswith("error: ")]


def test_an_error_that_all_ranks_meet_is_told_once(project):
    command = ["-m", "domain_adapt", "adapt", "heart", "--set", "corpus.block_size=131"]
    codes, err = end(by_hand(project.root, command, command))
    assert codes == [2, 2] and "Traceback" not in err
    assert errors(err) == ["error: corpus.block_size: 131 is more than the 129 tokens the base can read"]


def test_an_error_of_the_main_process_ends_the_others_too(project):
    recipe = load_domain("heart", workspace=project.workspace)
    sources = [open_source(spec, recipe.folder) for spec in recipe.values.sources]
    base = resolve_base(recipe.values.base, workspace=project.workspace)
    project.workspace.runs.mkdir()
    lock = project.workspace.runs / f"adapt-{adapt_fingerprint(recipe.values, base, sources)[:16]}.lock"
    command = ["-m", "domain_adapt", "adapt", "heart"]
    with FileLock(lock):
        codes, err = end(by_hand(project.root, command, command))
    assert codes == [2, 2] and "Traceback" not in err
    assert len(errors(err)) == 1 and "another process is at work on this run" in err


def test_an_error_of_another_rank_names_it_and_ends_the_main_process(project):
    command = ["-m", "domain_adapt", "adapt", "heart"]
    codes, err = end(by_hand(project.root, command, [*command, "--set", "seed=1"]))
    assert codes == [2, 2] and "Traceback" not in err
    expected = f"error: rank 1 on {socket.gethostname()}: its recipe, base or package differ from those of rank 0"
    assert errors(err) == [expected]
    assert project.published == []


def test_a_rank_that_dies_without_a_word_ends_the_others_with_one_line(project):
    ranks = by_hand(project.root, LONG, LONG)
    wait_for_step(project, ranks[0], 10)
    ranks[1].kill()
    codes, err = end(ranks)
    assert codes == [2, -signal.SIGKILL] and "Traceback" not in err
    assert errors(err) == ["error: rank 0 lost the connection to another process of this run"]
