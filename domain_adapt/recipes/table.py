"""What all tables of a recipe share."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Table(BaseModel):
    """A TOML table: immutable, and a key it does not know is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)
