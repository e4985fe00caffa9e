"""Named queries through the front door: every way to ask, with the asker's own rights, and nothing else."""

from __future__ import annotations

import datetime
import json
import re
import shutil
import struct
from pathlib import Path

import adbc_driver_manager
import pyarrow as pa
import pyarrow.flight as flight
import pytest
from grpc import StatusCode
from pyarrow.flight import FlightDescriptor

import gateway as gateways
import receipts
import wire
from conftest import connect_flight
from mesh_files import assert_same

GET_CLTV = ("marketing", "customer_lifetime_value", "get_cltv")
BY_SEGMENT = ("marketing", "customer_lifetime_value", "get_cltv_by_segment")
CONTRACT = "mesh/domains/marketing/products/customer_lifetime_value.odcs.yaml"

# As an owner would add them: one reads what scientists may not know of, one names a column that is hidden below.
MORE = """\
      - name: orders_of
        parameters: [{name: customer_id, logicalType: integer}]
        sql: SELECT o_orderkey FROM sales.orders WHERE o_custkey = $customer_id
      - name: count_customers
        description: How many there are.
        sql: SELECT count(*) AS customers FROM marketing.customer_lifetime_value
      - name: by_phone
        parameters: [{name: phone, logicalType: string}]
        sql: SELECT customer_id FROM marketing.customer_lifetime_value WHERE phone = $phone
      - name: echo
        parameters: [{name: value, logicalType: string}]
        sql: SELECT max($value) AS value FROM marketing.customer_lifetime_value
"""
HIDES_PHONES = """
@id("analysts_see_no_phones")
forbid (
  principal in Group::"analysts",
  action in [Action::"readColumn", Action::"readRaw", Action::"readMasked"],
  resource in Product::"marketing.customer_lifetime_value"
)
when { resource.name == "phone" };
"""


@pytest.fixture(scope="module")
def customers(session) -> dict[str, int]:
    """A customer of the analyst's market segment, and one of another."""
    rows = session("steward").sql("SELECT customer_id, market_segment FROM marketing.customer_lifetime_value")
    found = {row["market_segment"]: row["customer_id"] for row in rows.to_pylist()}
    return {"own": found["BUILDING"], "other": found["MACHINERY"]}


@pytest.fixture(scope="module")
def more(configured):
    """A gateway whose marketing domain offers more queries and hides phones from analysts."""
    running = configured("")
    contract = Path(running.directory) / CONTRACT
    contract.write_text(contract.read_text() + MORE)
    policy = Path(running.directory) / "mesh/domains/marketing/policies/access.cedar"
    policy.write_text(policy.read_text() + HIDES_PHONES)

    def taken_over():
        found = connect_flight(running, "steward").sql("SELECT * FROM marketing.count_customers()")
        return found.num_rows == 1

    def tried():
        try:
            return taken_over()
        except pa.ArrowException:
            return False

    running.wait_until(tried, "the mesh is taken over")
    return running


def argument(name: str, value) -> bytes:
    """One of a `ProductRequest`'s arguments."""
    match value:
        case None:
            body = b""
        case bool():
            body = wire.number(5, int(value))
        case int():
            body = wire.number(3, value & (1 << 64) - 1)
        case float():
            body = wire.varint(4 << 3 | 1) + struct.pack("<d", value)
        case _:
            body = wire.text(2, value)
    return wire.text(7, wire.text(1, name) + body)


def request(path: tuple[str, ...], arguments: dict, **more) -> bytes:
    packed = wire.product_request(f"{path[0]}.{path[1]}/{path[2]}", **more)
    message = dict(wire.fields(packed))[2] + b"".join(argument(name, value) for name, value in arguments.items())
    return wire.any_of("type.googleapis.com/airside.v1.ProductRequest", message)


def refusal(call, *arguments) -> tuple[StatusCode, str]:
    with pytest.raises(wire.Refused) as refused:
        call(*arguments)
    return refused.value.code, refused.value.message


# --- every way to ask -----------------------------------------------------------------------------


def test_every_way_to_ask_gives_the_same(session, query, customers):
    own = customers["own"]
    plain = session("steward").sql(
        "SELECT customer_id, name, market_segment, lifetime_value, orders, last_order "
        f"FROM marketing.customer_lifetime_value WHERE customer_id = {own}"
    )
    assert plain.num_rows == 1
    steward = session("steward")
    for found in (
        steward.sql(f"SELECT * FROM marketing.get_cltv({own})"),
        steward.sql(f"SELECT c.* FROM mesh.marketing.get_cltv(customer_id => {own}) AS c"),
        steward.sql(f"SELECT * FROM marketing.get_cltv_v1('{own}')"),
        query("steward", "SELECT * FROM marketing.get_cltv(?)", [own]),
        query("steward", "SELECT * FROM marketing.get_cltv($1)", [own]),
        steward.read(FlightDescriptor.for_command(request(GET_CLTV, {"customer_id": own}))),
        steward.read(FlightDescriptor.for_command(request(GET_CLTV, {"customer_id": str(own)}))),
        steward.read(
            FlightDescriptor.for_command(
                request(("marketing", "customer_lifetime_value@1", "get_cltv"), {"customer_id": own})
            )
        ),
    ):
        assert found.schema.equals(plain.schema)
        assert_same(found, plain)


def test_it_is_part_of_a_larger_statement(session, customers):
    own = customers["own"]
    found = session("steward").sql(
        f"WITH mine AS (SELECT * FROM marketing.get_cltv({own})) "
        "SELECT s.customers, mine.customer_id, n.n_name FROM mine "
        "JOIN marketing.get_cltv_by_segment('BUILDING', since => DATE '1992-01-01') AS s USING (market_segment) "
        "JOIN marketing.customer_lifetime_value AS c ON c.customer_id = mine.customer_id "
        "JOIN geography.nation AS n ON n.n_nationkey = c.nation_key"
    )
    assert found.num_rows == 1 and found["customer_id"].to_pylist() == [own]


def test_a_request_selects_filters_and_limits(session):
    command = request(BY_SEGMENT, {"segment": "BUILDING"}, columns=("customers",), filter="customers > 0", limit=5)
    found = session("steward").read(FlightDescriptor.for_command(command))
    assert found.column_names == ["customers"] and found.num_rows == 1


def test_defaults_stand_in(session):
    steward = session("steward")
    everybody = steward.sql("SELECT customers FROM marketing.get_cltv_by_segment('BUILDING')")["customers"][0].as_py()
    late = FlightDescriptor.for_command(request(BY_SEGMENT, {"segment": "BUILDING", "since": "1998-01-01"}))
    assert 0 < steward.read(late)["customers"][0].as_py() < everybody


def test_a_prepared_statement_knows_the_declared_type(connect, customers):
    with connect("steward").cursor() as cursor:
        schema = cursor.adbc_prepare("SELECT * FROM marketing.get_cltv_by_segment(?, ?)")
        assert schema.types == [pa.string(), pa.date32()]
        cursor.execute(
            "SELECT customers FROM marketing.get_cltv_by_segment(?, ?)", ["BUILDING", datetime.date(1998, 1, 1)]
        )
        assert cursor.fetchone()[0] > 0


def test_one_schema_is_told_everywhere(raw, session, customers):
    own = customers["own"]
    for question in (
        wire.statement(f"SELECT * FROM marketing.get_cltv({own})"),
        wire.descriptor_command(request(GET_CLTV, {"customer_id": own})),
    ):
        info = raw("analyst").info(question)
        schema = flight.SchemaResult.deserialize(raw("analyst").unary("GetSchema", question)).schema
        rows = wire.decode(raw("analyst").stream("DoGet", info.endpoints[0].ticket.serialize()))
        assert info.schema.equals(schema) and rows.schema.equals(schema)


# --- with the asker's own rights ------------------------------------------------------------------


def test_two_askers_get_what_each_may_see(session, customers):
    own, other = (f"SELECT name, market_segment FROM marketing.get_cltv({customers[who]})" for who in ("own", "other"))
    assert session("analyst").sql(other).num_rows == 0, "not of the analyst's market segment"
    [ours], [theirs] = session("analyst").sql(own).to_pylist(), session("scientist").sql(own).to_pylist()
    assert re.fullmatch(r"Customer#\d{9}", ours["name"])
    assert "Customer#" not in theirs["name"]
    assert session("scientist").sql(other).num_rows == 1
    segments = "SELECT customers FROM marketing.get_cltv_by_segment('MACHINERY')"
    assert session("analyst").sql(segments).num_rows == 0 and session("scientist").sql(segments).num_rows == 1


QUESTIONS = {
    "statement": lambda name: wire.statement(f"SELECT * FROM marketing.{name}(42)"),
    "no argument": lambda name: wire.statement(f"SELECT * FROM marketing.{name}()"),
    "wrong arguments": lambda name: wire.statement(f"SELECT * FROM marketing.{name}('x', y => 1, 2)"),
    "path": lambda name: wire.descriptor_path("marketing", "customer_lifetime_value", name),
    "short path": lambda name: wire.descriptor_path("marketing", name),
    "request": lambda name: wire.descriptor_command(request((*GET_CLTV[:2], name), {"customer_id": 1})),
    "wrong request": lambda name: wire.descriptor_command(request((*GET_CLTV[:2], name), {"nope": "x" * 100})),
}


@pytest.mark.parametrize("user", ["owner", "nobody"])
def test_a_hidden_query_is_as_one_that_does_not_exist(user, raw):
    client = raw(user)

    def check(call, *arguments):
        hidden, missing = (refusal(call, *arguments[:-1], arguments[-1](name)) for name in ("get_cltv", "no_such"))
        assert hidden[0] is missing[0] is StatusCode.NOT_FOUND
        assert wire.alike(hidden[1], "get_cltv") == wire.alike(missing[1], "no_such")

    for question in QUESTIONS.values():
        check(client.info, question)
        check(client.unary, "GetSchema", question)
    check(client.stream, "DoAction", lambda name: wire.prepare(f"SELECT * FROM marketing.{name}(?)"))
    assert b"get_cltv" not in b"".join(client.stream("ListFlights", b""))


def test_a_query_over_a_hidden_dataset_does_not_exist_either(more):
    """Scientists know of the product, but not of `sales.orders`, which this query of it reads."""
    scientist = wire.Raw.connect(more.address, connect_flight(more, "scientist").header)
    hidden, missing = (
        refusal(scientist.info, wire.statement(f"SELECT * FROM marketing.{name}(1)")) for name in ("orders_of", "nope")
    )
    assert hidden[0] is missing[0] is StatusCode.NOT_FOUND
    assert wire.alike(hidden[1], "orders_of") == wire.alike(missing[1], "nope")
    listed = b"".join(scientist.stream("ListFlights", b""))
    assert b"count_customers" in listed and b"orders_of" not in listed and b"o_orderkey" not in listed
    analyst = connect_flight(more, "analyst")
    assert analyst.sql("SELECT * FROM marketing.orders_of(1)").column_names == ["o_orderkey"]


def test_a_hidden_column_of_a_query_is_not_named(more):
    analyst = wire.Raw.connect(more.address, connect_flight(more, "analyst").header)
    for sql in ("SELECT * FROM marketing.by_phone('x')", "SELECT 1 AS phone FROM marketing.by_phone('x')"):
        code, message = refusal(analyst.info, wire.statement(sql))
        assert code is StatusCode.PERMISSION_DENIED
        assert "the query `marketing.by_phone` reads more than you may" in message
        assert "column" not in message
    assert connect_flight(more, "steward").sql("SELECT * FROM marketing.by_phone('x')").num_rows == 0


# --- arguments ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "told"),
    [
        ("get_cltv()", "asks for the argument `customer_id`, a BIGINT"),
        ("get_cltv('x')", "the argument `customer_id` of `marketing.get_cltv` must be a BIGINT"),
        ("get_cltv(4.2)", "the argument `customer_id` of `marketing.get_cltv` must be a BIGINT"),
        ("get_cltv(1, 2)", "`marketing.get_cltv` takes 1 argument, `customer_id`, 2 were given"),
        ("get_cltv(id => 1)", "`marketing.get_cltv` has no parameter `id`"),
        ("get_cltv(1 + 1)", "the argument `customer_id` of `marketing.get_cltv` must be a literal or a parameter"),
        ("get_cltv((SELECT 1))", "the argument `customer_id` of `marketing.get_cltv` must be a literal or a parameter"),
        ("get_cltv_by_segment('A', '1998-02-30')", "the argument `since` of"),
    ],
)
def test_a_wrong_argument_is_named(call, told, raw):
    code, message = refusal(raw("steward").info, wire.statement(f"SELECT * FROM marketing.{call}"))
    assert code is StatusCode.INVALID_ARGUMENT and told in message


def test_a_path_without_its_argument_says_what_is_asked_for(raw):
    code, message = refusal(raw("steward").info, wire.descriptor_path(*GET_CLTV))
    assert code is StatusCode.INVALID_ARGUMENT and "asks for the argument `customer_id`, a BIGINT" in message
    code, message = refusal(
        raw("steward").info, wire.descriptor_command(request(("sales", "orders", "orders"), {"x": 1}))
    )
    assert code is StatusCode.INVALID_ARGUMENT and "takes no arguments" in message


def test_a_wrong_bound_value_is_refused(query):
    for value in ("x", 4.5):
        with pytest.raises(adbc_driver_manager.Error, match="the value of parameter `\\$1` does not fit"):
            query("steward", "SELECT * FROM marketing.get_cltv(?)", [value])


HOSTILE = [
    "'; DROP TABLE x; --",
    "' OR '1' = '1",
    "') UNION SELECT name FROM marketing.customer_lifetime_value --",
    "\\' OR 1 = 1 --",
    "$value $1 ? {fn now()}",
    '"; /* */ \0 \u2028 é',
    "",
]


@pytest.mark.parametrize("value", HOSTILE)
def test_any_text_arrives_as_itself(value, more):
    steward = connect_flight(more, "steward")
    path = ("marketing", "customer_lifetime_value", "echo")
    quoted = "'" + value.replace("'", "''") + "'"
    for found in (
        steward.read(FlightDescriptor.for_command(request(path, {"value": value}))),
        steward.sql(f"SELECT * FROM marketing.echo({quoted})"),
    ):
        assert found["value"].to_pylist() == [value]


def test_a_huge_argument_is_refused_or_arrives(more):
    steward = connect_flight(more, "steward")
    path = ("marketing", "customer_lifetime_value", "echo")
    value = "x" * 5_000
    assert steward.read(FlightDescriptor.for_command(request(path, {"value": value})))["value"].to_pylist() == [value]
    client = wire.Raw.connect(more.address, steward.header)
    for size in (200_000, 3_000_000):
        code, _ = refusal(client.info, wire.descriptor_command(request(path, {"value": "x" * size})))
        assert code is StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM " + ", ".join(["marketing.get_cltv(1)"] * 3_000),
        "SELECT * FROM " + " UNION ALL SELECT * FROM ".join(["marketing.get_cltv(1)"] * 500),
        "SELECT * FROM " + "(SELECT * FROM " * 90 + "marketing.get_cltv(1)" + ")" * 90,
        "SELECT * FROM marketing.get_cltv(" + "(" * 5_000 + "1" + ")" * 5_000 + ")",
        "SELECT * FROM marketing.get_cltv(" + "1 + " * 20_000 + "1)",
    ],
    ids=["joins", "unions", "nested", "brackets", "sum"],
)
def test_many_and_deep_calls_are_refused_and_harm_nobody(sql, raw, session):
    code, _ = refusal(raw("steward").info, wire.statement(sql))
    assert code in (StatusCode.RESOURCE_EXHAUSTED, StatusCode.INVALID_ARGUMENT)
    assert session("steward").sql("SELECT 1 AS one").num_rows == 1


def test_functions_that_are_no_queries_stay_refused(raw):
    code, message = refusal(raw("steward").info, wire.statement("SELECT * FROM generate_series(1, 10)"))
    assert code is StatusCode.INVALID_ARGUMENT and "table function `generate_series` is not supported" in message
    for name in ("marketing.customer_lifetime_value(1)", "other.get_cltv(1)", "nope.marketing.get_cltv(1)"):
        code, message = refusal(raw("steward").info, wire.statement(f"SELECT * FROM {name}"))
        assert code is StatusCode.NOT_FOUND and message.startswith("query `")
    code, _ = refusal(raw("steward").info, wire.statement("SELECT * FROM marketing.get_cltv"))
    assert code is StatusCode.NOT_FOUND


# --- listed, on record, explained -----------------------------------------------------------------


def test_it_is_listed_with_what_it_asks_for(raw, more):
    infos = [
        flight.FlightInfo.deserialize(info) for info in raw("analyst").stream("ListFlights", wire.text(1, "marketing."))
    ]
    listed = {tuple(part.decode() for part in info.descriptor.path): info for info in infos}
    assert set(listed) == {("marketing", "customer_lifetime_value"), GET_CLTV, BY_SEGMENT}
    info = listed[BY_SEGMENT]
    assert not info.endpoints
    assert info.schema.names == ["market_segment", "customers", "lifetime_value", "orders_per_customer"]
    [known] = receipts.decode(info.app_metadata).queries
    assert (known.address, known.version) == ("marketing.customer_lifetime_value/get_cltv_by_segment", "1.2.0")
    assert known.description.startswith("How many customers")
    assert [(p.name, p.type, p.required) for p in known.parameters] == [
        ("segment", "VARCHAR", True),
        ("since", "DATE", False),
    ]

    steward = connect_flight(more, "steward")
    listed = {tuple(info.descriptor.path): info for info in steward.client.list_flights(b"marketing.", steward.options)}
    counted = listed[(b"marketing", b"customer_lifetime_value", b"count_customers")]
    assert steward.read(counted).num_rows == 1, "what needs no argument is read at once"
    assert (
        steward.read(FlightDescriptor.for_path("marketing", "customer_lifetime_value", "count_customers")).num_rows == 1
    )


def test_tables_do_not_hold_it(connect):
    catalog = connect("steward").adbc_get_objects(depth="tables").read_all().to_pylist()
    assert "get_cltv" not in json.dumps(catalog) and "customer_lifetime_value" in json.dumps(catalog)


def test_receipt_and_audit_name_the_query_and_what_it_reads(more, customers):
    analyst = wire.Raw.connect(more.address, connect_flight(more, "analyst").header)
    value = "canary-5150"
    info = analyst.info(wire.statement(f"SELECT * FROM marketing.echo('{value}')"))
    analyst.stream("DoGet", info.endpoints[0].ticket.serialize())
    receipt = receipts.decode(info.app_metadata)
    assert [query.address for query in receipt.queries] == ["marketing.customer_lifetime_value/echo"]
    assert [dataset.address for dataset in receipt.datasets] == ["marketing.customer_lifetime_value"]

    def opening():
        lines = "".join(file.read_text() for file in (more.directory / "audit").glob("*.jsonl")).splitlines()
        records = [json.loads(line) for line in lines]
        return [r for r in records if r.get("decision") == receipt.decision]

    more.wait_until(opening, "the answer is on record")
    [record] = opening()
    assert record["asked"]["queries"] == ["marketing.customer_lifetime_value@1.2.0/echo"]
    assert record["asked"]["tables"] == ["marketing.customer_lifetime_value"]
    assert value not in json.dumps(record) and "marketing.echo#1" in record["asked"]["statement"]


def test_it_is_explained(gateway):
    config = gateway.directory / "airside.toml"
    for subject in ("SELECT * FROM marketing.get_cltv(42)", "marketing.customer_lifetime_value/get_cltv"):
        found = gateways.run("explain", "--config", config, "--as", "analyst", subject)
        assert found.returncode == 0, found.stderr
        assert "marketing.customer_lifetime_value@1.2.0: permitted" in found.stdout
        assert 'market_segment == "BUILDING"' in found.stdout


# --- declared wrongly -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("SELECT nope FROM sales.orders", "its SQL does not plan: column `nope` not found"),
        ("SELECT o_orderkey FROM sales.nope", "its SQL names `sales.nope`, which is no dataset of the mesh"),
        ("SELECT o_orderkey FROM orders", "its SQL names `orders`, which is no dataset of the mesh"),
        ("SELECT 1 AS one", "its SQL reads no dataset"),
        ("SELECT o_orderkey FROM sales.orders WHERE o_custkey = $x", "`$x` is no parameter that the query declares"),
        ("SELECT * FROM marketing.get_cltv(1)", "table function `marketing.get_cltv` is not supported"),
        ("SELEC 1", "syntax error"),
        ("SELECT o_orderkey, o_orderkey FROM sales.orders", "its SQL does not plan"),
    ],
)
def test_a_query_that_cannot_be_answered_is_a_fault_with_its_line(sql, told, gateway, tmp_path):
    mesh = tmp_path / "demo"
    shutil.copytree(gateway.directory, mesh, ignore=shutil.ignore_patterns("audit"))
    contract = mesh / CONTRACT
    text = contract.read_text() + f"      - name: broken\n        sql: {json.dumps(sql)}\n"
    contract.write_text(text)
    checked = gateways.run("check", "--config", mesh / "airside.toml")
    assert checked.returncode == 1
    assert told in checked.stdout
    assert f"customer_lifetime_value.odcs.yaml:{text.count(chr(10))}: " in checked.stdout


def test_a_domain_alone_is_told_what_its_sql_cannot_be(gateway, tmp_path):
    mesh = tmp_path / "mesh"
    shutil.copytree(gateway.directory / "mesh", mesh)
    contract = mesh.parent / CONTRACT
    contract.write_text(contract.read_text() + "      - {name: broken, sql: DELETE FROM sales.orders}\n")
    found = gateways.run("check", "--domain", mesh / "domains/marketing", "--governance", mesh / "governance")
    assert found.returncode == 1
    assert "the SQL of the query `broken`: DELETE is not supported" in found.stdout


def test_a_ticket_for_another_question_under_its_name_is_outdated(private):
    running = private()
    steward = wire.Raw.connect(running.address, connect_flight(running, "steward").header)
    ask = wire.statement("SELECT * FROM marketing.get_cltv_by_segment('BUILDING')")
    ticket = steward.info(ask).endpoints[0].ticket.serialize()
    assert steward.stream("DoGet", ticket)
    contract = running.directory / CONTRACT
    contract.write_text(contract.read_text().replace("last_order >= $since", "last_order > $since"))

    def outdated():
        try:
            steward.stream("DoGet", ticket)
        except wire.Refused as refused:
            return refused.code is StatusCode.UNAVAILABLE
        return False

    running.wait_until(outdated, "the changed query is taken over")
    assert steward.stream("DoGet", steward.info(ask).endpoints[0].ticket.serialize())
