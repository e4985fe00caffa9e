"""Answers in several endpoints: for clients that read all of them, together every row once."""

from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pyarrow.flight as flight
import pytest

import wire
from conftest import connect_adbc, connect_flight
from mesh_files import rows
from receipts import decode

ALL = (b"airside-endpoints", b"all")
LINEITEM = flight.FlightDescriptor.for_path("sales", "lineitem")
WHERE = "l_quantity > 20 AND l_shipmode <> 'AIR'"


@pytest.fixture(scope="module")
def pieces(configured):
    """A gateway whose endpoints are small: the demo's files are."""
    return configured("", env={"AIRSIDE_FLIGHT__ENDPOINT_BYTES": "20000"})


@pytest.fixture(scope="module")
def steward(pieces):
    return connect_flight(pieces, "steward")


@pytest.fixture(scope="module")
def analyst(pieces):
    return connect_flight(pieces, "analyst")


def info(session, descriptor, *headers):
    return session.client.get_flight_info(descriptor, options(session, *headers))


def options(session, *headers):
    return flight.FlightCallOptions(timeout=60, headers=[session.header, *headers])


def sql(text: str) -> flight.FlightDescriptor:
    return flight.FlightDescriptor.for_command(text.encode())


def read(session, endpoint) -> pa.Table:
    return session.client.do_get(endpoint.ticket, options(session)).read_all()


def part(endpoint) -> tuple[int, int]:
    fields = dict(wire.fields(endpoint.app_metadata))
    return fields.get(1, 0), fields[2]


@pytest.mark.parametrize("user", ["steward", "analyst"])
@pytest.mark.parametrize(
    "question",
    ["SELECT * FROM sales.lineitem", f"SELECT l_orderkey, l_comment, l_quantity * 2 FROM sales.lineitem WHERE {WHERE}"],
)
def test_endpoints_together_are_the_answer(pieces, user, question):
    session = connect_flight(pieces, user)
    whole = session.read(info(session, sql(question)))
    divided = info(session, sql(question), ALL)
    assert len(divided.endpoints) > 4
    assert [part(endpoint) for endpoint in divided.endpoints] == [
        (index, len(divided.endpoints)) for index in range(len(divided.endpoints))
    ]
    with ThreadPoolExecutor(4) as readers:
        tables = list(readers.map(lambda endpoint: read(session, endpoint), divided.endpoints))
    assert sum(table.num_rows > 0 for table in tables) > 1
    assert all(table.schema == divided.schema for table in tables)
    assert whole.num_rows > 0
    assert sorted(map(str, rows(pa.concat_tables(tables)))) == sorted(map(str, rows(whole)))


def test_a_product_is_divided_by_path_and_by_request(steward):
    whole = steward.read(LINEITEM)
    request = wire.any_of(
        "type.googleapis.com/airside.v1.ProductRequest",
        wire.text(1, "sales.lineitem") + wire.text(2, "l_orderkey") + wire.number(8, 1),
    )
    for divided in (info(steward, LINEITEM, ALL), info(steward, flight.FlightDescriptor.for_command(request))):
        assert len(divided.endpoints) > 4
        tables = [read(steward, endpoint) for endpoint in divided.endpoints]
        keys = pa.concat_tables(tables)["l_orderkey"]
        assert sorted(keys.to_pylist()) == sorted(whole["l_orderkey"].to_pylist())


def test_who_does_not_ask_reads_one(steward):
    for descriptor in (LINEITEM, sql("SELECT * FROM sales.lineitem")):
        [endpoint] = info(steward, descriptor).endpoints
        assert endpoint.app_metadata == b""
        assert len(info(steward, descriptor, (b"airside-endpoints", b"one")).endpoints) == 1


@pytest.mark.parametrize(
    "question",
    [
        "SELECT count(*) FROM sales.lineitem",
        "SELECT * FROM sales.lineitem ORDER BY l_orderkey",
        "SELECT * FROM sales.lineitem LIMIT 7",
        "SELECT DISTINCT l_shipmode FROM sales.lineitem",
        "SELECT l_orderkey, now() FROM sales.lineitem",
        "SELECT l_orderkey FROM sales.lineitem, geography.nation",
        "SELECT * FROM marketing.customer_lifetime_value",
    ],
)
def test_what_is_more_than_its_rows_comes_whole(steward, question):
    [endpoint] = info(steward, sql(question), ALL).endpoints
    assert read(steward, endpoint).num_rows > 0


def test_a_limited_request_comes_whole(steward):
    request = wire.any_of(
        "type.googleapis.com/airside.v1.ProductRequest",
        wire.text(1, "sales.lineitem") + wire.number(4, 5) + wire.number(8, 1),
    )
    [endpoint] = info(steward, flight.FlightDescriptor.for_command(request)).endpoints
    assert read(steward, endpoint).num_rows == 5


def test_they_are_the_same_again(steward):
    one, other = (info(steward, LINEITEM, ALL) for _ in range(2))
    assert decode(one.app_metadata).datasets == decode(other.app_metadata).datasets
    assert [part(endpoint) for endpoint in one.endpoints] == [part(endpoint) for endpoint in other.endpoints]
    for a, b in zip(one.endpoints[:3], other.endpoints[:3], strict=True):
        assert read(steward, a).equals(read(steward, b))
        assert read(steward, a).equals(read(steward, a))


def test_each_is_authorised_for_itself(analyst, steward):
    endpoint = info(steward, LINEITEM, ALL).endpoints[0]
    with pytest.raises(flight.FlightUnauthorizedError, match="another principal"):
        read(analyst, endpoint)


def test_the_header_says_one_or_all(steward):
    with pytest.raises(pa.ArrowInvalid, match="`airside-endpoints` is `all` or `one`"):
        info(steward, LINEITEM, (b"airside-endpoints", b"4"))


def test_adbc_reads_all_it_is_given(pieces):
    with connect_adbc(pieces, "steward") as connection, connection.cursor() as cursor:
        partitions, schema = cursor.adbc_execute_partitions("SELECT l_orderkey FROM sales.lineitem")
        assert len(partitions) > 4
        cursor.execute("SELECT count(*) FROM sales.lineitem")
        [[count]] = cursor.fetchall()
        cursor.execute("SELECT l_orderkey FROM sales.lineitem")
        assert cursor.fetch_arrow_table().num_rows == count
        read = 0
        for partition in partitions:
            cursor.adbc_read_partition(partition)
            read += cursor.fetch_arrow_table().num_rows
        assert read == count
        few, _ = cursor.adbc_execute_partitions("SELECT l_orderkey FROM sales.lineitem WHERE l_orderkey = 1")
        assert len(few) == 1, "a filter is likely to leave little"


def test_locations_are_told_as_configured(configured):
    locations = '["grpc+tls://a.example.com:443", "grpc+tls://b.example.com:443"]'
    gateway = configured("", env={"AIRSIDE_FLIGHT__ENDPOINT_BYTES": "20000", "AIRSIDE_FLIGHT__LOCATIONS": locations})
    session = connect_flight(gateway, "steward")
    told = info(session, LINEITEM, ALL)
    assert len(told.endpoints) > 4
    for endpoint in told.endpoints:
        assert [location.uri for location in endpoint.locations] == [
            b"grpc+tls://a.example.com:443",
            b"grpc+tls://b.example.com:443",
        ]
