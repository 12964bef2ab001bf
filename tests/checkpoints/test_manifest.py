from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from domain_adapt.checkpoints import Checkpoint, read_manifest, write_manifest
from domain_adapt.checkpoints.manifest import edited
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


def test_every_flipped_bit_of_a_manifest_is_told(publish: Publish, tmp_path: Path) -> None:
    """1e-05 and 1E-05 are the same number, and one bit apart: the hash is of the bytes."""
    write_manifest(tmp_path, publish(metrics={"dev/tiny": 1e-5}).manifest)
    path = tmp_path / "manifest.json"
    data = path.read_bytes()
    assert not edited(tmp_path) and b"1e-05" in data
    where = {data.index(b"1e-05") + 1, *random.Random(0).sample(range(len(data)), 60)}
    for place in where:
        for bit in range(8):
            path.write_bytes(data[:place] + bytes([data[place] ^ (1 << bit)]) + data[place + 1 :])
            try:
                read_manifest(tmp_path)
                found = edited(tmp_path)
            except DomainAdaptError:
                found = True
            assert found, (place, bit, data[place - 10 : place + 10])


def test_a_manifest_that_was_edited_reads_but_is_told(publish: Publish) -> None:
    checkpoint = publish()
    path = checkpoint.folder / "manifest.json"
    text = path.read_text()
    path.chmod(0o644)
    path.write_text(text.replace('"heldout/mlm_loss": 4.25', '"heldout/mlm_loss": 3.25'))
    assert read_manifest(checkpoint.folder).metrics == {"heldout/mlm_loss": 3.25}
    assert edited(checkpoint.folder)
    path.write_text(text.replace('"sha256": "', '"sha256": "0', 1))
    assert edited(checkpoint.folder) if path.read_text() != text else pytest.fail("nothing was changed")
    values = json.loads(text)
    del values["sha256"]
    path.write_text(json.dumps(values, indent=2) + "\n")
    assert edited(checkpoint.folder)
    path.write_text(text)
    assert not edited(checkpoint.folder)


def test_a_manifest_of_schema_1_is_read_and_has_no_hash(publish: Publish, tmp_path: Path) -> None:
    old = publish().manifest.model_copy(update={"schema_version": 1})
    write_manifest(tmp_path, old)
    assert "sha256" not in json.loads((tmp_path / "manifest.json").read_text())
    assert read_manifest(tmp_path) == old and not edited(tmp_path)
    # A new one that is said to be old is damaged: the key is not known there.
    values = json.loads((publish().folder / "manifest.json").read_text())
    (tmp_path / "manifest.json").write_text(json.dumps(values | {"schema_version": 1}))
    with pytest.raises(DomainAdaptError, match="damaged: sha256"):
        read_manifest(tmp_path)


@pytest.mark.parametrize("path", ["../up", "/etc/passwd", "a/../../b", "a//b", "./a", "", "a\\b"])
def test_files_of_a_manifest_are_below_its_folder(publish: Publish, tmp_path: Path, path: str) -> None:
    values = publish().manifest.model_dump(mode="json") | {"files": {path: "0" * 64}}
    (tmp_path / "manifest.json").write_text(json.dumps(values))
    with pytest.raises(DomainAdaptError, match="the path of a file below the folder"):
        read_manifest(tmp_path)
