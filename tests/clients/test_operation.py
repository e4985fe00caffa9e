"""Operating the gateway: health, metrics, logs, draining, and taking over a changed mesh."""

import re
import signal
import threading
import time

import grpc
import pyarrow as pa
import pytest
from grpc import StatusCode
from pyarrow import flight
from pyarrow.flight import FlightDescriptor

import wire
from conftest import connect_adbc, connect_flight
from mesh_files import MeshFiles, assert_same
from wire import Raw, Refused

ORDERS = wire.descriptor_path("sales", "orders")
CUSTOMERS_POLICY = "mesh/domains/customers/policies/access.cedar"
SALES_POLICY = "mesh/domains/sales/policies/access.cedar"
ORDERS_CONTRACT = "mesh/domains/sales/products/orders.odcs.yaml"


@pytest.mark.parametrize("page", ["/healthz", "/readyz"])
def test_it_says_that_it_is_well(page, gateway):
    status, _ = gateway.get(page)
    assert status == 200


def test_grpc_health_is_served_to_anybody(gateway):
    with grpc.insecure_channel(gateway.address) as channel:
        check = channel.unary_unary("/grpc.health.v1.Health/Check", bytes, bytes)
        assert check(b"", timeout=10) == wire.number(1, 1)


def test_metrics_are_prometheus_text(gateway, query):
    query("steward", "SELECT 1")
    status, text = gateway.get("/metrics")
    assert status == 200
    assert re.search(r"^airside_\w+(\{[^}]*\})? [0-9.e+]+$", text, re.MULTILINE), text[:500]
    for secret in ("steward", "customer", "SELECT"):
        assert secret not in text


def test_decisions_that_are_remembered_are_counted(gateway, query):
    def counted(outcome: str) -> int:
        found = re.search(rf'^airside_decisions_total{{outcome="{outcome}"}} (\d+)$', gateway.get("/metrics")[1], re.M)
        return int(found[1]) if found else 0

    query("steward", "SELECT count(*) FROM geography.nation")
    made, remembered = counted("made"), counted("remembered")
    query("steward", "SELECT count(*) FROM geography.nation")
    assert made > 0
    assert counted("remembered") > remembered


def test_an_unknown_page_is_not_found(gateway):
    assert gateway.get("/no/such/page")[0] == 404


def test_the_log_holds_no_secret_and_no_literal(gateway, query):
    query("steward", "SELECT count(*) FROM customers.customer WHERE c_name = 'canary-literal-7391'")
    text = gateway.log_text()
    assert "canary-literal-7391" not in text
    for user in gateway.users.values():
        assert user.password not in text
    for token in gateway.tokens.values():
        assert token not in text


def test_an_error_id_finds_the_story(gateway, raw):
    with pytest.raises(Refused) as refusal:
        raw("steward").read(wire.statement("SELECT CAST(n_name AS INT) FROM geography.nation"))
    found = wire.ERROR_ID.search(refusal.value.message)
    assert found, refusal.value.message
    assert found[0] in gateway.log_text()


def test_a_long_query_stops_nobody(gateway, raw):
    """Queries have a runtime of their own; a caller's deadline ends its query."""
    long = "SELECT count(*) FROM sales.lineitem a, sales.lineitem b WHERE a.l_comment < b.l_comment"
    outcome: list[Exception] = []

    def ask() -> None:
        client = raw("steward")
        info = client.info(wire.statement(long))
        call = client.channel.unary_stream(wire.SERVICE + "DoGet", bytes, bytes)
        try:
            list(call(info.endpoints[0].ticket.serialize(), metadata=client.headers, timeout=5))
        except grpc.RpcError as error:
            outcome.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    time.sleep(1)
    started = time.monotonic()
    with connect_adbc(gateway, "owner") as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM geography.region")
        assert cursor.fetchone() == (5,)
    assert time.monotonic() - started < 4
    asking.join(30)
    assert [error.code() for error in outcome] == [StatusCode.DEADLINE_EXCEEDED]


# --- the end --------------------------------------------------------------------------------------


def test_a_drain_lets_streams_end(private):
    running = private()
    steward = connect_flight(running, "steward")
    sql = "SELECT l.* FROM sales.lineitem l CROSS JOIN geography.region"
    [endpoint] = steward.info(FlightDescriptor.for_command(sql.encode())).endpoints
    stream = steward.client.do_get(endpoint.ticket, steward.options)
    read = stream.read_chunk().data.num_rows
    running.terminate()
    time.sleep(0.5)
    with pytest.raises((pa.ArrowException, OSError)):
        connect_flight(running, "owner").sql("SELECT 1")
    for chunk in stream:
        read += chunk.data.num_rows
    assert [read] == MeshFiles(running.directory).values("SELECT 5 * count(*) FROM sales.lineitem")
    assert running.wait() == 0


def test_interrupt_ends_it_too(private):
    running = private()
    running.process.send_signal(signal.SIGINT)
    assert running.wait() == 0


# --- a changed mesh -------------------------------------------------------------------------------


def edit(running, file: str, old: str, new: str) -> None:
    path = running.directory / file
    text = path.read_text()
    assert old in text, f"{file} does not hold {old!r}"
    # As editors and deployments do it: a whole new file takes the place of the old one.
    replacement = path.with_name(path.name + ".new")
    replacement.write_text(text.replace(old, new))
    replacement.replace(path)


def asks(running, user: str):
    """A function that asks anew each time, and answers a table or the code of the refusal."""
    session = connect_flight(running, user)
    client = Raw.connect(running.address, session.header)

    def ask(sql: str):
        try:
            client.unary("GetSchema", wire.statement(sql))
        except Refused as refusal:
            return refusal.code
        try:
            return session.sql(sql)
        except KeyError:  # taken away between the two questions: pyarrow's word for NOT_FOUND
            return StatusCode.NOT_FOUND
        except flight.FlightUnavailableError:  # changed between ticket and rows: a client asks again
            return ask(sql)

    return ask


def test_a_changed_policy_takes_over(private):
    running = private()
    analyst = asks(running, "analyst")
    sql = "SELECT c_name FROM customers.customer LIMIT 1"
    assert analyst(sql)["c_name"][0].as_py().startswith("Customer#")
    edit(running, CUSTOMERS_POLICY, '["c_name", "c_address"]', '["c_address"]')
    running.wait_until(lambda: not analyst(sql)["c_name"][0].as_py().startswith("Customer#"), "the mask")


def test_a_revoked_right_ends_tickets_too(private):
    running = private()
    session = connect_flight(running, "analyst")
    client = Raw.connect(running.address, session.header)
    ticket = client.info(ORDERS).endpoints[0].ticket.serialize()
    assert client.stream("DoGet", ticket)
    edit(running, SALES_POLICY, 'principal in Group::"analysts"', 'principal in Group::"guests"')
    running.wait_until(
        lambda: asks(running, "analyst")("SELECT 1 FROM sales.orders") is StatusCode.NOT_FOUND, "the ban"
    )
    with pytest.raises(Refused) as refusal:
        client.stream("DoGet", ticket)
    assert refusal.value.code in (StatusCode.NOT_FOUND, StatusCode.PERMISSION_DENIED, StatusCode.INVALID_ARGUMENT)


@pytest.mark.parametrize(
    ("file", "old", "new", "says"),
    [
        (CUSTOMERS_POLICY, "permit (", "permitt (", "access.cedar"),
        (ORDERS_CONTRACT, "kind: DataContract", "kind: DataContrakt", "orders.odcs.yaml"),
        (ORDERS_CONTRACT, "name: o_clerk", "name: o_clerc", "o_clerc"),
        (
            ORDERS_CONTRACT,
            "logicalType: date\n        physicalType: DATE",
            "logicalType: integer\n        physicalType: SMALLINT",
            "o_orderdate",
        ),
    ],
    ids=["policy", "contract", "missing column", "other type"],
)
def test_a_broken_mesh_leaves_the_last_good_one(file, old, new, says, private):
    running = private()
    owner = asks(running, "owner")
    sql = "SELECT count(*) AS n FROM sales.orders"
    before = owner(sql)
    edit(running, file, old, new)
    running.wait_until(lambda: says in running.log_text(), f"a word about {says}")
    assert owner(sql) == before
    assert running.get("/readyz")[0] == 200
    edit(running, file, new, old)
    edit(running, SALES_POLICY, "sales_owners", "guests")
    running.wait_until(lambda: owner(sql) is StatusCode.NOT_FOUND, "taking over again once mended")


def test_the_unversioned_address_moves_when_its_owner_says_so(private, files):
    running = private()
    owner = asks(running, "owner")
    select = "SELECT * FROM sales.{} LIMIT 0"
    first = running.directory / ORDERS_CONTRACT
    text = first.read_text()
    clerk = re.search(r"      - name: o_clerk\n(?:        .*\n)+", text)
    assert clerk
    second = text.replace(clerk[0], "").replace("version: 1.0.0", "version: 2.0.0")
    default = "airside.defaultVersion, value: true"
    first.with_name("orders_2.odcs.yaml").write_text(second.replace(default, default.replace("true", "false")))

    running.wait_until(lambda: owner(select.format("orders_v2")) is not StatusCode.NOT_FOUND, "version 2")
    assert "o_clerk" not in owner(select.format("orders_v2")).column_names, "an extra column of the files is served"
    assert "o_clerk" in owner(select.format("orders")).column_names, "the default moved by itself"
    first.with_name("orders_2.odcs.yaml").write_text(second)
    first.write_text(text.replace(default, default.replace("true", "false")))
    running.wait_until(lambda: "o_clerk" not in owner(select.format("orders")).column_names, "the new default")
    assert "o_clerk" in owner(select.format("orders_v1")).column_names
    assert_same(owner("SELECT count(*) AS n FROM sales.orders"), files.sql("SELECT count(*) AS n FROM sales.orders"))
