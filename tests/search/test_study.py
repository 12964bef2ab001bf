import logging

import optuna
import pytest

from domain_adapt.errors import Diverged
from domain_adapt.search import study
from domain_adapt.search.space import Space
from domain_adapt.search.study import JOURNAL, Study

SPACE = Space(
    own={"learning_rate": 1e-3, "epochs": 2.0, "freeze": 0, "layer_decay": 1.0},
    choices={"epochs": [1.0, 2.0, 4.0], "freeze": [0, 2, 4], "layer_decay": [0.8, 0.9, 1.0]},
    learning_rate=(2e-4, 5e-3),
)


@pytest.fixture
def folder(tmp_path):
    """``folder("a")`` is a folder of that name."""

    def make(name="a"):
        path = tmp_path / name
        path.mkdir(exist_ok=True)
        return path

    return make


def score(setting, listener):
    """A run whose score rises by the epoch; the more layers are frozen, the lower it is."""
    final = 80.0 - 10 * setting["freeze"] + 1e3 * setting["learning_rate"]
    for epoch in range(1, int(setting["epochs"]) + 1):
        listener(epoch, {}, final * epoch / setting["epochs"])
    return final


def search(found, trials, run=score):
    while len(found.tried()) < trials:
        found.try_next(run)
    return timeless(found)


def timeless(found):
    return [(one.number, one.setting, one.value, one.epochs_done, one.state) for one in found.tried()]


def test_the_recipe_s_own_setting_comes_first_and_all_lie_in_the_space(folder):
    tried = search(Study(folder(), SPACE, 0), 12)
    assert tried[0][1] == SPACE.own and [one[0] for one in tried] == list(range(1, 13))
    for _, setting, *_ in tried:
        assert list(setting) == list(SPACE.own)
        assert 2e-4 <= setting["learning_rate"] <= 5e-3
        assert all(setting[name] in values for name, values in SPACE.choices.items())
    assert len({setting["learning_rate"] for _, setting, *_ in tried}) == 12


def test_the_seed_decides_what_is_tried(folder):
    tables = [search(Study(folder(name), SPACE, seed), 12) for name, seed in (("a", 0), ("b", 0), ("c", 1))]
    assert tables[0] == tables[1]
    assert tables[0][0] == tables[2][0] and tables[0][1][1] != tables[2][1][1]


@pytest.mark.parametrize("broken", [1, 2, 7, 11])
def test_an_interrupted_study_goes_on_as_it_would_have_done(folder, broken):
    whole = search(Study(folder("whole"), SPACE, 0), 14)
    begun = []

    def interrupted(setting, listener):
        begun.append(setting)
        if len(begun) == broken:
            listener(1, {}, 99.0)  # what it had reached does not count
            raise KeyboardInterrupt
        return score(setting, listener)

    with pytest.raises(KeyboardInterrupt):
        search(Study(folder("cut"), SPACE, 0), 14, interrupted)
    resumed = Study(folder("cut"), SPACE, 0)
    assert timeless(resumed) == whole[: broken - 1]
    again = []

    def noted(setting, listener):
        again.append(setting)
        return score(setting, listener)

    assert search(resumed, 14, noted) == whole
    assert again[0] == begun[-1] and len(again) == 14 - broken + 1


def test_a_trial_interrupted_twice_is_done_once(folder):
    def interrupted(setting, listener):
        raise KeyboardInterrupt

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            Study(folder("cut"), SPACE, 0).try_next(interrupted)
    assert search(Study(folder("cut"), SPACE, 0), 3) == search(Study(folder("whole"), SPACE, 0), 3)


def test_the_interrupted_setting_is_done_again_even_by_another_optuna_that_draws_differently(folder, monkeypatch):
    begun = []

    def interrupted(setting, listener):
        begun.append(setting)
        if len(begun) == 3:
            raise KeyboardInterrupt
        return score(setting, listener)

    with pytest.raises(KeyboardInterrupt):
        search(Study(folder(), SPACE, 0), 3, interrupted)
    monkeypatch.setattr(study, "sampler", lambda seed: optuna.samplers.RandomSampler(seed + 1))
    assert search(Study(folder(), SPACE, 0), 3)[2][1] == begun[2]


@pytest.mark.parametrize("lost", [1, 25, 300])
def test_half_a_line_of_a_killed_process_does_no_harm(folder, lost):
    whole = search(Study(folder("whole"), SPACE, 0), 6)
    search(Study(folder("cut"), SPACE, 0), 5)
    path = folder("cut") / JOURNAL
    content = path.read_bytes()
    path.write_bytes(content[:-lost])
    assert search(Study(folder("cut"), SPACE, 0), 6) == whole
    assert search(Study(folder("cut"), SPACE, 0), 6) == whole  # what was written behind the cut can be read


def test_more_trials_are_those_of_a_longer_study(folder):
    whole = search(Study(folder("whole"), SPACE, 0), 12)
    assert search(Study(folder("grown"), SPACE, 0), 5) == whole[:5]
    assert search(Study(folder("grown"), SPACE, 0), 12) == whole


def test_what_falls_behind_is_ended_early_and_what_leads_or_is_nearly_done_is_not(folder):
    found = Study(folder(), SPACE, 0)
    tried = search(found, 30)
    pruned = [one for one in tried if one[4] == "pruned"]
    assert 0 < len(pruned) < 26 and all(one[4] == "complete" for one in tried[:4])
    for number, setting, value, epochs_done, _ in pruned:
        assert epochs_done < setting["epochs"] and value < max(one[2] for one in tried[: number - 1])
    assert max(tried, key=lambda one: one[2])[4] == "complete"


def test_a_setting_with_which_training_diverges_is_one_trial_and_not_the_end(folder):
    calls = []

    def run(setting, listener):
        calls.append(setting)
        if len(calls) in (2, 3):
            if len(calls) == 3:
                listener(1, {}, 12.0)
            raise Diverged("not finite")
        return score(setting, listener)

    tried = search(Study(folder(), SPACE, 0), 5, run)
    assert [one[4] for one in tried[:4]] == ["complete", "diverged", "diverged", "complete"]
    assert [(one[2], one[3]) for one in tried[1:3]] == [(0.0, 0), (12.0, 1)] and len(calls) == 5


def test_the_recipe_s_own_setting_must_not_diverge(folder):
    def run(setting, listener):
        raise Diverged("not finite")

    found = Study(folder(), SPACE, 0)
    with pytest.raises(Diverged):
        found.try_next(run)
    assert found.tried() == []


def test_optuna_can_read_the_journal_and_says_nothing_meanwhile(folder, capfd, caplog):
    caplog.set_level(logging.WARNING)
    found = Study(folder(), SPACE, 0)
    search(found, 3)
    assert capfd.readouterr() == ("", "") and caplog.text == ""
    backend = optuna.storages.journal.JournalFileBackend(str(folder() / JOURNAL))
    read = optuna.load_study(study_name=None, storage=optuna.storages.JournalStorage(backend))
    assert [trial.value for trial in read.trials] == [one.value for one in found.tried()]
