"""The commands and actions that this client sends: Airside's `ProductRequest`, and Flight SQL's statements.

pyarrow speaks Flight and not Flight SQL. ADBC does, and hides the `app_metadata` that receipts come in, and its own
gRPC beside pyarrow's would be another 20 MB; so the messages are written here.
"""

from __future__ import annotations

from collections.abc import Sequence

from airside.protobuf import encode, field

_SQL = "type.googleapis.com/arrow.flight.protocol.sql."

CREATE_PREPARED = "CreatePreparedStatement"
CLOSE_PREPARED = "ClosePreparedStatement"
CHANGES = "airside.changes"


def product_request(
    address: str,
    columns: Sequence[str] = (),
    where: str | None = None,
    limit: int | None = None,
    purpose: str | None = None,
    as_of: str | None = None,
    since: str | None = None,
) -> bytes:
    """`airside.v1.ProductRequest`, as a descriptor's command."""
    message = encode(
        (1, address),
        *((2, column) for column in columns),
        (3, where or None),
        (4, limit),
        (5, as_of),
        (6, purpose or None),
        (9, since),
    )
    return _packed("type.googleapis.com/airside.v1.ProductRequest", message)


def statement(sql: str) -> bytes:
    """`CommandStatementQuery`."""
    return _packed(_SQL + "CommandStatementQuery", encode((1, sql)))


def tables(schema: str, table: str) -> bytes:
    """`CommandGetTables`, with the schemas of the tables; the names are patterns."""
    return _packed(_SQL + "CommandGetTables", encode((2, schema), (3, table), (5, 1)))


def prepare(sql: str) -> bytes:
    """The body of the action that prepares a statement."""
    return _packed(_SQL + "ActionCreatePreparedStatementRequest", encode((1, sql)))


def prepared(result: bytes) -> tuple[bytes, bytes]:
    """What that action answers: the handle, and the schema of the parameters as an IPC message."""
    message = field(result, 2)
    return field(message, 1), field(message, 3)


def prepared_query(handle: bytes) -> bytes:
    """`CommandPreparedStatementQuery`: to bind parameters to, and to ask for rows."""
    return _packed(_SQL + "CommandPreparedStatementQuery", encode((1, handle)))


def rebound(metadata: bytes, handle: bytes) -> bytes:
    """The handle to go on with, from what DoPut answers; the old one if it gives none."""
    return field(metadata, 1) or handle


def close(handle: bytes) -> bytes:
    """The body of the action that closes a prepared statement."""
    return _packed(_SQL + "ActionClosePreparedStatementRequest", encode((1, handle)))


def _packed(type_url: str, message: bytes) -> bytes:
    return encode((1, type_url), (2, message))
