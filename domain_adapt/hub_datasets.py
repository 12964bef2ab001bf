"""Rows of a data set on the Hugging Face Hub, or in a local folder read the same way: text and labels alike."""

from __future__ import annotations

import re
from collections.abc import Iterator
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
    identifier: str, *, config: str | None, split: str, commit: str | None, local: Path | None
) -> Iterator[dict[str, Any]]:
    """Yields the rows of one split, streamed; data files only, loading scripts are never run.

    Args:
        identifier: Hub id, or what the user called the folder; stands in messages.
        config: Configuration (subset) of the data set.
        split: Split to read.
        commit: Commit to read at; None for a folder.
        local: The folder, if it is one.

    Raises:
        DomainAdaptError: If it cannot be read, or has no such configuration or split.
    """
    import datasets  # seconds that a run on files or embedded text need not pay

    path = identifier if local is None else str(local.resolve())
    try:
        yield from datasets.load_dataset(path, name=config, split=split, revision=commit, streaming=True)
    except Exception as error:
        # Reading passes through datasets, fsspec, pyarrow and an HTTP library, whose errors share no base class.
        wrong_recipe = isinstance(error, ValueError | FileNotFoundError | KeyError | RuntimeError)
        hint = None if wrong_recipe or local is not None else _OFFLINE_HINT
        if "script" in str(error):
            hint = "only data sets stored as Parquet, JSON, CSV or text are read; no code of theirs is run"
        raise DomainAdaptError(f"{identifier}: cannot be read ({split}): {first_line(error)}", hint=hint) from error
