"""One mesh over whichever store: events in partitions, and what may be asked of them."""

from __future__ import annotations

import datetime
import io
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.flight as flight
import pyarrow.parquet as pq

import gateway as gateways
import hostile
import stores
from gateway import Gateway
from stores import Store

FIRST = datetime.date(2026, 1, 1)
DAYS, ROWS = 3, 200
SCHEMA = pa.schema([("id", pa.int64()), ("side", pa.string()), ("note", pa.string()), ("day", pa.date32())])
POLICY = """
permit (principal in Group::"readers", action in [Action::"discover", Action::"readColumn"], resource in Domain::"own");
permit (principal in Group::"readers", action == Action::"query", resource is own::events)
when { resource.row has side && resource.row.side == "open" && resource.row has day
       && resource.row.day >= datetime("2026-01-02") };
"""
PLACES = {"events": "events/", "globbed": "events/day=2026-01-0[12]/*.parquet", "single": "single.parquet"}


def day(number: int) -> datetime.date:
    return FIRST + datetime.timedelta(days=number)


def rows(number: int, start: int = 0) -> pa.Table:
    """A day's rows, as its file has them: the day itself is in the folder's name."""
    ids = range(number * 1000 + start, number * 1000 + start + ROWS)
    sides = ["open" if id % 2 else "shut" for id in ids]
    return pa.table([pa.array(ids), pa.array(sides), pa.array([f"note {id}" for id in ids])], names=SCHEMA.names[:3])


def parquet(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, row_group_size=50, compression="zstd")
    return sink.getvalue()


def path(number: int, name: str = "part-0.parquet") -> str:
    return f"events/day={day(number)}/{name}"


def fill(store: Store) -> None:
    """The files of every product."""
    for number in range(DAYS):
        store.write(path(number), parquet(rows(number)))
    store.write("events/_SUCCESS", b"")
    store.write("single.parquet", parquet(rows(0)))


class Lake:
    """A gateway over a store."""

    def __init__(self, running: Gateway, store: Store) -> None:
        self.running = running
        self.store = store

    def ask(self, name: str, sql: str) -> pa.Table:
        return self.read(name, self.info(name, sql))

    def info(self, name: str, sql: str | bytes) -> flight.FlightInfo:
        command = sql if isinstance(sql, bytes) else sql.encode()
        with flight.FlightClient(self.running.flight) as client:
            return client.get_flight_info(flight.FlightDescriptor.for_command(command), options(name))

    def read(self, name: str, info: flight.FlightInfo) -> pa.Table:
        with flight.FlightClient(self.running.flight) as client:
            return pa.concat_tables(client.do_get(each.ticket, options(name)).read_all() for each in info.endpoints)

    def ids(self, name: str, where: str = "true", table: str = "events") -> list[int]:
        return self.ask(name, f"SELECT id FROM own.{table} WHERE {where} ORDER BY id")["id"].to_pylist()

    def eventually(self, expected: list[int], table: str = "events", timeout: float = 30) -> None:
        """Waits until these are the rows; a state in between is refused, never shown."""

        def are_there() -> bool:
            try:
                return self.ids("keeper", table=table) == expected
            except flight.FlightUnavailableError:
                return False

        self.running.wait_until(are_there, "the rows expected", timeout)


def options(name: str, timeout: float = 50) -> flight.FlightCallOptions:
    return flight.FlightCallOptions(
        timeout=timeout, headers=[(b"authorization", f"Bearer {hostile.token(name)}".encode())]
    )


def describe(mesh: hostile.Mesh, domain: str, name: str, contract: dict) -> None:
    file = mesh.directory / f"mesh/domains/{domain}/products/{name}.odcs.yaml"
    file.write_text(json.dumps(contract))


def serve(
    directory: Path,
    store: Store,
    settings: str = "",
    places: dict[str, str] = PLACES,
    also: Callable[[hostile.Mesh], None] = lambda mesh: None,
    env: dict[str, str] | None = None,
) -> Lake:
    """A gateway over the lake; `also` adds other domains, `env` variables."""
    mesh = hostile.Mesh(directory)
    mesh.domain("own", POLICY if "events" in places else "")
    for name, place in places.items():
        schema = SCHEMA if place.startswith("events") else pa.schema(list(SCHEMA)[:3])
        document = hostile.contract("own", name, schema, place)
        document["servers"] = [store.server(place)]
        describe(mesh, "own", name, document)
    also(mesh)
    settings = f"{settings}\n[data]\nrefresh_seconds = 1\npatience_seconds = 3\n{store.settings}"
    settings += f'\n[mesh.domains.own]\ndata = "{store.root}"\n'
    config = mesh.govern(hostile.GOVERNANCE, settings)
    running = gateways.serve(config, directory / "gateway.log", env={**stores.credentials(), **(env or {})})
    running.directory = directory
    return Lake(running, store)
