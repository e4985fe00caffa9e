"""Wearing it out: each attack ends in time, costs what it may, and the next question is answered.

A gateway of its own, with little to wear out: few queries at a time, little memory, short planning.
"""

from __future__ import annotations

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pyarrow as pa
import pytest
from grpc import StatusCode

import attacks
import gateway as gateways
import hostile
import wire
from conftest import Vault
from wire import Raw, Refused

SETTINGS = """
[query]
memory_limit = 200000000
spill_limit = 100000000
planning_timeout_seconds = 3
query_timeout_seconds = 12
max_concurrent_queries = 8
"""
ENOUGH = (
    StatusCode.INVALID_ARGUMENT,
    StatusCode.RESOURCE_EXHAUSTED,
    StatusCode.DEADLINE_EXCEEDED,
    StatusCode.UNIMPLEMENTED,
    StatusCode.OUT_OF_RANGE,
)
WIDE = "SELECT a.*, b.note AS other FROM vault.flat a, vault.flat b, vault.flat c"


@pytest.fixture(scope="module")
def small(vault, tmp_path_factory):
    directory = tmp_path_factory.mktemp("small")
    config = vault.gateway.directory / "small.toml"
    config.write_text((vault.gateway.directory / "airside.toml").read_text() + SETTINGS)
    running = gateways.serve(config, directory / "gateway.log")
    yield Vault(running, vault.sweep)
    assert running.stop() == 0, running.tail()
    assert memory(running) < 1_500_000_000


@pytest.fixture(autouse=True)
def still_answers(small):
    """Whatever a test did, the next question is answered, and soon."""
    yield
    end = time.monotonic() + 40
    # A planning thread that is still at it cannot be interrupted: until it ends, callers are told to come again.
    while (sent := attacks.by_statement(small.client(), "SELECT count(*) AS n FROM vault.twin")).refused:
        assert sent.refused.code in (StatusCode.RESOURCE_EXHAUSTED, StatusCode.DEADLINE_EXCEEDED), sent.refused
        assert time.monotonic() < end, sent.refused
        time.sleep(0.5)
    assert small.gateway.process.poll() is None


def memory(running) -> int:
    """The most the gateway has held, in bytes, where the system tells."""
    status = Path(f"/proc/{running.process.pid}/status")
    if not status.exists():
        return 0
    [line] = [line for line in status.read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024


def doubling(step: str, times: int = 24) -> str:
    tables = ["c0 AS (SELECT note AS s FROM vault.flat)"]
    tables += [f"c{n} AS (SELECT {step} AS s FROM c{n - 1})" for n in range(1, times)]
    return f"WITH {', '.join(tables)} SELECT length(s) FROM c{times - 1}"


GROWTH = {
    "repeat": "SELECT repeat('x', 2000000000)",
    "repeat of rows": "SELECT length(repeat(note, 2000000000)) FROM vault.flat",
    "repeat of many": "SELECT sum(length(repeat(a.note, 200000))) FROM vault.flat a, vault.flat b, vault.flat c",
    "nested repeat": "SELECT repeat(repeat(repeat('xxxxxxxxxx', 1000), 1000), 1000)",
    "pad": "SELECT lpad('x', 2000000000, 'y'), rpad('x', 2000000000, 'y')",
    "doubled": doubling("s || s"),
    "doubled by concat": doubling("concat(s, s)"),
    "doubled by separator": doubling("concat_ws(s, s, s)"),
    "doubled by replace": doubling("replace(s, '1', '111111')"),
    "doubled by regex": doubling("regexp_replace(s, '(.)', '\\1\\1\\1', 'g')"),
    "doubled by encoding": doubling("encode(CAST(s AS BYTEA), 'hex')"),
    "doubled by translation": doubling("translate(s, 's', 'ss') || s"),
    "doubled by format": "SELECT to_char(now(), repeat('%A %B ', 30000))",
    "doubled constants": doubling("s || s").replace("SELECT note AS s FROM vault.flat", "SELECT 'xyz' AS s"),
    "gathered": "SELECT length(string_agg(repeat(a.note, 1000), '')) FROM vault.flat a, vault.flat b, vault.flat c",
    "gathered list": "SELECT cardinality(array_agg(a.note || b.note)) FROM vault.flat a, vault.flat b, vault.flat c",
    "distinct": "SELECT count(*) FROM (SELECT DISTINCT a.id, b.id, c.id, d.id FROM vault.flat a, vault.flat b,"
    " vault.flat c, vault.flat d)",
    "sorted": "SELECT a.id FROM vault.flat a, vault.flat b, vault.flat c, vault.flat d"
    " ORDER BY a.note || b.note || d.id",
    "window": "SELECT sum(a.id) OVER (ORDER BY b.id ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)"
    " FROM vault.flat a, vault.flat b, vault.flat c, vault.flat d LIMIT 1",
    "cross join": "SELECT count(*) FROM vault.flat a, vault.flat b, vault.flat c, vault.flat d, vault.flat e"
    " WHERE a.id + b.id + c.id + d.id + e.id < 0",
    "inequality": "SELECT count(*) FROM vault.flat a JOIN vault.flat b ON a.note < b.note || b.id JOIN vault.flat c"
    " ON b.id <> c.id JOIN vault.flat d ON c.note < d.note || d.id JOIN vault.flat e ON a.id <> e.id",
    "recursive": "WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t) SELECT * FROM t",
    "series": "SELECT * FROM generate_series(1, 1000000000)",
    "regex": "SELECT count(*) FROM vault.flat WHERE regexp_like(repeat(note, 1000), '(a{1,100}){1,100}{1,100}')",
    "factorial": "SELECT factorial(2000000000)",
    "power": "SELECT power(power(10, 18), 18), 2::DECIMAL(38,0) * power(10, 37)",
    "cubes": "SELECT count(*) FROM vault.flat GROUP BY CUBE (id, side, note, day_text, hex, zone, size, amount, price)",
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("attack", GROWTH)
def test_growth_ends_in_time(attack, small):
    started = time.monotonic()
    sent = small.client().ask(wire.statement(GROWTH[attack]))
    assert time.monotonic() - started < 25
    if sent.refused:
        assert sent.refused.code in ENOUGH, sent.refused
    small.sweep(*sent.swept())
    assert sum(map(len, sent.messages)) < 64 << 20


LARGE = {
    "sum": "SELECT " + "+".join(["1"] * 30_000),
    "sum of columns": "SELECT " + "+".join(["id"] * 3_000) + " FROM vault.flat",
    "or": "SELECT 1 FROM vault.flat WHERE " + " OR ".join(f"id = {n}" for n in range(3_000)),
    "parentheses": "SELECT " + "(" * 5_000 + "1" + ")" * 5_000,
    "not": "SELECT " + "NOT " * 20_000 + "true",
    "minus": "SELECT " + "- " * 20_000 + "1",
    "case": "SELECT " + "CASE WHEN true THEN " * 2_000 + "1" + " END" * 2_000,
    "in": "SELECT 1 WHERE 1 IN (" + ",".join(map(str, range(20_000))) + ")",
    "text": "SELECT '" + "x" * 2_000_000 + "'",
    "comment": "SELECT 1 /*" + "x" * 2_000_000 + "*/",
    "comments": "SELECT " + "/*" * 30_000 + " 1",
    "columns": "SELECT " + ",".join(f"1 AS c{n}" for n in range(20_000)),
    "stars": "SELECT " + ",".join(["*"] * 2_000) + " FROM vault.flat",
    "star of stars": "WITH a AS (SELECT *, * FROM vault.flat) SELECT " + ",".join(["*"] * 300) + " FROM a",
    "tables": "SELECT 1 FROM " + ",".join(f"vault.flat t{n}" for n in range(500)),
    "unions": " UNION ALL ".join(["SELECT id FROM vault.flat"] * 2_000),
    "subqueries": "SELECT * FROM " + "(SELECT * FROM " * 300 + "vault.flat" + ") a" * 300,
    "doubled tables": "WITH c0 AS (SELECT id FROM vault.flat), "
    + ", ".join(f"c{n} AS (SELECT a.id FROM c{n - 1} a, c{n - 1} b)" for n in range(1, 30))
    + " SELECT 1 FROM c29",
    "values": "VALUES " + ",".join(["(1, 'x', NULL)"] * 10_000),
    "subscripts": "SELECT tags" + "[1]" * 3_000 + " FROM vault.nested",
    "casts": "SELECT " + "CAST(" * 2_000 + "1" + " AS INT)" * 2_000,
    "functions": "SELECT " + "abs(" * 2_000 + "1" + ")" * 2_000,
    "digits": "SELECT " + "9" * 200_000,
    "exponent": "SELECT 1e999999999, 1e-999999999, 0x" + "f" * 1_000,
    "name": "SELECT " + "x" * 200_000 + " FROM vault.flat",
    "parts": "SELECT " + ".".join(["x"] * 5_000) + " FROM vault.flat",
    "windows": "SELECT " + ",".join(f"sum(id) OVER (ORDER BY id + {n})" for n in range(1_000)) + " FROM vault.flat",
    "parameters": "SELECT " + ",".join(f"${n}" for n in range(1, 5_000)),
    "nul": "SELECT '\x00' FROM vault.flat WHERE note = '\x00'",
    "controls": "SELECT \x01\x02\x03",
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("attack", LARGE)
def test_large_statements_are_refused_in_time(attack, small):
    for way in (attacks.by_text, attacks.by_prepared):
        started = time.monotonic()
        sent = way(small.client(), LARGE[attack])
        assert time.monotonic() - started < 12
        if sent.refused:
            assert sent.refused.code in ENOUGH, sent.refused
            assert len(sent.refused.message) < 2_000


def test_a_callers_deadline_holds_while_planning(small):
    """Planning goes on for longer than the caller waits; both are let go on time."""
    joins = "".join(f" JOIN vault.nested t{n} ON t{n}.id = t{n - 1}.id" for n in range(1, 30))
    sql = f"SELECT count(*) FROM vault.nested t0{joins}"
    client = small.client()
    call = client.channel.unary_unary(wire.SERVICE + "GetFlightInfo", bytes, bytes)
    started = time.monotonic()
    with pytest.raises(grpc.RpcError) as error:
        call(wire.statement(sql), metadata=client.headers, timeout=0.05)
    assert error.value.code() is StatusCode.DEADLINE_EXCEEDED
    assert time.monotonic() - started < 2
    # Many at once, without a deadline of their own: each ends by the gateway's.
    with ThreadPoolExecutor(12) as pool:
        started = time.monotonic()
        asked = list(pool.map(lambda _: client.ask(wire.statement(sql)), range(12)))
        assert time.monotonic() - started < 45
    assert all(each.refused is None or each.refused.code in ENOUGH for each in asked)


# --- streams and connections ------------------------------------------------------------------------


def start(small, client: Raw, sql: str):
    """A stream that has begun and is not read on."""
    ticket = client.info(wire.statement(sql)).endpoints[0].ticket.serialize()
    call = client.channel.unary_stream(wire.SERVICE + "DoGet", bytes, bytes)(
        ticket, metadata=client.headers, timeout=60
    )
    next(call)
    return call


def test_readers_that_stop_and_vanish_free_their_place(small):
    for _ in range(3):
        client = small.client()
        streams = [start(small, client, WIDE) for _ in range(8)]
        time.sleep(0.3)
        for stream in streams[:4]:
            stream.cancel()
        client.channel.close()


def test_readers_that_stop_do_not_keep_their_place_for_ever(small):
    """A full house of stalled readers: the next waits, and gets in once their time is over."""
    client = small.client()
    streams = [start(small, client, WIDE) for _ in range(8)]
    started = time.monotonic()
    sent = attacks.by_statement(small.client(), "SELECT count(*) FROM vault.twin")
    waited = time.monotonic() - started
    assert sent.refused is None or sent.refused.code in ENOUGH, sent.refused
    assert waited < 20
    for stream in streams:
        stream.cancel()


@pytest.mark.timeout(90)
def test_many_streams_at_once(vault):
    """As many as 300 questions at once, over a few connections, are all answered, if not all at once."""
    clients = [vault.client() for _ in range(3)]
    ticket = clients[0].info(wire.statement("SELECT id FROM vault.flat")).endpoints[0].ticket.serialize()
    calls = [
        client.channel.unary_stream(wire.SERVICE + "DoGet", bytes, bytes)(ticket, metadata=client.headers, timeout=60)
        for client in clients
        for _ in range(100)
    ]
    shown = sum(hostile.is_open(n) for n in range(hostile.ROWS))
    for call in calls:
        assert wire.decode(list(call)).num_rows == shown


def test_half_open_connections_stop_nobody(small):
    host, port = small.gateway.address.split(":")
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    openings = [
        b"",
        b"PRI",
        preface,
        preface + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01",
    ]
    sockets = []
    try:
        for n in range(300):
            each = socket.create_connection((host, int(port)), timeout=5)
            each.sendall(openings[n % len(openings)])
            sockets.append(each)
        started = time.monotonic()
        assert attacks.by_statement(small.client(), "SELECT 1").refused is None
        assert time.monotonic() - started < 5
    finally:
        for each in sockets:
            each.close()


FRAMES = {
    "settings flood": b"\x00\x00\x00\x04\x00\x00\x00\x00\x00" * 20_000,
    "ping flood": b"\x00\x00\x08\x06\x00\x00\x00\x00\x00aaaaaaaa" * 20_000,
    "reset flood": b"".join(
        b"\x00\x00\x00\x01\x04" + n.to_bytes(4, "big") + b"\x00\x00\x04\x03\x00" + n.to_bytes(4, "big") + b"\x00" * 4
        for n in range(1, 20_001, 2)
    ),
    "huge frame": b"\xff\xff\xff\x00\x00\x00\x00\x00\x01" + b"x" * 100_000,
    "window": b"\x00\x00\x04\x08\x00\x00\x00\x00\x00\x7f\xff\xff\xff" * 10,
    "continuation": b"\x00\x00\x00\x01\x00\x00\x00\x00\x01" + b"\x00\x00\x00\x09\x00\x00\x00\x00\x01" * 20_000,
    "noise": bytes(range(256)) * 200,
}


@pytest.mark.parametrize("frames", FRAMES)
def test_strange_frames_stop_nobody(frames, small):
    host, port = small.gateway.address.split(":")
    with socket.create_connection((host, int(port)), timeout=5) as each:
        each.settimeout(5)
        try:
            each.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00" + FRAMES[frames])
            while each.recv(65536):
                if frames in ("window", "settings flood", "ping flood"):
                    break
        except OSError:
            pass


@pytest.mark.parametrize("size", [10_000, 60_000, 70_000, 1_000_000])
def test_huge_headers_are_refused_or_borne(size, small):
    client = small.client("reader", ("x-filler", "x" * size))
    sent = client.ask(wire.statement("SELECT 1"))
    if size > 65_536:
        assert sent.refused is not None
    if sent.refused:
        assert "x" * 100 not in sent.refused.message


def test_many_headers_are_refused_or_borne(small):
    sent = small.client("reader", *((f"x-{n}", "y" * 20) for n in range(5_000))).ask(wire.statement("SELECT 1"))
    assert sent.refused is not None


@pytest.mark.parametrize(
    "header", ["airside-purpose", "authorization", "grpc-timeout", "grpc-encoding", "content-type"]
)
def test_strange_values_of_known_headers(header, small):
    for value in ("x" * 20_000, "\x7f", "9" * 30 + "H", "gzip, deflate, br", "-1S"):
        try:
            sent = small.client("reader", (header, value)).ask(wire.statement("SELECT 1"))
        except (ValueError, grpc.RpcError):
            continue
        assert sent.refused is None or sent.refused.code is not StatusCode.OK


def test_a_compressed_bomb_is_not_unpacked(small):
    """64 MiB of nothing are 64 KiB of gzip; a request may have 8 MiB."""
    before = memory(small.gateway)
    client = small.client()
    call = client.channel.unary_unary(wire.SERVICE + "GetFlightInfo", bytes, bytes)
    with pytest.raises(grpc.RpcError) as error:
        call(wire.statement(" " * (64 << 20)), metadata=client.headers, timeout=30, compression=grpc.Compression.Gzip)
    assert error.value.code() in (*ENOUGH, StatusCode.INTERNAL), error.value
    assert memory(small.gateway) - before < 64 << 20


def test_a_request_beyond_the_limit_is_refused(small):
    for message in (wire.statement(" " * (9 << 20)), wire.descriptor_command(b"\x00" * (9 << 20))):
        with pytest.raises(Refused) as refusal:
            small.client().unary("GetFlightInfo", message)
        assert refusal.value.code in ENOUGH, refusal.value


# --- what is bound ----------------------------------------------------------------------------------


def puts(client: Raw) -> list[list[bytes]]:
    """DoPuts of every strangeness."""
    [result] = client.stream("DoAction", wire.prepare("SELECT CAST($1 AS BIGINT) AS x"))
    handle = wire.prepared_handle(result)
    row = pa.record_batch({"$1": pa.array([1], pa.int64())})
    good = wire.bound(handle, row)
    many = wire.bound(handle, pa.record_batch({"$1": pa.array(range(100_000), pa.int64())}))
    wide = wire.bound(handle, pa.record_batch({f"${n}": pa.array([n]) for n in range(1, 3_000)}))
    long = wire.bound(handle, pa.record_batch({"$1": pa.array(["x" * 2_000_000])}))
    codes = pa.DictionaryArray.from_arrays(pa.array([0]), pa.array(["x"]))
    strange = [pa.array([[1]]), pa.array([{"a": 1}]), codes, pa.nulls(1), pa.array([1.5]), pa.array([b"\xff"])]
    out = [good[:1], good[1:], [], [good[0]] * 3, good + good[1:] * 50, many, wide, long]
    out += [wire.bound(handle, pa.record_batch({"$1": each})) for each in strange]
    for cut in (5, 20, 60):
        out.append([good[0], good[1][:-cut]])
        out.append([good[0][:-cut], good[1]])
    for position in range(8, len(good[1]), 9):
        flipped = bytearray(good[1])
        flipped[position] ^= 0xFF
        out.append([good[0], bytes(flipped)])
    for position in range(len(good[0]) - 120, len(good[0]), 5):
        flipped = bytearray(good[0])
        flipped[position] ^= 0xFF
        out.append([bytes(flipped), good[1]])
    return out


def test_strange_parameters_are_refused(small):
    client = small.client()
    for messages in puts(client):
        try:
            answers = client.both("DoPut", messages)
            for put in answers:
                handle = dict(wire.fields(dict(wire.fields(put))[1]))[1]
                sent = client.ask(wire.prepared_query(handle))
                assert sent.refused is None or sent.refused.code in ENOUGH, sent.refused
        except Refused as refusal:
            # gRPC itself answers INTERNAL to a message that is no protobuf at all.
            assert refusal.code in (*ENOUGH, StatusCode.INTERNAL), refusal
            assert "panic" not in refusal.message


def test_a_put_that_never_ends_holds_nobody(small):
    client = small.client()
    released = threading.Event()

    def messages():
        [result] = client.stream("DoAction", wire.prepare("SELECT CAST($1 AS BIGINT) AS x"))
        yield wire.bound(wire.prepared_handle(result), pa.record_batch({"$1": pa.array([1], pa.int64())}))[0]
        released.wait(10)

    calls = [
        client.channel.stream_stream(wire.SERVICE + "DoPut", bytes, bytes)(
            messages(), metadata=client.headers, timeout=30
        )
        for _ in range(20)
    ]
    assert attacks.by_statement(small.client(), "SELECT 1").refused is None
    for call in calls:
        call.cancel()
    released.set()
