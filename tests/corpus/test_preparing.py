"""Parts that stay: what a kill, an added file or a limit changes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from domain_adapt.corpora import corpus_plan
from domain_adapt.corpus import part_work
from domain_adapt.corpus.jobs import Job
from domain_adapt.corpus.preparing import CorpusPlan, prepare_documents
from domain_adapt.corpus.workers import prepare_parts
from domain_adapt.errors import DomainAdaptError
from domain_adapt.recipes import CorpusSettings, DomainRecipe, Recipe
from domain_adapt.workspace import Workspace

LINE = "The {} patient had a fever of {} degrees and was sent home after {} days."


def lines(count: int, start: int = 0) -> str:
    texts = (LINE.format(number, number % 7 + 36, number * 31 % 97) for number in range(start, start + count))
    return "".join(json.dumps({"text": text}) + "\n" for text in texts)


@pytest.fixture
def plan(tmp_path: Path) -> Callable[..., CorpusPlan]:
    def make(path: str = "texts", source: dict[str, Any] | None = None, **keys: Any) -> CorpusPlan:
        values = {"kind": "files", "path": path} | (source or {})
        recipe = DomainRecipe(name="x", sources=[values], corpus=keys)
        return corpus_plan(Recipe(recipe, tmp_path, "quick"), Workspace(tmp_path))

    return make


@pytest.fixture
def worked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the parts that were worked on in this process."""
    names: list[str] = []
    prepare = part_work.Preparer.prepare

    def counted(self: part_work.Preparer, part: Any, path: Path) -> Any:
        names.append(part.name)
        return prepare(self, part, path)

    monkeypatch.setattr(part_work.Preparer, "prepare", counted)
    return names


def test_an_added_file_is_read_and_the_others_are_not(
    tmp_path: Path, plan: Callable[..., CorpusPlan], worked: list[str]
) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.jsonl").write_text(lines(20))
    (tmp_path / "texts" / "c.jsonl").write_text(lines(20, 40))
    first = prepare_documents(plan(), Workspace(tmp_path))
    assert worked == ["a.jsonl", "c.jsonl"]
    (tmp_path / "texts" / "b.jsonl").write_text(lines(20, 20))
    second = prepare_documents(plan(), Workspace(tmp_path))
    assert worked[2:] == ["b.jsonl"] and second.folder != first.folder
    assert second.statistics["documents"] == 60
    assert [text.split()[1] for text in second.texts()] == [str(number) for number in range(60)]
    assert prepare_documents(plan(), Workspace(tmp_path)) == second and len(worked) == 3


def test_lines_added_to_a_file_leave_its_first_ranges_alone(
    tmp_path: Path, plan: Callable[..., CorpusPlan], worked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("domain_adapt.corpus.sources.file_parts.RANGE_BYTES", 1000)
    monkeypatch.setattr("domain_adapt.corpus.sources.file_parts._CHUNK", 500)
    (tmp_path / "x.jsonl").write_text(lines(60))
    before = prepare_documents(plan("x.jsonl"), Workspace(tmp_path))
    ranges = len(worked)
    assert ranges >= 4
    (tmp_path / "x.jsonl").write_text(lines(61))
    after = prepare_documents(plan("x.jsonl"), Workspace(tmp_path))
    assert len(worked) == ranges + 1
    assert list(after.texts())[:60] == list(before.texts())
    assert [row.as_py() for batch in after.batches() for row in batch.column("id")] == [
        f"x.jsonl:{number}" for number in range(1, 62)
    ]


def test_later_settings_do_not_read_again(tmp_path: Path, plan: Callable[..., CorpusPlan], worked: list[str]) -> None:
    (tmp_path / "x.jsonl").write_text(lines(30))
    prepare_documents(plan("x.jsonl", deduplicate={"near": 0.9}), Workspace(tmp_path))
    prepare_documents(plan("x.jsonl", deduplicate={"near": 0.5}, block_size=64), Workspace(tmp_path))
    assert len(worked) == 1
    prepare_documents(plan("x.jsonl", min_characters=30), Workspace(tmp_path))
    assert len(worked) == 2


def test_max_tokens_ends_the_reading(
    tmp_path: Path, plan: Callable[..., CorpusPlan], worked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("domain_adapt.corpus.sources.file_parts.RANGE_BYTES", 1000)
    monkeypatch.setattr("domain_adapt.corpus.sources.file_parts._CHUNK", 500)
    (tmp_path / "x.jsonl").write_text(lines(200))
    prepare_documents(plan("x.jsonl", source={"max_tokens": 50}), Workspace(tmp_path))
    assert len(worked) == 1


def test_a_cut_part_is_made_again(tmp_path: Path, plan: Callable[..., CorpusPlan], worked: list[str]) -> None:
    (tmp_path / "x.jsonl").write_text(lines(30))
    first = prepare_documents(plan("x.jsonl"), Workspace(tmp_path))
    (part,) = (tmp_path / ".cache" / "parts").glob("*/*.parquet")
    part.write_bytes(part.read_bytes()[:-10])
    os.rename(first.folder, tmp_path / "elsewhere")
    again = prepare_documents(plan("x.jsonl"), Workspace(tmp_path))
    assert len(worked) == 2 and again.statistics == first.statistics


def test_a_bad_line_in_another_process_is_named(
    tmp_path: Path, plan: Callable[..., CorpusPlan], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("domain_adapt.corpus.workers._WORTHWHILE_BYTES", 0)
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.jsonl").write_text(lines(3))
    (tmp_path / "texts" / "b.jsonl").write_text(lines(3) + '{"text": \n')
    with pytest.raises(DomainAdaptError, match=r"b\.jsonl:4: not valid JSON"):
        prepare_documents(plan(), Workspace(tmp_path), processes=2)


def test_a_process_that_dies_is_an_error_and_not_a_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = tmp_path / "deadly_part.py"
    module.write_text(
        "import os, signal\nclass Deadly:\n    name, key, size = 'deadly', '0', 10**8\n"
        "    def documents(self):\n        os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    from deadly_part import Deadly as Part  # type: ignore[import-not-found]

    jobs = [Job(Part(), tmp_path / f"{number}.parquet") for number in range(2)]
    with pytest.raises(DomainAdaptError, match="deadly: the process that read it ended"):
        prepare_parts(part_work.PartRules(CorpusSettings()), jobs, processes=2, on_done=lambda job: None)


def test_a_killed_preparation_goes_on_and_ends_the_same(tmp_path: Path, plan: Callable[..., CorpusPlan]) -> None:
    (tmp_path / "texts").mkdir()
    for number in range(12):
        (tmp_path / "texts" / f"{number:02}.jsonl").write_text(lines(4000, number * 4000))
    (tmp_path / "domain.toml").write_text('name = "x"\n[[sources]]\nkind = "files"\npath = "texts"\n')
    command = [sys.executable, "-m", "domain_adapt", "corpus", "prepare", str(tmp_path), "--processes", "1", "--json"]
    killed = tmp_path / "killed"
    killed.mkdir()
    process = subprocess.Popen(command, cwd=killed, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while len(list(killed.glob(".cache/parts/*/*.parquet"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    process.kill()
    process.wait()
    done = len(list(killed.glob(".cache/parts/*/*.parquet")))
    assert done >= 2 and not list(killed.glob(".cache/documents/*"))
    result = subprocess.run(command, cwd=killed, capture_output=True, text=True, check=True)
    whole = prepare_documents(plan(), Workspace(tmp_path))
    found = json.loads(result.stdout)
    assert found.pop("folder").endswith(whole.folder.name)
    assert found == whole.statistics


def test_lines_of_many_documents_are_cut_and_paragraphs_come_once(
    tmp_path: Path, plan: Callable[..., CorpusPlan]
) -> None:
    repeated = "Ask your doctor or nurse whether this applies to you."
    words = ("fever", "cough", "asthma", "gout", "anaemia", "eczema")
    own = [(f"What helps against {word} is rest.", f"Of {word} much is not known yet.") for word in words]
    texts = [f"{one}\nPage {number} of 6\n\n{repeated}\n\n{two}" for number, (one, two) in enumerate(own)]
    (tmp_path / "x.json").write_text(json.dumps([*texts, "Page 5 of 9"]))
    keys = {"filters": {"boilerplate_documents": 5}, "deduplicate": {"paragraphs": True}, "min_characters": 5}
    documents = prepare_documents(plan("x.json", **keys), Workspace(tmp_path))
    assert list(documents.texts()) == [f"{one}\n\n{two}" for one, two in own]
    assert documents.statistics["dropped"] == {"only repeated text": 1}


def test_what_a_killed_process_left_is_swept_after_a_day(tmp_path: Path, plan: Callable[..., CorpusPlan]) -> None:
    (tmp_path / "x.jsonl").write_text(lines(3))
    prepare_documents(plan("x.jsonl"), Workspace(tmp_path))
    (folder,) = (tmp_path / ".cache" / "parts").iterdir()
    old, new = folder / ".a.parquet.1.tmp", folder / ".b.parquet.2.tmp"
    old.touch()
    new.touch()
    os.utime(old, (1, 1))
    prepare_documents(plan("x.jsonl", deduplicate={"paragraphs": False}, filters={"min_words": 50}, holdout=0.1,
                           select={"by": "tf-idf", "to": "x.jsonl", "keep": 0.5}), Workspace(tmp_path))  # fmt: skip
    assert not old.exists() and new.exists()


def test_progress_goes_on_to_selection_and_writing(tmp_path: Path, plan: Callable[..., CorpusPlan]) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.jsonl").write_text(lines(30), encoding="utf-8")
    told: list[tuple[str, int, int]] = []
    (tmp_path / "wanted.txt").write_text("a fever of 38 degrees", encoding="utf-8")
    prepare_documents(
        plan(select={"by": "tf-idf", "keep": 0.5, "to": "wanted.txt"}),
        Workspace(tmp_path),
        processes=1,
        on_progress=lambda now: told.append((now.step, now.documents_done, now.documents)),
    )
    assert told == [
        ("", 0, 0),
        ("counting words", 30, 30),
        ("comparing words", 30, 30),
        ("writing documents", 15, 15),
    ]
