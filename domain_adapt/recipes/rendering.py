"""A recipe as TOML that explains itself."""

from __future__ import annotations

from typing import Any

import tomlkit
from pydantic import BaseModel


def render(recipe: BaseModel) -> str:
    """Returns the recipe as TOML in which every key carries its meaning as a comment."""
    document = tomlkit.document()
    _render_into(document, recipe)
    return tomlkit.dumps(document)


def _render_into(container: Any, model: BaseModel) -> None:
    """Plain keys first, tables after them, as TOML wants it."""
    tables: list[tuple[str, Any]] = []
    for key, field in type(model).model_fields.items():
        value = getattr(model, key)
        if isinstance(value, BaseModel | dict) or (
            isinstance(value, list) and isinstance(next(iter(value), None), BaseModel)
        ):
            tables.append((key, value))
        elif value is None:
            container.add(tomlkit.comment(f"{key} is not set: {field.description}"))
        else:
            item = tomlkit.item(value)
            container.add(key, item.comment(field.description) if field.description else item)
    for key, value in tables:
        if isinstance(value, list):
            array = tomlkit.aot()
            for entry in value:
                array.append(_table(entry))
            container.add(key, array)
        elif isinstance(value, dict):
            outer = tomlkit.table(is_super_table=True)
            for name, entry in value.items():
                outer.add(name, _table(entry))
            container.add(key, outer)
        else:
            container.add(key, _table(value))


def _table(model: BaseModel) -> Any:
    table = tomlkit.table()
    _render_into(table, model)
    return table
