"""What a run chose for its machine, kept in ``machine.json`` so that a resumed run chooses the same.

Another number of threads or of rows in a pass, another precision, a compiled kernel: each adds the same numbers in
another order. None is part of a run's identity, but a run that is killed and goes on ends with the bytes of an
undisturbed one only if it keeps them.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from domain_adapt.workspace import write_json

logger = logging.getLogger(__name__)

Choice = TypeVar("Choice", str, int, bool)


def settle(
    run_folder: Path | None,
    key: str,
    *,
    given: Choice | None = None,
    choose: Callable[[], Choice],
    possible: Callable[[Choice], bool] = lambda choice: True,
) -> Choice:
    """Returns the choice for ``key``: the given one, else the run's earlier one if possible, else a new one.

    The choice is written down; if it is not the earlier one, a line says so.

    Args:
        run_folder: Exists; None: there is no run, and nothing is read or written.
        key: Name of the choice in ``machine.json``.
        given: What the recipe says, None where it leaves the choice to the machine.
        choose: Called only if a new choice is needed.
        possible: Tells whether an earlier choice can still be had on this machine.
    """
    if run_folder is None:
        return choose() if given is None else given
    path = run_folder / _file_name()
    earlier = _read(path)
    before: Choice | None = earlier.get(key)
    choice = given
    if choice is None:
        choice = before if before is not None and possible(before) else choose()
    if before is not None and choice != before:
        logger.warning(
            "this run had %s = %s until now and goes on with %s: its weights may differ in the last digits from those "
            "of a run that was never interrupted",
            *(key, _text(before), _text(choice)),
        )
    if choice != before:
        write_json(path, earlier | {key: choice})
    return choice


def choices_of(run_folder: Path) -> dict[str, Any]:
    """Returns what a run has chosen so far, by name."""
    return _read(run_folder / _file_name())


def choose_as(run_folder: Path, choices: Mapping[str, Any]) -> None:
    """Makes a run that has not begun choose as an earlier one did, where the machine lets it."""
    path = run_folder / _file_name()
    if not path.exists():
        run_folder.mkdir(parents=True, exist_ok=True)
        write_json(path, dict(choices))


def _file_name() -> str:
    # Ranks may be on unlike machines, and two must not write one file.
    rank = int(os.environ.get("RANK") or 0)
    return f"machine-{rank}.json" if rank else "machine.json"


def _read(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # the run is new, or its file is damaged: then the choices are made anew
        return {}
    return values if isinstance(values, dict) else {}


def _text(choice: Choice) -> str:
    return str(choice).lower() if isinstance(choice, bool) else str(choice)
