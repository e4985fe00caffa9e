"""Streams under way: what ends them, how soon, and what their reader is told."""

import re
import time
from datetime import UTC, datetime, timedelta

import grpc
import pyarrow.flight as flight
import pytest
from grpc import StatusCode

import wire
from conftest import connect_adbc, connect_flight
from mesh_files import assert_same
from test_operation import SALES_POLICY, edit
from wire import Raw

LINES = wire.statement("SELECT l.* FROM sales.lineitem l CROSS JOIN geography.region")
ANALYSTS = 'principal in Group::"analysts"'


class Reading:
    """A DoGet of many rows, read message by message."""

    def __init__(self, running, user: str, descriptor: bytes = LINES, timeout: float = 60):
        session = connect_flight(running, user)
        client = Raw.connect(running.address, session.header)
        ticket = client.info(descriptor).endpoints[0].ticket.serialize()
        call = client.channel.unary_stream(wire.SERVICE + "DoGet", bytes, bytes)
        self.messages = call(ticket, metadata=client.headers, timeout=timeout)
        self.read = [next(self.messages), next(self.messages)]

    def to_the_end(self) -> StatusCode | None:
        """Reads on; answers how it ended, none for a complete answer."""
        try:
            self.read += list(self.messages)
        except grpc.RpcError as error:
            self.error = error
            return error.code()
        return None


def counted(running, metric: str) -> int:
    found = re.search(rf"^{metric} (\d+)$", running.get("/metrics")[1], re.MULTILINE)
    return int(found[1]) if found else 0


def until_revoked(running) -> None:
    running.wait_until(lambda: counted(running, "airside_streams_revoked_total") == 1, "the revocation", 10)


def test_a_revoked_right_ends_a_stream(private):
    running = private()
    analyst, steward = Reading(running, "analyst"), Reading(running, "steward")
    edit(running, SALES_POLICY, ANALYSTS, 'principal in Group::"guests"')
    until_revoked(running)
    assert analyst.to_the_end() is StatusCode.PERMISSION_DENIED
    # What had entered the transport before may arrive, a message or two; nothing later.
    assert len(analyst.read) <= 5
    assert "sales" not in analyst.error.details()
    assert steward.to_the_end() is None, "another's stream"
    assert len(steward.read) > 20


def test_a_change_that_takes_nothing_away_ends_nothing(private):
    running = private()
    analyst = Reading(running, "analyst")
    version = running.get("/readyz")[1]
    edit(running, SALES_POLICY, ANALYSTS, 'principal in Group::"staff"')
    running.wait_until(lambda: running.get("/readyz")[1] != version, "the new policy")
    time.sleep(1)
    assert analyst.to_the_end() is None


def test_a_narrower_right_ends_a_stream(private):
    running = private()
    analyst = Reading(running, "analyst")
    policy = running.directory / SALES_POLICY
    policy.write_text(
        policy.read_text() + '\nforbid (principal in Group::"analysts", action == Action::"readColumn",'
        ' resource == Column::"sales.lineitem.l_comment");\n'
    )
    until_revoked(running)
    assert analyst.to_the_end() is StatusCode.PERMISSION_DENIED


def test_a_grant_ends_when_it_says(private):
    running = private()
    end = datetime.now(UTC) + timedelta(seconds=6)
    earlier = datetime.now(UTC) + timedelta(seconds=4)
    text = (running.directory / SALES_POLICY).read_text()
    [permit] = re.findall(r'permit \(\s*principal in Group::"analysts"[^;]*;', text)
    timed = permit[:-1] + f'\nwhen {{ context.now < datetime("{end:%Y-%m-%dT%H:%M:%S.000Z}") }};'
    # Another moment that policies name, and that changes nothing for this reader.
    timed += (
        '\nforbid (principal in Group::"analysts", action == Action::"query", resource in Product::"sales.orders")'
        f'\nwhen {{ context.now > datetime("{earlier:%Y-%m-%dT%H:%M:%S.000Z}") }};'
    )
    version = running.get("/readyz")[1]
    edit(running, SALES_POLICY, permit, timed)
    running.wait_until(lambda: running.get("/readyz")[1] != version, "the new policy")
    analyst = Reading(running, "analyst")
    until_revoked(running)
    late = (datetime.now(UTC) - end).total_seconds()
    assert late > -1, "it ended with the other moment"
    assert analyst.to_the_end() is StatusCode.PERMISSION_DENIED


@pytest.mark.parametrize("change", ["removed", "new password"])
def test_a_user_taken_away_reads_no_further(change, private):
    running = private()
    reading = Reading(running, "steward")
    users = running.directory / "users.toml"
    text = users.read_text()
    if change == "removed":
        users.write_text(text.replace("[users.steward]", "[users.somebody]"))
    else:
        hashes = re.findall(r'^password = "([^"]+)"', text, re.MULTILINE)
        start = text.index("[users.steward]")
        own = re.search(r'^password = "([^"]+)"', text[start:], re.MULTILINE)[1]
        other = next(each for each in hashes if each != own)
        users.write_text(text[:start] + text[start:].replace(own, other, 1))
    until_revoked(running)
    assert reading.to_the_end() is StatusCode.PERMISSION_DENIED


def test_a_reader_that_does_not_read_is_cut_off(private):
    running = private(env={"AIRSIDE_FLIGHT__SEND_TIMEOUT_SECONDS": "1"})
    analyst = Reading(running, "analyst")
    beside = Reading(running, "steward")
    edit(running, SALES_POLICY, ANALYSTS, 'principal in Group::"guests"')
    running.wait_until(lambda: counted(running, "airside_streams_cut_total") == 1, "the cut", 15)
    assert analyst.to_the_end() is not None
    assert len(analyst.read) <= 5
    assert beside.to_the_end() is None


def test_a_client_that_waits_no_longer_is_not_worked_for(gateway):
    reading = Reading(gateway, "steward", timeout=2)
    time.sleep(2.5)
    assert reading.to_the_end() is StatusCode.DEADLINE_EXCEEDED
    with connect_adbc(gateway, "owner") as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM geography.region")
        assert cursor.fetchone() == (5,)


def test_who_asks_for_it_is_sent_compressed_batches(gateway, raw, session):
    """The same rows in fewer bytes; a codec that is not known is refused by name."""
    asked = wire.statement("SELECT * FROM sales.lineitem")
    plain = raw("steward").ask(asked)
    for codec in ("lz4", "zstd"):
        packed = raw("steward", ("airside-compression", codec)).ask(asked)
        assert packed.refused is None
        assert sum(map(len, packed.rows)) < 0.8 * sum(map(len, plain.rows)), codec
        reader = session("steward")
        options = flight.FlightCallOptions(headers=[reader.header, (b"airside-compression", codec.encode())])
        [endpoint] = reader.info(flight.FlightDescriptor.for_path("sales", "orders")).endpoints
        unpacked = reader.client.do_get(endpoint.ticket, options).read_all()
        assert_same(unpacked, reader.sql("SELECT * FROM sales.orders"))
    refused = raw("steward", ("airside-compression", "gzip")).ask(asked).refused
    assert refused.code is StatusCode.INVALID_ARGUMENT and "`lz4`, `zstd` or `none`" in refused.message
