"""Flight as bytes: what a client library would hide, such as exact codes and raw message bodies.

The messages are small enough to write by hand, which also lets tests send what no library would.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

import grpc
import pyarrow as pa
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
class Sent:
    """All that came back for one question: messages, and the refusal that ended them."""

    messages: list[bytes] = field(default_factory=list)
    rows: list[bytes] = field(default_factory=list)
    refused: Refused | None = None

    def swept(self) -> list[bytes | str]:
        """What a canary could be in."""
        told = [self.refused.message, repr(self.refused.trailers)] if self.refused else []
        return [*self.messages, *told]

    def outcome(self) -> tuple:
        """The answer in a form to compare: rows in no order, or the words of the refusal."""
        if self.refused:
            return self.refused.code, ERROR_ID.sub("ID", self.refused.message), sorted(self.refused.trailers)
        table = decode(self.rows)
        # What a column's metadata tells differs by the table's name alone.
        schema = table.schema.to_string(show_field_metadata=False, show_schema_metadata=False)
        return schema, sorted(map(repr, table.to_pylist()))


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

    def ask(self, descriptor: bytes) -> Sent:
        """A question by its descriptor, told and then read, whatever comes of it."""
        sent = Sent()
        try:
            sent.messages.append(self.unary("GetFlightInfo", descriptor))
        except Refused as refusal:
            sent.refused = refusal
            return sent
        for endpoint in flight.FlightInfo.deserialize(sent.messages[0]).endpoints:
            self.redeem(endpoint.ticket.serialize(), sent)
        return sent

    def redeem(self, ticket: bytes, sent: Sent | None = None) -> Sent:
        """What a ticket gives, what came before a failure included."""
        sent = sent or Sent()
        call = self.channel.unary_stream(SERVICE + "DoGet", _same, _same)
        try:
            for message in call(ticket, metadata=self.headers, timeout=TIMEOUT):
                sent.messages.append(message)
                sent.rows.append(message)
        except grpc.RpcError as error:
            sent.refused = Refused(error)
        return sent

    def prepared(self, sql: str, parameters: pa.RecordBatch | None = None) -> Sent:
        """A statement prepared, bound, asked and read, whatever comes of it."""
        sent = Sent()
        try:
            [result] = self.stream("DoAction", prepare(sql))
            sent.messages.append(result)
            handle = prepared_handle(result)
            if parameters is not None:
                [put] = self.both("DoPut", bound(handle, parameters))
                sent.messages.append(put)
                handle = dict(fields(dict(fields(put))[1]))[1]
        except Refused as refusal:
            sent.refused = refusal
            return sent
        asked = self.ask(prepared_query(handle))
        return Sent(sent.messages + asked.messages, asked.rows, asked.refused)


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


def prepared_handle(result: bytes) -> bytes:
    """The handle in what DoAction answers to `prepare`."""
    packed = dict(fields(dict(fields(result))[1]))[2]
    return dict(fields(packed))[1]


def prepared_query(handle: bytes) -> bytes:
    """A descriptor with `CommandPreparedStatementQuery`."""
    return descriptor_command(any_of(SQL + "CommandPreparedStatementQuery", text(1, handle)))


def bound(handle: bytes, parameters: pa.RecordBatch) -> list[bytes]:
    """The messages of a DoPut that binds parameters to a prepared statement."""
    parts = [pa.ipc.read_message(parameters.schema.serialize()), pa.ipc.read_message(parameters.serialize())]
    messages = [
        text(2, part.metadata.to_pybytes()) + text(1000, part.body.to_pybytes() if part.body else b"") for part in parts
    ]
    return [text(1, prepared_query(handle)) + messages[0], *messages[1:]]


def fields(message: bytes) -> Iterator[tuple[int, bytes | int]]:
    """The fields of a message: bytes of those that have a length, else numbers."""

    def number() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    at = 0
    while at < len(message):
        tag = number()
        value = number()
        if tag & 7 == 2:
            at += value
            value = message[at - value : at]
        yield tag >> 3, value


def decode(messages: list[bytes]) -> pa.Table:
    """The rows of a DoGet's messages."""
    stream = bytearray()
    for message in messages:
        parts = dict(fields(message))
        header = parts[2] + bytes(-len(parts[2]) % 8)
        stream += b"\xff\xff\xff\xff" + struct.pack("<i", len(header)) + header + parts.get(1000, b"")
    return pa.ipc.open_stream(bytes(stream)).read_all()


def product_request(
    *path: str,
    columns: tuple[str, ...] = (),
    filter: str | None = None,
    limit: int | None = None,
    purpose: str | None = None,
    as_of: str = "",
    since: str = "",
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
    message += text(5, as_of) + text(9, since)
    return any_of("type.googleapis.com/airside.v1.ProductRequest", message)


def alike(message: str, *names: str) -> str:
    """An error message without what may differ between a hidden thing and one that does not exist:
    the name the caller typed and the id of the error."""
    for name in sorted(names, key=len, reverse=True):
        message = message.replace(name, "NAME")
    return ERROR_ID.sub("ID", message)
