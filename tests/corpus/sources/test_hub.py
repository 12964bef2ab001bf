from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import datasets
import huggingface_hub
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from huggingface_hub.errors import OfflineModeIsEnabled

from domain_adapt.corpus.sources import documents_of, open_source
from domain_adapt.errors import DomainAdaptError
from domain_adapt.recipes import HubSource

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(autouse=True)
def _private_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "hf-cache")


@pytest.fixture
def local(tmp_path: Path) -> Path:
    folder = tmp_path / "set" / "data"
    folder.mkdir(parents=True)
    table = pa.table({"id": ["a", "b", None], "text": ["one", None, "three"], "n": [1, 2, 3]})
    pq.write_table(table, folder / "train-00000-of-00001.parquet")
    return folder.parent


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A Hub that knows one commit; gives the list of revisions asked for."""
    asked: list[str] = []

    def dataset_info(self: object, repo_id: str, *, revision: str, timeout: float) -> Any:
        asked.append(revision)
        return SimpleNamespace(sha=COMMIT)

    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", dataset_info)
    return asked


def test_a_local_folder_goes_the_same_way(local: Path, tmp_path: Path) -> None:
    source = open_source(HubSource(id="set", licence="MIT"), tmp_path)
    documents = [(document.id, document.text, document.source) for document in documents_of(source)]
    assert documents == [("a", "one", "set"), ("b", "", "set"), ("3", "three", "set")]
    assert (source.info().name, source.info().revision, source.info().licence) == ("set", None, "MIT")


def test_max_documents_stops_the_stream(local: Path, tmp_path: Path) -> None:
    source = open_source(HubSource(id="set", max_documents=2), tmp_path)
    assert [document.text for document in documents_of(source)] == ["one", ""]


def test_fingerprint_of_a_local_folder_follows_its_files_and_not_its_place(local: Path, tmp_path: Path) -> None:
    before = open_source(HubSource(id="set"), tmp_path).fingerprint()
    moved = local.rename(tmp_path / "elsewhere")
    assert open_source(HubSource(id=str(moved)), tmp_path).fingerprint() == before
    (moved / "more.parquet").write_bytes(b"x")
    assert open_source(HubSource(id="elsewhere"), tmp_path).fingerprint() != before


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"text_field": "texts"}, "set: no column 'texts'; found: id, text, n"),
        ({"text_field": "text.body"}, "set: no column 'text.body'; found: id, text, n"),
        ({"template": "{text} {n.part}"}, "set: no column 'n.part'; found: id, text, n"),
        ({"text_field": "n"}, "set: column 'n': expected strings, found int"),
        ({"split": "test"}, r"set: cannot be read \(test\): Bad split: test"),
        ({"config": "nope"}, "set: cannot be read"),
    ],
)
def test_what_the_data_set_lacks_is_named(local: Path, tmp_path: Path, keys: dict[str, str], message: str) -> None:
    with pytest.raises(DomainAdaptError, match=message):
        list(documents_of(open_source(HubSource(id="set", **keys), tmp_path)))


def test_a_template_takes_several_columns(local: Path, tmp_path: Path) -> None:
    source = open_source(HubSource(id="set", template="{id}: {text}", id_field="none"), tmp_path)
    texts = [document.text for document in documents_of(open_source(HubSource(id="set"), tmp_path))]
    assert [document.text.partition(": ")[2] for document in documents_of(source)] == texts


def test_the_revision_is_resolved_once_and_the_commit_is_what_counts(hub: list[str], tmp_path: Path) -> None:
    source = open_source(HubSource(id="someone/texts", revision="v1"), tmp_path)
    assert source.info().revision == COMMIT
    pinned = open_source(HubSource(id="someone/texts", revision=COMMIT), tmp_path)
    assert source.fingerprint() == pinned.fingerprint()
    assert hub == ["v1"]


def test_the_stream_is_opened_at_the_commit(hub: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[dict[str, Any]] = []

    def load_dataset(path: str, **keys: Any) -> datasets.IterableDataset:
        calls.append({"path": path, **keys})
        return datasets.Dataset.from_list([{"text": "one"}]).to_iterable_dataset()

    monkeypatch.setattr("datasets.load_dataset", load_dataset)
    source = open_source(HubSource(id="someone/texts", config="en"), tmp_path)
    assert [document.id for document in documents_of(source)] == ["1"]
    expected = {"path": "someone/texts", "name": "en", "split": "train", "revision": COMMIT, "streaming": True}
    assert calls and all(call == expected for call in calls)


@pytest.mark.parametrize("error", [OfflineModeIsEnabled("offline"), ConnectionError("refused"), TimeoutError()])
def test_an_unreachable_hub_names_the_id_and_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def dataset_info(*args: object, **keys: object) -> None:
        raise error

    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", dataset_info)
    with pytest.raises(DomainAdaptError, match="someone/texts: the Hugging Face Hub cannot be reached") as caught:
        open_source(HubSource(id="someone/texts"), tmp_path).fingerprint()
    assert caught.value.hint is not None and "PROFILE=quick" in caught.value.hint


def test_a_connection_lost_in_mid_stream_is_not_a_traceback(
    hub: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> Iterator[dict[str, str]]:
        yield {"text": "one"}
        raise ConnectionError("reset by peer\nand more")

    rows = datasets.IterableDataset.from_generator(broken)
    monkeypatch.setattr("datasets.load_dataset", lambda *args, **keys: rows)
    documents = documents_of(open_source(HubSource(id="someone/texts"), tmp_path))
    assert next(documents).text == "one"
    with pytest.raises(DomainAdaptError, match=r"someone/texts: cannot be read \(train\): reset by peer$"):
        next(documents)
