"""The manifest of a checkpoint: what it is, what it came from, and the SHA-256 of every file in it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from domain_adapt.errors import DomainAdaptError
from domain_adapt.workspace import write_json

MANIFEST = "manifest.json"
NAME_PATTERN = r"^[a-z0-9][a-z0-9._-]*$"

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


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

    schema_version: Literal[1] = 1
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
    files: dict[str, Sha256]
    origin: Origin | None = None

    @property
    def all_parents(self) -> list[Parent]:
        """What it was made from: one parent, or those of a merge."""
        return self.parents or [self.parent]


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Writes ``manifest.json`` into ``folder`` under a temporary name first."""
    write_json(folder / MANIFEST, manifest.model_dump(mode="json"))


def read_manifest(folder: Path) -> Manifest:
    """Returns the manifest of a checkpoint folder.

    Raises:
        DomainAdaptError: If there is none, it is not JSON, or a key in it is missing, unknown or of the wrong type.
    """
    path = folder / MANIFEST
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise DomainAdaptError(f"{path}: not there; a checkpoint has one") from None
    except OSError as error:
        raise DomainAdaptError(f"{path}: cannot be read: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors()[0]
        if first["loc"] == ("schema_version",):
            raise DomainAdaptError(
                f"{path}: schema_version {first['input']!r} is not known, expected 1",
                hint="it was written by another version of domain-adapt",
            ) from None
        where = ".".join(str(part) for part in first["loc"])
        raise DomainAdaptError(
            f"{path}: damaged: {where + ': ' if where else ''}{first['msg']}",
            hint="remove the folder of this checkpoint and make it again",
        ) from None
