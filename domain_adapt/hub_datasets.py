"""Rows of a data set on the Hugging Face Hub, or in a local folder read the same way: text and labels alike."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from domain_adapt.errors import DomainAdaptError, first_line

_COMMIT = re.compile(r"[0-9a-f]{40}")
_OFFLINE_HINT = "check the network, or use the embedded data: BASE=mini PROFILE=quick"
_TIMEOUT_SECONDS = 10.0  # for the first answer; without it the client retries for half a minute


def resolve_commit(identifier: str, revision: str) -> str:
    """Returns the commit that ``revision`` of a Hub data set stands for now; a commit stands for itself.

    Raises:
        DomainAdaptError: If the Hub cannot be reached, or has no such data set or revision.
    """
    if _COMMIT.fullmatch(revision):
        return revision
    from huggingface_hub import HfApi
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

    try:
        sha = HfApi().dataset_info(identifier, revision=revision, timeout=_TIMEOUT_SECONDS).sha
    except RevisionNotFoundError as error:
        raise DomainAdaptError(f"{identifier}: the Hub data set has no revision {revision!r}") from error
    except RepositoryNotFoundError as error:
        hint = "check the id; a private or gated one needs `hf auth login`"
        raise DomainAdaptError(f"{identifier}: no such data set on the Hugging Face Hub", hint=hint) from error
    except Exception as error:  # offline mode, timeouts, refused connections, HTTP errors: no common base class
        problem = f"{identifier}: the Hugging Face Hub cannot be reached: {first_line(error)}"
        raise DomainAdaptError(problem, hint=_OFFLINE_HINT) from error
    if sha is None:
        raise DomainAdaptError(f"{identifier}: the Hub named no commit for revision {revision!r}")
    return sha


def stream_rows(
    identifier: str,
    *,
    config: str | None,
    split: str,
    commit: str | None,
    local: Path | None,
    converted: bool = False,
    shard: tuple[int, int] | None = None,
) -> Iterator[dict[str, Any]]:
    """Yields the rows of one split, streamed; data files only, loading scripts are never run.

    Labels that the data set stores as numbers with names for them come as their names.

    Args:
        identifier: Hub id, or what the user called the folder; stands in messages.
        config: Configuration (subset) of the data set.
        split: Split to read.
        commit: Commit to read at; None for a folder.
        local: The folder, if it is one.
        converted: The commit is of the Hub's own Parquet copy, where a configuration is a folder.
        shard: Which of the data files to read, from 0, and how many there are; None reads all of them.

    Raises:
        DomainAdaptError: If it cannot be read, or has no such configuration or split.
    """
    with _explained(identifier, split, local):
        rows = _open(identifier, config, split, commit, local, converted)
        named = {name: names for name, feature in (rows.features or {}).items() if (names := _names(feature))}
        if shard is not None:
            rows = rows.shard(num_shards=shard[1], index=shard[0])
        for row in rows:
            yield row | {name: _by_name(row[name], names) for name, names in named.items()}


def count_shards(identifier: str, *, config: str | None, split: str, commit: str | None, local: Path | None) -> int:
    """Returns how many data files a split has; arguments and errors are those of :func:`stream_rows`."""
    with _explained(identifier, split, local):
        return int(_open(identifier, config, split, commit, local, converted=False).num_shards)


def _open(
    identifier: str, config: str | None, split: str, commit: str | None, local: Path | None, converted: bool
) -> Any:
    import datasets  # seconds that a run on files or embedded text need not pay

    path = identifier if local is None else str(local.resolve())
    where = {"data_dir": config} if converted else {"name": config}
    return datasets.load_dataset(path, split=split, revision=commit, streaming=True, **where)


@contextmanager
def _explained(identifier: str, split: str, local: Path | None) -> Iterator[None]:
    """Turns whatever goes wrong with a data set into one line."""
    try:
        yield
    except Exception as error:
        # Reading passes through datasets, fsspec, pyarrow and an HTTP library, whose errors share no base class.
        wrong_recipe = isinstance(error, ValueError | FileNotFoundError | KeyError | RuntimeError)
        hint = None if wrong_recipe or local is not None else _OFFLINE_HINT
        if "script" in str(error):
            hint = "only data sets stored as Parquet, JSON, CSV or text are read; no code of theirs is run"
        raise DomainAdaptError(f"{identifier}: cannot be read ({split}): {first_line(error)}", hint=hint) from error


def _names(feature: Any) -> list[str] | None:
    """Returns the names of a column of labels, or of lists of labels; None for any other column."""
    inner = getattr(feature, "feature", feature)
    names = getattr(inner, "names", None)
    return list(names) if names else None


def _by_name(value: Any, names: list[str]) -> Any:
    """Returns the name of a label, or the names of several; what is no such number stays, to be told by its reader."""
    if isinstance(value, list):
        return [_by_name(one, names) for one in value]
    return names[value] if isinstance(value, int) and 0 <= value < len(names) else value
