"""Does adapting help? The shipped defaults against the base on public labelled sets, several seeds, paired.

The sets are not ours to ship, so fetch them yourself: JSON lines below one folder, as in the table ``TASKS``: questions
in flat SQuAD form, sentences as ``tokens`` and ``tags``, texts as ``text`` and ``label``. The checkpoints are those of
``make adapt DOMAIN=medical`` and ``make adapt DOMAIN=financial`` here. Every training is kept below
``.cache/comparisons``: the script goes on where it was killed, and may run twice at once for different tasks.

    python benchmarks/evidence.py --data path/to/sets
    python benchmarks/evidence.py --data path/to/sets --only ncbi_disease chemprot --seeds 5
    python benchmarks/evidence.py --data path/to/sets --only covid --checkpoints base medical medical-practice
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import common
from rich.table import Table

from domain_adapt.cli_process import prepare_process
from domain_adapt.compare import compare
from domain_adapt.workspace import Workspace

ROOT = Path(__file__).resolve().parents[1]
DEV_SHARE = 0.2  # of the texts to learn from: chooses the best epoch


@dataclass(frozen=True)
class Task:
    """One labelled set and how it is learnt.

    Attributes:
        type: Task type.
        domain: Whose adapted checkpoint is compared with the base.
        train: File below the folder of the data.
        test: File that is scored; "": five folds of ``train`` instead.
        rows: To learn from and to choose the epoch by, drawn from ``train``; 0 takes all.
        tested: Rows to score, drawn from ``test``; 0 takes all.
        epochs: Passes over the training rows.
        learning_rate: Peak.
        article: Column that names the article a passage is from; "" if there is none.
    """

    type: str
    domain: str
    train: str
    test: str
    rows: int
    tested: int = 500
    epochs: int = 3
    learning_rate: float = 2e-4
    article: str = ""


TASKS = {
    "covid": Task("question-answering", "medical", "qa/covid/train.jsonl", "", 0, epochs=2, article="document_id"),
    "tatqa": Task("question-answering", "financial", "qa/tatqa/train.jsonl", "", 0),
    "squad": Task("question-answering", "medical", "qa/squad/train.jsonl", "qa/squad/dev.jsonl", 625),
    "ncbi_disease": Task(
        "token-classification",
        "medical",
        "ner/ncbi_disease/train.jsonl",
        "ner/ncbi_disease/dev.jsonl",
        1000,
        learning_rate=3e-4,
    ),
    "bc5cdr": Task(
        "token-classification", "medical", "ner/bc5cdr/train.jsonl", "ner/bc5cdr/dev.jsonl", 1000, learning_rate=3e-4
    ),
    "chemprot": Task(
        "text-classification",
        "medical",
        "classification/chemprot/train.jsonl",
        "classification/chemprot/dev.jsonl",
        1000,
    ),
    "phrasebank": Task(
        "text-classification",
        "financial",
        "classification/phrasebank/train.jsonl",
        "classification/phrasebank/dev.jsonl",
        1000,
    ),
}
FOLDS = 5


def draw(source: Path, target: Path, count: int, article: str) -> Path:
    """Writes ``count`` random rows of a file to another, always the same ones, and returns the path."""
    rows = [json.loads(line) for line in source.read_text(encoding="utf-8").splitlines()]
    chosen = random.Random(0).sample(rows, min(count, len(rows))) if count else rows
    if article:
        chosen = [row | {"title": str(row[article])} for row in chosen]
    temporary = target.with_suffix(".tmp")
    temporary.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in chosen), encoding="utf-8")
    temporary.replace(target)
    return target


def recipe(name: str, task: Task) -> str:
    """Returns the recipe of a task as TOML: the starter recipes' settings."""
    tables = [
        f'name = "{name}"\ntype = "{task.type}"\n[profiles.quick]\nbase = "mini"',
        f"[profiles.quick.budget]\nepochs = {task.epochs}",
        f"[profiles.quick.finetune]\nlearning_rate = {task.learning_rate}\nbatch_size = 8\nwarmup_ratio = 0.1\n"
        f"adam_beta2 = 0.999\ndropout = 0.0\ndev_share = {DEV_SHARE}",
    ]
    if task.type == "question-answering":
        tables.append("[profiles.quick.question_answering]\nmax_length = 320\nstride = 96")
    return "\n".join(tables) + "\n"


def measure(name: str, arguments: argparse.Namespace, work: Path) -> dict[str, Any]:
    """Returns scores and contrasts of one task as plain values."""
    task = TASKS[name]
    folder = work / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "task.toml").write_text(recipe(name, task), encoding="utf-8")
    train = draw(arguments.data / task.train, folder / "train.jsonl", task.rows, task.article)
    test = [draw(arguments.data / task.test, folder / "test.jsonl", task.tested, task.article)] if task.test else []
    found = compare(
        [str(folder)],
        checkpoints=[start.format(domain=task.domain) for start in arguments.checkpoints],
        seeds=arguments.seeds,
        labels=arguments.labels,
        folds=0 if task.test else FOLDS,
        domain=task.domain,
        train=[train],
        test=test,
        overrides=arguments.overrides,
        workspace=Workspace(ROOT),
    )
    values: dict[str, Any] = found.as_json()
    return {key: values[key] for key in ("tasks", "systems", "scores", "contrasts", "seeds", "recipes")}


def rows_of(found: dict[str, Any]) -> list[Sequence[str]]:
    """Returns a row of the table for each starting point and number of labels."""
    rows = []
    for score in found["scores"]:
        contrast = next(
            (one for one in found["contrasts"] if (one["system"], one["labels"]) == (score["system"], score["labels"])),
            None,
        )
        own = (score["task"], str(score["labels"]), score["system"], score["metric"])
        means = (f"{score['mean']:.1f} ± {score['deviation']:.1f}", str(len(score["values"])))
        against = ("", "", "", "")
        if contrast:
            interval = f"{contrast['low']:+.1f} to {contrast['high']:+.1f}"
            against = (f"{contrast['difference']:+.1f}", interval, f"{contrast['p']:.3f}", contrast["outcome"])
        rows.append((*own, *means, *against))
    return rows


def main() -> None:
    """Prints the table task by task and writes it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the labelled sets")
    parser.add_argument("--only", nargs="+", choices=list(TASKS), default=list(TASKS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--labels", type=int, nargs="+", default=[0], help="0: all")
    parser.add_argument("--checkpoints", nargs="+", default=["base", "{domain}"], help="the first is the reference")
    parser.add_argument("--set", dest="overrides", nargs="+", default=[], help="recipe keys: runtime.threads=1")
    parser.add_argument("--output", type=Path, help="default: benchmarks/results/evidence.json")
    arguments = parser.parse_args()
    prepare_process()
    table = Table()
    for heading in (
        "task",
        "labels",
        "start",
        "metric",
        "mean",
        "seeds",
        "difference",
        "95 % interval",
        "p",
        "verdict",
    ):
        table.add_column(heading)
    found = {name: measure(name, arguments, ROOT / ".cache" / "evidence") for name in arguments.only}
    for one in found.values():
        for row in rows_of(one):
            table.add_row(*row)
    common.report("evidence", table, {"tasks": found}, arguments.output)


if __name__ == "__main__":
    main()
