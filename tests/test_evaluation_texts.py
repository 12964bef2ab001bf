import gzip
import json
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from domain_adapt.errors import DomainAdaptError
from domain_adapt.evaluation_texts import evaluation_texts, task_texts
from domain_adapt.tasks.question_answering.data import load_examples
from domain_adapt.tasks.splitting import hold_out
from domain_adapt.workspace import Workspace


def question(number: int, context: str) -> dict[str, Any]:
    return {
        "id": f"q{number}",
        "context": context,
        "question": f"Question {number}?",
        "answers": {"text": [], "answer_start": []},
    }


def jsonl(path: Path, rows: Sequence[object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Four tasks, one of each type; the first has two domains."""
    tasks = tmp_path / "tasks"
    qa = [("a", ("train", "dev", "test")), ("b", ("train", "test"))]
    numbers = iter(range(100))
    for domain, parts in qa:
        for part in parts:
            contexts = [f"{domain} {part} one", f"{domain} {part} one", f"{domain} {part} two"]
            jsonl(tasks / f"qa/{domain}/{part}.jsonl", [question(next(numbers), context) for context in contexts])
    entries = [
        f"[data.{domain}]\n" + "".join(f'{part} = "{domain}/{part}.jsonl"\n' for part in parts) for domain, parts in qa
    ]
    (tasks / "qa/task.toml").write_text('name = "qa"\ntype = "question-answering"\n' + "\n".join(entries))

    jsonl(tasks / "choices/train.jsonl", [])
    jsonl(tasks / "choices/test.jsonl", [{"q": "Which?", "choices": ["this", "that"], "answer": 0, "context": ""}])
    jsonl(tasks / "pairs/test.jsonl", [{"premise": "It rains.", "hypothesis": "It is wet.", "label": "yes"}])
    jsonl(tasks / "terms/test.jsonl", [{"tokens": ["High", "fever", "."], "tags": ["O", "B-sign", "O"]}])
    for name, kind, table in (
        ("choices", "multiple-choice", 'multiple_choice.question = "q"'),
        ("pairs", "text-classification", 'text_classification = {text = "premise", text_pair = "hypothesis"}'),
        ("terms", "token-classification", ""),
    ):
        data = '[data.c]\ntrain = { hub = "who/what" }\ndev = { hub = "who/what" }\ntest = "test.jsonl"\n'
        (tasks / name / "task.toml").write_text(f'name = "{name}"\ntype = "{kind}"\n{table}\n{data}')
    return Workspace(tmp_path)


@pytest.fixture
def texts_of(tmp_path: Path, workspace: Workspace) -> Callable[..., list[str]]:
    return lambda *against, **keys: list(evaluation_texts(against, folder=tmp_path, workspace=workspace, **keys))


def test_tasks_are_dev_and_test_of_all_local_parts(
    texts_of: Callable[..., list[str]], workspace: Workspace, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    found = texts_of("tasks")
    assert [text for text in found if text.startswith("a ")] == ["a dev one", "a dev two", "a test one", "a test two"]
    assert {"Which?", "this", "that", "It rains.", "It is wet.", "High fever ."} <= set(found)
    assert {"Question 3?", "Question 4?", "Question 5?"} <= set(found)
    assert not [text for text in found if text.startswith("a train")]
    passed_over = [record.message for record in caplog.records if "Hub" in record.message]
    assert len(passed_over) == 3
    assert "the dev part of choices, c is on the Hub (who/what) and not read" in passed_over[0]


def test_a_dev_part_without_a_file_is_what_training_holds_out(
    texts_of: Callable[..., list[str]], workspace: Workspace
) -> None:
    examples = load_examples([workspace.tasks / "qa/b/train.jsonl"]).examples
    held = {example.context for example in hold_out(examples, lambda example: example.context, 0.1)[1]}
    assert len(held) == 1
    assert {text for text in texts_of("task:qa") if text.startswith("b train")} == held


def test_in_a_cross_validation_every_text_is_evaluated(
    texts_of: Callable[..., list[str]], workspace: Workspace
) -> None:
    recipe = workspace.tasks / "qa/task.toml"
    recipe.write_text(recipe.read_text() + "\n[finetune]\nfolds = 2\n")
    found = texts_of("task:qa")
    assert {"a train one", "a train two", "a dev one", "a test two", "b train one", "b train two"} <= set(found)


def test_one_task_reads_its_hub_parts(
    texts_of: Callable[..., list[str]], workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = {"premise": "From the Hub.", "hypothesis": "Not from here.", "label": "x", "id": "h"}
    monkeypatch.setattr("domain_adapt.tasks.labelled_rows.hub_rows", lambda dataset: iter([(dataset.hub, row)]))
    hub = ["From the Hub.", "Not from here."]
    assert texts_of("task:pairs") == [*hub, "It rains.", "It is wet."]
    assert hub[0] not in texts_of("tasks")


def test_a_folder_that_is_read_as_the_hub_is_counts_as_local(
    texts_of: Callable[..., list[str]], workspace: Workspace, tmp_path: Path
) -> None:
    folder = tmp_path / "hub"
    jsonl(folder / "train.jsonl", [{"text": "From a folder.", "label": "x", "id": "h"}])
    (workspace.tasks / "there").mkdir()
    (workspace.tasks / "there/task.toml").write_text(
        f'name = "there"\ntype = "text-classification"\n[data.c]\ntrain = "no.jsonl"\ndev = {{ hub = "{folder}" }}\n'
    )
    assert "From a folder." in texts_of("tasks")


NESTED = {
    "data": [
        {
            "title": "T",
            "paragraphs": [
                {
                    "context": "The context.",
                    "qas": [
                        {"id": "1", "question": "Who?", "answers": []},
                        {"id": "2", "question": "What?", "answers": []},
                    ],
                }
            ],
        }
    ]
}


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("nested.json", json.dumps(NESTED), ["The context.", "Who?", "What?"]),
        ("flat.jsonl", json.dumps(question(1, "Flat.")), ["Flat.", "Question 1?"]),
        ("list.json", json.dumps([{"text": "One.", "label": "a"}, {"text": "Two.", "label": "a"}]), ["One.", "Two."]),
        ("packed.jsonl.gz", json.dumps({"tokens": ["A", "fever", "."], "tags": ["O", "O", "O"]}), ["A fever ."]),
        ("pair.csv", 'text,text_pair,label\n"It rains, they say.",Wet.,1\n', ["It rains, they say.", "Wet."]),
        ("glue.tsv", "sentence1\tsentence2\tlabel\nIt rains.\tWet.\t1\n", ["It rains.", "Wet."]),
        ("tags.conll", "High O\nfever B-sign\n\nNo O\nfever B-sign\n", ["High fever", "No fever"]),
        ("choice.jsonl", json.dumps({"question": "Q?", "choices": ["a b", "c"], "answer": "A"}), ["Q?", "a b", "c"]),
        ("other.jsonl", json.dumps({"abstract": "Own columns.", "n": 3, "x": None}), ["Own columns."]),
    ],
)
def test_files_of_every_format(
    name: str, content: str, expected: list[str], tmp_path: Path, texts_of: Callable[..., list[str]]
) -> None:
    (tmp_path / name).write_bytes(gzip.compress(content.encode()) if name.endswith(".gz") else content.encode())
    assert texts_of(name) == expected


def test_parquet_folders_and_globs(tmp_path: Path, texts_of: Callable[..., list[str]]) -> None:
    folder = tmp_path / "data" / "deep"
    folder.mkdir(parents=True)
    parquet.write_table(pa.table({"text": ["P one.", "P two."], "label": [0, 1]}), folder / "b.parquet")
    jsonl(folder / "a.jsonl", [{"text": "A one."}])
    (folder / "LICENSE").write_text("not data")
    assert texts_of("data") == texts_of("data/*/*") == texts_of("data/**") == ["A one.", "P one.", "P two."]
    assert texts_of("data/deep/a.jsonl", "data/deep/b.parquet") == ["A one.", "P one.", "P two."]


def test_errors_name_the_recipe_key_or_the_line(tmp_path: Path, texts_of: Callable[..., list[str]]) -> None:
    with pytest.raises(
        DomainAdaptError, match=r"corpus\.decontaminate\.against: unknown task 'qs'; known: choices"
    ) as found:
        texts_of("task:qs")
    assert found.value.hint == "did you mean 'qa'?"
    with pytest.raises(DomainAdaptError, match=r"corpus\.decontaminate\.against: 'no\.jsonl'"):
        texts_of("no.jsonl")
    (tmp_path / "bad.jsonl").write_text('{"text": "One."}\n{"text"\n')
    with pytest.raises(DomainAdaptError, match=r"bad\.jsonl:2"):
        texts_of("bad.jsonl")
    (tmp_path / "numbers.jsonl").write_text('{"n": 1}\n')
    with pytest.raises(DomainAdaptError, match=r"numbers\.jsonl: holds no text"):
        texts_of("numbers.jsonl")
    (tmp_path / "list.jsonl").write_text("[1]\n")
    with pytest.raises(DomainAdaptError, match=r"list\.jsonl:1: expected an object"):
        texts_of("list.jsonl")


def test_a_profile_that_a_task_lacks_is_its_default_one(texts_of: Callable[..., list[str]]) -> None:
    assert texts_of("task:qa", profile="full") == texts_of("task:qa")


def test_the_texts_of_a_task_come_once_and_in_order(workspace: Workspace) -> None:
    assert list(task_texts("qa", domain="a", workspace=workspace)) == [
        f"a {part} {number}" for part in ("train", "dev", "test") for number in ("one", "two")
    ]
    assert list(task_texts("qa", ("test",), workspace=workspace)) == [
        "a test one",
        "a test two",
        "b test one",
        "b test two",
    ]
    assert list(task_texts("pairs", ("test",), workspace=workspace)) == ["It rains.", "It is wet."]
    assert list(task_texts("terms", ("test",), workspace=workspace)) == ["High fever ."]
    assert list(task_texts("choices", ("test",), workspace=workspace)) == ["Which?"]
    with pytest.raises(DomainAdaptError, match="no labelled data for domain 'c'; there is for: a, b"):
        list(task_texts("qa", domain="c", workspace=workspace))
    with pytest.raises(DomainAdaptError, match="unknown task 'qb'"):
        list(task_texts("qb", workspace=workspace))


def test_the_shipped_tasks_can_be_read() -> None:
    root = Path(__file__).parents[1]
    shipped = set(evaluation_texts(["tasks"], folder=root, workspace=Workspace(root)))
    first = json.loads((root / "tasks/qa/data/medical/test.jsonl").read_text(encoding="utf-8").split("\n")[0])
    assert {first["context"], first["question"]} <= shipped
