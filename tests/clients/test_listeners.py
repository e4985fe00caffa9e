"""Several addresses for one service: each tells its clients where they fetch."""

import pyarrow.flight as flight
import pytest

import wire
from conftest import connect_flight
from test_endpoints import ALL, LINEITEM, info, read
from test_protocol import NATIONS, SLOW, poll, refused, renew
from wire import Raw

OUTSIDE, INSIDE = "grpc+tls://data.example.com:443", "grpc://airside-0.inside:50051"


@pytest.fixture(scope="module")
def service(configured, authority, tmp_path_factory):
    """One service at three addresses: the section's own, which names no location, one outside with TLS, one inside."""
    folder = tmp_path_factory.mktemp("listeners")
    server = authority.server()
    (folder / "server.pem").write_bytes(server.certificate)
    (folder / "server.key").write_bytes(server.key)
    return configured(
        f"""
[tls]
certificate = "{folder}/server.pem"
key = "{folder}/server.key"

[[flight.listeners]]
addr = "127.0.0.1:0"
locations = ["{OUTSIDE}"]

[[flight.listeners]]
addr = "127.0.0.1:0"
tls = false
locations = ["{INSIDE}"]
""",
        env={
            "AIRSIDE_FLIGHT__TLS": "false",
            "AIRSIDE_FLIGHT__ENDPOINT_BYTES": "20000",
            "AIRSIDE_QUERY__PLANNING_TIMEOUT_SECONDS": "60",
        },
    )


@pytest.fixture(scope="module")
def here(service):
    return connect_flight(service, "steward")


@pytest.fixture(scope="module")
def outside(service, authority):
    return connect_flight(service, "steward", at=service.listeners[1], tls_root_certs=authority.pem)


@pytest.fixture(scope="module")
def inside(service):
    return connect_flight(service, "steward", at=service.listeners[2])


def told(endpoints) -> set[tuple[bytes, ...]]:
    return {tuple(location.uri for location in endpoint.locations) for endpoint in endpoints}


def test_the_ready_line_names_them_all(service):
    assert [address.split("://")[0] for address in service.listeners] == ["grpc", "grpc+tls", "grpc"]


def test_each_tells_its_own_locations(here, outside, inside):
    answers = [info(session, LINEITEM, ALL).endpoints for session in (here, outside, inside)]
    assert all(len(endpoints) > 4 for endpoints in answers)
    assert [told(endpoints) for endpoints in answers] == [{()}, {(OUTSIDE.encode(),)}, {(INSIDE.encode(),)}]


def test_listings_tell_them_too(outside, inside):
    for session, location in ((outside, OUTSIDE), (inside, INSIDE)):
        options = flight.FlightCallOptions(timeout=60, headers=[session.header])
        infos = list(session.client.list_flights(b"sales.", options))
        assert infos and {one for each in infos for one in told(each.endpoints)} == {(location.encode(),)}


def test_a_ticket_of_one_is_good_at_the_others(here, outside, inside):
    endpoint = info(outside, LINEITEM, ALL).endpoints[0]
    tables = [read(session, endpoint) for session in (here, outside, inside)]
    assert tables[0].num_rows > 0 and tables[0].equals(tables[1]) and tables[1].equals(tables[2])


def raw(session, address) -> Raw:
    return Raw.connect(address.split("://", 1)[1], session.header)


def test_a_renewed_endpoint_is_where_it_was_renewed(service, here, inside):
    [endpoint] = raw(here, service.flight).info(NATIONS).endpoints
    renewed = renew(raw(inside, service.listeners[2]), endpoint.serialize())
    assert told([endpoint]) == {()} and told([renewed]) == {(INSIDE.encode(),)}


def test_a_poll_goes_on_at_another(service, here, inside):
    first, second = raw(here, service.flight), raw(inside, service.listeners[2])
    _, again, _ = poll(first, SLOW)
    assert again is not None, "planned within the first poll"
    for _ in range(40):
        if again is None:
            break
        answer, again, _ = poll(second, again)
    assert told(flight.FlightInfo.deserialize(answer).endpoints) == {(INSIDE.encode(),)}


def test_what_was_called_off_at_one_is_at_all(service, here, inside):
    first, second = raw(here, service.flight), raw(inside, service.listeners[2])
    answer = first.unary("GetFlightInfo", NATIONS)
    list(second.stream("DoAction", wire.action("CancelFlightInfo", wire.text(1, answer))))
    ticket = flight.FlightInfo.deserialize(answer).endpoints[0].ticket.serialize()
    assert refused(first.stream, "DoGet", ticket).code.name == "CANCELLED"
