"""A data mesh behind a gateway: its products by name, and SQL over all of them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any

import pyarrow as pa
import pyarrow.flight as flight

from airside import messages
from airside.change import Change
from airside.connection import Connection, Tls, check_purpose
from airside.credentials import Token, credentials
from airside.errors import AirsideError, Internal
from airside.parameters import row
from airside.product import Product, describe
from airside.result import Reading, Result
from airside.retry import Retry


def connect(
    location: str,
    *,
    user: str | None = None,
    password: str | None = None,
    token: Token | None = None,
    purpose: str | None = None,
    tls: Tls | None = None,
    timeout: float | None = 120.0,
    parallel: int = 4,
    progress: bool | None = None,
    retry: Retry | None = None,
    insecure: bool = False,
) -> Mesh:
    """Connects to the gateway at `location`, such as `grpc+tls://gateway.example.com:50051`.

    - `user` and `password`, or a `token` (a text, or something that gives one when it is called, such as
      `ClientCredentials` and `DeviceFlow`), or the client certificate of `tls`: who asks.
    - `purpose`: stated with every question.
    - `timeout`: how many seconds a call that plans may take; rows may take as long as they come.
    - `parallel`: how many endpoints of an answer are fetched at once.
    - `progress`: whether a bar shows downloads; by default on a terminal only, and if `rich` is installed.
    - `retry`: how often, and after which pauses, what a gateway could not answer is asked again.
    - `insecure`: permits an unencrypted connection to another machine, where the network itself is trusted.

    Nothing is sent yet: the first call finds out whether gateway and credentials are good.
    """
    if parallel < 1:
        raise ValueError("`parallel` is at least 1")
    connection = Connection(
        location,
        credentials(user, password, token, timeout),
        tls=tls or Tls(),
        timeout=timeout,
        retry=retry or Retry(),
        insecure=insecure,
    )
    return Mesh(connection, purpose=check_purpose(purpose), reading=Reading(parallel, progress))


class Mesh:
    """What `connect` gives. May be used by several threads; ends as a context manager, or by `close`."""

    def __init__(self, connection: Connection, *, purpose: str | None, reading: Reading) -> None:
        self._connection = connection
        self._purpose = purpose
        self._reading = reading

    @property
    def purpose(self) -> str | None:
        """The purpose stated with every question; None if there is none."""
        return self._purpose

    def for_purpose(self, purpose: str | None) -> Mesh:
        """The same connection, for another purpose."""
        return Mesh(self._connection, purpose=check_purpose(purpose), reading=self._reading)

    def products(self, prefix: str = "") -> list[Product]:
        """What the caller may discover and whose address begins with `prefix`: products, or each of their datasets."""

        def ask(client: flight.FlightClient, options: flight.FlightCallOptions) -> list[list[bytes]]:
            return [info.descriptor.path for info in client.list_flights(prefix.encode(), options)]

        return [self[_address(path)] for path in self._connection.call(ask, self._purpose)]

    def __getitem__(self, address: str) -> Product:
        """The product at `domain.product`, `domain.product@2`, `domain.product/dataset`, whether it exists or not."""
        if not isinstance(address, str) or "." not in address:
            raise ValueError("the address of a product is `domain.product`")
        return Product(self._connection, address, purpose=self._purpose, reading=self._reading)

    def sql(self, query: str, parameters: Sequence[Any] = (), *, purpose: str | None = None) -> Result:
        """The answer to a SQL query. Parameters are the values of its `?`, or of its `$1`, `$2`, …

        Values may be Python's, numpy's or Arrow's scalars.
        """
        if isinstance(parameters, (str, bytes)) or not isinstance(parameters, Sequence):
            raise TypeError("`parameters` is a list of values")
        purpose = check_purpose(purpose) or self._purpose
        values = list(parameters)

        def ask() -> flight.FlightInfo:
            if not values:
                return describe(self._connection, messages.statement(query), purpose)
            return self._prepared(query, values, purpose)

        return Result(self._connection, ask, purpose=purpose, reading=self._reading, what="query")

    def changes(self, *products: str) -> Iterator[Change]:
        """Each new snapshot of products, or of all that one may read: first what there is, then what comes, endlessly.

        When the gateway ends, or the connection, it is followed anew; what changed meanwhile is then told once.
        """
        body = json.dumps({"products": products} if products else {}).encode()
        told: dict[tuple[str, str], str] = {}
        while True:
            for change in self._connection.follow(flight.Action(messages.CHANGES, body), self._purpose):
                parsed = Change.parse(change)
                key = (parsed.product, parsed.version)
                if told.get(key) != parsed.snapshot:
                    told[key] = parsed.snapshot
                    yield parsed
            # The gateway has just ended or was not there: whoever comes back at once finds it so again.
            time.sleep(min(self._connection.retry.longest, 1.0))

    def close(self) -> None:
        """Ends the connection, and that of all that `for_purpose` gave."""
        self._connection.close()

    def __enter__(self) -> Mesh:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<airside.Mesh at {self._connection.location}>"

    def _prepared(self, query: str, values: list[Any], purpose: str | None) -> flight.FlightInfo:
        """Prepares, binds, asks and closes: the tickets carry all that the rows need."""
        call = self._connection.call
        action = flight.Action(messages.CREATE_PREPARED, messages.prepare(query))
        results = call(lambda client, options: list(client.do_action(action, options)), purpose)
        if len(results) != 1:
            raise Internal("the gateway prepared the statement and gave no handle")
        handle, declared = messages.prepared(results[0].body.to_pybytes())
        try:
            bound = row(values, _schema(declared))
            rebound = call(lambda client, options: _bind(client, options, handle, bound), purpose)
            return describe(self._connection, messages.prepared_query(rebound), purpose)
        finally:
            self._forget(handle, purpose)

    def _forget(self, handle: bytes, purpose: str | None) -> None:
        action = flight.Action(messages.CLOSE_PREPARED, messages.close(handle))
        try:
            self._connection.call(lambda client, options: list(client.do_action(action, options)), purpose)
        except AirsideError:
            # It ends by itself.
            return


def _bind(
    client: flight.FlightClient, options: flight.FlightCallOptions, handle: bytes, bound: pa.RecordBatch
) -> bytes:
    """Binds a row and gives the handle to go on with."""
    descriptor = flight.FlightDescriptor.for_command(messages.prepared_query(handle))
    writer, reader = client.do_put(descriptor, bound.schema, options)
    with writer:
        writer.write_batch(bound)
        writer.done_writing()
        answer = reader.read()
    return handle if answer is None else messages.rebound(answer.to_pybytes(), handle)


def _schema(message: bytes) -> pa.Schema:
    if not message:
        return pa.schema([])
    try:
        return pa.ipc.read_schema(pa.py_buffer(message))
    except pa.ArrowException as error:
        raise Internal(f"the schema of the parameters cannot be read: {error}") from None


def _address(path: list[bytes]) -> str:
    domain, product, *dataset = (part.decode() for part in path)
    return f"{domain}.{product}" + "".join(f"/{name}" for name in dataset)
