import tomllib
from pathlib import Path

import pytest

from domain_adapt.recipes import DomainRecipe, find_recipes, load_any, render
from domain_adapt.workspace import Workspace

PROJECT = Workspace(Path(__file__).parents[2])
SHIPPED = [(folder.name, profile) for _, folder in find_recipes(PROJECT) for profile in ("quick", "full")]


@pytest.mark.parametrize(("name", "profile"), SHIPPED)
def test_rendered_recipes_parse_back_to_the_same_values(name, profile):
    values = load_any(name, profile=profile, workspace=PROJECT).values
    text = render(values)
    assert type(values).model_validate(tomllib.loads(text)) == values
    bare = [line for line in text.splitlines() if " = " in line and "#" not in line and not line.startswith("kind = ")]
    assert bare == []


def test_awkward_values_survive():
    values = DomainRecipe.model_validate(
        {
            "name": "a",
            "description": 'a "quoted" # text\nof two lines, ünïcode \\',
            "sources": [{"kind": "files", "path": ["a b", "c'd"]}, {"kind": "files", "path": []}, {"kind": "hpo"}],
            "mlm": {"learning_rate": 1e-7, "dropout": 0.1},
            "budget": {"tokens": 10**12},
        }
    )
    assert DomainRecipe.model_validate(tomllib.loads(render(values))) == values
