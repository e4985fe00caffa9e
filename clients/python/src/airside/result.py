"""What a question gives: its schema and receipt at once, its rows when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.flight as flight

from airside.connection import Connection
from airside.download import Download
from airside.errors import Internal, Outdated
from airside.progress import meter
from airside.protobuf import Malformed
from airside.receipt import Receipt

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

# How often a question is asked anew because its tickets have gone out of date while its rows were fetched.
_ASKED_ANEW = 3


@dataclass(frozen=True)
class Reading:
    """How rows are fetched."""

    parallel: int = 4
    """How many endpoints at once."""
    progress: bool | None = None
    """Whether a bar shows it; None if standard error is a terminal."""


class Result:
    """The answer to a question. Its rows may be read several times; they are fetched each time."""

    def __init__(
        self,
        connection: Connection,
        ask: Callable[[], flight.FlightInfo],
        *,
        purpose: str | None,
        reading: Reading,
        what: str,
    ) -> None:
        self._connection = connection
        self._ask = ask
        self._purpose = purpose
        self._reading = reading
        self._what = what
        self._info = ask()

    @property
    def schema(self) -> pa.Schema:
        """The names and types of the columns."""
        return self._info.schema

    @property
    def receipt(self) -> Receipt:
        """What the answer is made of. After rows were read it is the receipt of those rows."""
        return _receipt(self._info)

    def to_arrow(self) -> pa.Table:
        """All rows. An endpoint that fails is fetched again, and the whole question is asked again if it must be."""
        for _ in range(_ASKED_ANEW):
            try:
                return self._table()
            except Outdated:
                self._info = self._ask()
        return self._table()

    def to_pandas(self, **options: Any) -> pd.DataFrame:
        """All rows; options are those of `pyarrow.Table.to_pandas`."""
        return self.to_arrow().to_pandas(**options)

    def to_polars(self) -> pl.DataFrame:
        """All rows."""
        import polars as pl

        frame = pl.from_arrow(self.to_arrow())
        assert isinstance(frame, pl.DataFrame)
        return frame

    def batches(self) -> Generator[pa.RecordBatch, None, None]:
        """The rows as they come, in order. Closing the iterator, or dropping it, ends the query."""
        started = False
        for chance in range(_ASKED_ANEW, -1, -1):
            try:
                with closing(self._download(whole=False)) as batches:
                    for batch in batches:
                        started = True
                        yield batch
                return
            except Outdated:
                # What was handed out already cannot be taken back.
                if started or not chance:
                    raise
                self._info = self._ask()

    def to_reader(self) -> pa.RecordBatchReader:
        """The rows as a stream, as DuckDB and others take it."""
        return pa.RecordBatchReader.from_batches(self.schema, self.batches())

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        return self.batches()

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """The rows for any library that speaks Arrow's PyCapsule protocol."""
        return self.to_reader().__arrow_c_stream__(requested_schema)

    def __repr__(self) -> str:
        return f"<airside.Result of {self._what}: {', '.join(self.schema.names)}>"

    def _renewed(self) -> Sequence[flight.FlightEndpoint] | None:
        """New tickets for the same rows; None if it is no longer the same answer."""
        before, self._info = self._info, self._ask()
        now = self._info
        same = (
            before.schema.equals(now.schema)
            and len(before.endpoints) == len(now.endpoints)
            and _made_of(before) == _made_of(now)
        )
        return list(now.endpoints) if same else None

    def _table(self) -> pa.Table:
        with closing(self._download(whole=True)) as batches:
            return pa.Table.from_batches(batches, schema=self.schema)

    def _download(self, whole: bool) -> Generator[pa.RecordBatch, None, None]:
        endpoints = self._info.endpoints
        shown = self._reading.progress if whole else False
        with meter(shown, self._what, len(endpoints)) as told:
            download = Download(
                self._connection,
                endpoints,
                purpose=self._purpose,
                parallel=self._reading.parallel,
                whole=whole,
                meter=told,
                renew=self._renewed,
            )
            with closing(download.batches()) as batches:
                yield from batches


def _receipt(info: flight.FlightInfo) -> Receipt:
    try:
        return Receipt.parse(info.app_metadata)
    except Malformed as error:
        raise Internal(f"the receipt cannot be read: {error}") from None


def _made_of(info: flight.FlightInfo) -> tuple[object, ...]:
    """What decides which rows an answer has, and how they are divided."""
    receipt = _receipt(info)
    return receipt.policy_version, receipt.purpose, receipt.datasets
