"""The commands ``domain-adapt checkpoints push | pull | export``: parse, call, print."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from domain_adapt.cli_process import prepare_process, set_up_logging
from domain_adapt.errors import DomainAdaptError

_FORMATS = ("onnx", "sentence-transformers")
Ref = Annotated[str, typer.Argument(help="a checkpoint (medical, medical@v1), or the folder of one")]


def push_command(
    checkpoint: Ref,
    repo: Annotated[str, typer.Argument(help="OWNER/NAME on the Hub; made if it is not there")],
    public: Annotated[bool, typer.Option("--public", help="let everybody read it; without it, it is private")] = False,
) -> None:
    """Upload a version to the Hugging Face Hub, tagged v<N>: its files and nothing else.

    The same again says "up to date"; a tag that holds other content is left alone. Who you are is read from HF_TOKEN or
    from `hf auth login`; HF_ENDPOINT names another server than huggingface.co.
    """
    set_up_logging()
    from domain_adapt.sharing import push

    push(checkpoint, repo, public=public)


def pull_command(
    repo: Annotated[str, typer.Argument(help="OWNER/NAME on the Hub, or OWNER/NAME@v3; default: the highest version")],
    name: Annotated[str | None, typer.Option(help="name of the checkpoint here, instead of its own")] = None,
) -> None:
    """Download a version from the Hugging Face Hub into checkpoints/, under its own name and number.

    Every file is checked against the manifest, and none that could run code is taken. What is here is never replaced.
    """
    set_up_logging()
    from domain_adapt.sharing import pull

    pull(repo, name=name)


def export_command(
    checkpoint: Ref,
    output: Annotated[Path, typer.Option("--output", help="folder to make; it must not be there yet")],
    to: Annotated[str, typer.Option("--format", help="onnx, or sentence-transformers")] = "onnx",
    int8: Annotated[
        bool, typer.Option("--int8", help="onnx: a quantised copy too, and what it loses on the task's own data")
    ] = False,
) -> None:
    """Write a checkpoint as ONNX, or as a folder for sentence-transformers; export.json says what it is.

    An ONNX file is compared with PyTorch on texts of several lengths and must agree within 1e-4.
    """
    if to not in _FORMATS:
        raise DomainAdaptError(f"--format {to}: expected one of {', '.join(_FORMATS)}")
    if int8 and to != "onnx":
        raise DomainAdaptError(f"--int8 with --format {to}: only ONNX is quantised")
    prepare_process()
    from domain_adapt.exporting import export_onnx, export_sentence_transformers

    if to == "onnx":
        export_onnx(checkpoint, output, int8=int8)
    else:
        export_sentence_transformers(checkpoint, output)
