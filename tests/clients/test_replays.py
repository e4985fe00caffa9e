"""Clients that cannot be run here, replayed: the calls that their sources say they make, as bytes.

The ODBC drivers (Power BI, Excel; Arrow's own and the one it came from) and Grafana's Flight SQL plugin. Tableau speaks
through the JDBC driver: its queries are a theme of tests/jdbc.
"""

from __future__ import annotations

import base64

import grpc
import pyarrow as pa
import pyarrow.flight as flight
import pytest

import wire
from wire import Raw, any_of, metadata, number, text


def ask(client: Raw, descriptor: bytes) -> pa.Table:
    """GetFlightInfo, and then the first endpoint, which must be the only one."""
    info = client.info(descriptor)
    [endpoint] = info.endpoints
    assert not endpoint.locations, "ODBC would connect to the first one literally"
    table = wire.decode(client.stream("DoGet", endpoint.ticket.serialize()))
    assert table.schema.equals(info.schema, check_metadata=True)
    return table


def handshake(gateway, *headers: tuple[str, str], payload: bytes = b"") -> tuple[list[bytes], dict[str, str]]:
    """The Handshake call as C++ makes it: answers and initial metadata, trailers included."""
    with grpc.insecure_channel(gateway.address, [("grpc.use_local_subchannel_pool", 1)]) as channel:
        call = channel.stream_stream(wire.SERVICE + "Handshake", bytes, bytes)
        answer = call(iter([payload]), metadata=headers, timeout=30)
        messages = list(answer)
        return messages, {**dict(answer.initial_metadata()), **dict(answer.trailing_metadata())}


# --- ODBC -----------------------------------------------------------------------------------------


@pytest.fixture
def odbc(raw) -> Raw:
    return raw("steward")


def test_odbc_signs_in_by_token(gateway):
    """A Handshake with a bearer token and an empty payload has to succeed; the header goes with every call."""
    token = ("authorization", f"Bearer {gateway.tokens['service']}")
    handshake(gateway, token, payload=text(2, b""))
    assert ask(Raw.connect(gateway.address, token), wire.statement("SELECT count(*) FROM sales.orders")).num_rows == 1


def test_odbc_signs_in_by_password(gateway):
    """The token comes back in a header, and is sent as it came."""
    user = gateway.users["steward"]
    basic = base64.b64encode(f"{user.name}:{user.password}".encode()).decode()
    _, headers = handshake(gateway, ("authorization", f"Basic {basic}"))
    client = Raw.connect(gateway.address, ("authorization", headers["authorization"]))
    assert ask(client, metadata("CommandGetCatalogs"))["catalog_name"].to_pylist() == ["mesh"]


# What the driver reads a fact as: it does not look which member of the union is there.
FACTS = {
    "string_value": (0, 1, 2, 504, 513, 514, 529, 530, 531),
    "bool_value": (3, 500, 501, 502, 506, 515, 516, 518, 519, 520, 521, 523, 524, 527, 532, 537, 556, 563, 565, 566),
    "bigint_value": (503, 505, 507, *range(541, 556), 557, 558, 559, 560, 561, 562),
    "int32_bitmask": (522, 525, 526, 528, 533, 534, 538, 540, 564),
    "string_list": (508, 509, 510, 511, 512),
}


def test_odbc_reads_every_fact_as_the_type_it_expects(odbc):
    facts = ask(odbc, metadata("CommandGetSqlInfo"))
    [value] = facts["value"].chunks
    members = {value.type.field(position).name: value.type.type_codes[position] for position in range(6)}
    found = dict(zip(facts["info_name"].to_pylist(), value.type_codes.to_pylist(), strict=True))
    wrong = {fact: found.get(fact) for name, ids in FACTS.items() for fact in ids if found.get(fact) != members[name]}
    assert not wrong


def test_odbc_lists_types(odbc):
    """SQLGetTypeInfo: Power BI asks before it shows anything, for all types and for one."""
    every = ask(odbc, metadata("CommandGetXdbcTypeInfo"))
    assert {"type_name", "data_type", "column_size", "literal_prefix"} <= set(every.column_names)
    assert every["data_type"].to_pylist() == sorted(every["data_type"].to_pylist())
    assert {-5, 4, 8, 12, 91, 93} <= set(every["data_type"].to_pylist())
    one = ask(odbc, metadata("CommandGetXdbcTypeInfo", number(1, 12)))
    assert set(one["data_type"].to_pylist()) == {12}


def test_odbc_lists_catalogs_schemas_and_types(odbc):
    """SQLTables with `%` in one place and nothing in the others."""
    assert ask(odbc, metadata("CommandGetCatalogs"))["catalog_name"].to_pylist() == ["mesh"]
    assert "sales" in ask(odbc, metadata("CommandGetDbSchemas"))["db_schema_name"].to_pylist()
    assert ask(odbc, metadata("CommandGetTableTypes"))["table_type"].to_pylist() == ["TABLE"]


TABLES = [
    ("all", b"", {"orders", "nation"}),
    ("patterns", text(2, "%") + text(3, "%"), {"orders", "nation"}),
    ("a catalog", text(1, "mesh") + text(2, "sal%") + text(3, "ord_rs"), {"orders"}),
    ("types", text(1, "mesh") + text(3, "orders") + text(4, "TABLE") + text(4, "VIEW"), {"orders"}),
    ("no catalog", text(1, ""), set()),
]


@pytest.mark.parametrize(("message", "expected"), [each[1:] for each in TABLES], ids=[each[0] for each in TABLES])
def test_odbc_lists_tables(message, expected, odbc):
    found = set(ask(odbc, metadata("CommandGetTables", message))["table_name"].to_pylist())
    assert expected <= found and bool(found) == bool(expected)


def columns(client: Raw) -> pa.Schema:
    """SQLColumns: the tables with their schemas, out of which the driver picks the columns itself."""
    message = text(1, "mesh") + text(2, "sales") + text(3, "orders") + number(5, 1)
    [schema] = ask(client, metadata("CommandGetTables", message))["table_schema"].to_pylist()
    return pa.ipc.read_schema(pa.py_buffer(schema))


def test_odbc_lists_columns(odbc):
    assert columns(odbc).names[:2] == ["o_orderkey", "o_custkey"]


def test_odbc_reads_what_columns_say_of_themselves(odbc):
    for field in columns(odbc):
        assert field.metadata[b"ARROW:FLIGHT:SQL:TYPE_NAME"]
        assert field.metadata[b"ARROW:FLIGHT:SQL:TABLE_NAME"] == b"orders"


def test_odbc_executes_a_statement(odbc):
    assert ask(odbc, wire.statement("SELECT * FROM geography.region")).num_rows == 5


def test_odbc_prepares_and_executes(odbc):
    [result] = odbc.stream("DoAction", wire.prepare("SELECT * FROM geography.region"))
    handle = wire.prepared_handle(result)
    assert ask(odbc, wire.prepared_query(handle)).num_rows == 5
    request = any_of(wire.SQL + "ActionClosePreparedStatementRequest", text(1, handle))
    assert odbc.stream("DoAction", wire.action("ClosePreparedStatement", request)) == []


# What Power BI sends through ODBC while one clicks: quoted names, subqueries, TOP written as LIMIT.
POWER_BI = [
    'SELECT * FROM "mesh"."sales"."orders" LIMIT 200',
    'SELECT "o_orderkey" FROM "mesh"."sales"."orders" WHERE "o_orderdate" >= DATE \'1998-01-01\' LIMIT 1000',
    'SELECT COUNT(*) AS "C1" FROM (SELECT "o_orderstatus" FROM "mesh"."sales"."orders") AS "ITBL"',
    'SELECT "o_orderstatus", SUM("o_totalprice") AS "C1" FROM "mesh"."sales"."orders" GROUP BY "o_orderstatus" '
    'ORDER BY "o_orderstatus" LIMIT 1000001',
]


@pytest.mark.parametrize("sql", POWER_BI)
def test_power_bi_asks(sql, odbc):
    assert ask(odbc, wire.statement(sql)).num_rows > 0


# --- Grafana's Flight SQL plugin ------------------------------------------------------------------


@pytest.fixture
def grafana(gateway) -> Raw:
    """A bearer token and whatever the data source's metadata names: here a purpose."""
    token = ("authorization", f"Bearer {gateway.tokens['service']}")
    return Raw.connect(gateway.address, token, ("airside-purpose", "reporting"))


def test_grafana_reads_the_only_endpoint(grafana):
    """More than one is an error to the plugin. The macros are replaced before the statement is sent."""
    sql = (
        "SELECT date_trunc('month', o_orderdate) AS time, sum(o_totalprice) AS total FROM sales.orders "
        "WHERE o_orderdate >= TIMESTAMP '1995-01-01T00:00:00Z' AND o_orderdate <= TIMESTAMP '1995-12-31T00:00:00Z' "
        "GROUP BY 1 ORDER BY 1"
    )
    assert ask(grafana, wire.statement(sql)).num_rows == 12


def test_grafana_reads_facts(grafana):
    assert ask(grafana, metadata("CommandGetSqlInfo")).num_rows > 80


def test_grafana_lists_tables(grafana):
    found = ask(grafana, metadata("CommandGetTables", text(4, "BASE TABLE")))
    assert "orders" in found["table_name"].to_pylist()


def test_grafana_lists_columns(grafana):
    """By the table's name alone, in any schema."""
    found = ask(grafana, metadata("CommandGetTables", text(3, "orders") + number(5, 1)))
    schema = pa.ipc.read_schema(pa.py_buffer(found["table_schema"][0].as_py()))
    assert "o_orderdate" in schema.names


def test_grafana_hears_what_is_wrong(grafana):
    with pytest.raises(wire.Refused, match="no_such_column"):
        grafana.info(wire.statement("SELECT no_such_column FROM sales.orders"))


def test_scripts_that_read_the_first_endpoint_lose_nothing(session, files):
    """`endpoints[0]` is what examples all over the web say."""
    client = session("steward")
    info = client.info(flight.FlightDescriptor.for_path("sales", "lineitem"))
    rows = client.client.do_get(info.endpoints[0].ticket, client.options).read_all().num_rows
    assert [rows] == files.values("SELECT count(*) FROM sales.lineitem")
