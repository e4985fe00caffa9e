"""A Flight server that answers in several endpoints and fails when it is told to."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator

import pyarrow as pa
import pyarrow.flight as flight

from airside.protobuf import encode

SCHEMA = pa.schema([("endpoint", pa.int64()), ("n", pa.int64()), ("payload", pa.string())])

Failure = Exception | Callable[[], None]


def rows(endpoint: int, batches: int = 3, size: int = 10, payload: str = "") -> list[pa.RecordBatch]:
    """The rows of an endpoint, so that each tells which it is."""
    numbers = [range(batch * size, (batch + 1) * size) for batch in range(batches)]
    return [
        pa.record_batch([pa.array([endpoint] * size), pa.array(n), pa.array([payload] * size)], schema=SCHEMA)
        for n in map(list, numbers)
    ]


class _Headers(flight.ServerMiddlewareFactory):
    def __init__(self, seen: list[tuple[str, dict[str, list[str]]]]) -> None:
        self.seen = seen

    def start_call(self, info, headers):
        self.seen.append((info.method.name, headers))


class Server(flight.FlightServerBase):
    """Gives `endpoints`, each of its batches. Scripts say what fails: `asking`, and `reading[endpoint]` as pairs of the
    number of batches sent before and what is raised then."""

    def __init__(self, endpoints: list[list[pa.RecordBatch]], locations: list[str] | None = None) -> None:
        self.seen: list[tuple[str, dict[str, list[str]]]] = []
        super().__init__("grpc://127.0.0.1:0", middleware={"headers": _Headers(self.seen)})
        self.endpoints = endpoints
        self.locations = locations or []
        self.asking: list[Exception] = []
        self.reading: dict[int, list[tuple[int, Failure]]] = defaultdict(list)
        self.snapshots = ["snapshot"]
        self.asked = 0
        self.read: Counter[int] = Counter()
        self.sent = 0
        self.ended = threading.Event()

    @property
    def uri(self) -> str:
        return f"grpc://127.0.0.1:{self.port}"

    def get_flight_info(self, context, descriptor):
        self.asked += 1
        if self.asking:
            raise self.asking.pop(0)
        endpoints = [
            flight.FlightEndpoint(f"{self.asked}:{number}".encode(), self.locations)
            for number in range(len(self.endpoints))
        ]
        receipt = encode((1, f"decision {self.asked}"), (4, encode((1, "a.b"), (3, self.snapshots[0]))))
        self.snapshots = self.snapshots[1:] or self.snapshots
        return flight.FlightInfo(SCHEMA, descriptor, endpoints, -1, -1, False, app_metadata=receipt)

    def do_get(self, context, ticket):
        number = int(ticket.ticket.split(b":")[1])
        self.read[number] += 1
        script = self.reading[number].pop(0) if self.reading[number] else None
        return flight.GeneratorStream(SCHEMA, self._batches(number, script))

    def _batches(self, number: int, script: tuple[int, Failure] | None) -> Iterator[pa.RecordBatch]:
        try:
            for index, batch in enumerate(self.endpoints[number]):
                if script and script[0] == index:
                    self._fail(script[1])
                self.sent += 1
                yield batch
            if script and script[0] >= len(self.endpoints[number]):
                self._fail(script[1])
        finally:
            self.ended.set()

    @staticmethod
    def _fail(failure: Failure) -> None:
        if isinstance(failure, Exception):
            raise failure
        failure()
