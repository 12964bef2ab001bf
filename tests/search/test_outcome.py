import json

import pytest

from domain_adapt.search.outcome import Outcome
from domain_adapt.search.space import Space
from domain_adapt.search.study import Tried

SPACE = Space({"learning_rate": 1e-3, "freeze": 0}, {"freeze": [0, 2]}, (2e-4, 5e-3))


def tried(number, value, state="complete", rate=1e-3):
    return Tried(number, {"learning_rate": rate, "freeze": 0}, value, 2, state, seconds=10.0)


def outcome(*trials, least=5.0):
    return Outcome("f1", SPACE, trials, dev_examples=140, smallest_difference=least)


def test_a_lead_that_chance_could_give_is_said_to_be_one():
    found = outcome(tried(1, 40.0), tried(2, 44.9, rate=3.14e-4))
    assert found.winner.number == 2 and not found.is_told_apart
    assert found.verdict() == (
        "trial 2 of 2 wins: f1 44.9 with learning_rate 3.1e-4, freeze 0; the recipe's own setting: 40.0. "
        "Not told apart from the recipe's own setting: with 140 dev examples that takes 5.0 points (95 %)"
    )
    clear = outcome(tried(1, 40.0), tried(2, 45.0))
    assert clear.is_told_apart and clear.verdict().endswith("the recipe's own setting: 40.0")


def test_of_equally_good_trials_the_first_wins_so_the_recipe_s_own_stays():
    found = outcome(tried(1, 40.0), tried(2, 40.0))
    assert found.winner.number == 1
    assert found.verdict() == "no trial of 2 is better than the recipe's own setting: f1 40.0"


@pytest.mark.parametrize(
    ("state", "said"),
    [("complete", ": f1 20.0"), ("pruned", ": pruned at epoch 2, f1 20.0"), ("diverged", ": diverged in epoch 3, f1")],
)
def test_the_line_of_a_trial(state, said):
    line = outcome(tried(1, 40.0), tried(2, 20.0, state)).trial_line(4)
    assert line.startswith(f"trial 2 of 4: learning_rate 1.0e-3, freeze 0{said}")
    # two more trials of ten seconds, and the winner's training
    assert line.endswith("(best so far 40.0, trial 1); ETA 30 s")


def test_the_files_hold_every_trial_and_nothing_of_the_machine():
    found = outcome(tried(1, 40.0), tried(2, 20.0, "pruned"), tried(3, 60.0))
    files = found.files()
    study = json.loads(files["study.json"])
    assert (study["winner"], study["metric"], study["dev_examples"]) == (3, "f1", 140)
    parameters = {"learning_rate": 1e-3, "freeze": 0}
    assert study["trials"][1] == {
        "number": 2,
        "parameters": parameters,
        "value": 20.0,
        "state": "pruned",
        "epochs_done": 2,
    }
    rows = [line for line in files["search.md"].splitlines() if line.startswith("|")]
    assert rows[0] == "| trial | learning_rate | freeze | f1 | epochs done | remark |" and len(rows) == 5
    assert rows[2:] == [
        "| 1 | 1.0e-3 | 0 | 40.0 | 2 | the recipe's own |",
        "| 2 | 1.0e-3 | 0 | 20.0 | 2 | pruned |",
        "| 3 | 1.0e-3 | 0 | 60.0 | 2 | winner |",
    ]
    assert "Trial 3 of 3 wins: f1 60.0" in files["search.md"] and "seconds" not in files["study.json"]
