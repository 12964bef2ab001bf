"""Is the verdict of `domain-adapt compare` right? False alarms on two copies of one system, and power.

Simulated comparisons: questions lie in passages, some are easier than others, a seed makes a whole run better or worse
and each answer different. Scores are shares of words right, between 0 and 1. What varies, in points of the mean over
the questions: the luck of a seed by --seed-points (2: as measured on the starter questions with some 500 labels).

Two copies differ in their seeds only, so a difference between them is luck: at a level of 5 % one comparison in twenty
may be called a difference. The power is the share of comparisons in which a system that is 3 points better is found.

    python benchmarks/bootstrap_calibration.py
    python benchmarks/bootstrap_calibration.py --comparisons 200 --questions 100
"""

from __future__ import annotations

import argparse

import common
import numpy as np
from rich.table import Table

from domain_adapt.comparing.statistics import paired_difference
from domain_adapt.tasks.counting import mean_points

LEVEL = 0.05
QUESTIONS_IN_A_PASSAGE = 5


class Simulation:
    """Draws pairs of systems on the same questions.

    Args:
        questions: In the test set.
        seeds: Fine-tunings of each system.
        seed_points: Standard deviation of a run's mean over seeds, in points.
        gain: By which the second system is better, in points.
    """

    def __init__(self, questions: int, seeds: int, seed_points: float, gain: float) -> None:
        self._questions, self._seeds, self._gain = questions, seeds, gain
        self._passages = np.arange(questions) // QUESTIONS_IN_A_PASSAGE
        # A shift of the latent score moves the mean by its slope, measured once on many questions.
        latent = np.random.default_rng(0).normal(0, 1.4, 200_000)
        slope = 100 * float((_share(latent + 0.01) - _share(latent)).mean()) / 0.01
        self._shift, self._luck = gain / slope, seed_points / slope

    def draw(self, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Returns the counts of both systems, (seeds, questions, 2), and the passages."""
        ease = generator.normal(0, 1, self._questions)
        ease += generator.normal(0, 0.7, int(self._passages[-1]) + 1)[self._passages]
        systems = []
        for shift in (0.0, self._shift):
            luck = generator.normal(0, self._luck, (self._seeds, 1))
            answers = generator.normal(0, 0.7, (self._seeds, self._questions))
            scores = _share(ease + shift + luck + answers)
            systems.append(np.stack([scores, np.ones_like(scores)], axis=-1))
        return systems[0], systems[1], self._passages


def _share(latent: np.ndarray) -> np.ndarray:
    """Returns shares of words right; half a point and more is often all or nothing."""
    return 1 / (1 + np.exp(-2 * latent))


def rejected(simulation: Simulation, comparisons: int, resamples: int) -> float:
    """Returns the share of comparisons that are called a difference."""
    generator = np.random.default_rng(1)
    found = 0
    for number in range(comparisons):
        reference, system, passages = simulation.draw(generator)
        found += paired_difference(reference, system, mean_points, passages, seed=number, resamples=resamples).p < LEVEL
    return found / comparisons


def main() -> None:
    """Prints false alarms and power by number of seeds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--comparisons", type=int, default=1000)
    parser.add_argument("--questions", type=int, default=300)
    parser.add_argument("--seed-points", type=float, default=2.0)
    parser.add_argument("--gain", type=float, default=3.0, help="points")
    parser.add_argument("--resamples", type=int, default=500)
    parser.add_argument("--seeds", type=int, nargs="+", default=[3, 5, 10])
    arguments = parser.parse_args()
    table = Table(
        title=f"{arguments.comparisons:,} comparisons on {arguments.questions} questions, level {LEVEL:.0%}, "
        f"seeds scatter by {arguments.seed_points:g} points"
    )
    for heading in ("seeds", "two copies called different", f"{arguments.gain:g} points better found"):
        table.add_column(heading, justify="right")
    figures = []
    for seeds in arguments.seeds:
        shares = [
            rejected(
                Simulation(arguments.questions, seeds, arguments.seed_points, gain),
                arguments.comparisons,
                arguments.resamples,
            )
            for gain in (0.0, arguments.gain)
        ]
        table.add_row(str(seeds), *(f"{share:.1%}" for share in shares))
        figures.append({"seeds": seeds, "false alarms": shares[0], "power": shares[1]})
    common.report("bootstrap-calibration", table, {"arguments": vars(arguments), "rows": figures}, None)


if __name__ == "__main__":
    main()
