import pytest

from domain_adapt.recipes import load_task
from domain_adapt.search.space import search_space


def recipe(project, *overrides):
    return load_task("qa", overrides=overrides, workspace=project.workspace).values


def test_the_space_around_a_recipe_by_hand(project):
    space = search_space(recipe(project), layers=6)
    assert space.own == {"learning_rate": 3e-3, "epochs": 2, "freeze": 0, "layer_decay": 1}
    assert space.choices == {"epochs": [1, 2, 4], "freeze": [0, 2, 4], "layer_decay": [0.8, 0.9, 1.0]}
    assert space.learning_rate == pytest.approx((6e-4, 1.5e-2))


def test_the_recipe_s_own_values_are_always_among_the_choices(project):
    own = ["budget.epochs=1.5", "finetune.freeze.layers=1", "finetune.layer_decay=0.95"]
    space = search_space(recipe(project, *own), layers=6)
    assert space.choices == {"epochs": [1, 1.5, 3], "freeze": [0, 1, 2, 4], "layer_decay": [0.8, 0.9, 0.95, 1.0]}
    assert all(space.own[name] in values for name, values in space.choices.items())


def test_a_budget_in_tokens_is_not_searched(project):
    space = search_space(recipe(project, "budget.tokens=1000"), layers=2)
    assert set(space.own) == {"learning_rate", "freeze", "layer_decay"} and "epochs" not in space.choices
    assert space.progress(space.own, 3) == 3 and not space.is_last(space.own, 3)


def test_overrides_change_what_they_name_and_nothing_else(project):
    own = recipe(project)
    space = search_space(own, layers=6)
    assert space.overrides(space.own) == []
    setting = {"learning_rate": 1.0 / 3000, "epochs": 4.0, "freeze": 2, "layer_decay": 0.9}
    found = recipe(project, *space.overrides(setting))
    assert (found.finetune.learning_rate, found.budget.epochs) == (1.0 / 3000, 4)
    assert found.finetune.freeze.model_dump() == {"embeddings": True, "layers": 2}
    assert found.finetune.layer_decay == 0.9
    changed = {"learning_rate", "freeze", "layer_decay"}
    assert found.finetune.model_dump(exclude=changed) == own.finetune.model_dump(exclude=changed)
    assert found.model_dump(exclude={"finetune", "budget"}) == own.model_dump(exclude={"finetune", "budget"})


def test_what_is_the_recipe_s_own_stays_as_it_is_there_and_frees_layers_that_it_froze(project):
    frozen = ["finetune.freeze={embeddings = false, layers = 2}"]
    space = search_space(recipe(project, *frozen), layers=6)
    same = recipe(project, *frozen, *space.overrides(space.own | {"epochs": 4.0}))
    assert same.finetune.freeze.model_dump() == {"embeddings": False, "layers": 2}
    free = recipe(project, *frozen, *space.overrides(space.own | {"freeze": 0}))
    assert free.finetune.freeze.model_dump() == {"embeddings": False, "layers": 0}


def test_runs_of_different_length_are_compared_at_the_same_share_of_their_way(project):
    space = search_space(recipe(project), layers=2)
    two, four, half = ({"epochs": value} for value in (2.0, 4.0, 1.5))
    assert space.progress(two, 1) == space.progress(four, 2) != space.progress(four, 1)
    assert space.progress(two, 2) == space.progress(four, 4) == space.progress(half, 2)
    assert [space.is_last(half, epoch) for epoch in (1, 2)] == [False, True]
