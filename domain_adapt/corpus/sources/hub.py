"""Data sets on the Hugging Face Hub, streamed through ``datasets`` at a pinned commit."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from itertools import islice
from pathlib import Path

from domain_adapt.corpus.sources.base import Document, SourceInfo
from domain_adapt.errors import DomainAdaptError, did_you_mean
from domain_adapt.fingerprint import fingerprint, hash_files
from domain_adapt.hub_datasets import resolve_commit, stream_rows
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

    def documents(self) -> Iterator[Document]:
        """Yields the rows in the order of the data set, at most ``max_documents``."""
        spec = self._spec
        rows = stream_rows(spec.id, config=spec.config, split=spec.split, commit=self.commit, local=self._local)
        for number, row in enumerate(islice(rows, spec.max_documents), start=1):
            if spec.text_field not in row:
                columns = ", ".join(row)
                hint = did_you_mean(spec.text_field, row) or "set text_field in the recipe"
                raise DomainAdaptError(f"{spec.id}: no column {spec.text_field!r}; found: {columns}", hint=hint)
            text = row[spec.text_field]
            if text is not None and not isinstance(text, str):
                kind = type(text).__name__
                raise DomainAdaptError(f"{spec.id}: column {spec.text_field!r}: expected strings, found {kind}")
            identifier = row.get(spec.id_field)
            yield Document(str(number if identifier is None else identifier), text or "", spec.id)
