"""A data product, as one caller sees it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.flight as flight

from airside import messages
from airside.connection import Connection, check_purpose
from airside.contract import Contract, contract
from airside.errors import PermissionDenied
from airside.result import Reading, Result

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl


class Product:
    """A product by its address. Nothing is asked before a method or property needs it."""

    def __init__(
        self,
        connection: Connection,
        address: str,
        *,
        purpose: str | None,
        reading: Reading,
        as_of: str | None = None,
        since: str | None = None,
    ) -> None:
        self._connection = connection
        self._address = address
        self._purpose = purpose
        self._reading = reading
        self._as_of = as_of
        self._since = since

    @property
    def address(self) -> str:
        """`domain.product`, with `@version` and `/dataset` if they were given."""
        return self._address

    def as_of(self, snapshot: str) -> Product:
        """The product as an earlier snapshot had it, by the id that receipts and `Mesh.changes` carry."""
        return self._at(_snapshot(snapshot), self._since)

    def since(self, snapshot: str) -> Product:
        """Only the rows of files that an earlier snapshot did not have; `NotAppended` if some were replaced since."""
        return self._at(self._as_of, _snapshot(snapshot))

    @property
    def readable(self) -> bool:
        """Whether rows of it may be read for the purpose stated, or it may only be known of."""
        try:
            self.schema  # noqa: B018
        except PermissionDenied:
            return False
        return True

    @property
    def schema(self) -> pa.Schema:
        """The columns the caller may read."""
        descriptor = self._descriptor(messages.product_request(self._address))
        found = self._connection.call(lambda c, options: c.get_schema(descriptor, options), self._purpose)
        return found.schema

    @property
    def contract(self) -> Contract:
        """What the gateway tells of the product's contract."""
        info = self._info(messages.product_request(self._address), self._purpose)
        return contract(self._address, info, self._listed)

    def query(
        self,
        columns: Sequence[str] | None = None,
        where: str | None = None,
        limit: int | None = None,
        purpose: str | None = None,
    ) -> Result:
        """Rows of the product.

        `columns` are those wanted, in this order (all, if not said); `where` is a SQL expression over the product's
        columns; `limit` is how many rows at most; `purpose` goes before the connection's.
        """
        purpose = check_purpose(purpose) or self._purpose
        command = messages.product_request(
            self._address, _columns(columns), _where(where), _limit(limit), purpose, self._as_of, self._since
        )
        return Result(
            self._connection,
            lambda: self._info(command, purpose),
            purpose=purpose,
            reading=self._reading,
            what=self._address,
        )

    def head(self, n: int = 10) -> Result:
        """Some `n` rows."""
        return self.query(limit=n)

    def to_arrow(
        self,
        columns: Sequence[str] | None = None,
        where: str | None = None,
        limit: int | None = None,
        purpose: str | None = None,
    ) -> pa.Table:
        """Rows as an Arrow table; see `query`."""
        return self.query(columns, where, limit, purpose).to_arrow()

    def to_pandas(
        self,
        columns: Sequence[str] | None = None,
        where: str | None = None,
        limit: int | None = None,
        purpose: str | None = None,
        **options: Any,
    ) -> pd.DataFrame:
        """Rows as a pandas frame; see `query`. Options are those of `pyarrow.Table.to_pandas`."""
        return self.query(columns, where, limit, purpose).to_pandas(**options)

    def to_polars(
        self,
        columns: Sequence[str] | None = None,
        where: str | None = None,
        limit: int | None = None,
        purpose: str | None = None,
    ) -> pl.DataFrame:
        """Rows as a polars frame; see `query`."""
        return self.query(columns, where, limit, purpose).to_polars()

    def scan(self) -> pl.LazyFrame:
        """The product as a polars LazyFrame: columns and what can be said in SQL of its filters go to the gateway."""
        from airside.lazy import scan

        return scan(self)

    def __repr__(self) -> str:
        return f"<airside.Product {self._address}>"

    def _at(self, as_of: str | None, since: str | None) -> Product:
        return Product(
            self._connection, self._address, purpose=self._purpose, reading=self._reading, as_of=as_of, since=since
        )

    def _listed(self, schema: str, table: str) -> pa.Table:
        """What the gateway lists of tables whose names match."""
        command = messages.tables(schema, table)
        ask = partial(self._info, command, self._purpose)
        quiet = Reading(progress=False)
        return Result(self._connection, ask, purpose=self._purpose, reading=quiet, what="tables").to_arrow()

    def _info(self, command: bytes, purpose: str | None) -> flight.FlightInfo:
        return describe(self._connection, command, purpose)

    @staticmethod
    def _descriptor(command: bytes) -> flight.FlightDescriptor:
        return flight.FlightDescriptor.for_command(command)


def describe(connection: Connection, command: bytes, purpose: str | None) -> flight.FlightInfo:
    """GetFlightInfo, in as many endpoints as the gateway likes."""
    descriptor = flight.FlightDescriptor.for_command(command)
    ask: Callable[..., Any] = lambda c, options: c.get_flight_info(descriptor, options)  # noqa: E731
    return connection.call(ask, purpose, [(b"airside-endpoints", b"all")])


def _columns(columns: Sequence[str] | None) -> Sequence[str]:
    if columns is None:
        return ()
    if isinstance(columns, str) or not all(isinstance(column, str) for column in columns):
        raise TypeError("`columns` is a list of names")
    if not columns:
        raise ValueError("`columns` names no column: leave it out for all of them")
    return columns


def _snapshot(snapshot: str) -> str:
    if not isinstance(snapshot, str) or not snapshot:
        raise ValueError("a snapshot is the id that a receipt names it by")
    return snapshot


def _where(where: str | None) -> str | None:
    if where is not None and not isinstance(where, str):
        raise TypeError("`where` is a SQL expression as text")
    return where


def _limit(limit: int | None) -> int | None:
    if limit is not None and limit < 0:
        raise ValueError("`limit` is negative")
    return limit
