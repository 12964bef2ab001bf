"""Data sets on the Hugging Face Hub, streamed through ``datasets`` at a pinned commit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

from domain_adapt.corpus.sources.base import Document, Part, SourceInfo, Unreadable
from domain_adapt.corpus.sources.fields import MISSING, lookup
from domain_adapt.corpus.sources.template import parse_template
from domain_adapt.errors import DomainAdaptError, did_you_mean
from domain_adapt.fingerprint import fingerprint, hash_files
from domain_adapt.hub_datasets import count_shards, resolve_commit, stream_rows
from domain_adapt.recipes import HubSource


class HubTexts:
    """The ``hub`` source; an id that is an existing folder is read from there, by the same route."""

    def __init__(self, spec: HubSource, folder: Path) -> None:
        self._spec = spec
        local = folder / Path(spec.id).expanduser()
        self._local = local if local.is_dir() else None

    @cached_property
    def commit(self) -> str | None:
        """The commit that the recipe's revision stands for now, asked for once; None for a local folder.

        Raises:
            DomainAdaptError: If the Hub cannot be reached, or has no such data set or revision.
        """
        if self._local is not None:
            return None
        return resolve_commit(self._spec.id, self._spec.revision)

    def info(self) -> SourceInfo:
        """Returns the Hub id, the licence the recipe states and the commit."""
        spec = self._spec
        name = f"{spec.id} ({spec.config})" if spec.config else spec.id
        if self._local is not None:
            return SourceInfo("hub", Path(name).name, spec.licence, None, None)
        return SourceInfo("hub", name, spec.licence, f"https://huggingface.co/datasets/{spec.id}", self.commit)

    def fingerprint(self) -> str:
        """Returns the SHA-256 over id, configuration, split, commit, columns and limit (or the folder's files)."""
        spec = self._spec
        values: dict[str, object] = {
            "kind": "hub",
            "config": spec.config,
            "split": spec.split,
            "fields": [spec.text_field, spec.id_field],
            "max_documents": spec.max_documents,
        }
        if self._local is None:
            return fingerprint(values | {"id": spec.id, "commit": self.commit})
        paths = [path for path in self._local.rglob("*") if path.is_file() and not path.name.startswith(".")]
        return fingerprint(values | {"files": hash_files(paths, self._local)})

    def parts(self) -> Sequence[Part]:
        """Returns a part for each data file of the split, as the data set is stored."""
        spec = self._spec
        shards = count_shards(spec.id, config=spec.config, split=spec.split, commit=self.commit, local=self._local)
        return [HubPart(spec, self.commit, self._local, self.fingerprint(), shard, shards) for shard in range(shards)]


@dataclass(frozen=True)
class HubPart:
    """The rows of one data file of a data set.

    Attributes:
        spec: The data set.
        commit: Where it is read; None for a local folder.
        local: The folder, if it is one.
        fingerprint: Of the source.
        shard: Which data file, from 0.
        shards: Data files of the split.
    """

    spec: HubSource
    commit: str | None
    local: Path | None
    fingerprint: str
    shard: int
    shards: int

    @property
    def name(self) -> str:
        """The data set's id, and which of its files it is."""
        return self.spec.id if self.shards == 1 else f"{self.spec.id} {self.shard + 1}/{self.shards}"

    @property
    def size(self) -> int:
        """Not known before it is read."""
        return 0

    @property
    def key(self) -> str:
        """SHA-256 over the source and the place in it."""
        return fingerprint({"source": self.fingerprint, "shard": self.shard, "shards": self.shards})

    def documents(self) -> Iterator[Document | Unreadable]:
        """Yields the rows in the order of the data set, at most ``max_documents``."""
        spec = self.spec
        rows = stream_rows(
            spec.id,
            config=spec.config,
            split=spec.split,
            commit=self.commit,
            local=self.local,
            shard=(self.shard, self.shards),
        )
        prefix = "" if self.shards == 1 else f"{self.shard + 1}:"
        for number, row in enumerate(islice(rows, spec.max_documents), start=1):
            identifier = row.get(spec.id_field)
            name = f"{prefix}{number}" if identifier is None else str(identifier)
            yield Document(name, _text(row, spec), spec.id)


def _text(row: Mapping[str, Any], spec: HubSource) -> str:
    template = parse_template(spec.template) if spec.template else None
    fields = template.fields if template else (spec.text_field,)
    missing = next((field for field in fields if lookup(row, field) is MISSING), None)
    if missing is not None:
        columns = ", ".join(row)
        hint = did_you_mean(missing, row) or "set text_field or template in the recipe"
        raise DomainAdaptError(f"{spec.id}: no column {missing!r}; found: {columns}", hint=hint)
    if template is not None:
        values = {field: lookup(row, field) for field in fields}
        return template.render({field: "" if value is None else str(value) for field, value in values.items()})
    text = lookup(row, spec.text_field)
    if text is not None and not isinstance(text, str):
        kind = type(text).__name__
        raise DomainAdaptError(f"{spec.id}: column {spec.text_field!r}: expected strings, found {kind}")
    return text or ""
