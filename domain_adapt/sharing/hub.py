"""What pushing and pulling share: names of repositories, what is in one, and errors of the Hub in one line."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from domain_adapt.bases.hub import hub_progress_only_on_terminals
from domain_adapt.errors import DomainAdaptError, first_line

if TYPE_CHECKING:
    from huggingface_hub import HfApi, RepoFile

TIMEOUT_SECONDS = 10.0  # for the first answer; huggingface_hub's own default for a file's metadata
MAIN = "main"
GIT_ATTRIBUTES = ".gitattributes"  # the Hub itself puts it into every repository
_REPO = re.compile(r"^[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*$")
_TAG = re.compile(r"^v([1-9][0-9]*)$")
_LOGIN = "log in with `hf auth login`, or set HF_TOKEN"


def check_repo(repo: str) -> None:
    """Raises DomainAdaptError if ``repo`` is not the id of a repository."""
    if not _REPO.match(repo) or ".." in repo or "--" in repo:  # the Hub allows neither
        raise DomainAdaptError(f"repository {repo!r}: expected OWNER/NAME, such as my-hospital/medical")


def tag_of(version: int) -> str:
    """Returns the tag of a version, ``v3``."""
    return f"v{version}"


def version_tags(api: HfApi, repo: str) -> dict[int, str]:
    """Returns version -> commit of the tags that are versions."""
    found = {_TAG.match(tag.name): tag.target_commit for tag in api.list_repo_refs(repo).tags}
    return {int(match.group(1)): commit for match, commit in found.items() if match}


def listing(api: HfApi, repo: str, revision: str) -> dict[str, RepoFile]:
    """Returns path -> what the Hub says about each file of a revision, its own ``.gitattributes`` left out."""
    from huggingface_hub import RepoFile

    entries = api.list_repo_tree(repo, revision=revision, recursive=True)
    return {one.path: one for one in entries if isinstance(one, RepoFile) and one.path != GIT_ATTRIBUTES}


@contextmanager
def explain_hub(repo: str, outcome: str) -> Iterator[None]:
    """Turns whatever goes wrong between here and the Hub into one line; errors of the disk pass through.

    Args:
        repo: Id of the repository.
        outcome: What became of the work, e.g. "nothing was pulled".

    Raises:
        DomainAdaptError: If the Hub cannot be reached, does not know the repository or the caller, or refuses.
    """
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled

    try:
        with _hub_is_quiet():
            yield
    except DomainAdaptError:
        raise
    except Exception as error:  # an upload wraps the Hub's answer in a RuntimeError, hf_xet has types of its own
        for cause in _causes(error):
            if isinstance(cause, HfHubHTTPError):
                raise _refusal(repo, outcome, cause) from error
        for cause in _causes(error):
            if isinstance(cause, OfflineModeIsEnabled):
                message = f"{repo}: HF_HUB_OFFLINE is set, so the Hub is not asked; {outcome}"
                raise DomainAdaptError(message, hint="unset HF_HUB_OFFLINE") from error
            if isinstance(cause, httpx2.HTTPError | LocalEntryNotFoundError):
                raise _unreachable(repo, outcome, cause) from error
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the disk's, which explain_disk knows
        if isinstance(error, OSError | ValueError | RuntimeError):
            raise DomainAdaptError(f"{repo}: {first_line(error)}; {outcome}") from error
        raise


@contextmanager
def _hub_is_quiet() -> Iterator[None]:
    """Hides what huggingface_hub says about its retries, and its bars where nobody sees them."""
    from huggingface_hub.utils import logging as hub_logging

    before = hub_logging.get_verbosity()
    if not os.environ.get("DOMAIN_ADAPT_DEBUG"):
        hub_logging.set_verbosity(logging.ERROR)
    try:
        with hub_progress_only_on_terminals():
            yield
    finally:
        hub_logging.set_verbosity(before)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _unreachable(repo: str, outcome: str, error: BaseException) -> DomainAdaptError:
    from huggingface_hub import constants

    return DomainAdaptError(
        f"{repo}: the connection to {constants.ENDPOINT} failed ({type(error).__name__}: {first_line(error)}); "
        f"{outcome}",
        hint="check the network and HF_ENDPOINT, then give the same command again",
    )


def _refusal(repo: str, outcome: str, error: Any) -> DomainAdaptError:
    """Returns the one line for an answer of the Hub that is an error."""
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    status = error.response.status_code
    if isinstance(error, RevisionNotFoundError):
        message, hint = "the Hub has no such version of it", "without @..., its highest version is taken"
    elif isinstance(error, GatedRepoError):
        message, hint = "its owner lets only people in who asked for access", f"ask on its page, then {_LOGIN}"
    elif isinstance(error, RepositoryNotFoundError) or status == 404:
        message, hint = "the Hub has no such repository, or it is private", f"check the name; {_LOGIN}"
    elif status == 401:
        message, hint = "the Hub does not know who you are (401)", _LOGIN
    elif status == 403:
        message, hint = "the Hub does not let you do that (403)", "a token with write access to its owner is needed"
    elif status in (409, 412):
        message, hint = f"somebody changed it at the same moment ({status})", "give the same command again"
    elif status >= 500 or status == 429:
        message, hint = f"the Hub has trouble of its own ({status})", "wait a little, then give the same command again"
    else:
        message, hint = f"the Hub refused ({status}): {first_line(error)}", None
    return DomainAdaptError(f"{repo}: {message}; {outcome}", hint=hint)
