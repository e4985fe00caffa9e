"""Being somebody, and being somebody else: passwords, session tokens, service tokens."""

import base64
import time

import adbc_driver_manager
import pyarrow.flight as flight
import pytest
from adbc_driver_flightsql import DatabaseOptions
from adbc_driver_flightsql import dbapi as adbc
from grpc import StatusCode

import wire
from conftest import connect_flight
from wire import Raw, Refused

QUESTION = wire.statement("SELECT count(*) FROM geography.region")
NOTHING = wire.descriptor_path("sales", "orders")


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def refusal(client: Raw, method: str = "GetFlightInfo", message: bytes = NOTHING) -> Refused:
    with pytest.raises(Refused) as refused:
        client.stream(method, message) if method != "GetFlightInfo" else client.unary(method, message)
    return refused.value


def test_a_password_gives_a_session(session):
    assert session("owner").header[0] == b"authorization"
    assert session("owner").header[1].startswith(b"Bearer ")


def test_basic_serves_single_calls_too(gateway):
    steward = gateway.users["steward"]
    client = Raw.connect(gateway.address, ("authorization", basic(steward.name, steward.password)))
    assert client.read(QUESTION)


def test_wrong_and_unknown_users_look_alike(gateway):
    told = []
    for user, password in (("nobody", "wrong"), ("nobodi", "wrong")):
        with pytest.raises(flight.FlightUnauthenticatedError) as error:
            flight.FlightClient(gateway.flight).authenticate_basic_token(user, password)
        told.append(wire.ERROR_ID.sub("ID", str(error.value).split(". gRPC")[0]))
    assert len(set(told)) == 1, told


def test_guessing_is_slowed_down_and_stops_no_session(private):
    running = private()
    session = connect_flight(running, "owner")
    told = []
    for _ in range(9):
        client = Raw.connect(running.address, ("authorization", basic("owner", "guess")))
        with pytest.raises(Refused) as refused:
            client.both("Handshake", [b""])
        told.append(refused.value.code)
    assert told[0] is StatusCode.UNAUTHENTICATED and told[-1] is StatusCode.RESOURCE_EXHAUSTED, told
    assert Raw.connect(running.address, session.header).read(QUESTION)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer None",
        "Bearer null",
        "bearer x",
        "Bearer " + "x" * 5000,
        "Bearer ../../etc/passwd",
        "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJzdGV3YXJkIn0.",
        "Basic",
        "Basic !!!",
        "Basic " + base64.b64encode(b"no-colon").decode(),
        "Basic " + base64.b64encode(b"\xff\xfe:\xff").decode(),
        "Negotiate abc",
    ],
)
@pytest.mark.parametrize(
    ("method", "message"),
    [
        ("GetFlightInfo", NOTHING),
        ("DoGet", wire.text(1, "no ticket")),
        ("ListFlights", b""),
        ("DoAction", wire.action("CreatePreparedStatement", b"")),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_no_credentials_no_answer(header, method, message, gateway):
    headers = [("authorization", header)] if header is not None else []
    refused = refusal(Raw.connect(gateway.address, *headers), method, message)
    assert refused.code is StatusCode.UNAUTHENTICATED, refused


def test_identity_headers_of_the_client_mean_nothing(gateway, raw):
    names = ("x-user", "x-forwarded-user", "airside-user", "airside-groups", "x-remote-user", "username")
    spoofed = [(name, "steward") for name in names]
    assert refusal(Raw.connect(gateway.address, *spoofed)).code is StatusCode.UNAUTHENTICATED
    with pytest.raises(Refused) as refused:
        raw("nobody", *spoofed).read(NOTHING)
    assert refused.value.code is StatusCode.NOT_FOUND


def test_a_session_token_is_sealed(gateway, session):
    token = session("owner").header[1].removeprefix(b"Bearer ").decode()
    assert "owner" not in token
    for position in range(0, len(token), max(1, len(token) // 16)):
        other = "A" if token[position] != "A" else "B"
        broken = token[:position] + other + token[position + 1 :]
        refused = refusal(Raw.connect(gateway.address, ("authorization", f"Bearer {broken}")))
        # The last characters of base64 may carry no bits.
        assert refused.code is StatusCode.UNAUTHENTICATED, position
    refused = refusal(Raw.connect(gateway.address, ("authorization", f"Bearer {token[:-4]}")))
    assert refused.code is StatusCode.UNAUTHENTICATED


def test_a_session_ends(private):
    """Sessions of one second are over before the second question."""
    running = private(env={"AIRSIDE_AUTHN__SESSION_TTL": "1s"})
    session = connect_flight(running, "steward")
    time.sleep(2.5)
    refused = refusal(Raw.connect(running.address, session.header))
    assert refused.code is StatusCode.UNAUTHENTICATED


def test_two_authorization_headers_are_refused(gateway, session):
    client = Raw.connect(gateway.address, session("owner").header, ("authorization", "Bearer None"))
    assert refusal(client).code in (StatusCode.UNAUTHENTICATED, StatusCode.INVALID_ARGUMENT)


def test_a_service_signs_in_with_its_token(gateway, files):
    [token] = gateway.tokens.values()
    options = {DatabaseOptions.AUTHORIZATION_HEADER.value: f"Bearer {token}"}
    with adbc.connect(gateway.flight, db_kwargs=options, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM sales.orders")
        assert list(cursor.fetchone()) == files.values("SELECT count(*) FROM sales.orders")


def test_a_wrong_service_token_is_refused(gateway):
    [token] = gateway.tokens.values()
    wrong = token[:-6] + ("aaaaaa" if token[-6:] != "aaaaaa" else "bbbbbb")
    options = {DatabaseOptions.AUTHORIZATION_HEADER.value: f"Bearer {wrong}"}
    with pytest.raises(adbc_driver_manager.Error) as error:
        with adbc.connect(gateway.flight, db_kwargs=options, autocommit=True) as connection:
            connection.adbc_get_table_types()
    assert error.value.status_code == adbc_driver_manager.AdbcStatusCode.UNAUTHENTICATED


def test_a_handshake_with_a_bearer_token_succeeds(gateway, session):
    """As ODBC does it: the token in the header, an empty payload."""
    header = session("owner").header
    client = Raw.connect(gateway.address, header)
    call = client.channel.stream_stream(wire.SERVICE + "Handshake", bytes, bytes)
    answer = call(iter([b""]), metadata=client.headers, timeout=30)
    assert len(list(answer)) == 1
    # Go reads the token from the header that comes back.
    assert dict(answer.initial_metadata())["authorization"] == header[1].decode()


def test_a_handshake_without_credentials_fails(gateway):
    with pytest.raises(Refused) as refused:
        Raw.connect(gateway.address).both("Handshake", [b""])
    assert refused.value.code is StatusCode.UNAUTHENTICATED


def test_passwords_are_stored_hashed(gateway):
    for path in gateway.directory.rglob("*.toml"):
        text = path.read_text()
        for user in gateway.users.values():
            assert user.password not in text, path
        for token in gateway.tokens.values():
            assert token not in text, path
