"""Every type of contracts, in every encoding of files, through each client; one schema wherever it is told."""

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.flight as flight
import pytest

import wire
from conftest import Session, connect_adbc
from everything import COLUMNS

ALL = "SELECT * FROM types.everything"
DESCRIPTORS = {
    "path": flight.FlightDescriptor.for_path("types", "everything"),
    "statement": flight.FlightDescriptor.for_command(ALL.encode()),
}


def bearer(running) -> tuple[bytes, bytes]:
    return b"authorization", f"Bearer {running.tokens['reader']}".encode()


@pytest.fixture(scope="module")
def reader(everything) -> Session:
    return Session(flight.FlightClient(everything.flight), bearer(everything))


@pytest.fixture(scope="module")
def connection(everything):
    with connect_adbc(everything, "reader") as made:
        yield made


@pytest.fixture(scope="module")
def found(connection) -> pa.Table:
    with connection.cursor() as cursor:
        cursor.execute(ALL)
        return cursor.fetch_arrow_table()


@pytest.mark.parametrize("descriptor", DESCRIPTORS.values(), ids=DESCRIPTORS)
def test_one_schema_is_told_everywhere(descriptor, reader):
    info = reader.info(descriptor)
    told = reader.client.get_schema(descriptor, reader.options).schema
    sent = reader.read(info).schema
    assert told.equals(info.schema, check_metadata=True)
    assert sent.equals(info.schema, check_metadata=True)


@pytest.mark.parametrize("column", COLUMNS, ids=[each.name for each in COLUMNS])
def test_adbc_reads(column, found):
    values = found[column.name]
    assert values.type.equals(column.served) or values.type == column.served
    assert values.to_pylist() == [column.value, None, column.value]


def test_a_tables_schema_is_what_comes(connection, found):
    told = connection.adbc_get_table_schema("everything", db_schema_filter="types")
    assert told.names == found.schema.names and told.types == found.schema.types


def test_a_prepared_statements_schema_is_what_comes(everything, found):
    client = wire.Raw.connect(everything.address, bearer(everything))
    [result] = client.stream("DoAction", wire.prepare(ALL))
    told = dict(wire.fields(dict(wire.fields(dict(wire.fields(result))[1]))[2]))[2]
    assert pa.ipc.read_schema(pa.py_buffer(told)).types == found.schema.types


def test_pandas_frames_have_every_column(found):
    assert found.to_pandas().shape == (3, len(COLUMNS))


def test_polars_reads_every_column(connection):
    frame = pl.read_database(ALL, connection)
    assert frame.shape == (3, len(COLUMNS))
    assert frame["a_text"].to_list() == ["größer 名前 🛫", None, "größer 名前 🛫"]


def test_duckdb_reads_every_column(connection):
    with connection.cursor() as cursor:
        cursor.execute(ALL)
        stream = cursor.fetch_record_batch()
        local = duckdb.connect()
        local.register("stream", stream)
        assert len(local.execute("SELECT * FROM stream").fetchall()) == 3
