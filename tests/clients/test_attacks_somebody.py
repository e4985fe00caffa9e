"""Being somebody else, with what was sealed for another, has ended, or was never sealed here.

Passwords and tokens are in `test_authn`, forged JWTs in `test_jwt`, certificates in `test_tls`.
"""

from __future__ import annotations

import base64
import os
import random
import time

import pyarrow as pa
import pytest
from grpc import StatusCode
from pyarrow import flight

import attacks
import gateway as gateways
import hostile
import wire
from wire import Raw, Refused

SQL = "SELECT id, note FROM vault.twin WHERE id > 200"
ONE = pa.record_batch({"$1": pa.array([5], pa.int64())})
SEALED = (StatusCode.INVALID_ARGUMENT, StatusCode.PERMISSION_DENIED, StatusCode.UNAUTHENTICATED)


@pytest.fixture
def ticket(vault) -> bytes:
    return vault.client("keeper").info(wire.statement(SQL)).endpoints[0].ticket.ticket


@pytest.fixture
def handle(vault) -> bytes:
    [result] = vault.client("keeper").stream("DoAction", wire.prepare(SQL))
    return wire.prepared_handle(result)


def redeemed(client: Raw, ticket: bytes) -> wire.Sent:
    return client.redeem(wire.text(1, ticket))


def refused(vault, sent: wire.Sent) -> StatusCode:
    assert sent.refused is not None and sent.rows == [], "answered"
    vault.sweep(*sent.swept())
    for word in ("keeper", "twin", "note"):
        assert word not in sent.refused.message, sent.refused
    return sent.refused.code


@pytest.mark.parametrize("who", ["reader", "washer", "stranger"])
def test_what_was_sealed_for_another_is_refused(who, vault, ticket, handle):
    client = vault.client(who)
    assert refused(vault, redeemed(client, ticket)) in SEALED
    assert refused(vault, client.ask(wire.prepared_query(handle))) in SEALED
    with pytest.raises(Refused) as refusal:
        client.both("DoPut", wire.bound(handle, ONE))
    assert refusal.value.code in SEALED


@pytest.mark.parametrize("kind", ["ticket", "handle"])
def test_a_damaged_seal_is_refused(kind, vault, ticket, handle):
    """Each bit of the first and last bytes, then some at random; cut, doubled, and lengthened."""
    client, sealed = vault.client("keeper"), ticket if kind == "ticket" else handle
    ask = (
        (lambda each: redeemed(client, each))
        if kind == "ticket"
        else (lambda each: client.ask(wire.prepared_query(each)))
    )
    assert ask(sealed).refused is None
    random_bits = random.Random(7)
    bits = [*range(16), *(random_bits.randrange(len(sealed) * 8) for _ in range(24)), len(sealed) * 8 - 1]
    damaged = [sealed[:length] for length in (0, 1, 23, len(sealed) // 2, len(sealed) - 1)]
    damaged += [sealed + b"\x00", sealed * 2, sealed[::-1], os.urandom(len(sealed)), bytes(len(sealed))]
    for bit in bits:
        flipped = bytearray(sealed)
        flipped[bit // 8] ^= 1 << bit % 8
        damaged.append(bytes(flipped))
    for each in damaged:
        assert refused(vault, ask(each)) is StatusCode.INVALID_ARGUMENT


def test_a_seal_is_good_for_its_own_purpose_alone(vault, ticket, handle):
    """A ticket is no handle, a handle no ticket, neither is a credential, and a token is none of them."""
    client = vault.client("keeper")
    assert refused(vault, redeemed(client, handle)) in SEALED
    assert refused(vault, client.ask(wire.prepared_query(ticket))) in SEALED
    assert refused(vault, redeemed(client, hostile.token("keeper").encode())) in SEALED
    for sealed in (ticket, handle):
        for text in (sealed.hex(), wire_base64(sealed)):
            stranger = Raw.connect(vault.gateway.address, ("authorization", f"Bearer {text}"))
            assert refused(vault, stranger.ask(wire.statement("SELECT 1"))) is StatusCode.UNAUTHENTICATED


def wire_base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def test_what_was_sealed_for_a_purpose_stays_with_it(vault):
    client = vault.client("keeper", ("airside-purpose", "audit"))
    other = vault.client("keeper", ("airside-purpose", "reporting"))
    ticket = client.info(wire.statement(SQL)).endpoints[0].ticket.serialize()
    [result] = client.stream("DoAction", wire.prepare(SQL))
    assert other.redeem(ticket).refused.code is StatusCode.PERMISSION_DENIED
    asked = other.ask(wire.prepared_query(wire.prepared_handle(result)))
    assert asked.refused.code is StatusCode.PERMISSION_DENIED
    assert client.redeem(ticket).refused is None


def test_purposes_are_words(vault):
    for purpose in ("a" * 65, "Audit", "a b", "a;b", "ä".encode(), "../x", "' OR 1=1 --"):
        with pytest.raises((Refused, ValueError, TypeError)) as refusal:
            vault.client("keeper", ("airside-purpose", purpose)).unary("GetFlightInfo", wire.statement("SELECT 1"))
        if isinstance(refusal.value, Refused):
            assert refusal.value.code in (StatusCode.INVALID_ARGUMENT, StatusCode.INTERNAL), refusal.value
    two = vault.client("keeper", ("airside-purpose", "audit"), ("airside-purpose", "reporting"))
    with pytest.raises(Refused) as refusal:
        two.unary("GetFlightInfo", wire.statement("SELECT 1"))
    assert refusal.value.code is StatusCode.INVALID_ARGUMENT


def test_bound_values_are_bound_to_their_statement(vault):
    """Two statements with one text, of two principals: what one binds the other does not meet."""
    sql = "SELECT CAST($1 AS BIGINT) AS x"
    handles = {}
    for who, value in (("keeper", 1), ("reader", 2)):
        client = vault.client(who)
        [result] = client.stream("DoAction", wire.prepare(sql))
        handles[who] = wire.prepared_handle(result)
        client.both("DoPut", wire.bound(handles[who], pa.record_batch({"$1": pa.array([value], pa.int64())})))
    for who, value in (("keeper", 1), ("reader", 2)):
        sent = vault.client(who).ask(wire.prepared_query(handles[who]))
        assert wire.decode(sent.rows)["x"].to_pylist() == [value]
    [fresh] = vault.client("reader").stream("DoAction", wire.prepare(sql))
    sent = vault.client("reader").ask(wire.prepared_query(wire.prepared_handle(fresh)))
    assert sent.refused and sent.refused.code is StatusCode.INVALID_ARGUMENT, sent.outcome()


CALLS = {
    "GetFlightInfo": wire.statement(SQL),
    "GetSchema": wire.descriptor_path("vault", "twin"),
    "PollFlightInfo": wire.statement(SQL),
    "DoGet": wire.text(1, b"x"),
    "DoPut": wire.text(1, wire.statement(SQL)),
    "DoExchange": wire.text(1, wire.statement(SQL)),
    "DoAction": wire.prepare(SQL),
    "ListActions": b"",
    "ListFlights": b"",
}


@pytest.mark.parametrize("method", CALLS)
@pytest.mark.parametrize("header", [None, "Bearer None", "Bearer airt_" + "0" * 64, "Basic a2VlcGVyOg=="])
def test_no_call_answers_a_stranger(method, header, vault):
    client = Raw.connect(vault.gateway.address, *([("authorization", header)] if header else []))
    with pytest.raises(Refused) as refusal:
        if method in ("DoPut", "DoExchange"):
            client.both(method, [CALLS[method]])
        elif method in ("GetFlightInfo", "GetSchema", "PollFlightInfo"):
            client.unary(method, CALLS[method])
        else:
            client.stream(method, CALLS[method])
    assert refusal.value.code is StatusCode.UNAUTHENTICATED, refusal.value
    vault.sweep(refusal.value.message, repr(refusal.value.trailers))


# --- keys and time ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def brief(vault, tmp_path_factory):
    """A replica on the same mesh whose tickets end within a second, sealed with another key; it knows the old one."""
    directory = tmp_path_factory.mktemp("brief")
    config = vault.gateway.directory / "brief.toml"
    (vault.gateway.directory / "secrets/other.key").write_text("0f1e2d3c4b5a6978" * 4)
    text = (vault.gateway.directory / "airside.toml").read_text()
    keys = 'keys = ["file:secrets/other.key", "file:secrets/tickets.key"]\nttl_seconds = 1'
    config.write_text(text.replace('keys = ["file:secrets/tickets.key"]', keys))
    running = gateways.serve(config, directory / "gateway.log")
    yield Raw.connect(running.address, ("authorization", f"Bearer {hostile.token('keeper')}"))
    assert running.stop() == 0


def test_a_replica_with_the_key_answers_what_another_sealed(brief, vault, ticket, handle):
    assert redeemed(brief, ticket).refused is None
    assert brief.ask(wire.prepared_query(handle)).refused is None


def test_a_replica_without_the_key_refuses(brief, vault):
    ticket = brief.info(wire.statement(SQL)).endpoints[0].ticket.ticket
    [result] = brief.stream("DoAction", wire.prepare(SQL))
    assert redeemed(brief, ticket).refused is None
    client = vault.client("keeper")
    assert refused(vault, redeemed(client, ticket)) is StatusCode.INVALID_ARGUMENT
    asked = client.ask(wire.prepared_query(wire.prepared_handle(result)))
    assert refused(vault, asked) is StatusCode.INVALID_ARGUMENT


def test_what_has_ended_is_refused(brief, vault):
    ticket = brief.info(wire.statement(SQL)).endpoints[0].ticket.ticket
    [result] = brief.stream("DoAction", wire.prepare(SQL))
    handle = wire.prepared_handle(result)
    listed = brief.ask(wire.metadata("CommandGetTables")).messages[0]
    time.sleep(2.2)
    assert refused(vault, redeemed(brief, ticket)) is StatusCode.INVALID_ARGUMENT
    assert refused(vault, brief.ask(wire.prepared_query(handle))) is StatusCode.INVALID_ARGUMENT
    [endpoint] = flight.FlightInfo.deserialize(listed).endpoints
    assert refused(vault, redeemed(brief, endpoint.ticket.ticket)) is StatusCode.INVALID_ARGUMENT
    assert attacks.by_statement(brief, SQL).refused is None
