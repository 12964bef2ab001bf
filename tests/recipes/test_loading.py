import re
import tomllib
from pathlib import Path

import pytest

from domain_adapt.errors import DomainAdaptError
from domain_adapt.recipes import DomainRecipe, TaskRecipe, corpus_recipe, find_recipes, load_any, load_domain, load_task
from domain_adapt.workspace import Workspace

PROJECT = Workspace(Path(__file__).parents[2])
SHIPPED = [(folder.name, profile) for _, folder in find_recipes(PROJECT) for profile in ("quick", "full")]

DOMAIN = 'name = "heart"\n'
SOURCE = '[[sources]]\nkind = "files"\npath = "texts"\n'
TASK = 'name = "qa"\ntype = "question-answering"\n'


@pytest.fixture
def write(tmp_path):
    """``write(domain=..., task=...)`` makes a workspace with one recipe of each kind that is given."""

    def write(domain=None, task=None):
        for kind, home, name, text in (("domain", "corpora", "heart", domain), ("task", "tasks", "qa", task)):
            if text is not None:
                folder = tmp_path / home / name
                folder.mkdir(parents=True, exist_ok=True)
                (folder / f"{kind}.toml").write_text(text, encoding="utf-8")
        return Workspace(tmp_path)

    return write


def failure(function, *arguments, **options):
    with pytest.raises(DomainAdaptError) as caught:
        function(*arguments, **options)
    assert "\n" not in caught.value.message
    return caught.value


def test_what_is_shipped():
    assert sorted({name for name, _ in SHIPPED}) == ["financial", "medical", "qa", "terms", "topics"]


@pytest.mark.parametrize(("name", "profile"), SHIPPED)
def test_shipped_recipes_load(name, profile):
    recipe = load_any(name, profile=profile, workspace=PROJECT)
    assert recipe.values.name == name and recipe.profile == profile and recipe.values.description
    assert recipe.values.base == {"quick": "mini", "full": "FacebookAI/roberta-base"}[profile]
    if isinstance(recipe.values, DomainRecipe):
        for source in recipe.values.sources:
            if source.kind == "files":
                assert list(recipe.folder.glob(source.path)), f"{source.path} matches nothing"
    else:
        for data in recipe.values.data.values():
            for reference in (data.train, data.dev):
                assert not isinstance(reference, str) or (recipe.folder / reference).is_file()


@pytest.mark.parametrize("path", [folder / f"{kind}.toml" for kind, folder in find_recipes(PROJECT)], ids=str)
def test_every_key_of_a_shipped_recipe_carries_a_comment(path):
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if re.match(r"\s*[\w.\"-]+\s*=", line):
            value, _, comment = line.rpartition("#")
            assert value and comment.strip(), f"{path}:{number}: {line}"
            assert tomllib.loads(line) == tomllib.loads(value), f"{path}:{number}: the # is inside the value"


def test_full_profiles_are_those_of_gururangan_et_al():
    values = load_domain("medical", profile="full", workspace=PROJECT).values
    assert values.budget.tokens == 12_500 * 2048 * 512 and values.budget.epochs is None
    assert (values.mlm.learning_rate, values.mlm.batch_size, values.corpus.block_size) == (5e-4, 2048, 512)


def test_a_profile_replaces_lists_and_merges_tables(write):
    text = (
        DOMAIN
        + "seed = 7\n[mlm]\nlearning_rate = 1e-3\nbatch_size = 4\n"
        + '[[sources]]\nkind = "hpo"\n[[sources]]\nkind = "cdm"\n'
        + '[profiles.full.mlm]\nbatch_size = 8\n[[profiles.full.sources]]\nkind = "files"\npath = ["a", "b"]\n'
    )
    workspace = write(text)
    quick = load_domain("heart", workspace=workspace).values
    assert [source.kind for source in quick.sources] == ["hpo", "cdm"]
    assert (quick.mlm.learning_rate, quick.mlm.batch_size, quick.seed) == (1e-3, 4, 7)
    full = load_domain("heart", profile="full", workspace=workspace).values
    assert [source.path for source in full.sources] == [["a", "b"]]
    assert (full.mlm.learning_rate, full.mlm.batch_size, full.seed) == (1e-3, 8, 7)


@pytest.mark.parametrize(
    ("overrides", "budget"),
    [
        ([], (3.0, None)),
        (["budget.tokens=1000"], (None, 1000)),
        (["budget.tokens=1000", "budget.epochs=0.5"], (0.5, None)),
        (["budget={tokens = 9}"], (None, 9)),
    ],
)
def test_a_budget_in_an_upper_layer_drops_the_other_limit_below(write, overrides, budget):
    workspace = write(DOMAIN + "[budget]\ntokens = 5\n" + SOURCE + "[profiles.quick.budget]\nepochs = 3\n")
    found = load_domain("heart", overrides=overrides, workspace=workspace).values.budget
    assert (found.epochs, found.tokens) == budget


@pytest.mark.parametrize("budget", ["epochs = 1\ntokens = 2", ""])
def test_a_budget_in_one_layer_needs_exactly_one_limit(write, budget):
    error = failure(load_domain, "heart", workspace=write(DOMAIN + "[budget]\n" + budget + "\n" + SOURCE))
    assert error.message.endswith("domain.toml: budget: expected exactly one of budget.epochs and budget.tokens")


@pytest.mark.parametrize(
    ("override", "path", "value"),
    [
        ("mlm.learning_rate=1e-4", "mlm.learning_rate", 1e-4),  # PyYAML reads it as a string
        ("mlm.learning_rate = 1e-4", "mlm.learning_rate", 1e-4),
        ("budget.tokens=13_107_200_000", "budget.tokens", 13_107_200_000),
        ("base=FacebookAI/roberta-base", "base", "FacebookAI/roberta-base"),
        ('base="FacebookAI/roberta-base"', "base", "FacebookAI/roberta-base"),
        ("base=a=b", "base", "a=b"),
        ("description=text # and more", "description", "text # and more"),
        ("mlm={probability = 0.2}", "mlm.probability", 0.2),
        ("corpus.holdout=0", "corpus.holdout", 0.0),
    ],
)
def test_overrides_are_toml_or_else_plain_strings(write, override, path, value):
    found = load_domain("heart", overrides=[override], workspace=write(DOMAIN + SOURCE)).values
    for key in path.split("."):
        found = getattr(found, key)
    assert found == value and type(found) is type(value)


def test_overrides_replace_lists_and_the_last_one_wins(write):
    found = load_domain(
        "heart",
        overrides=["sources=[{kind = 'files', path = ['a', 'b']}]", "seed=1", "seed=2", "mlm.batch_size=3"],
        workspace=write(DOMAIN + SOURCE + "[mlm]\nweight_decay = 0.5\n"),
    ).values
    assert (found.sources[0].path, found.seed) == (["a", "b"], 2)
    assert (found.mlm.batch_size, found.mlm.weight_decay) == (3, 0.5)


@pytest.mark.parametrize("override", ["mlm.learning_rate", "=3", "mlm.=3", ".a=3", ""])
def test_override_without_key_or_value(write, override):
    error = failure(load_domain, "heart", overrides=[override], workspace=write(DOMAIN + SOURCE))
    assert error.message == f"--set {override}: expected KEY=VALUE"
    assert error.hint == "e.g. --set mlm.learning_rate=1e-4"


def test_wrong_override_names_file_key_and_value(write):
    error = failure(load_domain, "heart", overrides=["mlm.lerning_rate=1"], workspace=write(DOMAIN + SOURCE))
    assert error.message.endswith("domain.toml with --set: unknown key mlm.lerning_rate")
    assert error.hint == "did you mean 'learning_rate'?"
    error = failure(load_domain, "heart", overrides=["mlm.batch_size=many"], workspace=write(DOMAIN + SOURCE))
    assert "domain.toml with --set: mlm.batch_size: " in error.message and "(found 'many')" in error.message
    error = failure(load_domain, "heart", overrides=["mlm.warmup_ratio=1.5"], workspace=write(DOMAIN + SOURCE))
    assert "mlm.warmup_ratio: Input should be less than or equal to 1 (found 1.5)" in error.message


@pytest.mark.parametrize(
    ("domain", "message", "hint"),
    [
        (DOMAIN + "sead = 3\n" + SOURCE, "unknown key sead", "'seed'"),
        (DOMAIN + SOURCE + "[mlm]\nlearning_rat = 1\n", "unknown key mlm.learning_rat", "'learning_rate'"),
        (DOMAIN + SOURCE + 'textfield = "t"\n', "unknown key sources.0.textfield", "'text_field'"),
        (DOMAIN + SOURCE.replace("path", "paht"), "unknown key sources.0.paht", "'path'"),  # although path is missing
        (DOMAIN + SOURCE + '[[sources]]\nkind = "hpo"\npath = "x"\n', "unknown key sources.1.path", "valid keys: kind"),
        (
            DOMAIN + SOURCE + "[profiles.full.mlm]\nbatchsize = 3\n",
            "(profile full): unknown key mlm.batchsize",
            "'batch_size'",
        ),
        (DOMAIN + SOURCE + "[[profiles.full.sources]]\nkind = 'hub'\nid = 'a/b'\nsplitt = 'c'\n", "splitt", "'split'"),
    ],
)
def test_a_typo_names_file_and_key_and_the_nearest_valid_one(write, domain, message, hint):
    error = failure(load_domain, "heart", workspace=write(domain))
    assert re.search(r"corpora/heart/domain\.toml.*: unknown key ", error.message)
    assert message in error.message and hint in error.hint


@pytest.mark.parametrize(
    ("task", "message", "hint"),
    [
        ("[finetune.freeze]\nlayer = 2\n", "unknown key finetune.freeze.layer", "'layers'"),
        ('[data.heart]\ntrain = "x"\ndve = "y"\n', "unknown key data.heart.dve", "'dev'"),
        ('[data.heart]\ntrain = { hubb = "x" }\n', "unknown key data.heart.train.hubb", "'hub'"),
        ('[data.heart]\ntrain = { hub = "x", splt = "y" }\n', "unknown key data.heart.train.splt", "'split'"),
    ],
)
def test_typos_in_a_task(write, task, message, hint):
    error = failure(load_task, "qa", workspace=write(task=TASK + task))
    assert error.message.endswith(f"tasks/qa/task.toml: {message}") and hint in error.hint


@pytest.mark.parametrize(
    ("domain", "message"),
    [
        (DOMAIN, "key sources is missing"),
        (SOURCE, "key name is missing"),
        (DOMAIN + '[[sources]]\nkind = "files"\n', "key sources.0.path is missing"),
        (DOMAIN + SOURCE.replace('"texts"', "5"), "sources.0.path: Input should be a valid string (found 5)"),
        (DOMAIN + SOURCE.replace("files", "file"), "'files', 'hub', 'hpo', 'cdm'"),
        (DOMAIN.replace("heart", "../heart") + SOURCE, "name: String should match pattern"),
        ("profiles = 3\n" + DOMAIN + SOURCE, "profiles: expected tables such as [profiles.full]"),
        (DOMAIN + "x = \n", "not valid TOML: Invalid value (at line 2"),
    ],
)
def test_wrong_recipes(write, domain, message):
    error = failure(load_domain, "heart", workspace=write(domain))
    assert "corpora/heart/domain.toml: " in error.message and message in error.message


def test_wrong_labelled_data_names_the_key(write):
    error = failure(load_task, "qa", workspace=write(task=TASK + "[data.heart]\ntrain = 5\n"))
    assert error.message.endswith("task.toml: data.heart.train: Input should be a valid string (found 5)")


def test_unknown_domain_names_those_there_are_and_the_nearest():
    error = failure(load_domain, "medcal", workspace=PROJECT)
    assert (error.message, error.hint) == (
        "unknown domain 'medcal'; known: financial, medical",
        "did you mean 'medical'?",
    )
    error = failure(load_domain, "law", workspace=PROJECT)
    assert error.hint == "a folder of your own needs a path, e.g. ./law"
    assert failure(load_task, "ner", workspace=PROJECT).message == "unknown task 'ner'; known: qa, terms, topics"
    assert failure(load_any, "medicl", workspace=PROJECT).hint == "did you mean 'medical'?"


def test_no_recipes_at_all_and_a_folder_without_one(tmp_path):
    error = failure(load_domain, "medical", workspace=Workspace(tmp_path))
    assert error.message.startswith("unknown domain 'medical': there is no ") and "folder of the project" in error.hint
    error = failure(load_domain, str(tmp_path))
    assert (error.message, error.hint) == (f"no domain.toml in {tmp_path}", "a domain folder holds a domain.toml")


def test_unknown_profile():
    error = failure(load_domain, "medical", profile="ful", workspace=PROJECT)
    assert error.message.endswith("corpora/medical/domain.toml: no profile 'ful'; it has: full, quick")
    assert error.hint == "did you mean 'full'?"


def test_a_recipe_without_profiles_has_quick(write):
    assert load_domain("heart", profile="quick", workspace=write(DOMAIN + SOURCE)).values.mlm.batch_size == 16


def test_a_folder_of_the_users_own(tmp_path):
    (tmp_path / "domain.toml").write_text(DOMAIN + SOURCE)
    recipe = load_domain(str(tmp_path))
    assert (recipe.values.name, recipe.folder) == ("heart", tmp_path)
    assert load_any(str(tmp_path)).values == recipe.values


def test_a_corpus_needs_no_recipe(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    recipe = corpus_recipe(
        ["texts", tmp_path / "more.jsonl"], "mine", text_field="body", overrides=["mlm.batch_size=2"]
    )
    assert recipe.values.sources[0].path == [str(tmp_path / "texts"), str(tmp_path / "more.jsonl")]
    assert (recipe.values.sources[0].text_field, recipe.values.mlm.batch_size) == ("body", 2)
    assert failure(corpus_recipe, ["texts"], "My Texts").message.startswith("--corpus --name My Texts: name: ")


def test_defaults_are_valid():
    for model, values in (
        (DomainRecipe, {"name": "a", "sources": [{"kind": "hpo"}]}),
        (TaskRecipe, {"name": "a", "type": "question-answering"}),
    ):
        recipe = model.model_validate(values)
        assert model.model_validate(recipe.model_dump()) == recipe
