"""Rows of data sets that call their columns otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def renamed(row: object, columns: Mapping[str, str | None]) -> object:
    """Returns a row with its columns under the names that are known here; what is no object is returned as it is.

    Args:
        row: Of a file or a data set.
        columns: Name here -> name there, or None for a column that there is not. ``a.b`` is the field ``b`` of the
            object in column ``a``; a list of texts in it is joined by blanks. One that the row lacks is left out, and
            other columns keep their names.
    """
    if not isinstance(row, Mapping):
        return row
    found = {name: value for name, value in row.items() if name not in columns}
    for name, column in columns.items():
        if column is None:
            continue
        try:
            found[name] = _look_up(row, column)
        except KeyError:
            continue
    return found


def _look_up(row: Mapping[str, Any], column: str) -> Any:
    """Returns the value of a column; raises KeyError if there is none."""
    if column in row:
        return row[column]
    first, dot, rest = column.partition(".")
    inner = row[first]
    if not dot or not isinstance(inner, Mapping):
        raise KeyError(column)
    value = _look_up(inner, rest)
    is_texts = isinstance(value, list | tuple) and all(isinstance(one, str) for one in value)
    return " ".join(value) if is_texts else value
