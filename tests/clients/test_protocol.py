"""The calls around a query: polls, cancelling, renewing, transactions, and what is refused by name."""

import functools
import time
from pathlib import Path

import grpc
import pyarrow as pa
import pyarrow.flight as flight
import pytest
from grpc import StatusCode

import wire
from conftest import connect_flight
from wire import Raw, Refused, fields

POLL = "type.googleapis.com/airside.v1.Poll"
NATIONS = wire.statement("SELECT n_name FROM geography.nation")
# Many rows, and work without end before the first.
LINES = wire.statement("SELECT l.* FROM sales.lineitem l CROSS JOIN geography.region")
ENDLESS = wire.statement(
    "SELECT count(*) FROM sales.lineitem a, sales.lineitem b, sales.lineitem c"
    " WHERE a.l_comment < b.l_comment || c.l_comment"
)
# A debug build plans this for a while.
JOINS = "".join(f" JOIN sales.lineitem t{n} ON t{n}.l_orderkey = t{n - 1}.l_orderkey" for n in range(1, 60))
SLOW = wire.statement(f"SELECT count(*) FROM sales.lineitem t0{JOINS}")


def act(client: Raw, action: str, body: bytes = b"") -> list[bytes]:
    return [dict(fields(each)).get(1, b"") for each in client.stream("DoAction", wire.action(action, body))]


def packed(message: str, body: bytes = b"") -> bytes:
    return wire.any_of(wire.SQL + message, body)


def cancel(client: Raw, info: bytes) -> int:
    """The status of CancelFlightInfo."""
    [result] = act(client, "CancelFlightInfo", wire.text(1, info))
    return dict(fields(result))[1]


def cancel_query(client: Raw, info: bytes) -> int:
    [result] = act(client, "CancelQuery", packed("ActionCancelQueryRequest", wire.text(1, info)))
    return dict(fields(dict(fields(result))[2]))[1]


def ticket(info: bytes) -> bytes:
    return flight.FlightInfo.deserialize(info).endpoints[0].ticket.serialize()


def reading(client: Raw, info: bytes):
    call = client.channel.unary_stream(wire.SERVICE + "DoGet", bytes, bytes)
    return call(ticket(info), metadata=client.headers, timeout=60)


def refused(call, *arguments) -> Refused:
    with pytest.raises(Refused) as refusal:
        call(*arguments)
    return refusal.value


def cpu(running) -> float:
    """Seconds of CPU the gateway has used."""
    parts = Path(f"/proc/{running.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(parts[11]) + int(parts[12])) / 100


# --- polls ------------------------------------------------------------------------------------------


def poll(client: Raw, descriptor: bytes) -> tuple[bytes, bytes | None, dict[int, bytes]]:
    """The info, the descriptor to go on with, and all fields."""
    answer = dict(fields(client.unary("PollFlightInfo", descriptor)))
    return answer.get(1, b""), answer.get(2), answer


def test_what_is_planned_is_told_at_once(raw):
    info, again, answer = poll(raw("steward"), NATIONS)
    assert again is None and 3 in answer
    assert flight.FlightInfo.deserialize(info).schema.equals(raw("steward").info(NATIONS).schema, check_metadata=True)
    assert wire.decode(raw("steward").stream("DoGet", ticket(info))).num_rows == 25


def test_metadata_is_polled_like_anything(raw):
    info, again, _ = poll(raw("steward"), wire.metadata("CommandGetCatalogs"))
    assert again is None and flight.FlightInfo.deserialize(info).endpoints


@pytest.fixture
def slow(private):
    """Clients of a gateway that may plan for long."""
    running = private(env={"AIRSIDE_QUERY__PLANNING_TIMEOUT_SECONDS": "60"})
    return lambda user: Raw.connect(running.address, connect_flight(running, user).header)


def test_planning_outlives_a_call(slow):
    steward = slow("steward")
    info, again, answer = poll(steward, SLOW)
    assert again is not None, "planned within the first poll"
    assert 3 not in answer, "nobody can tell how far planning has come"
    assert flight.FlightInfo.deserialize(info).endpoints == []
    foreign = refused(poll, slow("owner"), again)
    assert foreign.code is StatusCode.PERMISSION_DENIED
    polls = 0
    while again is not None:
        info, again, _ = poll(steward, again)
        polls += 1
        assert polls < 40
    assert flight.FlightInfo.deserialize(info).endpoints


def test_planning_is_called_off(slow):
    steward, owner = slow("steward"), slow("owner")
    info, again, _ = poll(steward, SLOW)
    assert again is not None, "planned within the first poll"
    assert refused(cancel, owner, info).code is StatusCode.INVALID_ARGUMENT
    assert cancel(steward, info) == 1
    assert refused(poll, steward, again).code is StatusCode.CANCELLED


@pytest.mark.parametrize(
    ("descriptor", "code"),
    [
        (wire.statement("SELEC 1"), StatusCode.INVALID_ARGUMENT),
        (wire.statement("SELECT * FROM sales.no_such_table"), StatusCode.NOT_FOUND),
        (wire.descriptor_command(wire.any_of(POLL, b"")), StatusCode.INVALID_ARGUMENT),
        (b"", StatusCode.INVALID_ARGUMENT),
    ],
)
def test_a_poll_fails_as_a_call_does(descriptor, code, raw):
    assert refused(raw("steward").unary, "PollFlightInfo", descriptor).code is code


# --- cancelling -------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", [cancel, cancel_query])
def test_a_running_stream_is_cancelled(action, raw):
    steward = raw("steward")
    info = steward.unary("GetFlightInfo", LINES)
    streams = [reading(steward, info), reading(steward, info)]
    for stream in streams:
        next(stream), next(stream)
    assert action(steward, info) == 1
    for stream in streams:
        with pytest.raises(grpc.RpcError) as error:
            list(stream)
        assert error.value.code() is StatusCode.CANCELLED
    assert refused(steward.stream, "DoGet", ticket(info)).code is StatusCode.CANCELLED
    [endpoint] = flight.FlightInfo.deserialize(info).endpoints
    assert refused(renew, steward, endpoint.serialize()).code is StatusCode.CANCELLED, "nor does it come back"
    assert action(steward, info) == 1, "once more is no error"
    assert wire.decode(steward.stream("DoGet", ticket(steward.unary("GetFlightInfo", NATIONS)))).num_rows == 25


def test_a_cancelled_query_works_no_more(private):
    running = private()
    client = Raw.connect(running.address, connect_flight(running, "steward").header)
    info = client.unary("GetFlightInfo", ENDLESS)
    stream = reading(client, info)
    time.sleep(1.5)
    before = cpu(running)
    time.sleep(0.5)
    assert cpu(running) - before > 0.1, "the query is at work"
    assert cancel(client, info) == 1
    started = time.monotonic()
    with pytest.raises(grpc.RpcError) as error:
        list(stream)
    assert error.value.code() is StatusCode.CANCELLED
    assert time.monotonic() - started < 1
    time.sleep(1)
    before = cpu(running)
    time.sleep(1)
    assert cpu(running) - before < 0.3
    assert client.read(NATIONS)


def test_anothers_query_is_not_cancelled(raw):
    steward, owner = raw("steward"), raw("owner")
    info = steward.unary("GetFlightInfo", LINES)
    stream = reading(steward, info)
    next(stream)
    foreign = refused(cancel, owner, info)
    broken = refused(cancel, owner, wire.text(3, wire.text(1, wire.text(1, b"made up"))))
    assert (foreign.code, foreign.message) == (broken.code, broken.message)
    assert foreign.code is StatusCode.INVALID_ARGUMENT
    assert next(stream)
    stream.cancel()


def test_metadata_cannot_be_cancelled(raw):
    info = raw("steward").unary("GetFlightInfo", wire.metadata("CommandGetCatalogs"))
    assert cancel(raw("steward"), info) == 3


@pytest.mark.parametrize("info", [b"", wire.text(1, b"schema"), wire.text(3, b""), b"\xff"])
def test_an_info_of_nothing_is_not_cancelled(info, raw):
    for each in (cancel, cancel_query):
        assert refused(each, raw("steward"), info).code is StatusCode.INVALID_ARGUMENT


def test_the_audit_says_cancelled(private):
    import json

    running = private()
    client = Raw.connect(running.address, connect_flight(running, "steward").header)
    info = client.unary("GetFlightInfo", LINES)
    stream = reading(client, info)
    next(stream)
    cancel(client, info)
    with pytest.raises(grpc.RpcError):
        list(stream)
    running.stop()
    lines = [line for file in (running.directory / "audit").rglob("*") if file.is_file() for line in file.open()]
    records = [json.loads(line) for line in lines if line.startswith("{")]
    assert any("cancelled" in json.dumps(record) for record in records)


# --- renewing ---------------------------------------------------------------------------------------


def renew(client: Raw, endpoint: bytes) -> flight.FlightEndpoint:
    [result] = act(client, "RenewFlightEndpoint", wire.text(1, endpoint))
    return flight.FlightEndpoint.deserialize(result)


@pytest.mark.parametrize("descriptor", [NATIONS, wire.metadata("CommandGetCatalogs")], ids=["rows", "metadata"])
def test_a_ticket_is_given_more_time(descriptor, raw):
    steward = raw("steward")
    [endpoint] = steward.info(descriptor).endpoints
    time.sleep(0.05)
    renewed = renew(steward, endpoint.serialize())
    assert renewed.expiration_time.as_py() > endpoint.expiration_time.as_py()
    assert renewed.ticket != endpoint.ticket
    first, second = (steward.stream("DoGet", each.ticket.serialize()) for each in (endpoint, renewed))
    assert wire.decode(first) == wire.decode(second)


def test_anothers_ticket_is_not_renewed(raw):
    [endpoint] = raw("steward").info(NATIONS).endpoints
    assert refused(renew, raw("owner"), endpoint.serialize()).code is StatusCode.PERMISSION_DENIED
    forged = flight.FlightEndpoint(b"made up", []).serialize()
    assert refused(renew, raw("steward"), forged).code is StatusCode.INVALID_ARGUMENT


def test_what_is_no_longer_granted_is_not_renewed(private):
    from test_operation import SALES_POLICY, edit

    running = private()
    analyst = Raw.connect(running.address, connect_flight(running, "analyst").header)
    [endpoint] = analyst.info(wire.descriptor_path("sales", "orders")).endpoints
    version = running.get("/readyz")[1]
    edit(running, SALES_POLICY, 'principal in Group::"analysts"', 'principal in Group::"guests"')
    running.wait_until(lambda: running.get("/readyz")[1] != version, "the new policy")
    assert refused(renew, analyst, endpoint.serialize()).code is StatusCode.NOT_FOUND


def test_an_expired_ticket_is_not_renewed_and_a_renewed_one_lives(private):
    running = private(env={"AIRSIDE_TICKETS__TTL_SECONDS": "3"})
    steward = Raw.connect(running.address, connect_flight(running, "steward").header)
    [endpoint] = steward.info(NATIONS).endpoints
    time.sleep(2)
    renewed = renew(steward, endpoint.serialize())
    time.sleep(2)
    assert refused(renew, steward, endpoint.serialize()).code is StatusCode.INVALID_ARGUMENT
    assert wire.decode(steward.stream("DoGet", renewed.ticket.serialize())).num_rows == 25


# --- transactions -----------------------------------------------------------------------------------


def begin(client: Raw) -> bytes:
    [result] = act(client, "BeginTransaction", packed("ActionBeginTransactionRequest"))
    return dict(fields(dict(fields(result))[2]))[1]


def end(client: Raw, transaction: bytes, how: int = 1) -> list[bytes]:
    body = wire.text(1, transaction) + wire.number(2, how)
    return act(client, "EndTransaction", packed("ActionEndTransactionRequest", body))


def within(transaction: bytes, sql: str) -> bytes:
    command = wire.text(1, sql) + wire.text(2, transaction)
    return wire.descriptor_command(wire.any_of(wire.SQL + "CommandStatementQuery", command))


def test_a_transaction_is_begun_and_ended(raw):
    steward = raw("steward")
    for how in (1, 2):
        transaction = begin(steward)
        assert b"steward" not in transaction
        assert steward.read(within(transaction, "SELECT n_name FROM geography.nation"))
        assert end(steward, transaction, how) == []
    assert refused(end, steward, begin(steward), 0).code is StatusCode.INVALID_ARGUMENT


def test_anothers_transaction_is_unknown(raw):
    transaction = begin(raw("steward"))
    question = within(transaction, "SELECT n_name FROM geography.nation")
    for made_up in (transaction[:-4] + b"AAAA", b"x"):
        assert refused(end, raw("steward"), made_up).code is StatusCode.INVALID_ARGUMENT
    assert refused(end, raw("owner"), transaction).message == refused(end, raw("owner"), b"x").message
    for method in ("GetFlightInfo", "GetSchema", "PollFlightInfo"):
        assert refused(raw("owner").unary, method, question).code is StatusCode.INVALID_ARGUMENT


# --- prepared statements ----------------------------------------------------------------------------


def test_a_query_is_no_update(raw):
    [result] = raw("steward").stream("DoAction", wire.prepare("SELECT n_name FROM geography.nation"))
    packed_result = dict(fields(dict(fields(result))[1]))
    assert packed_result[1].decode() == wire.SQL + "ActionCreatePreparedStatementResult"
    assert dict(fields(packed_result[2]))[4] == 0


def schema(message: bytes) -> pa.Schema:
    return pa.ipc.read_schema(pa.py_buffer(message))


def test_an_unbound_statement_has_a_schema(raw):
    steward = raw("steward")
    sql = "SELECT n_name, n_nationkey + ? AS x FROM geography.nation WHERE n_nationkey = ?"
    [result] = steward.stream("DoAction", wire.prepare(sql))
    told = schema(dict(fields(dict(fields(dict(fields(result))[1]))[2]))[2])
    handle = wire.prepared_handle(result)
    for descriptor in (wire.prepared_query(handle), wire.statement(sql)):
        answer = dict(fields(steward.unary("GetSchema", descriptor)))[1]
        assert schema(answer).equals(told, check_metadata=True)


@pytest.mark.parametrize("rows", [1, 3, 30])
def test_each_bound_row_is_answered(rows, raw):
    keys = [7 * row % 25 for row in range(rows)]
    parameters = pa.record_batch({"$1": pa.array(keys, pa.int64())})
    sent = raw("steward").prepared("SELECT n_nationkey FROM geography.nation WHERE n_nationkey = $1", parameters)
    assert sent.refused is None, sent.refused
    assert wire.decode(sent.rows)["n_nationkey"].to_pylist() == keys


def test_too_many_bound_rows_are_refused(raw):
    parameters = pa.record_batch({"$1": pa.array([1] * 101, pa.int64())})
    sent = raw("steward").prepared("SELECT n_name FROM geography.nation WHERE n_nationkey = $1", parameters)
    assert sent.refused.code is StatusCode.INVALID_ARGUMENT and "100" in sent.refused.message


@pytest.mark.parametrize("rows", [1, 3])
def test_values_for_no_parameter_are_refused(rows, raw):
    parameters = pa.record_batch({"$1": pa.array([1] * rows, pa.int64())})
    sent = raw("steward").prepared("SELECT n_name FROM geography.nation", parameters)
    assert sent.refused.code is StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize(
    "value",
    [pa.array([[1]]), pa.array([{"a": 1}]), pa.array([b"x"]), pa.array([True]), pa.array(["no date"])],
    ids=["list", "struct", "binary", "bool", "text"],
)
def test_values_of_other_types_are_refused(value, raw):
    parameters = pa.record_batch({"$1": value})
    sent = raw("steward").prepared("SELECT o_orderkey FROM sales.orders WHERE o_orderdate = $1", parameters)
    assert sent.refused.code is StatusCode.INVALID_ARGUMENT, sent.refused


# --- what is offered, and what is not ---------------------------------------------------------------


def test_every_action_is_listed_and_answers(raw):
    steward = raw("steward")
    listed = {dict(fields(each))[1].decode() for each in steward.stream("ListActions", b"")}
    assert listed == {
        "CreatePreparedStatement",
        "ClosePreparedStatement",
        "BeginTransaction",
        "EndTransaction",
        "CancelFlightInfo",
        "CancelQuery",
        "RenewFlightEndpoint",
        "SetSessionOptions",
        "GetSessionOptions",
        "CloseSession",
        "airside.explain",
        "airside.access",
        "airside.test",
        "airside.changes",
    }
    # A feed of changes has no end; `test_snapshots` reads it.
    for action in listed - {"airside.changes"}:
        try:
            act(steward, action)
        except Refused as refusal:
            assert refusal.code is not StatusCode.UNIMPLEMENTED, action


@pytest.mark.parametrize("action", ["BeginSavepoint", "EndSavepoint", "CreatePreparedSubstraitPlan", "NoSuchAction"])
def test_other_actions_are_refused_by_name(action, raw):
    refusal = refused(act, raw("steward"), action)
    assert refusal.code is StatusCode.UNIMPLEMENTED and action in refusal.message


def test_exchanges_are_refused_by_name(raw):
    refusal = refused(raw("steward").both, "DoExchange", [wire.text(1, NATIONS)])
    assert refusal.code is StatusCode.UNIMPLEMENTED and "DoExchange" in refusal.message


@pytest.mark.parametrize(
    "command",
    ["CommandStatementUpdate", "CommandPreparedStatementUpdate", "CommandStatementIngest"],
)
def test_writing_is_refused_as_such(command, raw):
    for refusal in (
        refused(raw("steward").unary, "GetFlightInfo", wire.metadata(command)),
        refused(raw("steward").unary, "GetSchema", wire.metadata(command)),
        refused(raw("steward").both, "DoPut", [wire.text(1, wire.metadata(command))]),
    ):
        assert refusal.code is StatusCode.UNIMPLEMENTED and "read-only" in refusal.message


def test_storing_by_path_is_refused(session):
    steward = session("steward")
    schema = pa.schema([("a", pa.int64())])
    with pytest.raises(pa.ArrowNotImplementedError, match="read-only"):
        writer, reader = steward.client.do_put(flight.FlightDescriptor.for_path("sales", "x"), schema, steward.options)
        reader.read()
        writer.close()


@pytest.mark.parametrize(
    "sql", ["INSERT INTO sales.orders VALUES (1)", "DELETE FROM sales.orders", "CREATE TABLE t (a INT)"]
)
def test_statements_that_write_are_refused_as_such(sql, raw):
    for refusal in (
        refused(raw("steward").unary, "GetFlightInfo", wire.statement(sql)),
        refused(raw("steward").stream, "DoAction", wire.prepare(sql)),
    ):
        assert refusal.code is StatusCode.INVALID_ARGUMENT and "read-only" in refusal.message


ACTIONS = ("CancelFlightInfo", "CancelQuery", "RenewFlightEndpoint", "BeginTransaction", "EndTransaction")
CALLS = {
    "PollFlightInfo": lambda client: client.unary("PollFlightInfo", NATIONS),
    "DoExchange": lambda client: client.both("DoExchange", [b""]),
    **{action: functools.partial(act, action=action) for action in ACTIONS},
}


@pytest.mark.parametrize("call", CALLS)
def test_strangers_are_told_that_they_are(call, raw):
    assert refused(CALLS[call], raw(None)).code is StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize("action", ["CancelFlightInfo", "CancelQuery", "RenewFlightEndpoint", "BeginTransaction"])
def test_bodies_that_are_no_message_are_refused(action, raw):
    assert refused(act, raw("steward"), action, b"\xff\xff").code is StatusCode.INVALID_ARGUMENT
