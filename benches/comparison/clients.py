"""What clients do, in processes of their own: pyarrow and ADBC as they come, one connection kept for all calls."""

from __future__ import annotations

import functools
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import adbc_driver_flightsql.dbapi as adbc
import pyarrow as pa
import pyarrow.flight as flight
from adbc_driver_flightsql import DatabaseOptions

from .rounds import Sample
from .servers import Header

PATIENCE = 240


@functools.cache
def _client(location: str) -> flight.FlightClient:
    return flight.FlightClient(location)


@functools.cache
def _adbc(location: str, header: Header) -> adbc.Connection:
    options = {DatabaseOptions.AUTHORIZATION_HEADER.value: header[1].decode()}
    return adbc.connect(location, db_kwargs=options, autocommit=True)


def export(location: str, descriptor: bytes, headers: tuple[Header, ...] = (), pause: float = 0) -> Sample:
    """Asks, and reads all endpoints: several at once where there are several."""
    started, options = time.perf_counter(), _options(headers)
    info = _client(location).get_flight_info(flight.FlightDescriptor.deserialize(descriptor), options)
    return _read(location, [endpoint.ticket for endpoint in info.endpoints], options, started, pause)


def fetch(location: str, ticket: bytes) -> Sample:
    """Reads what a ticket stands for, from a server that need not be asked first."""
    return _read(location, [flight.Ticket(ticket)], _options(()), time.perf_counter())


def _options(headers: tuple[Header, ...]) -> flight.FlightCallOptions:
    return flight.FlightCallOptions(timeout=PATIENCE, headers=list(headers))


def _read(
    location: str, tickets: list[flight.Ticket], options: flight.FlightCallOptions, started: float, pause: float = 0
) -> Sample:
    """Batch by batch, keeping nothing; with a pause after each, for readers that are slow."""
    client = _client(location)

    def read(ticket: flight.Ticket) -> tuple[float, int, int, int]:
        first, rows, size, batches = 0.0, 0, 0, 0
        for chunk in client.do_get(ticket, options):
            first = first or time.perf_counter() - started
            rows, size, batches = rows + chunk.data.num_rows, size + chunk.data.nbytes, batches + 1
            if pause:
                time.sleep(pause)
        return first, rows, size, batches

    with ThreadPoolExecutor(2) as readers:
        parts = list(readers.map(read, tickets)) if len(tickets) > 1 else [read(tickets[0])]
    wall = time.perf_counter() - started
    firsts, rows, sizes, batches = zip(*parts, strict=True)
    return {"wall": wall, "first": min(firsts), "rows": sum(rows), "bytes": sum(sizes), "batches": sum(batches)}


def listing(location: str, headers: tuple[Header, ...]) -> Sample:
    """ListFlights, all of it."""
    started = time.perf_counter()
    rows = sum(1 for _ in _client(location).list_flights(b"", _options(headers)))
    return {"wall": time.perf_counter() - started, "rows": rows}


def query(location: str, header: Header, sql: str) -> Sample:
    """A statement through Flight SQL, until its answer is there as a table."""
    started = time.perf_counter()
    rows = table(location, header, sql).num_rows
    return {"wall": time.perf_counter() - started, "rows": rows}


def table(location: str, header: Header, sql: str) -> pa.Table:
    """The answer to a statement through Flight SQL."""
    with _adbc(location, header).cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetch_arrow_table()


def lookups(location: str, header: Header, sql: str, keys: list[int]) -> list[float]:
    """Seconds that each key takes, with one prepared statement."""
    with _adbc(location, header).cursor() as cursor:
        return [_lookup(cursor, sql, key) for key in keys]


def busy_lookups(
    location: str, header: Header, sql: str, keys: list[int], connections: int, start: float, end: float
) -> list[float]:
    """The same by several connections at once, between two moments."""
    seconds: list[float] = []

    def work(number: int) -> None:
        options = {DatabaseOptions.AUTHORIZATION_HEADER.value: header[1].decode()}
        with adbc.connect(location, db_kwargs=options, autocommit=True) as connection, connection.cursor() as cursor:
            _lookup(cursor, sql, keys[number])
            time.sleep(max(0, start - time.time()))
            for step in range(number, 1_000_000, connections):
                if time.time() > end:
                    return
                seconds.append(_lookup(cursor, sql, keys[step % len(keys)]))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return seconds


def _lookup(cursor: adbc.Cursor, sql: str, key: int) -> float:
    """A cursor prepares a text once, as long as it is the same."""
    started = time.perf_counter()
    cursor.execute(sql, (key,))
    found = cursor.fetchall()
    seconds = time.perf_counter() - started
    assert len(found) == 1, f"{len(found)} rows of key {key}"
    return seconds
