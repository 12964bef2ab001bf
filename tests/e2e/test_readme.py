"""Every command and every block of Python in README.md: its options exist, its names exist.

Only the parsing is real here; the long commands themselves are run by ``.ci/run`` in a clone of its own.
"""

import functools
import re
import shlex
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import domain_adapt
from domain_adapt import (
    cli,
    cli_checkpoints,
    cli_compare,
    cli_corpus,
    cli_finetune,
    cli_merge,
    cli_predict,
    cli_questions,
    cli_tune,
)

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^ {4}\.venv/bin/domain-adapt (.*)$", README, re.MULTILINE)
MAKE = sorted(set(re.findall(r"(?:^ {4}|`)make ([^`\n]*)", README, re.MULTILINE)))


@pytest.fixture
def called(monkeypatch):
    """Names of the functions that the command line reached, with what it passed."""
    calls = []

    def record(name):
        return lambda *arguments, **options: calls.append((name, arguments, options)) or 1

    for module in (
        cli,
        cli_checkpoints,
        cli_compare,
        cli_corpus,
        cli_finetune,
        cli_merge,
        cli_predict,
        cli_questions,
        cli_tune,
    ):
        monkeypatch.setattr(module, "prepare_process", lambda: None)
    for module, name in (("adapt", "adapt"), ("seeds", "finetune"), ("tune", "tune"), ("predict", "predict_file")):
        __import__(f"domain_adapt.{module}")
        monkeypatch.setattr(sys.modules[f"domain_adapt.{module}"], name, record(name))
    monkeypatch.setattr(sys.modules["domain_adapt.seeds"], "spreads", lambda found: [])
    together = record("finetune_multitask")
    monkeypatch.setattr(
        sys.modules["domain_adapt.seeds"], "finetune_multitask", lambda *a, **o: together(*a, **o) and {}
    )
    __import__("domain_adapt.report.tables")
    monkeypatch.setattr(sys.modules["domain_adapt.report.tables"], "study_table", lambda found: "")
    __import__("domain_adapt.data_check")
    monkeypatch.setattr(sys.modules["domain_adapt.data_check"], "check", lambda paths: calls.append(paths) or [])
    for name in ("corpora", "corpus_show", "assess"):
        __import__(f"domain_adapt.{name}")
    for name in ("_prepare", "write_page", "_print"):
        monkeypatch.setattr(cli_corpus, name, lambda *a, name=name, **o: calls.append((name, a, o)))
    monkeypatch.setattr(sys.modules["domain_adapt.corpus_show"], "show", record("show"))
    monkeypatch.setattr(sys.modules["domain_adapt.corpus_show"], "page", lambda shown: "")
    assessment = SimpleNamespace(base="", domain="", verdict=SimpleNamespace(outcome=""), warnings=[], cost=str)
    assessment.as_json = lambda: {"reasons": []}
    monkeypatch.setattr(sys.modules["domain_adapt.assess"], "assess", lambda *a, **o: calls.append(a) or assessment)
    __import__("domain_adapt.merge")
    monkeypatch.setattr(sys.modules["domain_adapt.merge"], "merge", record("merge"))
    __import__("domain_adapt.practise")
    practice = SimpleNamespace(folder="")
    for name, found in (("make_and_practise", (practice, None)), ("make_practice", practice)):
        monkeypatch.setattr(
            sys.modules["domain_adapt.practise"], name, lambda *a, _found=found, **o: calls.append((a, o)) or _found
        )
    monkeypatch.setattr(cli_questions, "_show", lambda *a: None)
    comparison = SimpleNamespace(tasks=[], contrasts=[])
    __import__("domain_adapt.compare")
    monkeypatch.setattr(
        sys.modules["domain_adapt.compare"], "compare", lambda *a, **o: calls.append((a, o)) or comparison
    )
    monkeypatch.setattr(cli_compare, "_write", lambda *a: None)
    for command in cli_checkpoints.checkpoints_app.registered_commands:
        callback = command.callback
        wrapper = functools.wraps(callback)(lambda *a, _name=callback.__name__, **o: calls.append((_name, a, o)))
        monkeypatch.setattr(command, "callback", wrapper)
    monkeypatch.setattr(cli_checkpoints, "list_command", record("list"))
    for predictor in (domain_adapt.QuestionAnswerer, domain_adapt.EntityTagger):
        monkeypatch.setattr(predictor, "__call__", record("predict"))

    def load(path):
        return object.__new__(domain_adapt.EntityTagger if "terms" in path else domain_adapt.QuestionAnswerer)

    monkeypatch.setattr(sys.modules["domain_adapt.predict"], "load", load)
    return calls


def test_there_are_commands_to_check():
    assert len(COMMANDS) >= 6 and len(MAKE) >= 4


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_readme_is_understood(command, called, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "argv", ["domain-adapt", *shlex.split(command)])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert not stopped.value.code, capsys.readouterr().err
    assert called or capsys.readouterr().out


@pytest.mark.parametrize("options", [command for command in COMMANDS if "--set" in command])
def test_overrides_of_the_readme_are_keys_of_a_recipe(options):
    words = shlex.split(options)
    overrides = [words[number + 1] for number, word in enumerate(words) if word == "--set"]
    workspace = domain_adapt.Workspace(ROOT)
    if words[0] == "finetune":
        domain_adapt.recipes.load_task(words[1], overrides=overrides, workspace=workspace)
    else:
        domain_adapt.recipes.corpus_recipe(["x"], "mine", overrides=overrides)


@pytest.mark.parametrize("arguments", MAKE)
def test_a_make_target_of_the_readme_exists(arguments):
    done = subprocess.run(["make", "-n", *shlex.split(arguments)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("block", re.findall(r"```python\n(.*?)```", README, re.DOTALL))
def test_python_in_the_readme_compiles_and_imports_what_exists(block):
    compile(block, "README.md", "exec")
    for line in block.splitlines():
        if line.startswith("from "):
            exec(line, {})
