"""Kills a publishing process with SIGKILL at random moments and looks at what is left of the store each time.

    python tests/e2e/kill_publishing.py [--kills 100] [--seed N]

A process publishes, moves an alias and removes versions without a pause; it writes into a pipe what it is about to do
and what it has done. After each kill: every version that is there passes ``verify``, none that was published and not
removed is lost, the alias names a version that is there, and the next publication clears all that was left. Exits with
1 if not.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from domain_adapt.checkpoints import Checkpoint, CheckpointStore, Manifest, verify

NAME, ALIAS, KEPT = "medical", "production", 6
PATIENCE = 60.0
CONFIG = {
    "architectures": ["BertForMaskedLM"],
    "model_type": "bert",
    "vocab_size": 50,
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 128,
    "max_position_embeddings": 40,
    "type_vocab_size": 2,
}


def weights(seed: int) -> dict[str, np.ndarray]:
    """Returns the matrices of the encoder that CONFIG describes, drawn from ``seed``."""
    embeddings = {"word": 50, "position": 40, "token_type": 2}
    shapes = {f"embeddings.{kind}_embeddings.weight": (rows, 64) for kind, rows in embeddings.items()}
    for layer in range(2):
        stem = f"encoder.layer.{layer}"
        for part in ("self.query", "self.key", "self.value", "output.dense"):
            shapes[f"{stem}.attention.{part}.weight"] = (64, 64)
        shapes |= {f"{stem}.intermediate.dense.weight": (128, 64), f"{stem}.output.dense.weight": (64, 128)}
    generator = np.random.default_rng(seed)
    return {name: generator.standard_normal(shape, dtype=np.float32) for name, shape in shapes.items()}


def publish(store: CheckpointStore, seed: int) -> Checkpoint:
    """Publishes a small encoder with files in a folder below, too."""

    def fill(folder: Path) -> None:
        (folder / "config.json").write_text(json.dumps(CONFIG), encoding="utf-8")
        save_file(weights(seed), folder / "model.safetensors", metadata={"format": "pt"})
        (folder / "plots").mkdir()
        (folder / "plots" / "loss.svg").write_text(f"<svg>{seed}</svg>", encoding="utf-8")

    def make_manifest(version: int, files: dict[str, str]) -> Manifest:
        values = {
            "name": NAME,
            "version": version,
            "stage": "adapt",
            "domain": "medical",
            "profile": "quick",
            "created": "2026-01-01T00:00:00+00:00",
            "fingerprint": f"{seed:064x}",
            "recipe": {},
            "parent": {"kind": "base", "name": "mini", "sha256": "a" * 64},
            "lineage": [{"name": "mini", "sha256": "a" * 64}],
            "corpus": {},
            "metrics": {},
            "packages": {},
            "environment": {},
            "command": "",
            "wall_seconds": 1.0,
            "files": files,
        }
        return Manifest.model_validate(values)

    return store.publish(NAME, fill, make_manifest, describe=lambda manifest: f"version {manifest.version}")


def work(root: Path, pipe: int, seed: int) -> None:
    """Publishes, moves the alias and removes the oldest version, for ever; says so on the pipe."""
    store = CheckpointStore(root)
    while True:
        seed += 1
        checkpoint = publish(store, seed)
        os.write(pipe, f"published {checkpoint.version}\n".encode())
        store.set_alias(NAME, ALIAS, checkpoint.version)
        os.write(pipe, f"alias {checkpoint.version}\n".encode())
        versions = [one for one in store.list() if one.version != checkpoint.version]
        if len(versions) >= KEPT:
            os.write(pipe, f"removing {versions[0].version}\n".encode())
            store.remove(versions[0])


class Expected:
    """What has to be there, by what the killed processes had said."""

    def __init__(self) -> None:
        self.versions: set[int] = set()
        self.maybe_removed: set[int] = set()
        self.alias = 0
        self.highest = 0

    def read(self, text: str) -> None:
        """Takes in the lines of one process."""
        for line in text.splitlines():
            what, number = line.split()
            if what == "published":
                self.versions.add(int(number))
                self.highest = max(self.highest, int(number))
            elif what == "alias":
                self.alias = int(number)
            else:
                self.maybe_removed.add(int(number))

    def check(self, store: CheckpointStore) -> list[str]:
        """Returns what is not as it has to be."""
        found = {one.version: one for one in store.list()}
        problems = [problem for one in found.values() for problem in verify(one)] + [*store.damaged()]
        problems += [f"v{number} is lost" for number in self.versions - self.maybe_removed - found.keys()]
        aliases = store.aliases(NAME)
        if self.alias and aliases.get(ALIAS, 0) < self.alias:
            problems.append(f"the alias went back from v{self.alias} to {aliases}")
        if aliases and aliases[ALIAS] not in found:
            problems.append(f"the alias names v{aliases[ALIAS]}, which is not there")
        # The last one may be published though the process was killed before it could say so.
        unknown = {number for number in found if number > self.highest + 1}
        problems += [f"nobody published v{number}" for number in unknown]
        self.versions = set(found)
        self.highest = max(found, default=self.highest)
        return problems


def kill_once(root: Path, seed: int, generator: random.Random, expected: Expected) -> str:
    """Lets a process work until a random moment, kills it, and returns what it had said."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        try:
            work(root, writer, seed)
        finally:
            os._exit(1)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        time.sleep(generator.uniform(0.0, 0.4))  # a publication takes 30 ms on a calm machine and 200 on a busy one
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        text = pipe.read()
    if not os.WIFSIGNALED(status):
        raise SystemExit("the process ended by itself")
    expected.read(text)
    return text


def leftovers(root: Path) -> list[str]:
    """Returns staging folders, their locks and temporary files below the store."""
    patterns = (".staging-*", "*/.*.tmp", "*/v*/.*")
    return sorted(str(path.relative_to(root)) for pattern in patterns for path in root.glob(pattern))


def run(root: Path, kills: int, seed: int) -> tuple[list[str], int, int]:
    """Kills so often; returns what was wrong, after how many kills something was left, and the highest version."""
    store, generator, expected = CheckpointStore(root), random.Random(seed), Expected()
    problems: list[str] = []
    dirty = 0
    for number in range(kills):
        kill_once(root, 1_000 * number, generator, expected)
        dirty += bool(leftovers(root))
        problems += [f"kill {number + 1}: {problem}" for problem in expected.check(store)]
        if number % 10 == 9 or number == kills - 1:  # what is left has to pile up, too
            expected.read(f"published {publish(store, 1_000_000 + number).version}\n")
            problems += [f"kill {number + 1}: {left} was not cleared" for left in leftovers(root)]
    return problems, dirty, expected.highest


def main() -> None:
    """Runs it in a temporary folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}")
    with tempfile.TemporaryDirectory() as temporary:
        problems, dirty, highest = run(Path(temporary) / "checkpoints", arguments.kills, arguments.seed)
    print("\n".join(problems) or "every version passes, none is lost, all that was left was cleared")
    print(f"{arguments.kills} kills, after {dirty} of them something was left; {highest} versions were published")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
