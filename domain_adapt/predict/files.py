"""Predictions for a file: JSON lines in, JSON lines out."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from domain_adapt.errors import DomainAdaptError
from domain_adapt.predict.choices import ChoiceAnswerer, predict_choice_rows, read_choice_rows
from domain_adapt.predict.finding import CHUNK
from domain_adapt.predict.labels import EntityTagger, TextClassifier
from domain_adapt.predict.questions import QuestionAnswerer
from domain_adapt.tasks.json_rows import read_json_lines, text_field

_QUESTION_SCHEMA = '{"question": "...", "context": "..."} and, if you like, "id"'
_TEXT_SCHEMA = '{"text": "..."} and, if you like, "id"'


def predict_file(
    predictor: QuestionAnswerer | ChoiceAnswerer | TextClassifier | EntityTagger,
    input: Path,
    output: Path,
    *,
    batch_size: int = 16,
) -> int:
    """Predicts for every line of a JSONL file and returns how many there were.

    In: ``question`` and ``context``, or ``question``, ``choices`` and perhaps ``context``, or ``text``, and optionally
    ``id`` (the line number where absent), ``.gz`` or not. Out, in the same order: ``id`` and ``question``, ``answer``,
    ``score``, ``start``, ``end``; or ``question``, ``choice``, ``answer``, ``score``; or ``label`` and ``score``; or
    ``entities``. The output appears whole or not at all.

    Raises:
        DomainAdaptError: Names file and line of the first input that is wrong, before anything is computed; or says
            why the output cannot be written.
    """
    fields = ("text",) if isinstance(predictor, TextClassifier | EntityTagger) else ("question", "context")
    asked = read_choice_rows(input) if isinstance(predictor, ChoiceAnswerer) else _read(input, fields)
    temporary = output.with_name(f".{output.name}.{os.getpid()}.tmp")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DomainAdaptError(f"{output}: cannot be written: {error.strerror}") from error
    try:
        with temporary.open("w", encoding="utf-8") as file:
            for begin in range(0, len(asked), CHUNK):
                for row in _predict(predictor, asked[begin : begin + CHUNK], batch_size):
                    file.write(json.dumps(row, ensure_ascii=False) + "\n")
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(output)
    except OSError as error:
        raise DomainAdaptError(f"{output}: cannot be written: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)
    return len(asked)


def _predict(
    predictor: QuestionAnswerer | ChoiceAnswerer | TextClassifier | EntityTagger,
    asked: Sequence[Mapping[str, Any]],
    batch_size: int,
) -> Iterator[dict[str, Any]]:
    if isinstance(predictor, ChoiceAnswerer):
        yield from predict_choice_rows(predictor, asked, batch_size)
        return
    if isinstance(predictor, TextClassifier | EntityTagger):
        found = predictor([one["text"] for one in asked], batch_size=batch_size)
        for one, prediction in zip(asked, found, strict=True):
            yield {"id": one["id"], **(prediction if isinstance(prediction, dict) else {"entities": prediction})}
        return
    answers = predictor([one["question"] for one in asked], [one["context"] for one in asked], batch_size=batch_size)
    for one, answer in zip(asked, answers, strict=True):
        yield {"id": one["id"], "question": one["question"], **answer}


def _read(path: Path, fields: Sequence[str]) -> list[dict[str, Any]]:
    schema = _QUESTION_SCHEMA if "question" in fields else _TEXT_SCHEMA
    asked = []
    for place, row in read_json_lines(path):
        if not isinstance(row, Mapping):
            raise DomainAdaptError(f"{place}: expected an object {schema}")
        for name in fields:
            if name not in row:
                raise DomainAdaptError(f"{place}: field {name!r} is missing; expected {schema}")
            if not text_field(row, name, place).strip():
                raise DomainAdaptError(f"{place}: field {name!r} is blank")
        asked.append({"id": row.get("id", int(place.rpartition(":")[2])), **{name: row[name] for name in fields}})
    if not asked:
        what = "questions" if "question" in fields else "texts"
        raise DomainAdaptError(f"{path}: holds no {what}; expected lines of {schema}")
    return asked
