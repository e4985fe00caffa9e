"""The tokens that people take along: what they open, for whom, and what ends them."""

import json
import re
import time

import adbc_driver_flightsql.dbapi as adbc
import pyarrow.flight as flight
import pytest
from adbc_driver_flightsql import DatabaseOptions
from grpc import StatusCode

import gateway as gateways
import wire
from browsing import ORDERS, QUESTION, Browser, bearer, id_of, refused, signed_in
from conftest import Session
from test_authn import basic
from test_streams import LINES, Reading, until_revoked
from wire import Raw


def test_a_token_is_shown_once_and_works_for_every_client(gateway, files):
    browser = signed_in(gateway, "owner")
    token = browser.make_token("every client")
    page = browser.get("/token").text
    assert token not in page and token[-4:] in page and "every client" in page
    expected = files.values("SELECT count(*) FROM sales.orders")
    for name in ("owner", "token"):
        # ADBC and JDBC send Basic in a handshake, and then what it gave.
        options = {"username": name, "password": token}
        with adbc.connect(gateway.flight, db_kwargs=options, autocommit=True) as connection:
            with connection.cursor() as cursor:
                cursor.execute("SELECT count(*) FROM sales.orders")
                assert list(cursor.fetchone()) == expected
        header = flight.FlightClient(gateway.flight).authenticate_basic_token(name, token)
        assert header == (b"authorization", f"Bearer {token}".encode())
        assert Raw.connect(gateway.address, ("authorization", basic(name, token))).read(ORDERS)
    as_header = {DatabaseOptions.AUTHORIZATION_HEADER.value: f"Bearer {token}"}
    with adbc.connect(gateway.flight, db_kwargs=as_header, autocommit=True) as connection:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM sales.orders")
            assert list(cursor.fetchone()) == expected
    session = Session(flight.FlightClient(gateway.flight), (b"authorization", f"Bearer {token}".encode()))
    assert session.sql("SELECT count(*) FROM sales.orders").column(0).to_pylist() == expected
    bearer(gateway, token).both("Handshake", [b""])
    assert refused(Raw.connect(gateway.address, ("authorization", basic("analyst", token)))) is (
        StatusCode.UNAUTHENTICATED
    ), "with another's name"
    log = gateway.log_text()
    assert token not in log and token.split("_", 2)[2] not in log
    for kept in (gateway.directory / "personal-tokens").iterdir():
        assert kept.stat().st_mode & 0o077 == 0
        assert token.split("_", 2)[2] not in kept.read_text()


def test_a_token_has_its_owners_rights_and_no_more(gateway):
    token = signed_in(gateway, "nobody").make_token()
    assert refused(bearer(gateway, token), ORDERS) is StatusCode.NOT_FOUND


def test_a_token_does_not_sign_in_to_the_pages(gateway):
    token = signed_in(gateway, "owner").make_token()
    for user in ("owner", "token"):
        assert Browser(gateway).sign_in(user, token).status == 401
    page = Browser(gateway).get("/", follow=False, authorization=f"Bearer {token}")
    assert page.location == "/login"


def test_a_revoked_token_ends(gateway):
    browser = signed_in(gateway, "owner")
    token = browser.make_token("soon revoked")
    assert bearer(gateway, token).read(QUESTION)
    page = browser.revoke(id_of(token))
    assert page.status == 200 and token[-4:] not in page.text
    assert refused(bearer(gateway, token)) is StatusCode.UNAUTHENTICATED
    assert browser.revoke(id_of(token)).status == 404


def test_anothers_token_is_not_ones_own(gateway):
    token = signed_in(gateway, "owner").make_token()
    stranger = signed_in(gateway, "steward")
    assert token[-4:] not in stranger.get("/token").text
    others, none = stranger.revoke(id_of(token)), stranger.revoke("0" * 20)
    assert others.status == none.status == 404
    assert re.sub(r'value="[^"]*"', "", others.text) == re.sub(r'value="[^"]*"', "", none.text)
    for odd in ("", "../../users.toml", "../" + id_of(token), id_of(token).upper() + "\0"):
        assert stranger.revoke(odd).status == 404
    assert bearer(gateway, token).read(QUESTION)


@pytest.mark.parametrize(
    ("label", "days"),
    [
        ("", 1),
        ("x" * 65, 1),
        ("a\r\nset-cookie: x=y", 1),
        ("a\u202eb", 1),
        ("a", 0),
        ("a", 31),
        ("a", "-1"),
        ("a", "x"),
    ],
)
def test_what_cannot_be_a_token_is_refused(label, days, gateway):
    browser = signed_in(gateway, "analyst")
    page = browser.post("/token", {"csrf": browser.csrf(), "label": label, "days": str(days)})
    assert page.status == 422 and "airp_" not in page.text
    assert not any(cookie == "x" for cookie in browser.cookies())


def test_a_label_is_text(private):
    browser = signed_in(private(), "owner")
    browser.make_token("<img src=x onerror=alert(1)>\"'&amp;")
    page = browser.get("/token").text
    assert "<img" not in page and "&lt;img src=x" in page and "&amp;amp;" in page


def test_nobody_has_more_than_their_share(private):
    browser = signed_in(private(env={"AIRSIDE_AUTHN__PERSONAL_TOKENS__MAX_PER_PERSON": "2"}), "owner")
    browser.make_token(), browser.make_token()
    assert browser.post("/token", {"csrf": browser.csrf(), "label": "third", "days": "1"}).status == 409


def test_a_token_works_after_a_restart_and_on_a_replica(private, tmp_path):
    running = private()
    token = signed_in(running, "owner").make_token()
    replica = gateways.serve(
        running.directory / "airside.toml", tmp_path / "replica.log", env={"AIRSIDE_AUDIT__TO": "off"}
    )
    try:
        assert bearer(replica, token).read(QUESTION)
        running.stop()
        again = gateways.serve(running.directory / "airside.toml", tmp_path / "again.log")
        try:
            assert bearer(again, token).read(QUESTION)
            again.users = running.users
            # What one revokes, the other refuses.
            signed_in(again, "owner").revoke(id_of(token))
            assert refused(bearer(again, token)) is StatusCode.UNAUTHENTICATED
            time.sleep(1)
            assert refused(bearer(replica, token)) is StatusCode.UNAUTHENTICATED
        finally:
            again.kill()
    finally:
        replica.kill()


def test_an_expired_token_is_refused(private):
    running = private()
    token = signed_in(running, "owner").make_token()
    [kept] = (running.directory / "personal-tokens").iterdir()
    record = json.loads(kept.read_text())
    assert record["person"]["subject"] == "owner"
    kept.write_text(json.dumps({**record, "expires": "2026-01-01T00:00:00Z", "created": "2025-12-31T00:00:00Z"}))
    time.sleep(1)
    assert refused(bearer(running, token)) is StatusCode.UNAUTHENTICATED
    assert "expired" in signed_in(running, "owner").get("/token").text
    # A file that is none is ignored, and so is one that says more than is understood.
    for text in ("{", json.dumps({**record, "scope": "read"})):
        kept.write_text(text)
        time.sleep(1)
        assert refused(bearer(running, token)) is StatusCode.UNAUTHENTICATED
        assert signed_in(running, "owner").get("/token").status == 200
    assert running.log_text().count("personal tokens is ignored") == 1


class Carrying(Reading):
    """A long read under a bearer token."""

    def __init__(self, running, token: str) -> None:
        client = bearer(running, token)
        ticket = client.info(LINES).endpoints[0].ticket.serialize()
        call = client.channel.unary_stream(wire.SERVICE + "DoGet", bytes, bytes)
        self.messages = call(ticket, metadata=client.headers, timeout=60)
        self.read = [next(self.messages), next(self.messages)]


@pytest.mark.parametrize("how", ["page", "command", "user removed"])
def test_a_revoked_token_ends_streams_under_way(how, private):
    running = private()
    browser = signed_in(running, "owner")
    token = browser.make_token()
    reading = Carrying(running, token)
    config = running.directory / "airside.toml"
    began = time.monotonic()
    if how == "page":
        browser.revoke(id_of(token))
    elif how == "command":
        listed = gateways.run("token", "list", "--config", config).stdout
        assert id_of(token) in listed and "owner" in listed and token not in listed
        began = time.monotonic()
        done = gateways.run("token", "revoke", "--config", config, id_of(token))
        assert done.returncode == 0, done.stderr
    else:
        users = running.directory / "users.toml"
        users.write_text(users.read_text().replace("[users.owner]", "[users.somebody]"))
    until_revoked(running)
    assert time.monotonic() - began < 2
    assert reading.to_the_end() is StatusCode.PERMISSION_DENIED
    assert refused(bearer(running, token)) is StatusCode.UNAUTHENTICATED
    page = browser.get("/", follow=False)
    assert page.location == "/login" if how == "user removed" else page.status == 200


def test_operators_list_and_revoke(private):
    running = private()
    config = running.directory / "airside.toml"
    owner, steward = signed_in(running, "owner"), signed_in(running, "steward")
    tokens = [owner.make_token("one"), owner.make_token("two"), steward.make_token("three")]
    listed = gateways.run("token", "list", "--config", config, "--user", "owner").stdout
    assert [id_of(token) in listed for token in tokens] == [True, True, False]
    assert gateways.run("token", "revoke", "--config", config).returncode != 0
    assert gateways.run("token", "revoke", "--config", config, "../users").returncode == 1
    assert "0 revoked" in gateways.run("token", "revoke", "--config", config, "--expired").stdout
    assert "2 revoked" in gateways.run("token", "revoke", "--config", config, "--user", "owner").stdout
    time.sleep(1)
    assert refused(bearer(running, tokens[0])) is StatusCode.UNAUTHENTICATED
    assert bearer(running, tokens[2]).read(QUESTION)
