"""Many at once: who is slow or many keeps nobody else waiting, and whoever is refused is told when to come again."""

import threading

import grpc
import pytest
from grpc import StatusCode

import wire
from conftest import connect_adbc, connect_flight
from test_streams import LINES, Reading, counted
from wire import Raw

SETTINGS = """
[query]
max_concurrent_queries = 1
max_open_queries = 5
max_open_queries_per_principal = 3
"""
# More rows than anybody reads.
ENDLESS = wire.statement("SELECT l.* FROM sales.lineitem l CROSS JOIN sales.lineitem")
SMALL = "SELECT count(*) FROM sales.orders"
RETRY_INFO = b"type.googleapis.com/google.rpc.RetryInfo"


@pytest.fixture(scope="module")
def narrow(configured):
    """One query at a time."""
    return configured(SETTINGS)


@pytest.fixture(autouse=True)
def nothing_is_left(narrow):
    yield
    for gauge in ("working", "waiting", "open"):
        metric = f'airside_admission_{gauge}{{of="queries"}}'
        narrow.wait_until(lambda metric=metric: counted(narrow, metric) == 0, metric)


def small(running, user: str) -> None:
    """A small question, answered."""
    with connect_adbc(running, user) as connection, connection.cursor() as cursor:
        cursor.execute(SMALL)
        assert cursor.fetchone()[0] > 0


def counted_open(running) -> int:
    return counted(running, 'airside_admission_open{of="queries"}')


@pytest.mark.parametrize("user", ["steward", "analyst"])
def test_a_reader_that_does_not_read_keeps_nobody_waiting(narrow, user):
    stalled = [Reading(narrow, "steward"), Reading(narrow, "steward")]
    assert counted_open(narrow) == 2
    small(narrow, user)
    for reading in stalled:
        assert reading.to_the_end() is None, "and what stood still goes on"
    assert len(stalled[0].read) == len(stalled[1].read)


def test_a_small_answer_does_not_wait_for_exports(narrow):
    exports = [Reading(narrow, "steward", ENDLESS), Reading(narrow, "steward", ENDLESS)]
    ended = []

    def read(export):
        try:
            for _ in export.messages:
                pass
        except grpc.RpcError as error:
            ended.append(error.code())

    readers = [threading.Thread(target=read, args=[export]) for export in exports]
    for reader in readers:
        reader.start()
    small(narrow, "analyst")
    assert ended == [], "the exports are at it yet"
    for export in exports:
        export.messages.cancel()
    for reader in readers:
        reader.join()
    assert ended == [StatusCode.CANCELLED] * 2


def refusal(running, user: str) -> grpc.RpcError:
    session = connect_flight(running, user)
    client = Raw.connect(running.address, session.header)
    ticket = client.info(LINES).endpoints[0].ticket.serialize()
    sent = client.redeem(ticket)
    assert sent.refused, "it was let in"
    return sent.refused


@pytest.mark.parametrize(
    ("open_by", "refused", "let_in", "says"),
    [
        (["steward"] * 3, "steward", "analyst", "too many of your queries"),
        (["steward"] * 3 + ["analyst"] * 2, "analyst", None, "too many queries"),
    ],
)
def test_beyond_what_may_be_open_it_says_when_to_come_again(narrow, open_by, refused, let_in, says):
    before = counted(narrow, 'airside_admission_refused_total{of="queries"}')
    reading = [Reading(narrow, user) for user in open_by]
    error = refusal(narrow, refused)
    assert error.code is StatusCode.RESOURCE_EXHAUSTED
    assert error.message.startswith(says)
    details = error.trailers["grpc-status-details-bin"]
    assert RETRY_INFO in details
    seconds = retry_seconds(details)
    assert 1 <= seconds <= 60
    assert counted(narrow, 'airside_admission_refused_total{of="queries"}') == before + 1
    if let_in:
        small(narrow, let_in)
    for stream in reading:
        stream.messages.cancel()
    narrow.wait_until(lambda: counted_open(narrow) == 0, "the streams to end")
    small(narrow, refused)


def retry_seconds(details: bytes) -> int:
    """`google.rpc.Status{details: [Any{value: RetryInfo{retry_delay: Duration{seconds}}}]}`."""
    any_ = dict(wire.fields(details))[3]
    delay = dict(wire.fields(dict(wire.fields(any_))[2]))[1]
    return dict(wire.fields(delay))[1]
