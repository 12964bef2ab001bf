"""Kills one real run of stage 1 with SIGKILL at random moments, half of them while it saves, and compares the bytes.

    python tests/e2e/kill_often.py [--kills 20] [--steps 300] [--seed N]

Adapts ``mini`` to the medical domain (small blocks, so that a step takes a tenth of a second) in a temporary folder:
once undisturbed, once killed and restarted. Exits with 1 if the published weights differ.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
BLOCK, BATCH = 32, 4
PATIENCE = 300.0


def command(steps: int) -> list[str]:
    """Returns the command line of a run of so many steps."""
    settings = {
        "corpus.block_size": BLOCK,
        "mlm.batch_size": BATCH,
        "budget.tokens": steps * BLOCK * BATCH,
        "runtime.save_seconds": 1,
        "runtime.keep_last": 2,
    }
    overrides = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    return [sys.executable, "-m", "domain_adapt", "adapt", "medical", *overrides]


class Folder:
    """A copy of the recipes in a folder of its own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        shutil.copytree(PROJECT / "corpora", root / "corpora")

    def start(self, steps: int) -> subprocess.Popen[str]:
        """Starts the run, or goes on with it."""
        return subprocess.Popen(
            command(steps), cwd=self.root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def steps_done(self) -> int:
        """Returns the lines in the metrics of the run."""
        return sum(path.read_bytes().count(b"\n") for path in self.root.glob("runs/*/metrics.jsonl"))

    def is_saving(self) -> bool:
        """Tells whether half a state lies in the run folder."""
        return any(self.root.glob("runs/*/.state-*.tmp"))

    def weights(self) -> str:
        """Returns the SHA-256 of the one published model."""
        (path,) = self.root.glob("checkpoints/medical/v*/model.safetensors")
        return hashlib.sha256(path.read_bytes()).hexdigest()


def finish(folder: Folder, steps: int) -> str:
    """Lets the run go to its end and returns what it printed."""
    process = folder.start(steps)
    printed, _ = process.communicate(timeout=3600)
    if process.returncode:
        raise SystemExit(f"the run failed:\n{printed}")
    return printed


def kill(folder: Folder, steps: int, generator: random.Random, until: int, saving: bool) -> tuple[int, str]:
    """Starts the run, kills it past step ``until`` and returns the steps written down and what it had printed."""
    process = folder.start(steps)
    deadline = time.monotonic() + PATIENCE
    while folder.steps_done() < until or (saving and not folder.is_saving()):
        if process.poll() is not None:
            raise SystemExit(f"the run ended by itself:\n{process.communicate()[0]}")
        if time.monotonic() > deadline:
            raise SystemExit("the run stands still")
        time.sleep(0.001)
    time.sleep(generator.uniform(0, 0.3))
    process.kill()
    printed, _ = process.communicate()
    return folder.steps_done(), printed


def main() -> None:
    """Runs both and compares."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    arguments = parser.parse_args()
    generator = random.Random(arguments.seed)
    print(f"seed {arguments.seed}")
    with tempfile.TemporaryDirectory() as temporary:
        folders = []
        for name in ("calm", "killed"):
            (Path(temporary) / name).mkdir()
            folders.append(Folder(Path(temporary) / name))
        calm, killed = folders
        finish(calm, arguments.steps)
        moments = sorted(generator.sample(range(1, arguments.steps - 50), arguments.kills))
        while_saving = 0
        for number, moment in enumerate(moments):
            done, printed = kill(killed, arguments.steps, generator, moment, saving=number % 2 == 1)
            half = killed.is_saving()
            while_saving += half
            gone_on = next((line for line in printed.splitlines() if line.startswith("going on")), "from the start")
            print(f"kill {number + 1}: {gone_on}; killed after step {done}{', half a state left' if half else ''}")
        printed = finish(killed, arguments.steps)
        print(next(line for line in printed.splitlines() if line.startswith("going on")))
        weights = [folder.weights() for folder in folders]
    print(f"undisturbed {weights[0]}\nkilled      {weights[1]}")
    same = weights[0] == weights[1]
    print(f"{arguments.kills} kills, {while_saving} of them while saving: {'the same bytes' if same else 'DIFFERENT'}")
    sys.exit(0 if same else 1)


if __name__ == "__main__":
    main()
