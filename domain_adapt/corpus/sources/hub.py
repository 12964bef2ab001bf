"""Data sets on the Hugging Face Hub, streamed through ``datasets`` at a pinned commit."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

from domain_adapt.corpus.sources.base import Document, SourceInfo
from domain_adapt.errors import DomainAdaptError, did_you_mean
from domain_adapt.fingerprint import fingerprint, hash_files
from domain_adapt.recipes import HubSource

_COMMIT = re.compile(r"[0-9a-f]{40}")
_OFFLINE_HINT = "check the network, or use the embedded profile (PROFILE=quick)"


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
        if _COMMIT.fullmatch(self._spec.revision):
            return self._spec.revision
        return _resolve(self._spec.id, self._spec.revision)

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
        rows = islice(self._rows(), spec.max_documents)
        for number, row in enumerate(rows, start=1):
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

    def _rows(self) -> Iterator[dict[str, Any]]:
        import datasets  # seconds that a run on files or embedded text need not pay

        spec = self._spec
        path = spec.id if self._local is None else str(self._local.resolve())
        commit = self.commit
        try:
            stream = datasets.load_dataset(path, name=spec.config, split=spec.split, revision=commit, streaming=True)
            yield from stream
        except Exception as error:
            # Reading passes through datasets, fsspec, pyarrow and an HTTP library, whose errors share no base class.
            raise _explain(error, spec, remote=self._local is None) from error


def _resolve(identifier: str, revision: str) -> str:
    from huggingface_hub import HfApi
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

    try:
        sha = HfApi().dataset_info(identifier, revision=revision).sha
    except RevisionNotFoundError as error:
        raise DomainAdaptError(f"{identifier}: the Hub data set has no revision {revision!r}") from error
    except RepositoryNotFoundError as error:
        hint = "check the id; a private or gated one needs `hf auth login`"
        raise DomainAdaptError(f"{identifier}: no such data set on the Hugging Face Hub", hint=hint) from error
    except Exception as error:  # offline mode, timeouts, refused connections, HTTP errors: no common base class
        problem = f"{identifier}: the Hugging Face Hub cannot be reached: {_first_line(error)}"
        raise DomainAdaptError(problem, hint=_OFFLINE_HINT) from error
    if sha is None:
        raise DomainAdaptError(f"{identifier}: the Hub named no commit for revision {revision!r}")
    return sha


def _explain(error: Exception, spec: HubSource, *, remote: bool) -> DomainAdaptError:
    wrong_recipe = isinstance(error, ValueError | FileNotFoundError | KeyError | RuntimeError)
    hint = None if wrong_recipe or not remote else _OFFLINE_HINT
    if "script" in str(error):
        hint = "only data sets stored as Parquet, JSON, CSV or text are read; no code of theirs is run"
    return DomainAdaptError(f"{spec.id}: cannot be read ({spec.split}): {_first_line(error)}", hint=hint)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
