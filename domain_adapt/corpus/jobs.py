"""What a process that prepares parts is told, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from domain_adapt.corpus.sources.base import Part


@dataclass(frozen=True)
class Job:
    """One part, and the file that is to hold what is left of it."""

    part: Part
    path: Path


@dataclass(frozen=True)
class Failure:
    """Why a job was not done; ``user`` where the user can mend it."""

    message: str
    hint: str | None
    user: bool
