"""Predictions for a file or a stream: rows in, JSON lines out."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, TextIO

from domain_adapt.errors import DomainAdaptError
from domain_adapt.predict.choices import ChoiceAnswerer, check_choices
from domain_adapt.predict.finding import CHUNK
from domain_adapt.tasks.json_rows import text_field
from domain_adapt.tasks.rows import read_rows


class RowPredictor(Protocol):
    """What every predictor can do with rows."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Fields with a text that each row must have."""

    def predict_rows(self, rows: Sequence[Mapping[str, Any]], *, batch_size: int) -> list[dict[str, Any]]:
        """Returns the fields of the prediction for each row."""


def predict_file(predictor: RowPredictor, input: Path, output: Path, *, batch_size: int = 16) -> int:
    """Predicts for every row of a file and returns how many there were.

    In: JSON lines, CSV, TSV or Parquet with the predictor's columns (``question`` and ``context``, ``question`` and
    ``choices``, or ``text``, or as the checkpoint's recipe calls them) and optionally ``id`` (the number of the line or
    row where absent). Out, JSON lines in the same order: ``id`` and the fields of the prediction. The output appears
    whole or not at all.

    Raises:
        DomainAdaptError: Names file and line of the first input that is wrong, before anything is computed; or says
            why the output cannot be written.
    """
    asked = [_checked(predictor, row, place, _number(place)) for place, row in read_rows(input)]
    if not asked:
        raise DomainAdaptError(f"{input}: holds no rows; expected lines of {_schema(predictor)}")
    temporary = output.with_name(f".{output.name}.{os.getpid()}.tmp")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DomainAdaptError(f"{output}: cannot be written: {error.strerror}") from error
    try:
        with temporary.open("w", encoding="utf-8") as file:
            for row in _predict(predictor, iter(asked), batch_size):
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(output)
    except OSError as error:
        raise DomainAdaptError(f"{output}: cannot be written: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)
    return len(asked)


def predict_stream(predictor: RowPredictor, lines: Iterable[str], output: TextIO, *, batch_size: int = 16) -> int:
    """Predicts for JSON lines as they come and returns how many there were; blank ones are passed over.

    Predictions for each group of 256 rows are written together.

    Raises:
        DomainAdaptError: Names the line that is wrong; predictions for the groups before it are written.
    """
    count = 0
    for row in _predict(predictor, _rows_of_lines(predictor, lines), batch_size):
        output.write(json.dumps(row, ensure_ascii=False) + "\n")
        count += 1
        if count % CHUNK == 0:
            output.flush()
    output.flush()
    return count


def _rows_of_lines(predictor: RowPredictor, lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        place = f"stdin:{number}"
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise DomainAdaptError(f"{place}: not valid JSON: {error.msg} (column {error.colno})") from error
        yield _checked(predictor, row, place, number)


def _predict(predictor: RowPredictor, rows: Iterator[dict[str, Any]], batch_size: int) -> Iterator[dict[str, Any]]:
    while chunk := list(islice(rows, CHUNK)):
        found = predictor.predict_rows(chunk, batch_size=batch_size)
        for row, prediction in zip(chunk, found, strict=True):
            yield {"id": row["id"], **prediction}


def _checked(predictor: RowPredictor, row: object, place: str, number: int) -> dict[str, Any]:
    schema = _schema(predictor)
    if not isinstance(row, Mapping):
        raise DomainAdaptError(f"{place}: expected an object {schema}")
    for name in predictor.columns:
        if name not in row:
            raise DomainAdaptError(f"{place}: field {name!r} is missing; expected {schema}")
        if not text_field(row, name, place).strip():
            raise DomainAdaptError(f"{place}: field {name!r} is blank")
    if isinstance(predictor, ChoiceAnswerer):
        check_choices(row, place)
    return {**row, "id": row.get("id", number)}


def _number(place: str) -> int:
    """Returns the number at the end of ``file:line``, ``file: row 3`` or ``file: [3]``."""
    return int("".join(letter if letter.isdigit() else " " for letter in place).split()[-1])


def _schema(predictor: RowPredictor) -> str:
    fields = ", ".join(f'"{name}": "..."' for name in predictor.columns)
    return "{" + fields + '} and, if you like, "id"'
