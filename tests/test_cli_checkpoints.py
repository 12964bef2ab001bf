import json
import shutil
import sys

import pytest
import typer

from domain_adapt import adapt, cli_checkpoints, cli_merge
from domain_adapt.checkpoints import CheckpointStore
from domain_adapt.cli_checkpoints import checkpoints_app
from domain_adapt.cli_merge import merge_command
from domain_adapt.cli_variadic import ManyWeights
from domain_adapt.errors import DomainAdaptError
from domain_adapt.workspace import Workspace


@pytest.fixture
def call(monkeypatch, capsys):
    """``call(project, "checkpoints", ...)`` returns exit code and what was printed; errors are raised."""
    app = typer.Typer(pretty_exceptions_enable=False)
    app.add_typer(checkpoints_app, name="checkpoints")
    app.command("merge", cls=ManyWeights)(merge_command)

    def call(project, *arguments):
        monkeypatch.chdir(project.root)
        monkeypatch.setattr(sys, "argv", ["domain-adapt", *arguments])
        for module in (cli_checkpoints, cli_merge):  # process-wide settings have tests of their own
            monkeypatch.setattr(module, "prepare_process", lambda: None)
        capsys.readouterr()
        try:
            app(list(arguments))
            code = 0
        except SystemExit as stopped:
            code = int(stopped.code or 0)
        return code, capsys.readouterr().out

    return call


@pytest.fixture(scope="session")
def _grown_once(_adapted_once, tmp_path_factory):
    root = shutil.copytree(_adapted_once, tmp_path_factory.mktemp("grown") / "project")
    adapt("heart", overrides=["budget.epochs=2", "corpus.min_characters=25"], workspace=Workspace(root))
    return root


@pytest.fixture
def grown(_grown_once, adapted):
    """``heart`` with two versions that differ in the budget."""
    shutil.copytree(_grown_once, adapted.root, dirs_exist_ok=True)
    return adapted


def test_list_shows_aliases_and_sizes_and_is_what_the_bare_command_does(call, grown):
    assert call(grown, "checkpoints", "alias", "heart@v1", "production") == (0, "heart@production is heart@v1\n")
    code, shown = call(grown, "checkpoints")
    assert (code, shown) == call(grown, "checkpoints", "list")
    header, first, second = shown.splitlines()
    assert header.split()[:4] == ["checkpoint", "aliases", "stage", "from"] and "size" in header.split()
    assert first.split()[:3] == ["heart@v1", "production", "adapt"] and second.split()[:2] == ["heart@v2", "adapt"]
    rows = json.loads(call(grown, "checkpoints", "list", "--json")[1])
    assert [(row["ref"], row["aliases"]) for row in rows] == [("heart@v1", ["production"]), ("heart@v2", [])]
    folder = grown.workspace.checkpoints / "heart/v1"
    assert rows[0]["bytes"] == sum(path.stat().st_size for path in folder.iterdir())


def test_show_answers_what_from_what_how_and_how_good(call, grown):
    code, shown = call(grown, "checkpoints", "show", "heart@v2")
    words = " ".join(shown.split())
    assert code == 0
    assert "A masked language model:" in words and "trained further on heart text" in words
    assert "no trained LM head" not in words  # this base has one
    assert "60 documents" in words and "licence CC0-1.0" in words
    assert "corpus.min_characters = 25" in words and "budget.epochs = 2.0" in words
    assert "corpus.max_characters" not in words  # at its default
    assert "masked-LM loss, held-out text" in words and "training FLOP, estimated" in words
    values = json.loads(call(grown, "checkpoints", "show", "heart@v2", "--json")[1])
    assert values["ref"] == "heart@v2" and values["origin"]["folder"] == "corpora/heart"
    assert values["recipe"]["corpus"]["max_characters"] == 10_000_000


def test_lineage_ends_at_the_bases_hash(call, grown):
    code, shown = call(grown, "checkpoints", "lineage", "heart")
    manifest = CheckpointStore(grown.workspace.checkpoints).find("heart").manifest
    assert code == 0 and shown.splitlines()[1].split()[-2:] == ["base", manifest.parent.sha256[:12]]
    tree = json.loads(call(grown, "checkpoints", "lineage", "heart", "--json")[1])
    assert tree["parents"][0]["sha256"] == manifest.lineage[-1].sha256


def test_diff_tells_recipe_metrics_and_layers_apart(call, grown):
    code, shown = call(grown, "checkpoints", "diff", "heart@v1", "heart@v2")
    words = " ".join(shown.split())
    assert code == 0 and "budget.epochs 1 2" in words and "corpus.min_characters 20 25" in words
    assert "the same: data, packages, environment" in words
    found = json.loads(call(grown, "checkpoints", "diff", "heart@v1", "heart@v2", "--json")[1])
    assert found["recipe"] == {"budget.epochs": [1.0, 2.0], "corpus.min_characters": [20, 25]}
    assert [part["group"] for part in found["weights"]["groups"]] == ["embeddings", "layer 0", "layer 1", "head"]
    assert all(0 < part["relative"] < 1 for part in found["weights"]["groups"])
    assert not found["identical"] and found["metrics"]["train/tokens"][0] < found["metrics"]["train/tokens"][1]
    same = json.loads(call(grown, "checkpoints", "diff", "heart@v1", "heart@v1", "--json")[1])
    assert same["identical"] and [part["relative"] for part in same["weights"]["groups"]] == [0.0] * 4


def test_verify_finds_a_flipped_bit_and_a_damaged_manifest(call, grown):
    assert call(grown, "checkpoints", "verify", "--quick") == (0, "2 checkpoints: all as published\n")
    assert call(grown, "checkpoints", "verify", "heart@v1")[0] == 0
    weights = grown.workspace.checkpoints / "heart/v1/model.safetensors"
    weights.chmod(0o644)
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    code, shown = call(grown, "checkpoints", "verify", "--quick")
    assert code == 2 and "heart/v1/model.safetensors: changed" in shown
    assert call(grown, "checkpoints", "verify", "--quick", "heart@v2")[0] == 0
    manifest = grown.workspace.checkpoints / "heart/v2/manifest.json"
    manifest.chmod(0o644)
    manifest.write_text("{")
    assert "heart/v2: the manifest cannot be read" in call(grown, "checkpoints", "verify", "--quick")[1]


def test_an_alias_moves_and_goes(call, grown):
    call(grown, "checkpoints", "alias", "heart@v1", "production")
    assert (
        call(grown, "checkpoints", "alias", "heart", "production")[1] == "heart@production is heart@v2 (before: v1)\n"
    )
    assert "heart@v2" in call(grown, "checkpoints", "show", "heart@production")[1]
    code, shown = call(grown, "checkpoints", "alias", "--remove", "heart@production")
    assert (code, shown) == (0, "heart@production is no alias any more\n")
    for arguments, message in (
        (["heart"], "expected a checkpoint and a name for it"),
        (["--remove", "heart"], "--remove heart: expected NAME@ALIAS"),
        (["heart@v9", "x"], "no version 'v9'"),
    ):
        with pytest.raises(DomainAdaptError, match=message):
            call(grown, "checkpoints", "alias", *arguments)


def test_prune_shows_first_and_removes_with_yes(call, grown):
    code, shown = call(grown, "checkpoints", "prune", "heart", "--keep", "1")
    assert code == 0 and shown.startswith("would go: heart@v1 (") and "add --yes" in shown
    assert grown.published == ["heart@v1", "heart@v2"]
    assert call(grown, "checkpoints", "prune", "--keep", "1", "--yes")[1].startswith("removed: heart@v1 (")
    assert grown.published == ["heart@v2"]
    assert call(grown, "checkpoints", "prune")[1] == "nothing to remove\n"


def test_merge_and_reproduce_it(call, grown):
    assert call(grown, "merge", "heart@v1", "heart@v2", "--weights", "0.25", "0.75", "--name", "soup")[0] == 0
    manifest = CheckpointStore(grown.workspace.checkpoints).find("soup").manifest
    assert manifest.recipe["weights"] == [0.25, 0.75]
    assert manifest.command == "domain-adapt merge heart@v1 heart@v2 --weights 0.25 0.75 --name soup"
    code, shown = call(grown, "checkpoints", "reproduce", "soup")
    assert code == 0 and shown.endswith("soup@v1 is reproduced: config, weights and tokenizer are byte-identical\n")
    assert (
        call(grown, "checkpoints", "prune", "--keep", "1")[1]
        == "stays: heart@v1 (parent of soup@v1)\nnothing to remove\n"
    )


def test_a_checkpoint_that_is_not_reproduced_is_exit_code_2(call, adapted):
    (adapted.texts / "b.jsonl").unlink()
    code, shown = call(adapted, "checkpoints", "reproduce", "heart")
    assert code == 2 and "heart@v1 is not reproduced" in shown and "other data: its content hash differs" in shown
    assert "relative distance of the weights, largest of all layers: " in shown
    assert json.loads(call(adapted, "checkpoints", "reproduce", "heart", "--json")[1])["same"] is False
