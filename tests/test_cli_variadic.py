from __future__ import annotations

from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from domain_adapt.cli_variadic import ManyCheckpoints, ManyWeights

seen: list[tuple[list[str], list[str] | None, str]] = []
app = typer.Typer()


@app.command("merge", cls=ManyWeights)
def merge(operands: list[str], weights: Annotated[list[float] | None, typer.Option()] = None, name: str = "") -> None:
    seen.append((operands, [str(weight) for weight in weights or []], name))


@app.command("compare", cls=ManyCheckpoints)
def compare(
    tasks: list[str],
    checkpoints: Annotated[list[str] | None, typer.Option("--checkpoints", "--from")] = None,
    name: str = "",
) -> None:
    seen.append((tasks, checkpoints, name))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("merge a b --weights 0.7 0.3", (["a", "b"], ["0.7", "0.3"], "")),
        ("merge --weights 0.7 0.3 a b", (["a", "b"], ["0.7", "0.3"], "")),
        ("merge a b --weights=0.7 0.3 --name x", (["a", "b"], ["0.7", "0.3"], "x")),
        ("merge a 1 --name 2", (["a", "1"], [], "2")),
        ("merge a --weights 1 --name 2", (["a"], ["1.0"], "2")),
        ("merge --weights 0.5 --weights 0.5 a", (["a"], ["0.5", "0.5"], "")),
        ("compare qa --checkpoints base m@v1 m@v2 --name 5", (["qa"], ["base", "m@v1", "m@v2"], "5")),
        ("compare qa --from=base m", (["qa"], ["base", "m"], "")),
        ("compare qa terms --from base --from m", (["qa", "terms"], ["base", "m"], "")),
        ("compare qa --from base,m terms", (["qa", "terms"], ["base,m"], "")),
        ("compare --from base,m qa", (["qa"], ["base,m"], "")),
        ("compare --from base --from m qa", (["qa"], ["base", "m"], "")),
    ],
)
def test_values_may_follow_each_other(line, expected):
    seen.clear()
    assert CliRunner().invoke(app, line.split()).exit_code == 0
    assert seen == [expected]


@pytest.mark.parametrize(
    "line", ["compare qa --checkpoints", "merge a b --weights", "merge a b --weights 0.5 half --no"]
)
def test_what_is_wrong_stays_wrong(line):
    assert CliRunner().invoke(app, line.split()).exit_code == 2
