"""What a comparison of starting points found: plain data, from the engine that measures to the pages that show it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Outcome = Literal["helps", "hurts", "no difference shown"]


@dataclass(frozen=True)
class System:
    """One starting point that the task was fine-tuned from.

    Attributes:
        label: What the user called it: ``base``, ``medical@v1``.
        name: What that is: ``mini``, ``medical@v1``, a Hub id.
        sha256: Identity of its config, weights and tokenizer.
        manifest: Of a checkpoint of ours, as JSON; None for any other base.
        curve: Stage 1's loss: ``[tokens seen, loss in nats]`` pairs, in order; empty if it is not known.
        general_loss: Masked-LM loss on general English, nats a token; None without a trained LM head.
        domain_loss: Masked-LM loss on held-out text of the domain, nats a token; None if it is not known.
    """

    label: str
    name: str
    sha256: str
    manifest: dict[str, Any] | None = None
    curve: list[tuple[float, float]] = field(default_factory=list)
    general_loss: float | None = None
    domain_loss: float | None = None


@dataclass(frozen=True)
class Score:
    """One system's metric on one evaluation set with one number of labels.

    Attributes:
        system: Label of the system.
        task: Name of the task.
        evaluation: ``task`` for the task's own test (or dev) part, ``general`` for the general set.
        labels: Labelled training examples used.
        metric: Name of the metric, in percent.
        values: One a seed (and fold), in order.
        mean: Of the values.
        deviation: Standard deviation of the values, n - 1 in the denominator; 0 for one value.
    """

    system: str
    task: str
    evaluation: Literal["task", "general"]
    labels: int
    metric: str
    values: list[float]
    mean: float
    deviation: float


@dataclass(frozen=True)
class Contrast:
    """A system against the reference on one evaluation set, paired by example and seed.

    Attributes:
        difference: Mean of the system minus mean of the reference, in points of the metric.
        low: Lower end of the 95 % interval.
        high: Upper end.
        p: Two-sided p of no difference.
        examples: Test examples.
        seeds: Fine-tuning seeds (times folds).
        outcome: In a word.
        verdict: In a sentence that a reader without statistics understands.
    """

    system: str
    reference: str
    task: str
    evaluation: Literal["task", "general"]
    labels: int
    metric: str
    difference: float
    low: float
    high: float
    p: float
    examples: int
    seeds: int
    outcome: Outcome
    verdict: str


@dataclass(frozen=True)
class ExampleChange:
    """One test example on which a system does better or worse than the reference, over all seeds.

    Attributes:
        system: Label of the system.
        id: Of the example.
        text: What the example asks, a line; ``context`` is the passage around the right answer, if there is one.
        right: What the right answer is.
        reference_answer: The reference's most frequent prediction.
        system_answer: The system's.
        gain: Mean score of the system minus that of the reference on this example, -1 to 1.
    """

    system: str
    task: str
    id: str
    text: str
    context: str
    right: str
    reference_answer: str
    system_answer: str
    gain: float


@dataclass(frozen=True)
class Comparison:
    """Everything a report of a comparison shows.

    Attributes:
        tasks: Names of the tasks.
        domain: Domain of the labelled data, if one was named.
        reference: Label of the system that the others are compared with.
        seeds: Fine-tuning seeds.
        systems: In the order the user gave.
        scores: Every system, task, evaluation and number of labels.
        contrasts: Of every system but the reference.
        changes: Won and lost examples, the largest gains and losses of each system.
        recipes: Task name -> its resolved recipe.
        command: That makes the comparison again.
        created: UTC in ISO 8601.
        seconds: Of training and scoring, all cells together, cached ones included.
    """

    tasks: list[str]
    domain: str | None
    reference: str
    seeds: list[int]
    systems: list[System]
    scores: list[Score]
    contrasts: list[Contrast]
    changes: list[ExampleChange]
    recipes: dict[str, dict[str, Any]]
    command: str
    created: str
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """Returns it as JSON values."""
        return asdict(self)
