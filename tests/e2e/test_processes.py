"""The command line as a user meets it: processes that are killed, stopped and started again."""

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from domain_adapt.adapt import adapt
from domain_adapt.checkpoints import CheckpointStore
from domain_adapt.finetune import finetune
from domain_adapt.workspace import Workspace

PATIENCE = 120.0  # seconds until a process counts as stuck, on a busy machine too


def command(project, *arguments):
    """Starts ``python -m domain_adapt`` in the project's folder."""
    environment = os.environ | {"HF_HUB_OFFLINE": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "domain_adapt", *arguments],
        cwd=project.root,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def python(project, code):
    """Runs a script in the project's folder and returns what it prints."""
    done = subprocess.run([sys.executable, "-c", code], cwd=project.root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def steps_done(project):
    """Returns how many steps the one run has written down."""
    return sum(path.read_bytes().count(b"\n") for path in project.workspace.runs.glob("*/metrics.jsonl"))


def wait_for_step(project, process, step):
    deadline = time.monotonic() + PATIENCE
    while steps_done(project) < step:
        assert process.poll() is None, f"it ended before step {step}: {process.communicate()[1]}"
        assert time.monotonic() < deadline, f"step {step} did not come"
        time.sleep(0.002)


@pytest.mark.parametrize(
    ("stage", "again"),
    [
        (adapt, ("adapt", "heart", "--set", "budget.epochs=12")),
        (finetune, ("finetune", "qa", "--set", "budget.epochs=12")),
    ],
    ids=["stage-1", "stage-2"],
)
def test_stopped_and_killed_runs_go_on_and_end_with_the_bytes_of_an_undisturbed_one(
    adapted, tmp_path, tiny_model_folder, stage, again
):
    """Ctrl-C, then ``kill -9``, each after a state was saved; the same command goes on and nothing can be told."""
    first_stop, second_stop = sorted(random.Random(again[0]).sample(range(4, 60), 2))
    again = (*again, "--set", "runtime.save_seconds=0")

    process = command(adapted, *again)
    wait_for_step(adapted, process, first_stop)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130, err
    last = err.strip().splitlines()[-1]
    found = re.fullmatch(r"stopped after step (\d+) of (\d+); the same command goes on from there", last)
    assert found and first_stop <= int(found.group(1)) < int(found.group(2))
    assert "Traceback" not in err and adapted.published == ["heart@v1"]

    process = command(adapted, *again)
    wait_for_step(adapted, process, max(second_stop, int(found.group(1)) + 2))
    process.kill()
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == -signal.SIGKILL
    assert f"going on after step {found.group(1)} of {found.group(2)}" in err
    assert adapted.published == ["heart@v1"]
    at_kill = steps_done(adapted)
    assert at_kill < int(found.group(2))

    process = command(adapted, *again)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err
    gone_on = re.search(r"going on after step (\d+) of", err)
    assert gone_on and int(found.group(1)) < int(gone_on.group(1)) <= at_kill + 1
    published = CheckpointStore(adapted.workspace.checkpoints).find({adapt: "heart@v2", finetune: "heart-qa@v1"}[stage])
    if stage is adapt:
        assert published.ref in err
    assert adapted.leftovers == []

    calm = Workspace(Path(shutil.copytree(adapted.root, tmp_path / "calm")))
    undisturbed = stage(again[1], overrides=["budget.epochs=12"], force=True, workspace=calm)
    assert undisturbed.folder != published.folder
    assert undisturbed.manifest.fingerprint == published.manifest.fingerprint
    weights = [(one.folder / "model.safetensors").read_bytes() for one in (published, undisturbed)]
    assert weights[0] == weights[1]
    figures = [
        {key: value for key, value in one.manifest.metrics.items() if "seconds" not in key and "second" not in key}
        for one in (published, undisturbed)
    ]
    assert figures[0] == figures[1]


def test_an_error_is_one_line_and_exit_code_2(adapted):
    process = command(adapted, "adapt", "heart", "--set", "corpus.block_size=131")
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2 and out == "" and "Traceback" not in err
    lines = err.strip().splitlines()
    assert lines[-1] == "error: corpus.block_size: 131 is more than the 129 tokens the base can read"
    assert sum(line.startswith("error: ") for line in lines) == 1
    assert adapted.published == ["heart@v1"]


LIST_IMPORTS = """
import sys
from domain_adapt import cli
sys.argv = ["domain-adapt", *{arguments!r}]
try:
    cli.main()
except SystemExit as stopped:
    assert not stopped.code, stopped.code
print("imported:", *({{"torch", "transformers", "datasets"}} & set(sys.modules)))
"""


def imported_by(project, *arguments):
    """Returns which of the heavy packages a command imports."""
    return set(python(project, LIST_IMPORTS.format(arguments=arguments)).splitlines()[-1].split()[1:])


@pytest.mark.parametrize("arguments", [("--help",), ("recipes",), ("recipes", "show", "heart"), ("checkpoints",)])
def test_light_commands_import_nothing_heavy(adapted, arguments):
    assert imported_by(adapted, *arguments) == set()


def test_up_to_date_is_said_before_torch_would_be_imported(adapted):
    assert "torch" not in imported_by(adapted, "adapt", "heart")
    assert adapted.published == ["heart@v1"]


def test_import_is_light_and_gives_the_public_names(adapted):
    code = "import sys, domain_adapt; print(domain_adapt.__all__, 'torch' in sys.modules)"
    names = "'adapt', 'compare', 'finetune', 'finetune_multitask', 'load', 'merge', 'resolve'] False"
    assert python(adapted, code).strip().endswith(names)
    code = "import domain_adapt.adapt\nfrom domain_adapt import adapt, resolve\nprint(adapt.__name__, resolve('heart'))"
    assert python(adapted, code) == "adapt checkpoints/heart/v1\n"
