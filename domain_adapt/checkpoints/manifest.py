"""The manifest of a checkpoint: what it is, what it came from, and the SHA-256 of every file in it.

The file has one key more than the model here: ``sha256``, the hash of the file with zeros in its place. A manifest that
was edited by hand no longer fits it. It is no signature: who wants to forge one computes it anew. docs/checkpoints.md
has the schema.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from domain_adapt.checkpoints.untrusted.json_files import parse_json, read_bounded
from domain_adapt.errors import DomainAdaptError
from domain_adapt.fingerprint import hash_text
from domain_adapt.workspace import write_json

MANIFEST = "manifest.json"
NAME_PATTERN = r"^[a-z0-9][a-z0-9._-]{0,95}$"  # 96: what the Hub allows for the name of a repository
SELF_HASH = "sha256"
_ZEROS = 64 * "0"
_AGAIN = "remove the folder of this checkpoint and make it again"
_MOST_BYTES = 8 * 2**20  # the largest seen, with 30 trials and 20 sources, has 60 kB
_HASHED_SINCE = 2  # manifests of schema 1 have no hash of themselves

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


def _inside(path: str) -> str:
    """Returns the path of a file below the checkpoint's folder as it is; any other is an error."""
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts or "\\" in path or str(PurePosixPath(path)) != path:
        raise ValueError("expected the path of a file below the folder")
    return path


FilePath = Annotated[str, AfterValidator(_inside)]


class _Record(BaseModel):
    """A JSON object: immutable, and a key it does not know is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Ancestor(_Record):
    """One step back towards the base; the list of them ends with weights that we did not make."""

    name: str
    sha256: Sha256


class Parent(_Record):
    """The weights that training started from.

    Attributes:
        kind: ``checkpoint`` is one of ours, ``base`` is anything else.
        name: ``mini``, a Hub id, a folder, or a reference such as ``medical@v1``.
        sha256: Identity of config, weights and tokenizer (see ``domain_adapt.bases.Base.sha256``).
        revision: Commit of a Hub base.
        licence: As far as known.
        url: Where a person can read about it.
        has_lm_head: Whether it came with a trained LM head; without one a masked-LM loss "before" means nothing.
    """

    kind: Literal["base", "checkpoint"]
    name: str
    sha256: Sha256
    revision: str | None = None
    licence: str | None = None
    url: str | None = None
    has_lm_head: bool = True


class Origin(_Record):
    """Where the inputs lay when the checkpoint was made, so that it can be made again.

    Paths are relative to the project's folder where they are inside it, else absolute.

    Attributes:
        folder: Of the recipe; relative paths in the recipe are relative to it.
        files: Labelled data that the command named instead of the recipe's: ``train``, ``dev``, ``test`` -> files.
        multitask: It was trained together with other tasks.
    """

    folder: str
    files: dict[str, list[str]] = {}
    multitask: bool = False


class Manifest(_Record):
    """Content of ``manifest.json``.

    Keys with a default were added later: a manifest without them is as good, and tells less.

    Attributes:
        schema_version: 2 is what is written; 1, which has no ``sha256`` of itself, is still read.
        stage: ``merge`` is a weighted mean of the weights of several models.
        created: UTC in ISO 8601.
        recipe: The resolved recipe, every key; of a merge ``type`` (of the task, ``fill-mask`` or
            ``feature-extraction``), ``operands`` and ``weights``.
        parent: The weights that it came from; of a merge the first.
        parents: Of a merge, all of them; else empty.
        lineage: Names and hashes of parent, grandparent and so on up to the base; of a merge, of all parents, each
            once, the base last.
        corpus: What was read. The model card makes a table of ``sources`` (a list of tables with ``kind``, ``name``,
            ``licence``, ``url``, ``revision``, ``documents``; all optional), takes ``language`` for its front matter,
            and lists every other key as a figure. ``content_sha256`` is that of all text that was kept.
        metrics: Flat, e.g. ``heldout/mlm_loss``, ``dev/f1``, ``train/tokens_per_second``; a value before training ends
            in ``_before``. ``train/flops`` is an estimate, ``train/energy_joules`` measured, both where they can be.
        environment: Python, platform, hardware, device, precision, threads, processes, and what else the run chose for
            its machine (``micro_batch_rows``, ``compile``).
        origin: Where the inputs lay.
        files: Path relative to the folder (POSIX) -> SHA-256; everything but the manifest itself.
    """

    schema_version: Literal[1, 2] = 2
    name: str = Field(pattern=NAME_PATTERN)
    version: int = Field(ge=1)
    stage: Literal["adapt", "finetune", "merge"]
    domain: str | None
    task: str | None = None
    profile: str
    created: str
    fingerprint: Sha256
    recipe: dict[str, Any]
    parent: Parent
    parents: list[Parent] = []
    lineage: list[Ancestor] = Field(min_length=1)
    corpus: dict[str, Any]
    metrics: dict[str, FiniteFloat]
    packages: dict[str, str]
    environment: dict[str, Any]
    command: str
    wall_seconds: FiniteFloat
    files: dict[FilePath, Sha256]
    origin: Origin | None = None

    @property
    def all_parents(self) -> list[Parent]:
        """What it was made from: one parent, or those of a merge."""
        return self.parents or [self.parent]


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Writes ``manifest.json`` into ``folder`` under a temporary name first."""
    values = manifest.model_dump(mode="json")
    if manifest.schema_version >= _HASHED_SINCE:
        text = json.dumps(values | {SELF_HASH: _ZEROS}, indent=2, ensure_ascii=False) + "\n"  # as write_json does
        values[SELF_HASH] = hash_text(text)
    write_json(folder / MANIFEST, values)


def read_manifest(folder: Path) -> Manifest:
    """Returns the manifest of a checkpoint folder; one that was edited by hand passes if it is valid.

    Raises:
        DomainAdaptError: If there is none, it is not JSON, or a key in it is missing, unknown or of the wrong type.
    """
    path = folder / MANIFEST
    values = _read(path)
    try:
        if values.get("schema_version", _HASHED_SINCE) != 1:
            values.pop(SELF_HASH, None)
        return Manifest.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        if first["loc"] == ("schema_version",):
            raise DomainAdaptError(
                f"{path}: schema_version {first['input']!r} is not known, expected 1 or 2",
                hint="it was written by another version of domain-adapt",
            ) from None
        where = ".".join(str(part) for part in first["loc"])
        raise _damaged(path, f"{where + ': ' if where else ''}{first['msg']}") from None


def edited(folder: Path) -> bool:
    """Returns whether the manifest in ``folder`` is not what was written; one of schema 1 cannot be told.

    Raises:
        DomainAdaptError: If there is none or it is not JSON.
    """
    path = folder / MANIFEST
    values, data = _read(path), read_bounded(path, str(path), _MOST_BYTES)
    if values.get("schema_version") == 1:
        return False
    written = str(values.get(SELF_HASH)).encode()
    blank = _ZEROS.encode().join(data.rsplit(written, 1))  # it is the last key, but its value may be elsewhere, too
    return hashlib.sha256(blank).hexdigest().encode() != written


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise DomainAdaptError(f"{path}: not there; a checkpoint has one")
    try:
        return parse_json(read_bounded(path, str(path), _MOST_BYTES), f"{path}: damaged")
    except DomainAdaptError as error:
        raise DomainAdaptError(error.message, hint=_AGAIN) from None


def _damaged(path: Path, what: str) -> DomainAdaptError:
    return DomainAdaptError(f"{path}: damaged: {what}", hint=_AGAIN)
