"""The commands, as ``domain-adapt checkpoints`` registers them: what they print, and errors in one line."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import typer

from domain_adapt import cli_hub
from domain_adapt.cli_hub import export_command, pull_command, push_command
from domain_adapt.errors import DomainAdaptError
from tests.conftest import Project


@pytest.fixture
def checkpoints(monkeypatch: pytest.MonkeyPatch) -> typer.Typer:
    app = typer.Typer(pretty_exceptions_enable=False)
    for name, command in {"push": push_command, "pull": pull_command, "export": export_command}.items():
        app.command(name)(command)
    monkeypatch.setattr(cli_hub, "prepare_process", lambda: None)  # process-wide settings have tests of their own
    return app


def run(app: typer.Typer, project: Project, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.chdir(project.root)
    monkeypatch.setattr(sys, "argv", ["checkpoints", *arguments])
    try:
        app()
    except SystemExit as stopped:
        return int(stopped.code or 0)
    return 0


def test_export_writes_the_folder(
    checkpoints: typer.Typer, adapted: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    arguments = ("export", "heart@v1", "--format", "sentence-transformers", "--output", str(tmp_path / "out"))
    assert run(checkpoints, adapted, monkeypatch, *arguments) == 0
    assert (tmp_path / "out" / "modules.json").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["export", "heart", "--format", "tflite"], "--format tflite: expected one of onnx, sentence-transformers"),
        (["export", "heart", "--format", "sentence-transformers", "--int8"], "only ONNX is quantised"),
        (["export", "hearts", "--format", "sentence-transformers"], "no checkpoint 'hearts'"),
    ],
)
def test_what_makes_no_sense_is_said_before_anything_is_written(
    checkpoints: typer.Typer, adapted: Project, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    with pytest.raises(DomainAdaptError, match=message):
        run(checkpoints, adapted, monkeypatch, *arguments, "--output", "out")
    assert not (adapted.root / "out").exists()


def test_no_command_takes_a_token(
    checkpoints: typer.Typer, adapted: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in ("push", "pull"):
        assert run(checkpoints, adapted, monkeypatch, command, "heart", "me/heart", "--token", "hf_x") == 2
    assert "No such option" in capsys.readouterr().err
