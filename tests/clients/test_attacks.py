"""What must fail: reading around the policy, by every way a question can be asked.

Values of hidden rows and masked columns are canaries. Every byte that leaves for an attack, decoded or
not, error or answer, is searched for them.
"""

import pyarrow.flight as flight
import pytest
from grpc import StatusCode

import wire
from wire import Refused

REFUSED = (StatusCode.INVALID_ARGUMENT, StatusCode.UNIMPLEMENTED, StatusCode.NOT_FOUND, StatusCode.PERMISSION_DENIED)


SEGMENT = "BUILDING"


@pytest.fixture(scope="session")
def canaries(files) -> list[bytes]:
    """Texts that the analyst must never receive: all of hidden rows, and the masked phones of shown ones."""
    text_of = "SELECT unnest([c_name, c_address, c_phone, c_comment]) AS t FROM customers.customer"
    hidden = files.values(
        f"SELECT t FROM ({text_of} WHERE c_mktsegment <> '{SEGMENT}')"
        f" UNION SELECT c_phone FROM customers.customer WHERE c_mktsegment = '{SEGMENT}'"
    )
    shown = "SELECT c_name || '\n' || c_address || '\n' || c_comment FROM customers.customer"
    permitted = "\n".join(files.values(f"{shown} WHERE c_mktsegment = '{SEGMENT}'"))
    # A short address may by chance be part of a permitted text.
    return [text.encode() for text in hidden if len(text) >= 12 and text not in permitted]


@pytest.fixture(scope="session")
def sweep(canaries):
    """Asserts that no canary is in what left."""
    import re

    pattern = re.compile(b"|".join(re.escape(canary) for canary in sorted(canaries, key=len, reverse=True)))

    def search(*sent: bytes | str) -> None:
        for each in sent:
            found = pattern.search(each.encode() if isinstance(each, str) else each)
            assert found is None, f"{found[0]!r} left the gateway"

    return search


def ways(sql: str):
    """The SQL-bearing ways to ask."""
    return [wire.statement(sql), wire.descriptor_command(sql.encode())]


def attack(client: wire.Raw, descriptor: bytes) -> list[bytes | str]:
    """All that comes back, whether it is an answer or an error."""
    sent: list[bytes | str] = []
    for ask in (lambda: client.unary("GetSchema", descriptor), lambda: client.read(descriptor)):
        try:
            sent.append(ask())
        except Refused as refusal:
            assert refusal.code not in (StatusCode.INTERNAL, StatusCode.UNKNOWN), refusal
            sent += [refusal.message, repr(refusal.trailers)]
    return sent


# --- errors as oracles ----------------------------------------------------------------------------

ORACLES = [
    "SELECT count(*) FROM customers.customer WHERE CAST(c_comment AS INT) >= 0",
    "SELECT count(*) FROM customers.customer WHERE CAST(c_phone AS INT) >= 0",
    "SELECT count(*) FROM customers.customer WHERE CAST(c_name AS DATE) IS NULL",
    "SELECT CAST(c_comment AS INT) FROM customers.customer",
    "SELECT 1000 / (c_custkey - 100) FROM customers.customer",
    "SELECT c_custkey FROM customers.customer ORDER BY CAST(c_address AS INT)",
    "SELECT c_custkey FROM customers.customer WHERE regexp_like(c_comment, c_comment || '(')",
    "SELECT c_mktsegment FROM customers.customer GROUP BY c_mktsegment HAVING CAST(min(c_comment) AS INT) > 0",
    "SELECT a.c_custkey FROM customers.customer a JOIN customers.customer b ON a.c_custkey = CAST(b.c_comment AS INT)",
    "SELECT to_date(c_comment) FROM customers.customer",
]


@pytest.mark.parametrize("sql", ORACLES)
def test_errors_tell_no_value(sql, raw, sweep):
    for descriptor in ways(sql):
        sweep(*attack(raw("analyst"), descriptor))


def test_a_filter_that_fails_on_hidden_rows_does_not_fail(query, files):
    """The first attack: the error itself would tell that a hidden row exists."""
    [hidden] = files.values(f"SELECT min(c_custkey) FROM customers.customer WHERE c_mktsegment <> '{SEGMENT}'")
    sql = f"SELECT count(*) AS n FROM customers.customer WHERE 1000 / (c_custkey - {hidden}) > 100000"
    assert query("analyst", sql)["n"].to_pylist() == [0]


def test_a_product_requests_filter_is_no_oracle(raw, sweep):
    for filter in ("CAST(c_comment AS INT) > 0", "c_custkey / 0 = 1", "c_phone < '3'"):
        request = wire.product_request("customers", "customer", filter=filter)
        sweep(*attack(raw("analyst"), wire.descriptor_command(request)))


# --- bytes behind the rows ------------------------------------------------------------------------

WIRE = [
    "SELECT * FROM customers.customer",
    "SELECT c_name, c_address, c_phone FROM customers.customer",
    "SELECT c_comment FROM customers.customer WHERE c_custkey % 50 = 0",
    "SELECT c_comment FROM customers.customer LIMIT 3",
    "SELECT c_comment FROM customers.customer ORDER BY c_comment DESC LIMIT 5",
    "SELECT substr(c_comment, 1, 4) FROM customers.customer",
    "SELECT nullif(c_comment, c_comment) FROM customers.customer",
    "SELECT CASE WHEN c_custkey < 0 THEN c_phone END FROM customers.customer",
    "SELECT DISTINCT c_phone FROM customers.customer",
    "SELECT max(c_comment), min(c_phone), count(DISTINCT c_name) FROM customers.customer",
    "SELECT count(*) FROM customers.customer",
    "SELECT 1 FROM customers.customer",
    "SELECT * FROM customers.customer LIMIT 0",
    "SELECT a.c_comment, b.c_phone FROM customers.customer a JOIN customers.customer b USING (c_custkey)",
    "SELECT c_phone FROM customers.customer UNION SELECT c_name FROM customers.customer",
    "SELECT first_value(c_comment) OVER (ORDER BY c_custkey) FROM customers.customer",
    "SELECT string_agg(c_comment, ',') FROM customers.customer",
    "SELECT array_agg(c_phone) FROM customers.customer",
    "SELECT (SELECT max(c_phone) FROM customers.customer) FROM customers.customer LIMIT 1",
    "SELECT * FROM marketing.customer_lifetime_value",
    "SELECT name, phone FROM marketing.customer_lifetime_value WHERE lifetime_value > 100000",
]


@pytest.mark.parametrize("sql", WIRE)
def test_no_hidden_byte_leaves(sql, raw, sweep):
    for descriptor in ways(sql):
        sweep(*attack(raw("analyst"), descriptor))


@pytest.mark.parametrize("path", [("customers", "customer"), ("marketing", "customer_lifetime_value")])
def test_no_hidden_byte_leaves_by_path(path, raw, sweep):
    sweep(*attack(raw("analyst"), wire.descriptor_path(*path)))
    sweep(*attack(raw("analyst"), wire.descriptor_command(wire.product_request(*path))))


def test_no_masked_byte_reaches_the_scientist(raw, files):
    sent = raw("scientist").read(wire.descriptor_path("marketing", "customer_lifetime_value"))
    for value in files.values("SELECT unnest([c_name, c_phone]) FROM customers.customer"):
        assert value.encode() not in sent


def test_the_sweep_would_find_something(raw, canaries):
    sent = raw("steward").read(wire.descriptor_path("customers", "customer"))
    assert sum(canary in sent for canary in canaries[:50]) == 50


def test_sizes_are_not_told(raw):
    info = raw("analyst").info(wire.descriptor_path("customers", "customer"))
    assert (info.total_records, info.total_bytes) == (-1, -1)


# --- statements that are not questions -------------------------------------------------------------

STATEMENTS = [
    "EXPLAIN SELECT * FROM customers.customer",
    "EXPLAIN ANALYZE SELECT * FROM customers.customer",
    "EXPLAIN VERBOSE SELECT * FROM customers.customer",
    "DESCRIBE customers.customer",
    "SHOW TABLES",
    "SHOW ALL",
    "SHOW COLUMNS FROM customers.customer",
    "COPY (SELECT * FROM customers.customer) TO '/tmp/out.parquet'",
    "COPY customers.customer TO '/tmp/out.csv'",
    "CREATE EXTERNAL TABLE t STORED AS PARQUET LOCATION '/etc/passwd'",
    "CREATE TABLE t AS SELECT * FROM customers.customer",
    "CREATE VIEW v AS SELECT * FROM customers.customer",
    "INSERT INTO sales.orders SELECT * FROM sales.orders",
    "UPDATE customers.customer SET c_name = ''",
    "DELETE FROM customers.customer",
    "DROP TABLE customers.customer",
    "SET datafusion.catalog.information_schema = true",
    "RESET datafusion.catalog.information_schema",
    "PREPARE p AS SELECT * FROM customers.customer",
    "EXECUTE p",
    "BEGIN",
    "USE customers",
    "CREATE FUNCTION f() RETURNS INT RETURN 1",
    "SELECT 1 INTO t",
    "VALUES (1); DROP TABLE x",
]

PLACES = [
    "SELECT * FROM '/etc/passwd'",
    "SELECT * FROM 's3://bucket/key.parquet'",
    "SELECT * FROM 'http://127.0.0.1:1/x.parquet'",
    'SELECT * FROM "/etc/passwd"',
    "SELECT * FROM read_parquet('/etc/passwd')",
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM parquet_metadata('x')",
    "SELECT * FROM information_schema.tables",
    "SELECT * FROM information_schema.columns",
    "SELECT * FROM information_schema.df_settings",
    "SELECT * FROM datafusion.information_schema.tables",
    "SELECT * FROM generate_series(1, 1000000000)",
    "SELECT * FROM range(1, 1000000000)",
]

FUNCTIONS = [
    "input_file_name()",
    "file_row_index()",
    "version()",
    "repeat('x', 2000000000)",
    "lpad('x', 2000000000, 'y')",
    "rpad('x', 2000000000, 'y')",
    "array_repeat(1, 2000000000)",
    "range(1, 1000000000)",
    "generate_series(1, 1000000000)",
]


def refused(client: wire.Raw, descriptor: bytes) -> Refused:
    with pytest.raises(Refused) as refusal:
        client.read(descriptor)
    assert refusal.value.code in REFUSED, refusal.value
    for told in ("panic", "DataFusion", "Valid fields", "src/"):
        assert told not in refusal.value.message, refusal.value
    return refusal.value


@pytest.mark.parametrize("sql", STATEMENTS + PLACES)
@pytest.mark.parametrize("user", ["analyst", "steward"])
def test_refused_statements(sql, user, raw):
    for descriptor in ways(sql):
        refused(raw(user), descriptor)


@pytest.mark.parametrize("sql", STATEMENTS + PLACES)
def test_refused_when_prepared(sql, raw):
    with pytest.raises(Refused) as refusal:
        raw("steward").stream("DoAction", wire.prepare(sql))
    assert refusal.value.code in REFUSED, refusal.value


@pytest.mark.timeout(60)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_refused_functions(function, raw):
    with pytest.raises(Refused) as refusal:
        raw("steward").read(wire.statement(f"SELECT {function} FROM geography.region LIMIT 1"))
    assert refusal.value.code in (*REFUSED, StatusCode.RESOURCE_EXHAUSTED), refusal.value


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "sql",
    [
        "SELECT " + "+".join(["1"] * 30_000),
        "SELECT " + "(" * 5_000 + "1" + ")" * 5_000,
        "SELECT " + "NOT " * 20_000 + "true",
        "SELECT 1 WHERE 1 IN (" + ",".join(map(str, range(20_000))) + ")",
        "SELECT '" + "x" * 2_000_000 + "'",
        "SELECT " + ",".join(f"1 AS c{n}" for n in range(20_000)),
        "WITH "
        + ",".join(["c0 AS (SELECT 'x' AS s)"] + [f"c{n} AS (SELECT s || s AS s FROM c{n - 1})" for n in range(1, 40)])
        + " SELECT s FROM c39",
        "WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t) SELECT * FROM t",
    ],
    ids=["sum", "parentheses", "not", "in", "text", "columns", "doubling", "recursive"],
)
def test_too_much_is_refused_quickly(sql, raw):
    with pytest.raises(Refused) as refusal:
        raw("steward").read(wire.statement(sql))
    assert refusal.value.code in (*REFUSED, StatusCode.RESOURCE_EXHAUSTED, StatusCode.DEADLINE_EXCEEDED), refusal.value


# --- hidden is nonexistent ------------------------------------------------------------------------

HIDDEN = [
    (wire.descriptor_path("marketing", "customer_lifetime_value"), wire.descriptor_path("marketing", "no_such_thing")),
    (wire.descriptor_path("sales", "orders"), wire.descriptor_path("no_domain", "no_such_thing")),
    (wire.statement("SELECT * FROM sales.orders"), wire.statement("SELECT * FROM sales.no_such_thing")),
    (wire.statement("SELECT * FROM sales.orders"), wire.statement("SELECT * FROM no_domain.no_such_thing")),
    (wire.statement("SELECT * FROM sales.orders_v1"), wire.statement("SELECT * FROM sales.no_such_thing_v1")),
    (
        wire.descriptor_command(wire.product_request("sales", "orders")),
        wire.descriptor_command(wire.product_request("sales", "no_such_thing")),
    ),
]
NAMES = ("marketing", "customer_lifetime_value", "no_such_thing", "no_domain", "sales", "orders")


@pytest.mark.parametrize(("hidden", "missing"), HIDDEN)
@pytest.mark.parametrize("method", ["GetFlightInfo", "GetSchema"])
def test_hidden_is_like_nonexistent(hidden, missing, method, raw):
    refusals = []
    for descriptor in (hidden, missing):
        with pytest.raises(Refused) as refusal:
            raw("nobody").unary(method, descriptor)
        refusals.append(refusal.value)
    one, other = refusals
    assert one.code is other.code is StatusCode.NOT_FOUND
    assert wire.alike(one.message, *NAMES) == wire.alike(other.message, *NAMES)
    assert set(one.trailers) == set(other.trailers)


def test_a_hidden_column_is_like_a_nonexistent_one(raw, query, files):
    shown = set(query("analyst", "SELECT * FROM customers.customer LIMIT 0").column_names)
    hidden = set(files.sql("SELECT * FROM customers.customer LIMIT 0").column_names) - shown
    for column in hidden:
        messages = []
        for name in (column, "no_such_column"):
            with pytest.raises(Refused) as refusal:
                raw("analyst").read(wire.statement(f"SELECT {name} FROM customers.customer"))
            messages.append(wire.alike(refusal.value.message, column, "no_such_column"))
        assert messages[0] == messages[1]


def test_misspelt_columns_suggest_nothing(raw):
    with pytest.raises(Refused) as refusal:
        raw("analyst").read(wire.statement("SELECT c_phon FROM customers.customer"))
    assert "c_phone" not in refusal.value.message and "c_custkey" not in refusal.value.message


def test_metadata_lists_what_may_be_discovered(raw):
    sent = b"".join(
        raw("owner").read(wire.metadata(command))
        for command in ("CommandGetTables", "CommandGetDbSchemas", "CommandGetCatalogs")
    )
    assert b"orders" in sent and b"customer_lifetime_value" not in sent


def test_no_path_of_storage_is_ever_told(raw, gateway):
    place = str(gateway.directory).encode()
    client = raw("steward")
    for descriptor in (
        wire.descriptor_path("sales", "orders"),
        wire.metadata("CommandGetTables", wire.number(5, 1)),
        wire.metadata("CommandGetSqlInfo"),
    ):
        sent = client.read(descriptor)
        assert place not in sent and b".parquet" not in sent


# --- malformed messages ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "message",
    [b"", b"\x00", b"\xff" * 64, b"\x0a\xff\xff\xff\xff\x0f", wire.text(2, b"\x0a\xff"), wire.number(1, 2) * 1000],
)
@pytest.mark.parametrize("method", ["GetFlightInfo", "GetSchema", "DoGet", "DoAction", "ListFlights", "PollFlightInfo"])
def test_malformed_messages_are_refused(message, method, raw, gateway):
    client = raw("steward")
    try:
        client.stream(method, message) if method in ("DoGet", "DoAction", "ListFlights") else client.unary(
            method, message
        )
    except Refused as refusal:
        # gRPC itself answers INTERNAL to a message that is no protobuf at all.
        allowed = {StatusCode.INVALID_ARGUMENT, StatusCode.UNIMPLEMENTED, StatusCode.NOT_FOUND, StatusCode.INTERNAL}
        assert refusal.code in allowed, refusal
        assert "panic" not in refusal.message
    assert gateway.process.poll() is None


def test_messages_of_other_commands_are_refused(raw):
    for command in (
        "CommandStatementUpdate",
        "CommandPreparedStatementQuery",
        "CommandStatementIngest",
        "NoSuchCommand",
    ):
        with pytest.raises(Refused) as refusal:
            raw("steward").unary("GetFlightInfo", wire.metadata(command, wire.text(1, b"x")))
        assert refusal.value.code in REFUSED, refusal.value


def test_a_prepared_handle_is_sealed(raw):
    client = raw("steward")
    [result] = client.stream("DoAction", wire.prepare("SELECT o_orderkey FROM sales.orders"))
    assert b"o_orderkey FROM" not in result


def test_unknown_tickets_are_refused(raw):
    for ticket in (b"", b"x", b"\x00" * 200, wire.any_of(wire.SQL + "TicketStatementQuery", wire.text(1, b"x"))):
        with pytest.raises(Refused) as refusal:
            raw("steward").stream("DoGet", flight.Ticket(ticket).serialize())
        assert refusal.value.code is StatusCode.INVALID_ARGUMENT, refusal.value
