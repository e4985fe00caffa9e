"""What drivers ask beside rows: keys, types, what a column is, what the server can."""

import pyarrow as pa
import pyarrow.flight as flight
import pytest
from pyarrow.flight import FlightDescriptor

import wire
from conftest import connect_adbc

KEY = "ARROW:FLIGHT:SQL:"
PRIMARY = pa.schema(
    [
        pa.field("catalog_name", pa.string()),
        pa.field("db_schema_name", pa.string()),
        pa.field("table_name", pa.string(), nullable=False),
        pa.field("column_name", pa.string(), nullable=False),
        pa.field("key_name", pa.string()),
        pa.field("key_sequence", pa.int32(), nullable=False),
    ]
)
REFERENCES = pa.schema(
    [
        pa.field("pk_catalog_name", pa.string()),
        pa.field("pk_db_schema_name", pa.string()),
        pa.field("pk_table_name", pa.string(), nullable=False),
        pa.field("pk_column_name", pa.string(), nullable=False),
        pa.field("fk_catalog_name", pa.string()),
        pa.field("fk_db_schema_name", pa.string()),
        pa.field("fk_table_name", pa.string(), nullable=False),
        pa.field("fk_column_name", pa.string(), nullable=False),
        pa.field("key_sequence", pa.int32(), nullable=False),
        pa.field("fk_key_name", pa.string()),
        pa.field("pk_key_name", pa.string()),
        pa.field("update_rule", pa.uint8(), nullable=False),
        pa.field("delete_rule", pa.uint8(), nullable=False),
    ]
)


def optional(number: int, value: str | None) -> bytes:
    return b"" if value is None else wire.text(number, value)


def table(name: str, schema: str | None = None, catalog: str | None = None) -> bytes:
    return optional(1, catalog) + optional(2, schema) + wire.text(3, name)


@pytest.fixture
def ask(session):
    """The table that answers a metadata command, which every call describes alike."""

    def answer(user: str, command: str, message: bytes = b"") -> pa.Table:
        who, descriptor = session(user), FlightDescriptor.deserialize(wire.metadata(command, message))
        found = who.read(descriptor)
        assert found.schema.equals(who.client.get_schema(descriptor, who.options).schema, check_metadata=True)
        assert found.schema.equals(who.info(descriptor).schema, check_metadata=True)
        return found

    return answer


# --- keys -------------------------------------------------------------------------------------------


def test_a_primary_key_in_its_order(ask):
    found = ask("steward", "CommandGetPrimaryKeys", table("lineitem", "sales"))
    assert found.schema.equals(PRIMARY)
    assert found["column_name"].to_pylist() == ["l_orderkey", "l_linenumber"]
    assert found["key_sequence"].to_pylist() == [1, 2]
    assert set(found["key_name"].to_pylist()) == {"lineitem_pkey"}
    assert set(found["catalog_name"].to_pylist()) == {"mesh"}


@pytest.mark.parametrize(
    ("asked", "rows"),
    [
        (table("lineitem"), 2),
        (table("lineitem_v1", "sales", "mesh"), 2),
        (table("lineitem", "supply"), 0),
        (table("lineitem", "sales", ""), 0),
        (table("no_such_table"), 0),
        (b"", 0),
    ],
)
def test_keys_are_narrowed(asked, rows, ask):
    assert ask("steward", "CommandGetPrimaryKeys", asked).num_rows == rows


def references(found: pa.Table) -> list[tuple]:
    assert found.schema.equals(REFERENCES)
    assert set(found["update_rule"].to_pylist()) <= {3}
    columns = ("fk_table_name", "fk_column_name", "pk_table_name", "pk_column_name", "key_sequence")
    return list(zip(*(found[column].to_pylist() for column in columns), strict=True))


def test_imported_keys(ask):
    found = references(ask("steward", "CommandGetImportedKeys", table("lineitem", "sales")))
    assert ("lineitem", "l_orderkey", "orders", "o_orderkey", 1) in found
    # Sorted by the table referred to; the reference of two columns in order.
    assert [row[2] for row in found] == ["orders", "part", "partsupp", "partsupp", "supplier"]
    assert [row[4] for row in found if row[2] == "partsupp"] == [1, 2]
    assert ("lineitem", "l_suppkey", "supplier", "s_suppkey", 1) in found


def test_exported_keys(ask):
    found = references(ask("steward", "CommandGetExportedKeys", table("orders", "sales")))
    assert found == [("lineitem", "l_orderkey", "orders", "o_orderkey", 1)]


def test_cross_references(ask):
    both = wire.text(3, "orders") + wire.text(6, "lineitem")
    assert references(ask("steward", "CommandGetCrossReference", both)) == [
        ("lineitem", "l_orderkey", "orders", "o_orderkey", 1)
    ]
    assert (
        references(ask("steward", "CommandGetCrossReference", wire.text(3, "lineitem") + wire.text(6, "orders"))) == []
    )


def test_a_reference_to_what_is_hidden_is_not_told(ask, session):
    """Analysts read lines and orders, and do not know of the supply domain."""
    found = references(ask("analyst", "CommandGetImportedKeys", table("lineitem", "sales")))
    assert {row[2] for row in found} == {"orders"}
    assert references(ask("analyst", "CommandGetExportedKeys", table("supplier", "supply"))) == []
    for command in ("CommandGetPrimaryKeys", "CommandGetExportedKeys", "CommandGetImportedKeys"):
        hidden = ask("nobody", command, table("orders", "sales"))
        assert hidden.equals(ask("nobody", command, table("no_such_table", "sales"))) and hidden.num_rows == 0


# --- types ------------------------------------------------------------------------------------------


def test_types_are_told_as_drivers_know_them(ask):
    found = ask("steward", "CommandGetXdbcTypeInfo").to_pylist()
    assert [row["data_type"] for row in found] == sorted(row["data_type"] for row in found)
    known = {row["type_name"]: row for row in found}
    assert {"BIGINT", "VARCHAR", "DECIMAL", "DATE", "TIMESTAMP", "BOOLEAN", "DOUBLE", "VARBINARY"} <= set(known)
    assert (known["BIGINT"]["data_type"], known["BIGINT"]["column_size"]) == (-5, 19)
    assert (known["DECIMAL"]["create_params"], known["DECIMAL"]["maximum_scale"]) == (["precision", "scale"], 76)
    assert (known["DATE"]["sql_data_type"], known["DATE"]["datetime_subcode"]) == (9, 1)
    assert known["VARCHAR"]["searchable"] == 3 and known["VARCHAR"]["literal_prefix"] == "'"
    assert all(row["nullable"] == 1 for row in found)


def test_types_are_narrowed_by_code(ask):
    # -5, as an int32 has it in protobuf.
    found = ask("steward", "CommandGetXdbcTypeInfo", wire.number(1, (1 << 64) - 5))
    assert set(found["data_type"].to_pylist()) == {-5}
    assert ask("steward", "CommandGetXdbcTypeInfo", wire.number(1, 4711)).num_rows == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATE", "1995-03-15"),
        ("TIMESTAMP", "1995-03-15 12:30:01"),
        ("TIME", "12:30:01"),
        ("VARCHAR", "x"),
        ("VARBINARY", "00ff"),
    ],
)
def test_literals_are_written_as_told(name, value, ask, session):
    [row] = [row for row in ask("steward", "CommandGetXdbcTypeInfo").to_pylist() if row["type_name"] == name]
    literal = row["literal_prefix"] + value + row["literal_suffix"]
    assert session("steward").sql(f"SELECT {literal} AS v").num_rows == 1


# --- columns ----------------------------------------------------------------------------------------


def told(schema: pa.Schema, name: str) -> dict[str, str]:
    metadata = schema.field(name).metadata or {}
    return {key.decode().removeprefix(KEY): value.decode() for key, value in metadata.items()}


def test_a_column_is_told_with_its_table(session):
    schema = session("steward").sql("SELECT o_totalprice AS price, o_totalprice * 2 AS twice FROM sales.orders").schema
    price, twice = told(schema, "price"), told(schema, "twice")
    assert (price["CATALOG_NAME"], price["SCHEMA_NAME"], price["DB_SCHEMA_NAME"], price["TABLE_NAME"]) == (
        "mesh",
        "sales",
        "sales",
        "orders",
    )
    assert price["IS_SEARCHABLE"] == "1" and price["IS_READ_ONLY"] == "1"
    # The JDBC driver takes remarks for the columns' names.
    assert "REMARKS" not in price
    assert twice["TYPE_NAME"] == price["TYPE_NAME"] == "DECIMAL"
    assert int(twice["PRECISION"]) > 0
    # What is computed is of no table.
    assert not {"TABLE_NAME", "SCHEMA_NAME", "CATALOG_NAME", "REMARKS", "IS_SEARCHABLE"} & set(twice)


def customer(ask, user):
    message = wire.text(2, "customers") + wire.text(3, "customer") + wire.number(5, 1)
    [listed] = ask(user, "CommandGetTables", message)["table_schema"].to_pylist()
    return pa.ipc.read_schema(pa.py_buffer(listed))


def test_remarks_say_how_a_column_is_shown(ask):
    schema = customer(ask, "analyst")
    phone, name = told(schema, "c_phone"), told(schema, "c_name")
    assert "masked: partial" in phone["REMARKS"] and "rows restricted" in phone["REMARKS"]
    assert (phone["airside.mask"], phone["airside.rows"]) == ("partial", "restricted")
    assert "masked" not in name["REMARKS"] and "airside.mask" not in name
    steward = told(customer(ask, "steward"), "c_phone")
    assert "masked" not in steward["REMARKS"] and "restricted" not in steward["REMARKS"]


def test_a_listing_tells_what_a_query_tells(ask, session):
    for user in ("steward", "analyst"):
        schema = customer(ask, user)
        answered = session(user).sql("SELECT * FROM customers.customer LIMIT 0").schema
        assert schema.remove_metadata().equals(answered.remove_metadata())
        for name in schema.names:
            listed = told(schema, name)
            assert listed.pop("REMARKS")
            assert listed == told(answered, name)
        assert (schema.metadata or {})[(KEY + "REMARKS").encode()]


STATEMENTS = [
    "SELECT * FROM sales.orders LIMIT 1",
    "SELECT o_orderkey, n_name FROM sales.orders, geography.nation LIMIT 1",
    "SELECT o_orderkey FROM sales.orders WHERE o_orderkey = 1 UNION ALL SELECT l_orderkey FROM sales.lineitem LIMIT 1",
    "SELECT o_orderstatus, count(*), count(*) FROM sales.orders GROUP BY o_orderstatus",
    "WITH w AS (SELECT * FROM marketing.customer_lifetime_value) SELECT * FROM w LIMIT 1",
    "SELECT n_name, n_name FROM geography.nation LIMIT 1",
    "SELECT 1, NULL, 'x'",
]


@pytest.mark.parametrize("sql", STATEMENTS)
def test_metadata_is_the_same_in_every_call(sql, session, raw):
    steward = session("steward")
    descriptor = FlightDescriptor.deserialize(wire.statement(sql))
    info = steward.info(descriptor)
    prepared = dict(wire.fields(dict(wire.fields(raw("steward").stream("DoAction", wire.prepare(sql))[0]))[1]))[2]
    schemas = [
        steward.client.get_schema(descriptor, steward.options).schema,
        pa.ipc.read_schema(pa.py_buffer(dict(wire.fields(prepared))[2])),
        steward.client.do_get(info.endpoints[0].ticket, steward.options).schema,
    ]
    for schema in schemas:
        assert schema.equals(info.schema, check_metadata=True)


def test_a_wide_result_stays_within_a_message(raw):
    columns = ", ".join(f"o_comment AS c{n}" for n in range(2_000))
    steward = raw("steward")
    answer = steward.unary("GetFlightInfo", wire.statement(f"SELECT {columns} FROM sales.orders LIMIT 1"))
    assert len(answer) < 4 << 20
    assert len(flight.FlightInfo.deserialize(answer).schema) == 2_000


# --- the server -------------------------------------------------------------------------------------


def test_every_id_of_sql_info_is_answered(ask):
    ids = [*range(12), 100, 101, *range(500, 577)]
    message = wire.text(1, b"".join(wire.varint(each) for each in ids))
    found = ask("steward", "CommandGetSqlInfo", message)
    info = dict(zip(found["info_name"].to_pylist(), found["value"].to_pylist(), strict=True))
    assert sorted(info) == ids
    assert info[0] == "Airside" and info[3] is True and info[4] is True
    assert (info[5], info[9], info[10], info[11]) == (False, True, False, False)
    # Transactions begin and end; each statement reads what is committed at its moment.
    assert (info[8], info[562], info[563], info[564]) == (1, 2, True, 4)
    assert info[100] > 0 and info[101] == 0
    assert info[504] == '"'
    assert all(value is not None for value in info.values())


def test_lists_have_the_protocols_schemas_and_order(ask):
    """To the nullability bit: the Go driver refuses what differs."""
    name, text = pa.field("catalog_name", pa.string()), pa.string()
    domain = pa.field("db_schema_name", text)
    table_fields = [pa.field("table_name", text, nullable=False), pa.field("table_type", text, nullable=False)]
    schema = pa.field("table_schema", pa.binary(), nullable=False)
    for command, message, expected in (
        ("CommandGetCatalogs", b"", [pa.field("catalog_name", text, nullable=False)]),
        ("CommandGetDbSchemas", b"", [name, pa.field("db_schema_name", text, nullable=False)]),
        ("CommandGetTables", b"", [name, domain, *table_fields]),
        ("CommandGetTables", wire.number(5, 1), [name, domain, *table_fields, schema]),
        ("CommandGetTableTypes", b"", [pa.field("table_type", text, nullable=False)]),
    ):
        found = ask("steward", command, message)
        assert found.schema.equals(pa.schema(expected)), command
        rows = list(zip(*(column.to_pylist() for column in found.columns[:4]), strict=True))
        assert rows == sorted(rows), command


# --- large and wide -----------------------------------------------------------------------------------


def test_a_large_result_arrives_whole(connect):
    """More than 64 MiB, in messages that ADBC takes."""
    with connect("steward").cursor() as cursor:
        cursor.execute("SELECT l.* FROM sales.lineitem l, geography.region a, (VALUES (1), (2)) b")
        size = rows = 0
        for batch in cursor.fetch_record_batch():
            size, rows = size + batch.nbytes, rows + batch.num_rows
    assert size > 64 << 20
    with connect("steward").cursor() as cursor:
        cursor.execute("SELECT count(*) * 10 FROM sales.lineitem")
        assert cursor.fetchone() == (rows,)


def test_a_wide_result_arrives(connect):
    columns = ", ".join(f"n_nationkey + {n} AS c{n}" for n in range(2_000))
    with connect("steward").cursor() as cursor:
        cursor.execute(f"SELECT {columns} FROM geography.nation WHERE n_nationkey = 7")
        found = cursor.fetch_arrow_table()
    assert found.num_columns == 2_000 and found["c1999"].to_pylist() == [2006]


def test_pandas_reads_a_table_by_name(gateway):
    """pandas passes ADBC no schema, so the connection has one."""
    import pandas as pd

    schema = {"adbc.flight.sql.rpc.call_header.airside-schema": "geography"}
    with connect_adbc(gateway, "steward", **schema) as connection:
        assert len(pd.read_sql_table("nation", connection)) == 25
