"""Policies, seen from outside: who sees which rows and columns, compared with the files themselves."""

import re
from pathlib import Path

import adbc_driver_manager
import pytest
import yaml
from adbc_driver_manager import AdbcStatusCode
from grpc import StatusCode
from pyarrow.flight import FlightDescriptor

import wire
from mesh_files import assert_same

LIFETIME_VALUE = "SELECT * FROM marketing.customer_lifetime_value"
PARTIAL = re.compile(r"^\*+.{4}$")


@pytest.fixture(scope="session")
def segment(query) -> str:
    """The one market segment the analyst may see."""
    found = query("analyst", "SELECT DISTINCT c_mktsegment FROM customers.customer")["c_mktsegment"].to_pylist()
    assert len(found) == 1, found
    return found[0]


@pytest.fixture(scope="session")
def lifetime_value(files):
    """What the derived product's contract says, computed by DuckDB."""
    [contract] = Path(files.directory).rglob("customer_lifetime_value.odcs.yaml")
    [table] = yaml.safe_load(contract.read_text())["schema"]
    [sql] = [each["value"] for each in table["customProperties"] if each["property"] == "airside.query"]
    files.connection.execute(f"CREATE SCHEMA marketing; CREATE VIEW marketing.customer_lifetime_value AS {sql}")
    return files.sql(LIFETIME_VALUE)


def without(table, *columns):
    return table.drop_columns(list(columns))


# --- one SELECT, four answers ---------------------------------------------------------------------


def test_the_steward_sees_everything(query, lifetime_value):
    assert_same(query("steward", LIFETIME_VALUE), lifetime_value)


def test_the_scientist_sees_every_row_hashed(query, lifetime_value):
    found = query("scientist", LIFETIME_VALUE)
    assert_same(without(found, "name", "phone"), without(lifetime_value, "name", "phone"))
    for column in ("name", "phone"):
        shown, stored = (table[column].to_pylist() for table in (found, lifetime_value))
        assert not set(shown) & set(stored), "a value shows as it is stored"
        assert len(set(shown)) == len(set(stored)), "equal values stay equal, others differ"


def test_the_analyst_sees_one_segment_phones_masked(query, lifetime_value, files, segment):
    found = query("analyst", LIFETIME_VALUE)
    expected = files.sql(f"{LIFETIME_VALUE} WHERE market_segment = '{segment}'")
    assert 0 < found.num_rows < lifetime_value.num_rows
    assert_same(without(found, "phone"), without(expected, "phone"))
    assert all(PARTIAL.match(phone) for phone in found["phone"].to_pylist())


@pytest.mark.parametrize("user", ["owner", "nobody"])
def test_others_do_not_find_it(user, query):
    with pytest.raises(adbc_driver_manager.Error) as error:
        query(user, LIFETIME_VALUE)
    assert error.value.status_code == AdbcStatusCode.NOT_FOUND, error.value


def test_every_way_gives_the_same_answer(session, query, raw):
    """Path, SQL text, statement and product request go through one decision."""
    analyst = session("analyst")
    expected = query("analyst", LIFETIME_VALUE)
    for descriptor in (
        FlightDescriptor.for_path("marketing", "customer_lifetime_value"),
        FlightDescriptor.for_path("marketing", "customer_lifetime_value@1"),
        FlightDescriptor.for_command(LIFETIME_VALUE.encode()),
        FlightDescriptor.deserialize(wire.statement(LIFETIME_VALUE)),
        FlightDescriptor.for_command(wire.product_request("marketing", "customer_lifetime_value")),
    ):
        assert_same(analyst.read(descriptor), expected)


# --- rows -----------------------------------------------------------------------------------------


def test_a_row_filter_holds_for_counts(query, files, segment):
    expected = files.values(f"SELECT count(*) FROM customers.customer WHERE c_mktsegment = '{segment}'")
    assert query("analyst", "SELECT count(*) AS n FROM customers.customer")["n"].to_pylist() == expected


def test_hidden_rows_do_not_join(query, files, segment, lifetime_value):
    sql = (
        "SELECT count(*) AS n FROM marketing.customer_lifetime_value JOIN customers.customer ON c_custkey = customer_id"
    )
    expected = files.values(f"{sql} WHERE c_mktsegment = '{segment}'")
    assert query("analyst", sql)["n"].to_pylist() == expected


# --- masks ----------------------------------------------------------------------------------------


def test_a_partial_mask_keeps_four_characters(query, files, segment):
    sql = "SELECT c_custkey, c_phone FROM customers.customer"
    raw = dict(zip(*files.sql(sql).to_pydict().values(), strict=True))
    for key, phone in zip(*query("analyst", sql).to_pydict().values(), strict=True):
        assert phone == "*" * (len(raw[key]) - 4) + raw[key][-4:]


def test_an_hmac_mask_is_stable(query):
    sql = "SELECT customer_id, name, phone FROM marketing.customer_lifetime_value"
    assert_same(query("scientist", sql), query("scientist", sql))


def test_a_hashed_column_still_joins(query, lifetime_value):
    table = "marketing.customer_lifetime_value"
    sql = f"SELECT count(*) AS n FROM {table} a JOIN {table} b ON a.phone = b.phone AND a.customer_id = b.customer_id"
    assert query("scientist", sql)["n"].to_pylist() == [lifetime_value.num_rows]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT c_custkey FROM customers.customer WHERE c_phone = '{phone}'",
        "SELECT c_custkey FROM customers.customer WHERE c_phone LIKE '{prefix}%'",
        "SELECT c_custkey FROM customers.customer WHERE c_phone IN ('{phone}', 'x')",
        "SELECT c_custkey FROM customers.customer WHERE substr(c_phone, 1, 3) = '{prefix}'",
        "SELECT c_phone AS c_custkey FROM customers.customer GROUP BY c_phone HAVING c_phone = '{phone}'",
        "SELECT c_custkey FROM (SELECT *, c_phone AS p FROM customers.customer) WHERE p = '{phone}'",
        "WITH t AS (SELECT * FROM customers.customer) SELECT c_custkey FROM t WHERE c_phone = '{phone}'",
        "SELECT a.c_custkey FROM customers.customer a JOIN (SELECT '{phone}' AS p) b ON a.c_phone = b.p",
        "SELECT c_custkey FROM customers.customer c WHERE EXISTS (SELECT 1 WHERE c.c_phone = '{phone}')",
        "SELECT c_custkey FROM customers.customer WHERE c_phone = ANY (SELECT '{phone}')",
        "SELECT c_custkey FROM (SELECT c_custkey, min(c_phone) OVER (PARTITION BY c_custkey) AS m"
        " FROM customers.customer) WHERE m = '{phone}'",
    ],
)
def test_a_masked_value_cannot_be_asked_for(sql, query, files, segment):
    [phone] = files.values(
        f"SELECT c_phone FROM customers.customer WHERE c_mktsegment = '{segment}' ORDER BY 1 LIMIT 1"
    )
    asked = sql.format(phone=phone, prefix=phone[:3])
    try:
        assert query("analyst", asked).num_rows == 0
    except adbc_driver_manager.Error as error:
        assert error.status_code in (AdbcStatusCode.INVALID_ARGUMENT, AdbcStatusCode.NOT_IMPLEMENTED), error
        assert phone not in str(error)


def test_a_masked_column_sorts_by_what_is_shown(query):
    shown = query("analyst", "SELECT c_phone FROM customers.customer ORDER BY c_phone")["c_phone"].to_pylist()
    assert shown == sorted(shown)


def test_minimum_and_maximum_are_of_what_is_shown(query):
    shown = query("analyst", "SELECT c_phone FROM customers.customer")["c_phone"].to_pylist()
    found = query("analyst", "SELECT min(c_phone) AS a, max(c_phone) AS z FROM customers.customer").to_pylist()
    assert found == [{"a": min(shown), "z": max(shown)}]


# --- purpose --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("purpose", "shown"), [(None, False), ("reporting", False), ("audit", True)])
def test_a_restricted_column_shows_for_an_audit_alone(purpose, shown, raw):
    """A global forbid wins over what the domain permits."""
    headers = [("airside-purpose", purpose)] if purpose else []
    client = raw("service", *headers)
    assert ("ps_supplycost" in client.info(wire.descriptor_path("supply", "partsupp")).schema.names) is shown
    question = wire.statement("SELECT max(ps_supplycost) AS m FROM supply.partsupp")
    if shown:
        assert client.read(question)
    else:
        with pytest.raises(wire.Refused) as refusal:
            client.read(question)
        assert refusal.value.code is StatusCode.INVALID_ARGUMENT


def test_a_ticket_is_bound_to_its_purpose(raw):
    info = raw("service", ("airside-purpose", "audit")).info(wire.descriptor_path("supply", "partsupp"))
    with pytest.raises(wire.Refused):
        raw("service", ("airside-purpose", "reporting")).stream("DoGet", info.endpoints[0].ticket.serialize())


# --- products of others ---------------------------------------------------------------------------


def test_the_owner_reads_the_sales_domain(query, files):
    assert_same(query("owner", "SELECT * FROM sales.orders"), files.sql("SELECT * FROM sales.orders"))


def test_nobody_finds_nothing(query):
    for table in ("sales.orders", "customers.customer", "geography.nation", "marketing.customer_lifetime_value"):
        with pytest.raises(adbc_driver_manager.Error) as error:
            query("nobody", f"SELECT * FROM {table}")
        assert error.value.status_code == AdbcStatusCode.NOT_FOUND, error.value
