"""The folder of a model, by whatever name, and what kind of model it is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from domain_adapt.bases.hub import download
from domain_adapt.checkpoints import check_intact, check_untrusted, checkpoint_in, read_manifest, resolve
from domain_adapt.checkpoints.manifest import MANIFEST
from domain_adapt.checkpoints.untrusted import read_json
from domain_adapt.errors import DomainAdaptError
from domain_adapt.workspace import Workspace

Table = TypeVar("Table", bound=BaseModel)
CHUNK = 256  # examples featurised together: bounds the memory that their rows and logits take


def find_model(path: str | Path, workspace: Workspace) -> Path:
    """Returns the folder of a model, which is safe to open: itself, a checkpoint's, or the local copy of a Hub model.

    Raises:
        DomainAdaptError: If there is none, it is not safe to open, or a checkpoint is not as it was published.
    """
    folder = locate(path, workspace)
    checkpoint = checkpoint_in(folder)
    if checkpoint is not None:
        check_intact(checkpoint)
    check_untrusted(folder, str(path))
    return folder


def locate(path: str | Path, workspace: Workspace) -> Path:
    """Returns the folder of a model by whatever name; nothing in it is looked at."""
    name = str(path)
    is_hub_id = isinstance(path, str) and name.count("/") == 1 and not name.startswith((".", "/", "~"))
    if is_hub_id and not name.endswith("/") and not Path(name).is_dir():
        return download(name, None).folder
    folder = Path(name).expanduser() if name.startswith("~") else path
    return resolve(folder, workspace)


def trained_settings(folder: Path, table: type[Table], name: str, given: Mapping[str, Any]) -> Table:
    """Returns the defaults, over them what a checkpoint was trained with, over that what was asked for."""
    trained: Any = {}
    if (folder / MANIFEST).is_file():
        trained = read_manifest(folder).recipe.get(name) or {}
    return validated(table, {**trained, **given})


def architecture(folder: Path) -> str:
    """Returns the class name in ``config.json``, or "" if there is none."""
    try:
        found = read_json(folder / "config.json", str(folder / "config.json")).get("architectures")
    except DomainAdaptError:  # said in full when the folder is opened
        return ""
    return str(found[0]) if isinstance(found, list) and found else ""


def validated(model: type[Table], values: Mapping[str, Any]) -> Table:
    """Returns the table with these values; an error names the key."""
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        first = error.errors()[0]
        raise DomainAdaptError(f"{first['loc'][0]}: {first['msg']} (found {first['input']!r})") from None
