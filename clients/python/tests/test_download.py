"""Endpoints fetched in parallel, in order, again where that is safe, and not where it is not."""

import threading
import time
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.flight as flight
import pytest

import airside
from airside.connection import Connection, Tls
from airside.credentials import Bearer
from airside.errors import translate
from conftest import SOON
from fake import SCHEMA, Server, rows

AWAY = flight.FlightUnavailableError("away")
OUTDATED = flight.FlightUnavailableError(
    "the product's data or policy has changed since the ticket was issued: ask again for a new one"
)


@contextmanager
def serving(*endpoints, **options):
    server = Server([*endpoints], **options)
    try:
        yield server
    finally:
        server.shutdown()


def connect(server, **options):
    options = {"token": "token", "retry": SOON, **options}
    return airside.connect(server.uri, **options)


def question(server, **options):
    return connect(server, **options)["a.b"].query()


def expected(server):
    return pa.Table.from_batches([batch for batches in server.endpoints for batch in batches], SCHEMA)


@pytest.mark.parametrize("parallel", [1, 2, 4, 32])
def test_all_endpoints_are_read_in_order(parallel):
    with serving(*map(rows, range(9))) as server:
        result = question(server, parallel=parallel)
        assert result.to_arrow() == expected(server)
        assert pa.Table.from_batches(result.batches()) == expected(server)
        assert set(server.read.values()) == {2}


@pytest.mark.parametrize("endpoints", [[], [[]], [[], rows(1), []]])
def test_endpoints_without_rows(endpoints):
    with serving(*endpoints) as server:
        assert question(server).to_arrow() == expected(server)


def test_several_are_read_at_once():
    together = threading.Barrier(3, timeout=20)
    with serving(*map(rows, range(3))) as server:
        for number in range(3):
            server.reading[number] = [(1, together.wait)]
        assert question(server, parallel=3).to_arrow() == expected(server)


def test_the_client_names_itself_and_asks_for_all_endpoints():
    with serving(rows(0), rows(1)) as server:
        question(server, purpose="audit").to_arrow()
        (_, asking), (_, reading), _ = server.seen
        assert f"airside-python/{airside.__version__}" in asking["user-agent"][0]
        assert asking["airside-endpoints"] == ["all"] and asking["airside-purpose"] == ["audit"]
        assert asking["authorization"] == ["Bearer token"] == reading["authorization"]
        assert reading["airside-purpose"] == ["audit"]


class Later:
    """A failure that waits until it is time."""

    def __init__(self, error):
        self.error, self.now = error, threading.Event()

    def __call__(self):
        assert self.now.wait(20)
        raise self.error


# --- again ----------------------------------------------------------------------------------------


def test_a_question_is_asked_again():
    with serving(rows(0)) as server:
        server.asking = [AWAY, AWAY]
        assert question(server).to_arrow() == expected(server)
        assert server.asked == 3


@pytest.mark.parametrize("before", [0, 1, 2, 3])
def test_an_endpoint_is_read_again_as_a_whole(before):
    with serving(*map(rows, range(4))) as server:
        server.reading[2] = [(before, AWAY), (before, AWAY)]
        assert question(server).to_arrow() == expected(server)
        assert server.read == {0: 1, 1: 1, 2: 3, 3: 1} and server.asked == 1


def test_patience_ends():
    with serving(rows(0), rows(1)) as server:
        server.reading[1] = [(1, AWAY)] * 20
        with pytest.raises(airside.Unavailable, match="away"):
            question(server, retry=airside.Retry(attempts=3, first=0.01)).to_arrow()
        assert server.read[1] == 3
        server.asking = [AWAY] * 20
        with pytest.raises(airside.Unavailable):
            question(server, retry=airside.Retry(attempts=1))
        assert len(server.asking) == 19


def test_what_is_wrong_is_not_asked_again():
    with serving(rows(0), rows(1)) as server:
        server.reading[1] = [(1, pa.ArrowInvalid("wrong"))]
        with pytest.raises(airside.InvalidArgument, match="wrong"):
            question(server).to_arrow()
        assert server.read[1] == 1


def test_rows_that_were_handed_out_are_not_handed_out_twice():
    with serving(rows(0)) as server:
        failing = Later(AWAY)
        server.reading[0] = [(2, failing)]
        batches = question(server).batches()
        taken = [next(batches)]
        failing.now.set()
        with pytest.raises(airside.Unavailable):
            taken += batches
        assert taken == server.endpoints[0][: len(taken)] and server.read[0] == 1


def test_an_endpoint_none_of_whose_rows_were_handed_out_is_read_again():
    with serving(rows(0), rows(1)) as server:
        server.reading[1] = [(2, AWAY)]
        batches = question(server).batches()
        taken = [next(batches)]
        until(lambda: server.read[1] == 2)
        assert pa.Table.from_batches([*taken, *batches]) == expected(server)


def test_outdated_tickets_are_replaced():
    with serving(rows(0), rows(1)) as server:
        server.reading[1] = [(1, OUTDATED), (1, pa.ArrowInvalid("the ticket or handle has expired: ask again"))]
        result = question(server)
        assert result.receipt.decision == "decision 1"
        assert result.to_arrow() == expected(server)
        assert result.receipt.decision == "decision 3" and server.asked == 3
        assert server.read == {0: 1, 1: 3}, "the other endpoint was read of the same data"


def test_all_is_read_again_once_the_data_changed():
    with serving(rows(0), rows(1)) as server:
        server.snapshots = ["before", "after"]
        server.reading[1] = [(1, OUTDATED)]
        result = question(server, parallel=1)
        assert result.to_arrow() == expected(server)
        assert [dataset.snapshot for dataset in result.receipt.datasets] == ["after"]
        assert server.read == {0: 2, 1: 2}


def test_rows_of_two_snapshots_do_not_meet():
    with serving(rows(0), rows(1)) as server:
        server.snapshots = ["before", "after"]
        server.reading[1] = [(1, OUTDATED)]
        batches = question(server, parallel=1).batches()
        next(batches)
        with pytest.raises(airside.Outdated):
            list(batches)


def test_outdated_tickets_are_not_replaced_once_rows_were_handed_out():
    with serving(rows(0)) as server:
        failing = Later(OUTDATED)
        server.reading[0] = [(0, OUTDATED), (2, failing)]
        batches = question(server).batches()
        next(batches)
        failing.now.set()
        with pytest.raises(airside.Outdated):
            list(batches)
        assert server.asked == 2


def test_tickets_that_never_hold():
    with serving(rows(0)) as server:
        server.reading[0] = [(0, OUTDATED)] * 40
        with pytest.raises(airside.Outdated):
            question(server).to_arrow()
        with pytest.raises(airside.Outdated):
            list(question(server))


def test_signing_in_again():
    class Token:
        number = 0

        def __call__(self):
            return f"token-{self.number}"

        def forget(self):
            self.number += 1

    with serving(rows(0), rows(1)) as server:
        server.asking = [flight.FlightUnauthenticatedError("ended")]
        server.reading[1] = [(0, flight.FlightUnauthenticatedError("ended"))]
        assert question(server, token=Token(), parallel=1).to_arrow() == expected(server)
        sent = [headers["authorization"][0] for _, headers in server.seen]
        assert sent[0] == "Bearer token-0" and sent[1] == "Bearer token-1" and sent[-1] == "Bearer token-2"
        server.asking = [flight.FlightUnauthenticatedError("ended")] * 3
        with pytest.raises(airside.Unauthenticated):
            question(server, token=Token())
        assert len(server.asking) == 1, "once is enough"


# --- bounds ---------------------------------------------------------------------------------------


def until(condition, patience=20.0):
    end = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_slow_reader_is_not_overrun():
    many = rows(0, batches=200, size=1, payload="x" * 1_000_000)
    with serving(many) as server:
        batches = question(server).batches()
        next(batches)
        time.sleep(0.5)
        assert server.sent < 60
        assert sum(1 for _ in batches) == 199


def test_a_reader_that_leaves_ends_the_query():
    many = rows(0, batches=500, size=1, payload="x" * 1_000_000)
    with serving(many) as server:
        batches = question(server).batches()
        next(batches)
        batches.close()
        assert server.ended.wait(20) and server.sent < 500
        until(lambda: not any(thread.name.startswith("airside-download") for thread in threading.enumerate()))


def test_a_failure_ends_the_whole_download_at_once():
    many = rows(0, batches=500, size=1, payload="x" * 100_000)
    with serving(many, rows(1)) as server:
        server.reading[0] = [(1, lambda: time.sleep(0.5))]
        server.reading[1] = [(0, pa.ArrowInvalid("wrong"))]
        with pytest.raises(airside.InvalidArgument):
            question(server).to_arrow()


# --- places ---------------------------------------------------------------------------------------


def test_rows_are_read_where_they_are():
    with serving(rows(0), rows(1)) as replica:
        with serving(rows(7), rows(8), locations=[replica.uri]) as server:
            assert question(server).to_arrow() == expected(replica)
            assert not server.read


def test_another_place_is_tried():
    with serving(rows(0), rows(1)) as replica:
        with serving(rows(7), rows(8), locations=["grpc://127.0.0.1:1", replica.uri]) as server:
            assert question(server).to_arrow() == expected(replica)


def test_the_connection_at_hand_is_used_where_it_may_be():
    with serving(rows(0), locations=["grpc://127.0.0.1:1", "arrow-flight-reuse-connection://?"]) as server:
        assert question(server).to_arrow() == expected(server)


@pytest.mark.parametrize("place", ["grpc://127.0.0.1:1", "grpc+tcp://10.0.0.1:1"])
def test_what_was_encrypted_stays_encrypted(place):
    secure = Connection("grpc+tls://127.0.0.1:1", Bearer("token"), tls=Tls(), timeout=1, retry=SOON, insecure=False)
    with pytest.raises(airside.Unavailable, match="encrypted"):
        with secure.open(flight.FlightEndpoint(b"", [place]), None, 0, 0):
            pass


def test_credentials_do_not_follow_to_a_stranger_in_the_clear():
    plain = Connection("grpc://127.0.0.1:1", Bearer("token"), tls=Tls(), timeout=1, retry=SOON, insecure=False)
    with pytest.raises(ValueError, match="unencrypted"):
        with plain.open(flight.FlightEndpoint(b"", ["grpc://gateway.example.com:1"]), None, 0, 0):
            pass


# --- words ----------------------------------------------------------------------------------------


def test_pauses_are_bounded_and_differ():
    retry = airside.Retry(attempts=6, first=1, longest=4)
    drawn = [list(retry.pauses()) for _ in range(50)]
    assert all(pause <= bound for pauses in drawn for pause, bound in zip(pauses, (1, 2, 4, 4, 4), strict=True))
    assert len({pauses[0] for pauses in drawn}) > 1
    assert list(airside.Retry(attempts=1).pauses()) == []
    with pytest.raises(ValueError):
        airside.Retry(attempts=0)


ID = "01a20657-8ee2-77ba-a926-baa0b61faee6"


FLIGHT, GRPC = "Flight returned {} error, with message: ", "gRPC returned {} error, with message: "
DEBUG = ". gRPC client debug context: x. Client context: IOError: y"
EXPIRED = "the ticket or handle has expired: ask again for a new one"
FOREIGN = "the ticket or handle is not one of this gateway's"


@pytest.mark.parametrize(
    ("theirs", "wrapped", "kind", "message"),
    [
        (pa.ArrowKeyError, FLIGHT.format("not found"), "NotFound", "product `a.b` not found"),
        (pa.ArrowInvalid, GRPC.format("resource exhausted"), "ResourceExhausted", f"too much (error id {ID})"),
        (pa.ArrowInvalid, FLIGHT.format("invalid argument"), "InvalidArgument", "wrong: `error, with message: x`"),
        (flight.FlightTimedOutError, FLIGHT.format("timeout"), "DeadlineExceeded", "Deadline Exceeded"),
        (flight.FlightUnauthorizedError, FLIGHT.format("unauthorized"), "PermissionDenied", "ask its owner"),
        (flight.FlightUnavailableError, FLIGHT.format("unavailable"), "Outdated", "the data changed: ask again"),
        (pa.ArrowInvalid, "", "Outdated", EXPIRED),
        (pa.ArrowInvalid, "", "Outdated", FOREIGN),
        (pa.ArrowNotImplementedError, "", "Unimplemented", "action `x` is not supported"),
        (OSError, "", "Unavailable", "Could not write record batch to stream"),
        (flight.FlightInternalError, "", "Unavailable", "Could not finish writing before closing"),
        (RuntimeError, "", "Internal", "else"),
    ],
)
def test_messages_are_the_gateways(theirs, wrapped, kind, message):
    for appended in ("", DEBUG):
        error = translate(theirs(wrapped + message + appended))
        assert (type(error).__name__, str(error)) == (kind, message)
        assert error.error_id == (ID if ID in message else None)


def test_purposes_that_would_do():
    def needed(words):
        return translate(flight.FlightUnauthorizedError(f"Flight returned unauthorized error, with message: {words}"))

    one = needed("`supply.partsupp` asks for a purpose: state `audit` in the header `airside-purpose`")
    assert isinstance(one, airside.PurposeNeeded) and one.purposes == ("audit",)
    several = needed("`a.b` asks for a purpose: state one of `audit`, `tax` in the header `airside-purpose`")
    assert several.purposes == ("audit", "tax") and isinstance(several, airside.PermissionDenied)
