from __future__ import annotations

import gzip
import json
import logging
from pathlib import Path

import pytest

from domain_adapt.errors import DomainAdaptError
from domain_adapt.recipes import HubDataset
from domain_adapt.tasks.question_answering.data import (
    Answer,
    Example,
    load_examples,
    load_hub_examples,
)

CONTEXT = "Fever began on the second day. Fever ended on the ninth day."


def row(identifier: object = "q1", text: object = "second day", start: object = 19, **extra: object) -> dict:
    base = {"id": identifier, "context": CONTEXT, "question": "When?"}
    return {**base, "answers": {"text": [text], "answer_start": [start]}, **extra}


def write(path: Path, rows: list) -> Path:
    path.write_text("".join(json.dumps(one) + "\n" for one in rows), encoding="utf-8")
    return path


def fine(count: int) -> list[dict]:
    return [row(f"ok{number}") for number in range(count)]


def test_flat_jsonl_with_blank_lines_byte_order_mark_and_line_separator(tmp_path: Path):
    path = tmp_path / "a.jsonl"
    context = "one\u2028two three"
    line = json.dumps({**row(7, "two", 4), "context": context, "title": "T"}, ensure_ascii=False)
    path.write_bytes(b"\xef\xbb\xbf" + line.encode() + b"\r\n\n")
    loaded = load_examples([path])
    assert loaded.examples == [Example("7", "When?", context, (Answer("two", 4),), "T")]
    assert (loaded.repaired, loaded.dropped, loaded.report) == (0, 0, [])


def test_gzip_and_several_files(tmp_path: Path):
    packed = tmp_path / "a.jsonl.gz"
    packed.write_bytes(gzip.compress(json.dumps(row("a")).encode()))
    plain = write(tmp_path / "b.jsonl", [row("b")])
    assert [example.id for example in load_examples([packed, plain]).examples] == ["a", "b"]


def nested(qas: list, **paragraph: object) -> dict:
    return {
        "version": "v2.0",
        "data": [{"title": "Fever", "paragraphs": [{"context": CONTEXT, "qas": qas} | paragraph]}],
    }


@pytest.mark.parametrize("indent", [None, 1])
def test_nested_squad_2_ignores_plausible_answers(tmp_path: Path, indent: int | None):
    path = tmp_path / "squad.json"
    answer = {"text": "second day", "answer_start": 19}
    qas = [
        {"id": "a", "question": "When?", "answers": [answer, {"text": "second", "answer_start": 19}]},
        {"id": "b", "question": "Why?", "answers": [], "is_impossible": True, "plausible_answers": [answer]},
        {"id": "c", "question": "Who?", "is_impossible": True, "plausible_answers": [answer]},
    ]
    path.write_text(json.dumps(nested(qas), indent=indent))
    first, second, third = load_examples([path]).examples
    assert first == Example("a", "When?", CONTEXT, (Answer("second day", 19), Answer("second", 19)), "Fever")
    assert second.answers == third.answers == ()


def test_flat_rows_may_have_nested_answers_and_be_one_json_list(tmp_path: Path):
    path = tmp_path / "list.json"
    path.write_text(json.dumps([{**row(), "answers": [{"text": "Fever", "answer_start": 0}]}], indent=2))
    assert load_examples([path]).examples[0].answers == (Answer("Fever", 0),)


@pytest.mark.parametrize(("start", "repaired_to"), [(18, 19), (29, 19), (9, 19), (20, 19)])
def test_answer_start_within_ten_characters_is_repaired_and_reported(tmp_path: Path, start: int, repaired_to: int):
    loaded = load_examples([write(tmp_path / "a.jsonl", [row("x", start=start)])])
    assert loaded.examples[0].answers == (Answer("second day", repaired_to),)
    assert loaded.repaired == 1
    assert (
        "a.jsonl:1" in loaded.report[0] and "'x'" in loaded.report[0] and f"{start} repaired to 19" in loaded.report[0]
    )


def test_repair_takes_the_nearest_occurrence(tmp_path: Path):
    rows = [{**row("x", "ab", 6), "context": "ab  ab xab"}]
    assert load_examples([write(tmp_path / "a.jsonl", rows)]).examples[0].answers == (Answer("ab", 4),)


@pytest.mark.parametrize("start", [8, 30, -1, 10**6])
def test_answer_eleven_characters_away_drops_the_question(tmp_path: Path, start: int):
    loaded = load_examples([write(tmp_path / "a.jsonl", [*fine(19), row("gone", start=start)])])
    assert len(loaded.examples) == 19 and loaded.dropped == 1
    assert "a.jsonl:20" in loaded.report[0] and "'gone'" in loaded.report[0] and "dropped" in loaded.report[0]


def test_question_survives_if_another_answer_remains(tmp_path: Path):
    bad = {**row("x"), "answers": {"text": ["nowhere", "Fever"], "answer_start": [3, 0]}}
    loaded = load_examples([write(tmp_path / "a.jsonl", [bad])])
    assert loaded.examples[0].answers == (Answer("Fever", 0),)
    assert loaded.dropped == 0 and len(loaded.report) == 1


def test_more_than_five_percent_dropped_is_fatal_and_unanswerable_questions_do_not_count(tmp_path: Path):
    empty = [{**row(f"none{number}"), "answers": {"text": [], "answer_start": []}} for number in range(50)]
    path = write(tmp_path / "a.jsonl", [*fine(18), *empty, row("gone", "nowhere")])
    with pytest.raises(
        DomainAdaptError, match=r"a\.jsonl: 1 of 19 answerable questions .* first problem: .*:69: id 'gone'"
    ):
        load_examples([path])
    assert load_examples([write(path, [*fine(19), row("gone", "nowhere")])]).dropped == 1


def test_at_most_ten_lines_are_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    rows = [row(f"q{number}", start=18) for number in range(14)]
    with caplog.at_level(logging.WARNING):
        loaded = load_examples([write(tmp_path / "a.jsonl", rows)])
    assert len(caplog.records) == 11
    assert caplog.records[-1].getMessage() == "... and 4 more"
    assert len(loaded.report) == 14


def test_blank_context_is_dropped_and_counted(tmp_path: Path):
    rows = [*fine(20), {**row("x"), "context": " \n"}]
    loaded = load_examples([write(tmp_path / "a.jsonl", rows)])
    assert loaded.dropped == 1 and "context is blank" in loaded.report[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"answers": None}, r":2: field 'answers': expected .*found null"),
        ({"answers": "second day"}, r":2: field 'answers': expected .*found text 'second day'"),
        ({"answers": {"text": "second day", "answer_start": 19}}, r":2: field 'answers': expected"),
        ({"answers": {"text": ["a"], "answer_start": []}}, r":2: field 'answers': 1 texts but 0 starts"),
        ({"answers": {"text": ["a"], "answer_start": ["0"]}}, r":2: field 'answers.answer_start': expected integers"),
        ({"answers": {"text": [1], "answer_start": [0]}}, r":2: field 'answers.text': expected text, found a number 1"),
        ({"answers": [{"text": "a"}]}, r":2: field 'answers.answer_start': expected integers, found null"),
        ({"context": 3}, r":2: field 'context': expected text, found a number 3"),
        ({"id": None}, r":2: field 'id': expected"),
        ({"question": "\ud800"}, r":2: field 'question': lone surrogate at character 0"),
        ({"id": "q1"}, r"a\.jsonl:2: id 'q1' was used before, at .*a\.jsonl:1"),
    ],
)
def test_wrong_fields_name_file_and_line(tmp_path: Path, change: dict, message: str):
    path = write(tmp_path / "a.jsonl", [row("q1"), row("q2") | change])
    with pytest.raises(DomainAdaptError, match=message) as error:
        load_examples([path])
    assert "\n" not in error.value.message


@pytest.mark.parametrize("field", ["id", "context", "question", "answers"])
def test_missing_field_names_file_line_field_and_schema(tmp_path: Path, field: str):
    broken = row("q2")
    del broken[field]
    with pytest.raises(DomainAdaptError, match=rf'a\.jsonl:2: field \'{field}\' is missing; expected .*"answer_start"'):
        load_examples([write(tmp_path / "a.jsonl", [row("q1"), broken])])


def test_broken_line_17(tmp_path: Path):
    path = write(tmp_path / "a.jsonl", fine(20))
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:16], lines[16][:-5], *lines[17:]]))
    with pytest.raises(DomainAdaptError, match=r"a\.jsonl:17: not valid JSON"):
        load_examples([path])


def test_broken_nested_json_names_its_line(tmp_path: Path):
    path = tmp_path / "a.json"
    path.write_text('{"data": [\n{"paragraphs": [}\n]}')
    with pytest.raises(DomainAdaptError, match=r"a\.json:2: not valid JSON"):
        load_examples([path])


def test_missing_field_in_nested_json_names_its_place(tmp_path: Path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps(nested([row("q1"), {"id": "q2", "answers": []}])))
    with pytest.raises(DomainAdaptError, match=r"data\[0\]\.paragraphs\[0\]\.qas\[1\]: field 'question' is missing"):
        load_examples([path])
    path.write_text(json.dumps({"data": [{"title": "x"}]}))
    with pytest.raises(DomainAdaptError, match=r"data\[0\]: field 'paragraphs': expected a list"):
        load_examples([path])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", b"", "holds no questions"),
        ("a.json", b"", "holds no questions"),
        ("a.json", b'{"data": []}', "holds no questions"),
        ("a.jsonl", b'{"id": "\xff"}', r"a\.jsonl:1: not UTF-8"),
        ("a.json", b'{\n"id": "\xff"}', r"a\.json:2: not UTF-8"),
        ("a.jsonl.gz", b"not gzip", "cannot be read"),
        ("a.csv", b"id,question", "expected a .jsonl or .json file"),
        ("a.jsonl", b"[1]", r":1: expected an object"),
    ],
)
def test_files_that_are_no_data(tmp_path: Path, name: str, content: bytes, message: str):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DomainAdaptError, match=message):
        load_examples([tmp_path / name])


def test_missing_file(tmp_path: Path):
    with pytest.raises(DomainAdaptError, match=r"nowhere\.jsonl: no such file"):
        load_examples([tmp_path / "nowhere.jsonl"])


def test_hub_route_reads_a_local_folder(tmp_path: Path):
    write(tmp_path / "train.jsonl", [row("a", start=18), row("b")])
    loaded = load_hub_examples(HubDataset(hub=str(tmp_path)))
    assert [example.answers for example in loaded.examples] == [(Answer("second day", 19),)] * 2
    assert loaded.repaired == 1 and "(train) row 1" in loaded.report[0]


def test_unreachable_hub_names_the_id_and_the_way_out(monkeypatch: pytest.MonkeyPatch):
    from huggingface_hub import HfApi

    def unreachable(*args: object, **options: object) -> None:
        raise ConnectionError("Name or service not known")

    monkeypatch.setattr(HfApi, "dataset_info", unreachable)
    with pytest.raises(DomainAdaptError, match="rajpurkar/squad: the Hugging Face Hub cannot be reached") as error:
        load_hub_examples(HubDataset(hub="rajpurkar/squad"))
    assert error.value.hint is not None and "BASE=mini PROFILE=quick" in error.value.hint
