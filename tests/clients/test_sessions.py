"""Session options: set once, sealed in a cookie, said again with every call."""

import pytest
from grpc import StatusCode

import wire
from conftest import connect_flight
from wire import Raw, Refused, fields

SUPPLY = wire.descriptor_path("supply", "partsupp")


def option(name: str, value: str | None) -> bytes:
    """An entry of a map of session options; none unsets it."""
    return wire.text(1, wire.text(1, name) + wire.text(2, b"" if value is None else wire.text(1, value)))


def act(client: Raw, action: str, body: bytes = b"") -> tuple[bytes, str | None]:
    """An action's result and the cookie that came with it."""
    call = client.channel.unary_stream(wire.SERVICE + "DoAction", bytes, bytes)
    answer = call(wire.text(1, action) + wire.text(2, body), metadata=client.headers, timeout=30)
    [result] = [dict(fields(each)).get(1, b"") for each in answer]
    cookies = [value for name, value in answer.initial_metadata() if name == "set-cookie"]
    return result, cookies[0].split(";")[0] if cookies else None


@pytest.fixture
def signed_in(gateway):
    """A client of a user's, with more headers."""

    def connect(user: str, *headers) -> Raw:
        return Raw.connect(gateway.address, connect_flight(gateway, user).header, *headers)

    return connect


def sees_cost(client: Raw) -> bool:
    return "ps_supplycost" in client.info(SUPPLY).schema.names


def test_a_purpose_is_set_once(signed_in):
    result, cookie = act(signed_in("service"), "SetSessionOptions", option("purpose", "audit"))
    assert result == b""
    assert not sees_cost(signed_in("service"))
    session = signed_in("service", ("cookie", f"other=1; {cookie}"))
    assert sees_cost(session)
    assert session.read(SUPPLY)
    assert b"audit" in act(session, "GetSessionOptions")[0]
    assert b"mesh" in act(session, "GetSessionOptions")[0]
    assert "audit" not in cookie


def test_a_header_goes_before_the_session(signed_in):
    _, cookie = act(signed_in("service"), "SetSessionOptions", option("purpose", "audit"))
    assert not sees_cost(signed_in("service", ("cookie", cookie), ("airside-purpose", "reporting")))
    _, cookie = act(signed_in("service"), "SetSessionOptions", option("purpose", "reporting"))
    assert sees_cost(signed_in("service", ("cookie", cookie), ("airside-purpose", "audit")))


def test_options_are_unset_and_sessions_closed(signed_in):
    _, cookie = act(signed_in("service"), "SetSessionOptions", option("purpose", "audit"))
    session = signed_in("service", ("cookie", cookie))
    _, unset = act(session, "SetSessionOptions", option("purpose", None))
    assert not sees_cost(signed_in("service", ("cookie", unset)))
    closed, empty = act(session, "CloseSession")
    assert closed == wire.number(1, 1)
    assert not sees_cost(signed_in("service", ("cookie", empty)))


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("colour", "red", 1),
        ("purpose", "No Such", 2),
        ("catalog", "elsewhere", 2),
        ("catalog", "mesh", None),
        ("schema", "supply", None),
        ("schema", "", None),
        ("schema", "no_such_domain", 2),
        # One that the service may not know of.
        ("schema", "marketing", 2),
        ("schema", "x; DROP", 2),
    ],
)
def test_what_cannot_be_set_is_named(name, value, error, signed_in):
    result, _ = act(signed_in("service"), "SetSessionOptions", option(name, value))
    expected = b"" if error is None else wire.text(1, wire.text(1, name) + wire.text(2, wire.number(1, error)))
    assert result == expected


BARE = "WITH w AS (SELECT o_orderkey FROM orders) SELECT count(*) AS n FROM w, mesh.geography.region"


def test_a_schema_is_set_once(signed_in):
    steward = signed_in("steward")
    _, cookie = act(steward, "SetSessionOptions", option("schema", "sales"))
    session = signed_in("steward", ("cookie", cookie))
    assert b"sales" in act(session, "GetSessionOptions")[0]
    for client in (session, signed_in("steward", ("airside-schema", "sales"))):
        for descriptor in (wire.statement(BARE), wire.descriptor_command(BARE.encode())):
            assert client.unary("GetSchema", descriptor)
            assert client.ask(descriptor).refused is None
        # The ticket says what it reads, so it is redeemed without the option.
        ticket = client.info(wire.statement(BARE)).endpoints[0].ticket.serialize()
        assert wire.decode(steward.stream("DoGet", ticket))["n"].to_pylist()[0] > 0
        assert client.prepared(BARE.replace("FROM orders", "FROM orders WHERE o_orderkey > 0")).refused is None
        assert dict(fields(client.unary("PollFlightInfo", wire.statement(BARE))))[1]
    with pytest.raises(Refused) as refusal:
        steward.info(wire.statement(BARE))
    assert refusal.value.code is StatusCode.NOT_FOUND


def test_a_schema_opens_nothing(signed_in):
    """What is hidden under its full name is hidden under its short one."""
    for user, code in (("nobody", StatusCode.NOT_FOUND), ("steward", None)):
        sent = signed_in(user, ("airside-schema", "sales")).ask(wire.statement("SELECT count(*) FROM orders"))
        assert (sent.refused.code if sent.refused else None) is code
    with pytest.raises(Refused) as refusal:
        signed_in("steward", ("airside-schema", "Not A Name")).info(wire.statement(BARE))
    assert refusal.value.code is StatusCode.INVALID_ARGUMENT


def test_anothers_cookie_says_nothing(signed_in):
    """It stands for what its client says of itself: another's, or a forged one, is no statement."""
    _, cookie = act(signed_in("steward"), "SetSessionOptions", option("purpose", "audit"))
    for stale in (cookie, cookie[:-3] + "AAA", "airside_session=", "airside_session=audit", cookie + "x"):
        assert not sees_cost(signed_in("service", ("cookie", stale)))


def test_a_body_that_is_no_message_is_refused(signed_in):
    for action in ("SetSessionOptions", "GetSessionOptions", "CloseSession"):
        call = signed_in("service").stream
        with pytest.raises(Refused) as refusal:
            call("DoAction", wire.text(1, action) + wire.text(2, b"\xff\xff"))
        assert refusal.value.code is StatusCode.INVALID_ARGUMENT


def test_adbc_sets_it(gateway):
    """A real client, whose driver keeps cookies."""
    from adbc_driver_flightsql import DatabaseOptions, dbapi

    user = gateway.users["service"]
    options = {
        DatabaseOptions.WITH_COOKIE_MIDDLEWARE.value: "true",
        "username": user.name,
        "password": user.password,
    }
    sql = "SELECT count(ps_supplycost) AS n FROM supply.partsupp"
    with dbapi.connect(gateway.flight, db_kwargs=options, autocommit=True) as connection:
        connection.adbc_connection.set_options(**{"adbc.flight.sql.session.option.purpose": "audit"})
        with connection.cursor() as cursor:
            cursor.execute(sql)
            assert cursor.fetchone()[0] > 0
            connection.adbc_current_db_schema = "supply"
            assert connection.adbc_current_db_schema == "supply" and connection.adbc_current_catalog == "mesh"
            cursor.execute("SELECT count(ps_supplycost) AS n FROM partsupp WHERE ps_partkey > ?", (0,))
            assert cursor.fetchone()[0] > 0
