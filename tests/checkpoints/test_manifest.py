from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from domain_adapt.checkpoints import Checkpoint, read_manifest, write_manifest
from domain_adapt.errors import DomainAdaptError

Publish = Callable[..., Checkpoint]


def test_a_manifest_reads_back_as_it_was_written(publish: Publish, tmp_path: Path) -> None:
    manifest = publish().manifest
    write_manifest(tmp_path, manifest)
    assert read_manifest(tmp_path) == manifest


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"files": {"model.safetensors": "abc"}}, "files.model.safetensors"),
        ({"surprise": 1}, "surprise"),
        ({"version": 0}, "version"),
        ({"metrics": {"dev/f1": "high"}}, "metrics.dev/f1"),
        ({"schema_version": 3}, "schema_version 3"),
        ({"lineage": []}, "lineage"),
    ],
)
def test_a_damaged_manifest_is_one_line_with_file_and_key(
    publish: Publish, tmp_path: Path, change: dict[str, object], expected: str
) -> None:
    values = publish().manifest.model_dump(mode="json") | change
    (tmp_path / "manifest.json").write_text(json.dumps(values))
    with pytest.raises(DomainAdaptError) as caught:
        read_manifest(tmp_path)
    assert str(tmp_path / "manifest.json") in caught.value.message
    assert expected in caught.value.message
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("text", ["", "{", "[]", '{"name": "x"'])
def test_a_truncated_manifest_is_an_error_of_the_user(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(DomainAdaptError, match="damaged"):
        read_manifest(tmp_path)


def test_a_missing_manifest_is_an_error_of_the_user(tmp_path: Path) -> None:
    with pytest.raises(DomainAdaptError, match=r"manifest\.json: not there"):
        read_manifest(tmp_path)


def test_a_manifest_from_before_a_key_was_added_is_as_good(publish: Publish, tmp_path: Path) -> None:
    values = publish().manifest.model_dump(mode="json")
    for key in ("parents", "origin"):
        values.pop(key)
    values["schema_version"] = 1
    (tmp_path / "manifest.json").write_text(json.dumps(values))
    found = read_manifest(tmp_path)
    assert found.schema_version == 1 and found.origin is None and found.all_parents == [found.parent]
