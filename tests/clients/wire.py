"""Flight as bytes: what a client library would hide, such as exact codes and raw message bodies.

The messages are small enough to write by hand, which also lets tests send what no library would.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import grpc
import pyarrow.flight as flight

SERVICE = "/arrow.flight.protocol.FlightService/"
SQL = "type.googleapis.com/arrow.flight.protocol.sql."
TIMEOUT = 60.0
# Well above what the gateway may send: that no message exceeds 4 MiB is a promise of its own.
MAX_MESSAGE = 64 << 20
ERROR_ID = re.compile(r"\b[0-9a-f]{8}(-?[0-9a-f]{4}){3}-?[0-9a-f]{12}\b|\b[0-9a-f]{8,32}\b")


class Refused(Exception):
    """A call that the gateway answered with an error."""

    def __init__(self, error: grpc.RpcError) -> None:
        self.code = error.code()
        self.message = error.details() or ""
        self.trailers = dict(error.trailing_metadata() or ())
        super().__init__(f"{self.code.name}: {self.message}")


@dataclass
class Raw:
    """A channel that sends and receives undecoded messages, as one principal or as nobody."""

    channel: grpc.Channel
    headers: tuple[tuple[str, str], ...] = ()

    @classmethod
    def connect(cls, address: str, *headers: tuple[str | bytes, str | bytes]) -> Raw:
        options = [("grpc.max_receive_message_length", MAX_MESSAGE), ("grpc.use_local_subchannel_pool", 1)]
        return cls(grpc.insecure_channel(address, options), tuple((_str(k), _str(v)) for k, v in headers))

    def unary(self, method: str, message: bytes) -> bytes:
        call = self.channel.unary_unary(SERVICE + method, _same, _same)
        return _calling(lambda: call(message, metadata=self.headers, timeout=TIMEOUT))

    def stream(self, method: str, message: bytes) -> list[bytes]:
        call = self.channel.unary_stream(SERVICE + method, _same, _same)
        return _calling(lambda: list(call(message, metadata=self.headers, timeout=TIMEOUT)))

    def both(self, method: str, messages: list[bytes]) -> list[bytes]:
        call = self.channel.stream_stream(SERVICE + method, _same, _same)
        return _calling(lambda: list(call(iter(messages), metadata=self.headers, timeout=TIMEOUT)))

    def info(self, descriptor: bytes) -> flight.FlightInfo:
        return flight.FlightInfo.deserialize(self.unary("GetFlightInfo", descriptor))

    def read(self, descriptor: bytes) -> bytes:
        """Everything that leaves for one question: the answer to GetFlightInfo and the whole streams."""
        answer = self.unary("GetFlightInfo", descriptor)
        return answer + b"".join(
            message
            for endpoint in flight.FlightInfo.deserialize(answer).endpoints
            for message in self.stream("DoGet", endpoint.ticket.serialize())
        )


def _str(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _same(message: bytes) -> bytes:
    return message


def _calling(call):
    try:
        return call()
    except grpc.RpcError as error:
        raise Refused(error) from None


# --- messages -------------------------------------------------------------------------------------


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def text(number: int, value: str | bytes) -> bytes:
    """A length-delimited field."""
    raw = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(raw)) + raw


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def any_of(type_url: str, message: bytes) -> bytes:
    return text(1, type_url) + text(2, message)


def descriptor_path(*path: str) -> bytes:
    return number(1, 1) + b"".join(text(3, part) for part in path)


def descriptor_command(command: bytes) -> bytes:
    return number(1, 2) + text(2, command)


def statement(sql: str) -> bytes:
    """A descriptor with Flight SQL's `CommandStatementQuery`."""
    return descriptor_command(any_of(SQL + "CommandStatementQuery", text(1, sql)))


def metadata(command: str, message: bytes = b"") -> bytes:
    """A descriptor with a metadata command, such as `CommandGetTables`."""
    return descriptor_command(any_of(SQL + command, message))


def action(kind: str, body: bytes) -> bytes:
    return text(1, kind) + text(2, body)


def prepare(sql: str) -> bytes:
    request = any_of(SQL + "ActionCreatePreparedStatementRequest", text(1, sql))
    return action("CreatePreparedStatement", request)


def product_request(
    *path: str,
    columns: tuple[str, ...] = (),
    filter: str | None = None,
    limit: int | None = None,
    purpose: str | None = None,
) -> bytes:
    """Airside's own `ProductRequest`, as the bytes of a command."""
    address = ".".join(path)
    message = text(1, address) + b"".join(text(2, column) for column in columns)
    if filter is not None:
        message += text(3, filter)
    if limit is not None:
        message += number(4, limit)
    if purpose is not None:
        message += text(6, purpose)
    return any_of("type.googleapis.com/airside.v1.ProductRequest", message)


def alike(message: str, *names: str) -> str:
    """An error message without what may differ between a hidden thing and one that does not exist:
    the name the caller typed and the id of the error."""
    for name in sorted(names, key=len, reverse=True):
        message = message.replace(name, "NAME")
    return ERROR_ID.sub("ID", message)
