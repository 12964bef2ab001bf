"""What is known of a name beside its versions: aliases such as ``production``, and the highest number ever given.

Both are small JSON files in ``checkpoints/<name>/``, replaced in one step; the store's lock is held by who writes them.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from domain_adapt.errors import DomainAdaptError
from domain_adapt.workspace import fsync_path, write_json

ALIASES = "aliases.json"
HIGHEST = "highest.json"  # written when a version is removed: its number is not given again
# As long as a version of the Hub's tags may be in practice; no dot at the end, no slash: an alias becomes a tag there.
_ALIAS = re.compile(r"^[a-z]([a-z0-9._-]{0,62}[a-z0-9])?$")
_TAKEN = re.compile(r"^(latest|v[0-9]*)$")


def check_alias(alias: str) -> None:
    """Raises DomainAdaptError if a version cannot be called ``alias``."""
    if not _ALIAS.fullmatch(alias):
        raise DomainAdaptError(
            f"alias {alias!r:.80}: expected at most 64 lower-case letters, digits, '.', '_' and '-', beginning with a "
            "letter and ending with a letter or digit"
        )
    if _TAKEN.fullmatch(alias):
        raise DomainAdaptError(f"alias {alias!r}: latest, v1, v2 and so on are given by the store itself")


def read_aliases(folder: Path) -> dict[str, int]:
    """Returns alias -> version as ``aliases.json`` in the folder of a name says, sorted.

    Raises:
        DomainAdaptError: If the file is damaged.
    """
    found = _read(folder / ALIASES)
    if not all(
        _ALIAS.fullmatch(alias) and not _TAKEN.fullmatch(alias) and _is_version(one) for alias, one in found.items()
    ):
        raise DomainAdaptError(f"{folder / ALIASES}: expected aliases and the numbers of versions")
    return dict(sorted(found.items()))


def write_aliases(folder: Path, aliases: dict[str, int]) -> None:
    """Replaces the aliases of a name in one step: a reader sees the old ones or the new ones."""
    write_json(folder / ALIASES, dict(sorted(aliases.items())))


def read_highest(folder: Path) -> int:
    """Returns the highest number that a removed version had, or 0.

    Raises:
        DomainAdaptError: If the file is damaged.
    """
    number = _read(folder / HIGHEST).get("highest", 0)
    if not (number == 0 or _is_version(number)):
        raise DomainAdaptError(f"{folder / HIGHEST}: expected the number of a version")
    return int(number)


def write_highest(folder: Path, number: int) -> None:
    """Writes the highest number ever given; it is on the disk when this returns."""
    write_json(folder / HIGHEST, {"highest": number})
    fsync_path(folder)


def _is_version(value: Any) -> bool:
    return type(value) is int and value >= 1


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise DomainAdaptError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise DomainAdaptError(f"{path}: cannot be read as JSON: {error}") from None
    if not isinstance(found, dict):
        raise DomainAdaptError(f"{path}: expected a JSON object")
    return found
