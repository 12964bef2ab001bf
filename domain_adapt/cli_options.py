"""Options that several commands have."""

from __future__ import annotations

from typing import Annotated

import typer

Task = Annotated[str, typer.Argument(help="a task of `domain-adapt recipes`, or a folder such as ./my-task")]
Start = Annotated[
    str | None,
    typer.Option("--from", help="checkpoint to start from (medical, medical@v1), or base; default: the newest"),
]
LabelDomain = Annotated[str | None, typer.Option(help="take the newest checkpoint and the labels of this domain")]
Train = Annotated[list[str] | None, typer.Option(help="labelled data instead of the recipe's")]
Dev = Annotated[list[str] | None, typer.Option(help="labelled data to choose the best epoch by")]
Test = Annotated[list[str] | None, typer.Option(help="labelled data to score the finished model on")]
Profile = Annotated[str, typer.Option(help="quick: embedded, minutes on a CPU; full: public corpora, a GPU")]
Overrides = Annotated[
    list[str], typer.Option("--set", metavar="KEY=VALUE", help="override a recipe key, e.g. mlm.learning_rate=1e-4")
]
Force = Annotated[bool, typer.Option("--force", help="train again although the checkpoint is up to date")]
Name = Annotated[str | None, typer.Option(help="name of the checkpoint")]
BaseOption = Annotated[
    str | None, typer.Option("--base", help="starting weights: mini, a Hub id, a folder or a checkpoint")
]
