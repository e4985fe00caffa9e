"""What a caller may know of a product's contract: put together from what the gateway tells of an answer to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
import pyarrow.flight as flight

from airside.receipt import Receipt

# Flight SQL's keys, and Airside's own.
_REMARKS = b"ARROW:FLIGHT:SQL:REMARKS"
_SCHEMA, _TABLE = b"ARROW:FLIGHT:SQL:DB_SCHEMA_NAME", b"ARROW:FLIGHT:SQL:TABLE_NAME"
_MASK, _ROWS, _STATUS = b"airside.mask", b"airside.rows", b"airside.status"


@dataclass(frozen=True)
class Column:
    """A column that the caller may read."""

    name: str
    type: pa.DataType
    nullable: bool
    description: str | None
    """The contract's words; None if there are none."""
    mask: str | None
    """How it is masked for this caller: null, redact, hmac, partial or year; None if it comes as it is."""


@dataclass(frozen=True)
class Contract:
    """What the caller may know of a product's contract. The contract itself stays with the gateway."""

    address: str
    version: str
    """The version that answers."""
    description: str | None
    """The contract's words on the dataset; None if there are none."""
    deprecated: bool
    """Whether its owner asks to use another version."""
    columns: tuple[Column, ...]
    """The columns the caller may read."""
    rows_restricted: bool
    """Whether a policy keeps rows back from this caller."""
    fresh_as_of: datetime | None
    """When the data changed last."""

    @property
    def domain(self) -> str:
        """The domain that owns the product."""
        return self.address.split(".", 1)[0]


def contract(address: str, info: flight.FlightInfo, listed: Callable[[str, str], pa.Table]) -> Contract:
    """The contract of the product at `address`, from an answer to all of it.

    `listed` gives Flight SQL's listing of a schema and a table, with its schemas.
    """
    datasets = Receipt.parse(info.app_metadata).datasets
    read = datasets[0] if datasets else None
    fields = list(info.schema)
    table = _table(fields, listed)
    told = {field.name: field for field in table or ()}
    remarks = (table.metadata or {}).get(_REMARKS) if table else None
    return Contract(
        address=read.address if read else address,
        version=read.version if read else "",
        description=remarks.decode(errors="replace") if remarks else None,
        deprecated=any(_told(field, _STATUS) == "deprecated" for field in fields),
        columns=tuple(column(told.get(field.name, field), read.masked if read else {}) for field in fields),
        rows_restricted=bool(read and read.rows_restricted),
        fresh_as_of=read.fresh_as_of if read else None,
    )


def column(field: pa.Field, masked: dict[str, str]) -> Column:
    """A column, as it is listed; `masked` is the receipt's."""
    return Column(field.name, field.type, field.nullable, _words(field), masked.get(field.name))


def _words(field: pa.Field) -> str | None:
    """The contract's words in a remark, which goes on with how the caller sees the column."""
    words = _told(field, _REMARKS) or ""
    mask = _told(field, _MASK)
    seen = [
        f"masked: {mask}" if mask else "",
        "rows restricted" if _told(field, _ROWS) else "",
        "deprecated" if _told(field, _STATUS) == "deprecated" else "",
    ]
    for each in filter(None, reversed(seen)):
        words = words.removesuffix(each).removesuffix("; ")
    return words or None


def _table(fields: list[pa.Field], listed: Callable[[str, str], pa.Table]) -> pa.Schema | None:
    """The schema that the dataset's listing among the tables carries: remarks stand nowhere else."""
    names = {(_told(field, _SCHEMA), _told(field, _TABLE)) for field in fields}
    for schema, table in names:
        if schema is None or table is None:
            continue
        for row in listed(schema, table).to_pylist():
            # The listing takes the names for patterns.
            if (row["db_schema_name"], row["table_name"]) == (schema, table):
                return pa.ipc.read_schema(pa.py_buffer(row["table_schema"]))
    return None


def _told(field: pa.Field, key: bytes) -> str | None:
    value = (field.metadata or {}).get(key)
    return value.decode(errors="replace") if value else None
