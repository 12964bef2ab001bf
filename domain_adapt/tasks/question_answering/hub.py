"""Rows of a labelled data set on the Hugging Face Hub, or in a local folder read the same way."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from domain_adapt.errors import DomainAdaptError
from domain_adapt.recipes import HubDataset

_COMMIT = re.compile(r"[0-9a-f]{40}")
_OFFLINE_HINT = "check the network, or use the embedded data: BASE=mini PROFILE=quick"
_TIMEOUT_SECONDS = 10.0  # for the first answer; without it the client retries for half a minute


def read_rows(dataset: HubDataset) -> Iterator[dict[str, Any]]:
    """Yields the rows of one split, streamed at one commit; data files only, loading scripts are never run.

    Raises:
        DomainAdaptError: If the Hub cannot be reached, or has no such data set, revision, configuration or split.
    """
    local = Path(dataset.hub).expanduser()
    path, commit = (str(local.resolve()), None) if local.is_dir() else (dataset.hub, _commit(dataset))
    import datasets  # takes seconds

    try:
        yield from datasets.load_dataset(
            path, name=dataset.config, split=dataset.split, revision=commit, streaming=True
        )
    except Exception as error:
        # Reading passes through datasets, fsspec, pyarrow and an HTTP library, whose errors share no base class.
        hint = None if local.is_dir() or isinstance(error, ValueError | RuntimeError) else _OFFLINE_HINT
        if "script" in str(error):
            hint = "only data sets stored as Parquet, JSON or CSV are read; no code of theirs is run"
        raise DomainAdaptError(
            f"{dataset.hub} ({dataset.split}): cannot be read: {_first_line(error)}", hint=hint
        ) from error


def _commit(dataset: HubDataset) -> str:
    """Returns the commit that the recipe's revision stands for now."""
    if _COMMIT.fullmatch(dataset.revision):
        return dataset.revision
    from huggingface_hub import HfApi
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

    try:
        info = HfApi().dataset_info(dataset.hub, revision=dataset.revision, timeout=_TIMEOUT_SECONDS)
    except RevisionNotFoundError as error:
        raise DomainAdaptError(f"{dataset.hub}: the Hub data set has no revision {dataset.revision!r}") from error
    except RepositoryNotFoundError as error:
        hint = "check the id; a private or gated one needs `hf auth login`"
        raise DomainAdaptError(f"{dataset.hub}: no such data set on the Hugging Face Hub", hint=hint) from error
    except Exception as error:  # offline mode, timeouts, refused connections, HTTP errors: no common base class
        problem = f"{dataset.hub}: the Hugging Face Hub cannot be reached: {_first_line(error)}"
        raise DomainAdaptError(problem, hint=_OFFLINE_HINT) from error
    return str(info.sha)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
