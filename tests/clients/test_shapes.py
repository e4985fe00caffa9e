"""Results of every shape through real clients: empty, with any names, of every type, with huge cells."""

from __future__ import annotations

import datetime
from decimal import Decimal

import adbc_driver_manager
import grpc
import polars as pl
import pyarrow as pa
import pytest
from adbc_driver_flightsql import DatabaseOptions
from grpc import StatusCode

import wire
from conftest import connect_adbc

HUGE_CELL = "SELECT string_agg(l_comment, ' ') AS v FROM sales.lineitem CROSS JOIN geography.region"


def test_zero_rows_of_a_product(session):
    empty = session("steward").sql("SELECT * FROM sales.lineitem WHERE l_quantity < 0")
    assert empty.shape == (0, 16)


def test_names_are_whatever_they_are(query):
    names = ["a b", 'a"b', "größe", "名前", "🛫", "select", "A", "a", "a.b", "?", "$1", ""]
    quoted = ", ".join(f'{number} AS "{name.replace(chr(34), chr(34) * 2)}"' for number, name in enumerate(names))
    assert query("steward", f"SELECT {quoted}").column_names == names


TYPES = [
    ("CAST(-7 AS TINYINT)", pa.int8(), -7),
    ("CAST(7 AS TINYINT UNSIGNED)", pa.uint8(), 7),
    ("CAST(-7 AS SMALLINT)", pa.int16(), -7),
    ("CAST(7 AS SMALLINT UNSIGNED)", pa.uint16(), 7),
    ("CAST(-7 AS INTEGER)", pa.int32(), -7),
    ("CAST(7 AS INTEGER UNSIGNED)", pa.uint32(), 7),
    ("CAST(-7 AS BIGINT)", pa.int64(), -7),
    ("CAST(7 AS BIGINT UNSIGNED)", pa.uint64(), 7),
    ("CAST(2.5 AS REAL)", pa.float32(), 2.5),
    ("CAST(2.5 AS DOUBLE)", pa.float64(), 2.5),
    ("CAST(1.25 AS DECIMAL(5, 2))", pa.decimal128(5, 2), Decimal("1.25")),
    ("CAST('123456789012345678901234567890123456789.5' AS DECIMAL(50, 1))", pa.decimal256(50, 1), None),
    ("true", pa.bool_(), True),
    ("X'00FF'", pa.binary(), b"\x00\xff"),
    ("DATE '1995-03-15'", pa.date32(), datetime.date(1995, 3, 15)),
    ("CAST('12:30:01' AS TIME)", pa.time64("ns"), datetime.time(12, 30, 1)),
    ("CAST(NULL AS VARCHAR)", pa.string(), None),
    ("INTERVAL '1' DAY", pa.month_day_nano_interval(), None),
]


@pytest.mark.parametrize(("expression", "data_type", "value"), TYPES, ids=[each[0] for each in TYPES])
def test_a_value_of_each_type(expression, data_type, value, query):
    column = query("steward", f"SELECT {expression} AS v")["v"]
    assert column.type == data_type
    if value is not None:
        assert column.to_pylist() == [value]


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "+02:00"])
def test_timestamps_with_zones(zone, query):
    column = query("steward", f"SELECT TIMESTAMP '1995-03-15T12:30:01' AT TIME ZONE '{zone}' AS v")["v"]
    assert pa.types.is_timestamp(column.type) and column.type.tz == zone
    assert [value.isoformat()[:19] for value in column.to_pylist()] == ["1995-03-15T12:30:01"]


# --- huge cells -----------------------------------------------------------------------------------


def test_a_cell_of_8_mib_reaches_who_takes_16(connect):
    with connect("steward").cursor() as cursor:
        cursor.execute(HUGE_CELL)
        [[cell]] = cursor.fetchall()
    assert len(cell) > 4 << 20


def test_a_cell_of_8_mib_reaches_pyarrow(session):
    [cell] = session("steward").sql(HUGE_CELL)["v"].to_pylist()
    assert len(cell) > 4 << 20


def test_adbc_says_that_a_cell_is_more_than_it_takes(gateway):
    small = {DatabaseOptions.WITH_MAX_MSG_SIZE.value: str(4 << 20)}
    with connect_adbc(gateway, "steward", **small) as connection, connection.cursor() as cursor:
        with pytest.raises(adbc_driver_manager.Error, match="larger than max"):
            cursor.execute(HUGE_CELL)
            cursor.fetchall()
        cursor.execute("SELECT count(*) FROM geography.region")
        assert cursor.fetchall() == [(5,)]


def test_a_plain_client_is_told_that_a_cell_is_more_than_it_takes(gateway, session):
    """gRPC's own limit is 4 MiB: the client refuses the message itself, and says so."""
    with grpc.insecure_channel(gateway.address, [("grpc.use_local_subchannel_pool", 1)]) as channel:
        header = [(name.decode(), value.decode()) for name, value in [session("steward").header]]
        info = channel.unary_unary(wire.SERVICE + "GetFlightInfo")(wire.statement(HUGE_CELL), metadata=header)
        ticket = dict(wire.fields(dict(wire.fields(info))[3]))[1]
        with pytest.raises(grpc.RpcError) as refusal:
            list(channel.unary_stream(wire.SERVICE + "DoGet")(ticket, metadata=header, timeout=60))
        assert refusal.value.code() is StatusCode.RESOURCE_EXHAUSTED
        assert "larger than max" in refusal.value.details()


# --- frames ---------------------------------------------------------------------------------------


def test_polars_by_uri_reaches_the_gateway(gateway):
    """A URI has no place for credentials, so it can only be told that it needs some."""
    uri = f"flightsql://{gateway.address}?transport=tcp"
    with pytest.raises(adbc_driver_manager.Error, match="no credentials"):
        pl.read_database_uri("SELECT n_name FROM geography.nation", uri, engine="adbc")


def test_polars_reads_in_batches(gateway):
    with connect_adbc(gateway, "steward") as connection:
        batches = pl.read_database("SELECT l_orderkey FROM sales.lineitem", connection, iter_batches=True)
        assert sum(batch.height for batch in batches) > 50_000
