import tomllib
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from domain_adapt.report.comparison import System
from domain_adapt.report.comparison_making import commands, corpora, lineage, recipes, setting_table, to_toml

KEYS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1, max_size=5)
PLAIN = st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats(allow_nan=False) | st.text(max_size=8)
VALUES = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=8
)


def without_none(value):
    if isinstance(value, dict):
        return {key: without_none(one) for key, one in value.items() if one is not None}
    return [without_none(one) for one in value if one is not None] if isinstance(value, list) else value


@settings(max_examples=50)
@given(st.dictionaries(KEYS, VALUES, max_size=4))
def test_a_recipe_comes_back_from_its_toml(values):
    assert tomllib.loads(to_toml(values)) == without_none(values)


def test_keys_after_tables_stay_where_they_are():
    values = {"sources": [{"kind": "hpo", "filters": {"a": 1}}, {"kind": "files"}], "mlm": {"rate": 1e-4}, "seed": 3}
    assert tomllib.loads(to_toml(values)) == values


def test_settings_that_none_uses_are_left_out(comparison_of):
    heads, rows = setting_table(comparison_of())
    assert heads == ["setting", "#medical@v1", "#medical@v2"]
    found = {row[0]: row[1:] for row in rows}
    assert found["mlm.learning_rate"] == ["0.0001", "0.0002"] and found["mlm.distill_weight"] == ["10", "0"]
    assert found["tokens trained on"] == ["700,416", "700,416"]
    assert not {"mlm.layer_decay", "mlm.lora.rank", "corpus.replay", "budget.epochs"} & found.keys()


def test_what_was_averaged_has_both_parents():
    step = {"name": "mini", "sha256": "a"}
    adapted = System("m", "m@v1", "b", {"lineage": [step]})
    assert lineage(adapted) == ["mini"] and lineage(System("base", "mini", "c")) == []
    merged = {"lineage": [{"name": "m@v1"}, step], "parents": [{"name": "m@v1"}, step]}
    assert lineage(System("mild", "mild@v1", "d", merged)) == ["m@v1 + mini"]


def test_texts_are_told_apart(comparison_of):
    comparison = comparison_of()
    first, second = comparison.systems[1:]
    (both,) = corpora(comparison)
    assert both.labels == ["medical@v1", "medical@v2"]
    assert both.dropped[1] == [["too short", "200", "1.20%"], ["duplicate", "25", "0.15%"]]
    other = replace(second, manifest={"corpus": {"sources": [{"kind": "hub"}]}})
    one, two = corpora(replace(comparison, systems=[first, other]))
    assert (one.labels, two.labels) == (["medical@v1"], ["medical@v2"])
    assert two.sources[1] == [["hub", "hub", "unknown", "", "", ""]] and two.dropped[1] == []


def test_recipes_and_commands_of_all(comparison_of):
    comparison = comparison_of()
    assert [name for name, _ in recipes(comparison)] == [
        "Recipe of the task qa",
        "Recipe of the task terms",
        "Recipe that medical@v1 was made by",
        "Recipe that medical@v2 was made by",
    ]
    assert commands(comparison)[-1] == comparison.command and len(commands(comparison)) == 3
