from typing import Any

import datasets
import pytest

from domain_adapt.hub_datasets import stream_rows
from domain_adapt.recipes import HubDataset
from domain_adapt.tasks.labelled_rows import hub_rows


def test_labels_stored_as_numbers_come_by_their_names(monkeypatch: pytest.MonkeyPatch):
    names = datasets.ClassLabel(names=["no", "yes"])
    features = datasets.Features({"text": datasets.Value("string"), "label": names, "tags": datasets.List(names)})
    rows = [{"text": "a", "label": 1, "tags": [0, 1]}, {"text": "b", "label": None, "tags": []}]
    made = datasets.Dataset.from_list(rows, features=features).to_iterable_dataset()
    monkeypatch.setattr("datasets.load_dataset", lambda *arguments, **keys: made)
    found = list(stream_rows("x/y", config=None, split="train", commit=None, local=None))
    assert found == [{"text": "a", "label": "yes", "tags": ["no", "yes"]}, {"text": "b", "label": None, "tags": []}]


@pytest.mark.parametrize(
    ("revision", "where"), [("refs/convert/parquet", {"data_dir": "en"}), ("main", {"name": "en"})]
)
def test_in_the_hub_s_own_parquet_copy_a_configuration_is_a_folder(
    monkeypatch: pytest.MonkeyPatch, revision: str, where: dict[str, str]
):
    calls: list[dict[str, Any]] = []

    def load_dataset(path: str, **keys: Any) -> datasets.IterableDataset:
        calls.append(keys)
        return datasets.Dataset.from_list([{"text": "one"}]).to_iterable_dataset()

    monkeypatch.setattr("datasets.load_dataset", load_dataset)
    monkeypatch.setattr("domain_adapt.tasks.labelled_rows.resolve_commit", lambda *arguments: "c" * 40)
    assert list(hub_rows(HubDataset(hub="x/y", config="en", revision=revision))) == [
        ("x/y (train) row 1", {"text": "one"})
    ]
    assert calls == [{"split": "train", "revision": "c" * 40, "streaming": True, **where}]
