"""The command ``domain-adapt predict``: parse, call, print."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from domain_adapt.cli_process import prepare_process
from domain_adapt.errors import DomainAdaptError

# What may be asked of a model for questions, for choices, and for texts.
_TOGETHER = (
    {"--question", "--context"},
    {"--question", "--choice"},
    {"--question", "--choice", "--context"},
    {"--text"},
    {"--text", "--text-pair"},
)


def predict_command(
    checkpoint: Annotated[
        str, typer.Argument(help="a fine-tuned checkpoint (medical-qa, medical-qa@v1), a folder or a Hub id")
    ],
    question: Annotated[str | None, typer.Option(help="one question")] = None,
    context: Annotated[str | None, typer.Option(help="the text to answer it from")] = None,
    choice: Annotated[list[str] | None, typer.Option(help="one of the choices of a question (repeat it)")] = None,
    text: Annotated[str | None, typer.Option(help="one text to label, or to tag")] = None,
    text_pair: Annotated[str | None, typer.Option(help="its second text, for a model that reads pairs")] = None,
    input_file: Annotated[
        Path | None,
        typer.Option("--input", help="a file of rows (JSON lines, CSV, Parquet), or - for JSON lines from stdin"),
    ] = None,
    output_file: Annotated[
        Path | None, typer.Option("--output", help="where predictions go, JSON lines; without it to stdout")
    ] = None,
) -> None:
    r"""Predict for one question, for one text, for a file of rows, or for rows as they come in.

    A row has question and context, or text, or the columns that the checkpoint's recipe names, and perhaps an id.

    \b
    domain-adapt predict medical-qa --question "What pumps blood?" --context "The heart pumps blood."
    domain-adapt predict medical-topics --input texts.csv --output labels.jsonl
    cat texts.jsonl | domain-adapt predict medical-terms --input -
    """
    import json

    asked = {"--question": question, "--context": context, "--text": text, "--text-pair": text_pair}
    options: dict[str, Any] = {name: value for name, value in asked.items() if value is not None}
    if choice:
        options["--choice"] = choice
    _check(set(options), input_file, output_file)
    prepare_process()
    from domain_adapt.predict import load, predict_file, predict_stream

    predictor = load(checkpoint)
    if input_file is None:
        if set(options) - set(predictor.optional) != set(predictor.options):
            wanted = " with ".join(predictor.options)
            raise DomainAdaptError(f"{checkpoint} is a {type(predictor).__name__}: expected {wanted}")
        names = [name for name in (*predictor.options, *predictor.optional) if name in options]
        print(json.dumps(predictor(*(options[name] for name in names)), ensure_ascii=False))
    elif output_file is None:
        predict_stream(predictor, sys.stdin, sys.stdout)
    else:
        count = predict_file(predictor, input_file, output_file)
        logging.getLogger(__name__).info("%d predictions written to %s", count, output_file)


def _check(options: set[str], input_file: Path | None, output_file: Path | None) -> None:
    """Raises DomainAdaptError for options that make no sense together, before a model is loaded."""
    if input_file is None and options in _TOGETHER and output_file is None:
        return
    if input_file is None or options:
        raise DomainAdaptError("expected --question with --context, or --text, or --input with --output")
    if (str(input_file) == "-") == (output_file is not None):
        raise DomainAdaptError(
            "expected --input FILE with --output FILE, or --input - alone",
            hint="what is read from stdin goes to stdout: domain-adapt predict ... --input - < in.jsonl > out.jsonl",
        )
