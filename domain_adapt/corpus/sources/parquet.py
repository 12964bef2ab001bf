"""Reader of Parquet files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from domain_adapt.corpus.sources.compression import seekable
from domain_adapt.corpus.sources.fields import Fields
from domain_adapt.corpus.sources.textfile import Item, Opened, Refused
from domain_adapt.errors import DomainAdaptError, first_line

# Rows held as Python objects at once; long documents of 100 KB make 25 MB of it.
_ROWS = 256


def read_parquet(file: Opened) -> Iterator[Item]:
    """Yields one document a row; only the columns that matter are read."""
    import pyarrow as pa  # some 0.2 s that other formats need not pay
    import pyarrow.parquet as pq

    with seekable(file.stream) as stream:
        try:
            table = pq.ParquetFile(stream)
            fields = Fields(file)
            columns = _columns(file, fields, table.schema_arrow)
            number = 0
            for batch in table.iter_batches(batch_size=_ROWS, columns=columns):
                for row in batch.to_pylist():
                    number += 1
                    identifier = row.get(file.file.id_field)
                    if identifier is not None and not isinstance(identifier, dict | list):  # dates, decimals, bytes
                        row[file.file.id_field] = str(identifier)
                    yield fields.document(row, f"row {number}", f"{file.name}:{number}")
        except (pa.ArrowException, pa.ArrowMemoryError) as error:  # a damaged file can claim any size
            raise Refused("corrupt", f"not a readable Parquet file: {first_line(error)}") from None


def _columns(file: Opened, fields: Fields, schema: Any) -> list[str]:
    """Returns the columns to read, checked against the schema."""
    types = _leaves(schema)
    texts = [name for name, kind in types.items() if _is_text(kind)]
    wanted = fields.wanted
    # All fields of objects would make a long message.
    fields.check_columns([*schema.names, *(name for name in wanted if name in types)], None, texts)
    for name in wanted:
        if file.file.template is None and not _is_text(types[name]):
            raise DomainAdaptError(f"{file.shown}: column {name!r}: expected strings, found {types[name]}")
    return list(dict.fromkeys([*wanted, *([file.file.id_field] if file.file.id_field in types else [])]))


def _leaves(schema: Any) -> dict[str, Any]:
    """Returns the types of columns by name, those of structs' fields as ``a.b``."""
    import pyarrow.types as types

    found: dict[str, Any] = {}
    waiting = [(field.name, field.type) for field in schema]
    while waiting:
        name, kind = waiting.pop(0)
        found.setdefault(name, kind)
        if types.is_struct(kind):
            waiting += [
                (f"{name}.{kind.field(index).name}", kind.field(index).type) for index in range(kind.num_fields)
            ]
    return found


def _is_text(kind: Any) -> bool:
    import pyarrow.types as types

    kind = kind.value_type if types.is_dictionary(kind) else kind
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))
