"""The Flight protocol as pyarrow speaks it: descriptors of three kinds, one schema, and sealed tickets."""

import pyarrow as pa
import pyarrow.flight as flight
import pytest
from grpc import StatusCode
from pyarrow.flight import FlightDescriptor

import wire
from conftest import connect_flight
from mesh_files import assert_same
from wire import Refused

ORDERS = FlightDescriptor.for_path("sales", "orders")
SQL = "SELECT o_orderkey, o_comment FROM sales.orders WHERE o_orderkey < 100"

DESCRIPTORS = {
    "path": ORDERS,
    "path with version": FlightDescriptor.for_path("sales", "orders@1"),
    "path with part": FlightDescriptor.for_path("sales", "orders", "orders"),
    "sql text": FlightDescriptor.for_command(SQL.encode()),
    "statement": FlightDescriptor.deserialize(wire.statement(SQL)),
    "product request": FlightDescriptor.for_command(
        wire.product_request("sales", "orders", columns=("o_orderkey", "o_totalprice"), limit=5)
    ),
    "tables": FlightDescriptor.deserialize(wire.metadata("CommandGetTables", wire.number(5, 1))),
    "schemas": FlightDescriptor.deserialize(wire.metadata("CommandGetDbSchemas")),
    "catalogs": FlightDescriptor.deserialize(wire.metadata("CommandGetCatalogs")),
    "table types": FlightDescriptor.deserialize(wire.metadata("CommandGetTableTypes")),
    "sql info": FlightDescriptor.deserialize(wire.metadata("CommandGetSqlInfo")),
}


@pytest.mark.parametrize("descriptor", DESCRIPTORS.values(), ids=DESCRIPTORS.keys())
def test_one_schema_everywhere(descriptor, session):
    steward = session("steward")
    info = steward.info(descriptor)
    announced = steward.client.get_schema(descriptor, steward.options).schema
    assert info.schema.equals(announced, check_metadata=True)
    assert info.endpoints, "no endpoint to read"
    for endpoint in info.endpoints:
        sent = steward.client.do_get(endpoint.ticket, steward.options).schema
        assert sent.equals(announced, check_metadata=True)


def test_a_path_reads_the_whole_product(session, files):
    assert_same(session("steward").read(ORDERS), files.sql("SELECT * FROM sales.orders"))


def test_sql_reads_what_it_asks(session, files):
    assert_same(session("steward").sql(SQL), files.sql(SQL))


def test_a_product_request_selects(session, files):
    request = wire.product_request("sales", "orders", columns=("o_orderkey", "o_totalprice"), filter="o_orderkey < 200")
    found = session("steward").read(FlightDescriptor.for_command(request))
    assert_same(found, files.sql("SELECT o_orderkey, o_totalprice FROM sales.orders WHERE o_orderkey < 200"))


def test_a_product_request_limits(session):
    request = wire.product_request("sales", "orders", limit=7)
    assert session("steward").read(FlightDescriptor.for_command(request)).num_rows == 7


def test_result_types_are_those_every_client_knows(session):
    for descriptor in (ORDERS, FlightDescriptor.for_path("customers", "customer")):
        for field in session("steward").info(descriptor).schema:
            assert not pa.types.is_dictionary(field.type), field
            assert field.type not in (pa.string_view(), pa.binary_view()), field


def test_endpoints_say_here(session):
    for endpoint in session("steward").info(ORDERS).endpoints:
        assert all(location.uri for location in endpoint.locations), "an empty location breaks JDBC"


def test_flights_are_listed_as_they_are_read(session):
    steward = session("steward")
    listed = {
        tuple(part.decode() for part in info.descriptor.path): info
        for info in steward.client.list_flights(b"", steward.options)
    }
    assert {
        ("sales", "orders"),
        ("sales", "lineitem"),
        ("customers", "customer"),
        ("marketing", "customer_lifetime_value"),
    } <= set(listed)
    for path, info in listed.items():
        if not info.endpoints:
            assert path[1:] in (
                ("customer_lifetime_value", "get_cltv"),
                ("customer_lifetime_value", "get_cltv_by_segment"),
            )
            continue
        assert info.schema.equals(steward.info(FlightDescriptor.for_path(*path)).schema), path


def test_nobody_sees_no_flight(session):
    nobody = session("nobody")
    assert list(nobody.client.list_flights(b"", nobody.options)) == []


def test_messages_stay_below_four_mebibytes(raw):
    steward = raw("steward")
    info = steward.info(wire.descriptor_path("sales", "lineitem"))
    for endpoint in info.endpoints:
        assert max(map(len, steward.stream("DoGet", endpoint.ticket.serialize()))) < 4 << 20


@pytest.mark.parametrize(
    ("descriptor", "code"),
    [
        (wire.descriptor_path("sales", "no_such_product"), StatusCode.NOT_FOUND),
        (wire.descriptor_path("no_such_domain", "orders"), StatusCode.NOT_FOUND),
        (wire.descriptor_path("sales", "orders@99"), StatusCode.NOT_FOUND),
        (wire.descriptor_path("sales"), StatusCode.INVALID_ARGUMENT),
        (wire.descriptor_path("sales", "orders@"), StatusCode.INVALID_ARGUMENT),
        (wire.descriptor_path("sales", "../orders"), StatusCode.INVALID_ARGUMENT),
        (wire.statement("SELEC 1"), StatusCode.INVALID_ARGUMENT),
        (wire.statement("SELECT no_such_column FROM sales.orders"), StatusCode.INVALID_ARGUMENT),
        (wire.statement("SELECT * FROM sales.no_such_table"), StatusCode.NOT_FOUND),
        (wire.statement("SELECT * FROM no_such_domain.orders"), StatusCode.NOT_FOUND),
        (wire.statement(""), StatusCode.INVALID_ARGUMENT),
        (wire.statement("SELECT 1; SELECT 2"), StatusCode.INVALID_ARGUMENT),
        (wire.descriptor_command(b"\xff\xfe\x00garbage"), StatusCode.INVALID_ARGUMENT),
        (b"", StatusCode.INVALID_ARGUMENT),
        (
            wire.descriptor_command(wire.product_request("sales", "orders", columns=("no_such_column",))),
            StatusCode.INVALID_ARGUMENT,
        ),
        (
            wire.descriptor_command(wire.product_request("sales", "orders", filter="o_orderkey = 1; DROP TABLE x")),
            StatusCode.INVALID_ARGUMENT,
        ),
        (
            wire.descriptor_command(
                wire.product_request(
                    "sales", "orders", filter="o_orderkey IN (SELECT c_custkey FROM customers.customer)"
                )
            ),
            StatusCode.INVALID_ARGUMENT,
        ),
    ],
)
@pytest.mark.parametrize("method", ["GetFlightInfo", "GetSchema"])
def test_errors_have_the_right_code(descriptor, code, method, raw):
    with pytest.raises(Refused) as refusal:
        raw("steward").unary(method, descriptor)
    assert refusal.value.code is code, refusal.value
    assert refusal.value.message


def test_what_is_not_offered_says_so(raw):
    substrait = wire.metadata("CommandStatementSubstraitPlan", wire.text(1, wire.text(1, b"plan")))
    with pytest.raises(Refused) as refusal:
        raw("steward").unary("GetFlightInfo", substrait)
    assert refusal.value.code is StatusCode.UNIMPLEMENTED


# --- tickets --------------------------------------------------------------------------------------


@pytest.fixture
def ticket(raw) -> bytes:
    [endpoint] = raw("steward").info(wire.statement(SQL)).endpoints
    return endpoint.ticket.ticket


def refused_ticket(client: wire.Raw, ticket: bytes) -> Refused:
    with pytest.raises(Refused) as refusal:
        client.stream("DoGet", flight.Ticket(ticket).serialize())
    return refusal.value


def test_a_ticket_can_be_read_again(raw, ticket):
    message = flight.Ticket(ticket).serialize()
    assert raw("steward").stream("DoGet", message) == raw("steward").stream("DoGet", message)


def test_a_flipped_bit_is_refused(raw, ticket):
    step = max(1, len(ticket) // 24)
    for position in range(0, len(ticket), step):
        broken = bytearray(ticket)
        broken[position] ^= 1 << position % 8
        assert refused_ticket(raw("steward"), bytes(broken)).code is StatusCode.INVALID_ARGUMENT, position


@pytest.mark.parametrize("length", [0, 1, 12, 40, -1])
def test_a_truncated_ticket_is_refused(raw, ticket, length):
    assert refused_ticket(raw("steward"), ticket[:length]).code is StatusCode.INVALID_ARGUMENT


def test_another_principals_ticket_is_refused(raw, ticket):
    for user in ("owner", "analyst", "nobody"):
        refusal = refused_ticket(raw(user), ticket)
        assert refusal.code in (StatusCode.INVALID_ARGUMENT, StatusCode.PERMISSION_DENIED), refusal
        assert "steward" not in refusal.message


def test_a_ticket_is_no_credential(raw, ticket):
    assert refused_ticket(raw(None), ticket).code is StatusCode.UNAUTHENTICATED


def test_a_ticket_of_another_gateway_is_refused(raw, ticket, private):
    """Keys that are not configured are made at start, so another gateway has others."""
    other = private(env={"AIRSIDE_TICKETS__KEYS": "[]"})
    stranger = wire.Raw.connect(other.address, connect_flight(other, "steward").header)
    assert refused_ticket(stranger, ticket).code is StatusCode.INVALID_ARGUMENT


def test_a_ticket_tells_nothing(ticket):
    for word in (b"steward", b"o_orderkey", b"SELECT", b".parquet"):
        assert word not in ticket
