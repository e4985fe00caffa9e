"""The wire format of protocol buffers, as far as the few messages of `messages` and `receipt` need it.

A dependency on `protobuf` would tie every program that uses Airside to the versions its generated code was made with;
the format itself is frozen and fits on this page.
"""

from __future__ import annotations

from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


class Malformed(ValueError):
    """The bytes are no message."""


def encode(*fields: tuple[int, str | bytes | int | None]) -> bytes:
    """A message of these fields, in this order; a value of None leaves its field out."""
    message = bytearray()
    for number, value in fields:
        if value is None:
            continue
        if isinstance(value, int):
            message += _varint(number << 3 | VARINT) + _varint(value)
        else:
            raw = value.encode() if isinstance(value, str) else value
            message += _varint(number << 3 | BYTES) + _varint(len(raw)) + raw
    return bytes(message)


def decode(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields of a message as they come: what has a length as bytes, all else as unsigned numbers."""
    at = 0
    while at < len(message):
        tag, at = _read_varint(message, at)
        kind = tag & 7
        if kind == VARINT:
            value, at = _read_varint(message, at)
            yield tag >> 3, value
            continue
        if kind == BYTES:
            length, at = _read_varint(message, at)
        elif kind in (FIXED64, FIXED32):
            length = 8 if kind == FIXED64 else 4
        else:
            raise Malformed(f"field {tag >> 3} has the unknown wire type {kind}")
        if at + length > len(message):
            raise Malformed(f"field {tag >> 3} ends beyond its message")
        raw = message[at : at + length]
        at += length
        yield tag >> 3, raw if kind == BYTES else int.from_bytes(raw, "little")


def field(message: bytes, number: int) -> bytes:
    """The bytes of one field, the last if it is repeated; empty if it is not there."""
    found = b""
    for each, value in decode(message):
        if each == number:
            found = as_bytes(value)
    return found


def as_bytes(value: int | bytes) -> bytes:
    """The value of a field that has a length."""
    if isinstance(value, int):
        raise Malformed("a number where bytes belong")
    return value


def as_text(value: int | bytes) -> str:
    """The value of a text field."""
    try:
        return as_bytes(value).decode()
    except UnicodeDecodeError:
        raise Malformed("a text that is not UTF-8") from None


def as_number(value: int | bytes) -> int:
    """The value of a signed number (int32, int64), or of a boolean."""
    if isinstance(value, bytes):
        raise Malformed("bytes where a number belongs")
    return value - (1 << 64) if value >= 1 << 63 else value


def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _read_varint(message: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(message):
            raise Malformed("a number ends beyond its message")
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & (1 << 64) - 1, at
    raise Malformed("a number of more than ten bytes")
