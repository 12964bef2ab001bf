"""A base from the Hugging Face Hub: safetensors, config and tokenizer of one commit, and nothing else."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from domain_adapt.checkpoints.untrusted import INDEX, WEIGHTS, no_safetensors
from domain_adapt.disk import explain_disk
from domain_adapt.errors import DomainAdaptError

logger = logging.getLogger(__name__)

_FILES = [
    "config.json",
    WEIGHTS,
    INDEX,
    "model-*-of-*.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.*",
    "merges.txt",
    "special_tokens_map.json",
    "added_tokens.json",
    "*.model",
]
_TIMEOUT_SECONDS = 10.0  # for the first answer; huggingface_hub's own default for a file's metadata


@dataclass(frozen=True)
class HubSnapshot:
    """The files of one commit in the local Hub cache."""

    folder: Path
    commit: str
    licence: str | None


def download(hub_id: str, revision: str | None) -> HubSnapshot:
    """Returns the snapshot of ``hub_id`` at ``revision`` (default branch if None), downloading what is not cached.

    Without a connection a cached snapshot is used.

    Raises:
        DomainAdaptError: If the Hub does not know it, wants a login, cannot be reached and nothing is cached, or the
            repository has only pickled weights.
    """
    import httpx2
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.constants import HF_HUB_CACHE
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        info = HfApi().model_info(hub_id, revision=revision, timeout=_TIMEOUT_SECONDS)
        _check_files(hub_id, [sibling.rfilename for sibling in info.siblings or []])
        with explain_disk(Path(HF_HUB_CACHE), f"{hub_id} was not downloaded"), hub_progress_only_on_terminals():
            # One level only: a pattern's "*" crosses "/", and onnx/, openvino/ and the like are of no use here.
            # By the name of the revision, not info.sha: only then does the cache learn which commit the name means,
            # which is how it is found again without a connection.
            folder = snapshot_download(
                hub_id, revision=revision, allow_patterns=_FILES, ignore_patterns=["*/*"], etag_timeout=_TIMEOUT_SECONDS
            )
        return HubSnapshot(Path(folder), Path(folder).name, _licence(info))
    except RevisionNotFoundError as error:
        raise DomainAdaptError(f"base {hub_id!r}: the Hub has no revision {revision!r} of it") from error
    except GatedRepoError as error:
        raise DomainAdaptError(
            f"base {hub_id!r}: its owner lets only people in who asked for access",
            hint=f"ask at https://huggingface.co/{hub_id}, then `hf auth login`",
        ) from error
    except RepositoryNotFoundError as error:
        raise DomainAdaptError(
            f"base {hub_id!r}: neither a folder, nor a checkpoint here, nor a model on the Hub",
            hint="`domain-adapt checkpoints` lists checkpoints; a private model needs `hf auth login`",
        ) from error
    except (httpx2.HTTPError, HfHubHTTPError, OfflineModeIsEnabled, LocalEntryNotFoundError) as error:
        return _from_cache(hub_id, revision, error)


def _from_cache(hub_id: str, revision: str | None, reason: Exception) -> HubSnapshot:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        folder = snapshot_download(
            hub_id, revision=revision, allow_patterns=_FILES, ignore_patterns=["*/*"], local_files_only=True
        )
    except LocalEntryNotFoundError:
        detail = str(reason).strip().splitlines() or [""]
        raise DomainAdaptError(
            f"base {hub_id!r}: the Hub cannot be reached and there is no copy of it on this machine "
            f"({type(reason).__name__}: {detail[0]})",
            hint="BASE=mini needs no network",
        ) from reason
    logger.warning("the Hub cannot be reached: %s is taken from the local cache", hub_id)
    return HubSnapshot(Path(folder), Path(folder).name, None)


def _check_files(hub_id: str, files: list[str]) -> None:
    if WEIGHTS not in files and INDEX not in files:
        raise no_safetensors(hub_id, [file for file in files if "/" not in file])
    if "config.json" not in files:
        raise DomainAdaptError(f"base {hub_id!r}: the repository has no config.json")


def _licence(info: Any) -> str | None:
    licence = getattr(info.card_data, "license", None)
    return ", ".join(licence) if isinstance(licence, list) else licence


@contextmanager
def hub_progress_only_on_terminals() -> Iterator[None]:
    """Hides the progress bars of huggingface_hub where stderr is a file or a pipe."""
    import sys

    from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    quiet = not sys.stderr.isatty() and not are_progress_bars_disabled()
    if quiet:
        disable_progress_bars()
    try:
        yield
    finally:
        if quiet:
            enable_progress_bars()
