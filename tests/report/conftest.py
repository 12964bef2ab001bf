"""A comparison as ``compare`` finds it, of any size."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from domain_adapt.report.comparison import Comparison, Contrast, ExampleChange, Outcome, Score, System

PASSAGE = (
    "Mitral valve prolapse is common. In most people it causes no harm for decades, and many never learn that they "
    "have it. The valve's leaflets bulge into the left atrium during systole, and where they do not close, blood "
    "flows back. Auscultation reveals a mid-systolic click, often followed by a late systolic murmur. "
    "Echocardiography confirms the diagnosis and shows how severe the regurgitation is. "
) * 3


def manifest(label: str, rate: float, distill: float) -> dict[str, Any]:
    """Returns what stands in the manifest of an adapted checkpoint."""
    return {
        "schema_version": 1,
        "name": "medical",
        "version": 1,
        "stage": "adapt",
        "domain": "medical",
        "profile": "quick",
        "created": "2026-11-24T03:49:09+00:00",
        "recipe": {
            "name": "medical",
            "base": "mini",
            "base_revision": None,
            "seed": 0,
            "sources": [{"kind": "hpo", "weight": None}, {"kind": "files", "path": "starter/*.md"}],
            "corpus": {"block_size": 128, "replay": 0.0, "filters": {"rules": []}},
            "budget": {"epochs": None, "tokens": 700_000},
            "mlm": {"learning_rate": rate, "distill_weight": distill, "layer_decay": 1.0, "lora": {"rank": 0}},
        },
        "lineage": [{"name": "mini", "sha256": "2b" * 32}],
        "corpus": {
            "sources": [
                {
                    "kind": "hpo",
                    "name": "Human Phenotype Ontology 2025-01-16",
                    "licence": "HPO licence, https://hpo.jax.org/license",
                    "documents_read": 16_525,
                    "documents": 16_300,
                    "tokens": 890_182,
                },
                {
                    "kind": "files",
                    "name": "starter/*.md",
                    "licence": "CC0-1.0",
                    "documents_read": 156,
                    "tokens": 40_982,
                },
            ],
            "statistics": {
                "documents_read": 16_681,
                "documents_train": 16_120,
                "tokens_train": 913_587,
                "dropped: too short": 200,
                "dropped: duplicate": 25,
            },
        },
        "metrics": {"heldout/mlm_loss": 4.2, "train/tokens": 700_416.0},
        "packages": {"domain-adapt": "0.1.0", "torch": "2.13.0", "transformers": "5.23.0"},
        "environment": {"python": "3.11.7", "device": "cpu", "threads": 2},
        "command": f"domain-adapt adapt medical --set mlm.learning_rate={rate:g} --name {label.partition('@')[0]}",
    }


def build_comparison(
    labels: Sequence[str] = ("base", "medical@v1", "medical@v2"),
    tasks: Sequence[str] = ("qa", "terms"),
    counts: Sequence[int] = (50, 200, 632),
    *,
    seeds: int = 5,
    general: bool = True,
    manifests: bool = True,
    changes: int = 3,
) -> Comparison:
    """Returns a comparison with figures that look like measured ones, always the same for the same arguments."""
    generator = np.random.default_rng(0)
    effects = [(0.0, 4.5, -3.8, 0.5, 2.0)[number % 5] for number in range(len(labels))]
    evaluations = ("task", "general") if general else ("task",)
    scores, contrasts = [], []
    for place, task in enumerate(tasks):
        for evaluation in evaluations:
            for count in counts:
                luck = generator.normal(0, 2.5, seeds)  # of a seed, the same for all systems
                means: list[float] = []
                for label, effect in zip(labels, effects, strict=True):
                    gain = effect / (1 + place) if evaluation == "task" else -abs(effect) / 2
                    level = 12 + 9 * math.log10(count) + gain
                    values = (level + luck + generator.normal(0, 1.0, seeds)).tolist()
                    mean = float(np.mean(values))
                    deviation = float(np.std(values, ddof=1)) if seeds > 1 else 0.0
                    scores.append(Score(label, task, evaluation, count, "f1", values, mean, deviation))
                    means.append(mean)
                    if label != labels[0]:
                        half = 2.8 if evaluation == "task" else 2.2
                        contrasts.append(
                            _contrast(label, labels[0], task, evaluation, count, mean - means[0], half, seeds)
                        )
    return Comparison(
        tasks=list(tasks),
        domain="medical",
        reference=labels[0],
        seeds=list(range(seeds)),
        systems=[_system(label, number, manifests) for number, label in enumerate(labels)],
        scores=scores,
        contrasts=contrasts,
        changes=[
            _change(label, task, number, sign)
            for label in labels[1:]
            for task in tasks
            for number in range(changes)
            for sign in (1, -1)
        ],
        recipes={
            task: {"name": task, "type": "question-answering", "seed": 0, "finetune": {"learning_rate": 2e-4}}
            for task in tasks
        },
        command=f"domain-adapt compare {' '.join(tasks)} --from {','.join(labels)} --seeds {seeds}",
        created="2026-11-24T05:12:00+00:00",
        seconds=5_412.0,
    )


def _contrast(
    label: str, reference: str, task: str, evaluation: Any, count: int, difference: float, half: float, seeds: int
) -> Contrast:
    low, high = difference - half, difference + half
    outcome: Outcome = "helps" if low > 0 else "hurts" if high < 0 else "no difference shown"
    value = f"{difference:+.1f} f1, 95 % interval {low:+.1f} to {high:+.1f}"
    verdict = f"{outcome}: {value}"
    if outcome == "no difference shown":
        verdict = (
            f"no difference that 312 examples and {seeds} seeds can show: {value}; one of about {half:.1f} would have "
            "been seen"
        )
    p = math.erfc(abs(difference) / (half / 1.96) / math.sqrt(2))
    return Contrast(
        label, reference, task, evaluation, count, "f1", difference, low, high, p, 312, seeds, outcome, verdict
    )


def _system(label: str, number: int, manifests: bool) -> System:
    if number == 0:
        return System(label, "mini", "2b" * 32)
    steps = [(1_000.0 * step, 4.2 + 0.3 * number + 5.5 * math.exp(-step / 90)) for step in range(1, 701)]
    made = manifest(label, 1e-4 * number, 10.0 * (number % 2)) if manifests else None
    return System(label, label, f"{number:02x}" * 32, made, steps, 3.1 + 0.25 * number, 4.5 - 0.1 * number)


def _change(label: str, task: str, number: int, sign: int) -> ExampleChange:
    right, wrong = (
        "a mid-systolic click",
        "the left atrium during systole, and where they do not close, blood flows back",
    )
    return ExampleChange(
        system=label,
        task=task,
        id=f"article_{number}_{sign}",
        text=f"What does auscultation reveal in mitral valve prolapse (question {number})?",
        context=PASSAGE,
        right=right,
        reference_answer=wrong if sign > 0 else right,
        system_answer=right if sign > 0 else "",
        gain=sign * (1 - 0.1 * number),
    )


@pytest.fixture(scope="session")
def comparison_of() -> Callable[..., Comparison]:
    """Returns the function that makes a comparison."""
    return build_comparison


class Reader(HTMLParser):
    """Collects tags, attributes and text; checks that every element is closed."""

    VOID = ("meta", "br")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def values(self, name: str) -> list[str | None]:
        """Returns the values of an attribute."""
        return [value for key, value in self.attributes if key == name]


def _read_page(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert reader.open == []
    assert not {"script", "link", "img", "iframe", "object", "base", "form"} & set(reader.tags)
    assert not [name for name, _ in reader.attributes if name in ("src", "srcset") or name.startswith("on")]
    targets = [str(value) for name in ("href", "xlink:href") for value in reader.values(name)]
    assert all(value.startswith("#") for value in targets)
    styles = "".join(re.findall(r"<style.*?</style>", page, re.DOTALL)) + "".join(map(str, reader.values("style")))
    assert "@import" not in styles and not re.search(r"url\((?!#)", styles)
    ids = reader.values("id")
    assert len(ids) == len(set(ids))
    assert {value[1:] for value in targets} <= set(ids)
    headings = [int(tag[1]) for tag in reader.tags if re.fullmatch("h[1-6]", tag)]
    assert headings[0] == 1 and headings.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(headings))
    return reader


@pytest.fixture
def read_page() -> Callable[[str], Reader]:
    """Returns a function that takes a page apart: all closed, nothing loaded, ids and headings in order."""
    return _read_page
