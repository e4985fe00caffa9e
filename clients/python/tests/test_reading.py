"""Products and SQL against the demo mesh, as each of its users."""

import datetime
import io
from decimal import Decimal

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import airside
from airside.contract import column


def test_products_are_those_one_may_discover(mesh):
    def listed(user, *prefix):
        return [product.address for product in mesh(user).products(*prefix)]

    assert "sales.orders" in listed("analyst") and "supply.part" not in listed("analyst")
    assert listed("analyst", "sales.") == ["sales.lineitem", "sales.orders"]
    assert listed("nobody") == []


def test_all_readers_read_the_same(mesh):
    orders = mesh("analyst")["sales.orders"]
    asked = {"columns": ["o_orderkey", "o_totalprice", "o_orderdate"], "where": "o_orderkey < 200"}
    table = orders.to_arrow(**asked)
    assert table.schema.names == asked["columns"] and table.num_rows > 10
    assert max(table["o_orderkey"].to_pylist()) < 200

    frame = orders.to_pandas(**asked, types_mapper=pd.ArrowDtype)
    assert frame["o_orderkey"].tolist() == table["o_orderkey"].to_pylist()
    assert orders.to_polars(**asked).equals(pl.from_arrow(table))
    query = orders.query(**asked)
    assert pa.Table.from_batches(query.batches()) == table
    assert query.to_reader().read_all() == table
    # Arrow's own protocol, as every library takes it.
    assert pa.table(query) == table
    assert pl.DataFrame(query).equals(pl.from_arrow(table))
    assert duckdb.sql("SELECT count(*) FROM query").fetchall() == [(table.num_rows,)]


def test_a_result_can_be_read_again(mesh):
    result = mesh("analyst")["geography.nation"].query()
    assert result.to_arrow() == result.to_arrow()


def test_head_is_a_limit(mesh):
    nation = mesh("analyst")["geography.nation"]
    assert nation.head(3).to_arrow().num_rows == 3
    assert nation.to_arrow(limit=0).num_rows == 0
    assert nation.to_arrow().num_rows == 25


def test_columns_come_in_the_order_asked(mesh):
    table = mesh("analyst")["geography.nation"].to_arrow(columns=["n_name", "n_nationkey"])
    assert table.schema.names == ["n_name", "n_nationkey"]


def test_the_schema_is_known_without_rows(mesh):
    nation = mesh("analyst")["geography.nation"]
    assert nation.schema == nation.to_arrow().schema
    assert nation.schema.field("n_nationkey").type == pa.int64()


def test_an_empty_answer_has_its_schema(mesh):
    nation = mesh("analyst")["geography.nation"]
    empty = nation.to_arrow(where="n_nationkey < 0")
    assert empty.num_rows == 0 and empty.schema == nation.schema


@pytest.mark.parametrize("address", ["sales.orders", "sales.orders@1", "sales.orders/orders"])
def test_addresses(mesh, address):
    assert mesh("analyst")[address].head(1).to_arrow().num_rows == 1


def test_users_see_what_the_policy_lets_them(mesh):
    def phones(user):
        return set(mesh(user)["customers.customer"].to_arrow(columns=["c_phone"], limit=5)["c_phone"].to_pylist())

    assert all(phone.startswith("****") for phone in phones("analyst"))
    assert not any("*" in phone for phone in phones("steward"))


def test_the_contract_says_what_the_caller_may_know(mesh):
    contract = mesh("analyst")["marketing.customer_lifetime_value"].contract
    assert (contract.address, contract.domain) == ("marketing.customer_lifetime_value", "marketing")
    assert contract.version == "1.2.0"
    assert contract.rows_restricted and contract.fresh_as_of is not None
    masks = {column.name: column.mask for column in contract.columns}
    assert masks["phone"] == "partial" and masks["market_segment"] is None
    assert not mesh("steward")["marketing.customer_lifetime_value"].contract.rows_restricted


def test_the_contracts_words_are_told(mesh):
    contract = mesh("analyst")["customers.customer"].contract
    words = {column.name: column.description for column in contract.columns}
    assert words["c_phone"] and "masked" not in words["c_phone"]
    assert contract.description and not contract.deprecated


def test_words_of_a_contract_are_its_own():
    def described(remarks, **told):
        metadata = {f"airside.{key}": value for key, value in told.items()}
        field = pa.field("x", pa.string(), metadata={"ARROW:FLIGHT:SQL:REMARKS": remarks, **metadata})
        return column(field, {}).description

    assert described("a phone; masked: hmac; rows restricted", mask="hmac", rows="restricted") == "a phone"
    assert described("masked: hmac; deprecated", mask="hmac", status="deprecated") is None
    assert described("says masked: hmac") == "says masked: hmac"
    assert column(pa.field("x", pa.string()), {"x": "year"}).mask == "year"


def test_a_receipt_comes_with_the_answer(mesh):
    result = mesh("analyst", purpose="audit")["customers.customer"].query(columns=["c_name", "c_phone"])
    receipt = result.receipt
    [dataset] = receipt.datasets
    assert receipt.purpose == "audit" and receipt.decision and receipt.policy_version
    assert (dataset.address, dataset.version, dataset.masked) == ("customers.customer", "1.0.0", {"c_phone": "partial"})
    assert dataset.rows_restricted and set(dataset.columns) >= {"c_name", "c_phone"}
    assert dataset.fresh_as_of < datetime.datetime.now(datetime.timezone.utc)
    result.to_arrow()
    assert result.receipt.datasets == receipt.datasets


# --- purposes -------------------------------------------------------------------------------------


def test_a_purpose_is_stated_by_connection_mesh_or_question(mesh):
    service = mesh("service")
    cost = "ps_supplycost"
    partsupp = service["supply.partsupp"]
    assert cost not in partsupp.schema.names
    assert cost in service.for_purpose("audit")["supply.partsupp"].schema.names
    assert cost in mesh("service", purpose="audit")["supply.partsupp"].to_arrow(limit=1).schema.names
    assert cost in partsupp.query(limit=1, purpose="audit").to_arrow().schema.names
    asked = "SELECT max(ps_supplycost) AS most FROM supply.partsupp"
    assert service.sql(asked, purpose="audit").to_arrow().num_rows == 1
    with pytest.raises(airside.InvalidArgument):
        service.sql(asked)
    assert service.for_purpose("audit").for_purpose(None).purpose is None


def test_a_purpose_of_another_form_is_refused(mesh):
    with pytest.raises(ValueError):
        mesh("service", purpose="line\nbreak")
    with pytest.raises(airside.InvalidArgument, match="a purpose is"):
        mesh("service", purpose="Audit!").products()


# --- SQL ------------------------------------------------------------------------------------------


def test_sql(mesh):
    result = mesh("analyst").sql("SELECT n_name FROM geography.nation ORDER BY n_name LIMIT 2")
    assert result.schema.names == ["n_name"]
    assert result.to_pandas()["n_name"].tolist() == ["ALGERIA", "ARGENTINA"]


MOMENT = datetime.datetime(1995, 3, 15, 12, 30, 1, 5)
TYPED = [
    ("BIGINT", 2**40),
    ("INT", -7),
    ("DOUBLE", 2.5),
    ("DOUBLE", 3),
    ("BOOLEAN", True),
    ("VARCHAR", "o'hare \u2708"),
    ("BYTEA", b"\x00\xff"),
    ("DATE", datetime.date(1995, 3, 15)),
    ("TIMESTAMP(6)", MOMENT),
    ("DECIMAL(12,3)", Decimal("12345678.125")),
]


@pytest.mark.parametrize(("declared", "value"), TYPED)
def test_parameters_of_every_type(mesh, declared, value):
    query = f"SELECT CAST(? AS {declared}) AS value"
    found = mesh("analyst").sql(query, [value]).to_arrow()
    assert found["value"].to_pylist() == [value]
    assert mesh("analyst").sql(query, [None]).to_arrow()["value"].to_pylist() == [None]


def test_parameters_compare_with_columns(mesh):
    def count(condition, *values):
        query = f"SELECT count(*) AS n FROM sales.orders WHERE {condition}"
        return mesh("analyst").sql(query, values).to_arrow()["n"][0].as_py()

    def literally(condition):
        return count(condition)

    assert count("o_orderkey < ?", 1000) == literally("o_orderkey < 1000") > 0
    assert count("o_orderkey < $1 AND o_orderkey > $1 - 100", 500) == literally("o_orderkey < 500 AND o_orderkey > 400")
    day = datetime.date(1995, 1, 1)
    assert count("o_orderdate >= ? AND o_orderstatus = ?", day, "O") == literally(
        "o_orderdate >= DATE '1995-01-01' AND o_orderstatus = 'O'"
    )
    assert count("o_totalprice > ?", Decimal("150000.50")) == literally("o_totalprice > 150000.50")
    assert count("o_totalprice > ?", 150000.5) == literally("o_totalprice > 150000.50")
    assert count("o_orderkey < CAST(? AS DOUBLE)", 100.5) == literally("o_orderkey <= 100")
    assert count("o_orderkey < ?", pa.scalar(1000, pa.int16())) == literally("o_orderkey < 1000")
    assert count("o_orderstatus = ?", None) == 0


def test_wrong_parameters(mesh):
    analyst = mesh("analyst")
    with pytest.raises(airside.InvalidArgument):
        analyst.sql("SELECT n_name FROM geography.nation WHERE n_nationkey = ?", [1, 2]).to_arrow()
    with pytest.raises(airside.InvalidArgument):
        analyst.sql("SELECT n_name FROM geography.nation WHERE n_nationkey = ?").to_arrow()
    # None is cut to the column's type.
    for name, value in (
        ("o_orderkey", 100.5),
        ("o_orderkey", "5"),
        ("o_orderdate", MOMENT),
        ("o_totalprice", Decimal("1.005")),
        ("o_totalprice", 1.005),
        ("o_orderkey", pa.scalar(1.5)),
        ("o_orderkey", object()),
    ):
        with pytest.raises(TypeError, match="parameter 1 cannot be sent"):
            analyst.sql(f"SELECT 1 FROM sales.orders WHERE {name} < ?", [value])
    with pytest.raises(TypeError):
        analyst.sql("SELECT ?", [object()])
    with pytest.raises(TypeError):
        analyst.sql("SELECT ?", "text")


# --- refusals -------------------------------------------------------------------------------------


def test_an_unknown_product_and_a_hidden_one_look_alike(mesh):
    for user, address in (("analyst", "sales.no_such"), ("analyst", "supply.part"), ("nobody", "sales.orders")):
        with pytest.raises(airside.NotFound, match=f"`{address}` not found") as refusal:
            mesh(user)[address].to_arrow()
        assert isinstance(refusal.value, LookupError)
        with pytest.raises(airside.NotFound):
            _ = mesh(user)[address].schema
    with pytest.raises(airside.NotFound):
        mesh("analyst").sql("SELECT * FROM sales.no_such")


def test_wrong_questions(mesh):
    orders = mesh("analyst")["sales.orders"]
    with pytest.raises(airside.InvalidArgument) as refusal:
        mesh("analyst").sql("SELEC 1")
    assert refusal.value.error_id and refusal.value.error_id in str(refusal.value)
    assert str(refusal.value).startswith("syntax error")
    for where in ("no_such_column = 1", "o_orderkey = 1; DROP TABLE x", "o_orderkey IN (SELECT 1)"):
        with pytest.raises(airside.InvalidArgument):
            orders.query(where=where)
    with pytest.raises(airside.InvalidArgument):
        orders.query(columns=["no_such_column"])
    for arguments in ({"columns": "o_orderkey"}, {"columns": [1]}, {"where": 1}):
        with pytest.raises(TypeError):
            orders.query(**arguments)
    for arguments in ({"columns": []}, {"limit": -1}):
        with pytest.raises(ValueError):
            orders.query(**arguments)
    with pytest.raises(ValueError):
        mesh("analyst")["orders"]


def test_a_failure_while_rows_come(mesh):
    failing = mesh("analyst").sql("SELECT 1 / (o_orderkey - 5) AS x FROM sales.orders")
    with pytest.raises(airside.InvalidArgument, match="a value could not be computed") as failure:
        failing.to_arrow()
    assert failure.value.error_id
    with pytest.raises(airside.InvalidArgument):
        list(failing)


def test_wrong_credentials(gateway):
    for credentials in (
        {"user": "analyst", "password": "wrong"},
        {"user": "no such user", "password": "wrong"},
        {"token": "airt_wrong"},
        {"token": lambda: "airt_wrong"},
        {},
    ):
        with airside.connect(gateway.flight, **credentials) as somebody:
            with pytest.raises(airside.Unauthenticated):
                somebody.products()


def test_a_callable_gives_tokens(gateway):
    given = []

    def token():
        given.append(gateway.tokens["service"])
        return given[-1]

    with airside.connect(gateway.flight, token=token) as service:
        assert service["sales.orders"].head(1).to_arrow().num_rows == 1
    assert given


@pytest.mark.parametrize(
    "arguments",
    [
        {"location": "http://127.0.0.1:1"},
        {"location": "127.0.0.1:50051"},
        # Credentials would cross the network in the clear.
        {"location": "grpc://gateway.example.com:50051", "token": "t"},
        {"location": "grpc://127.0.0.1:1", "token": "t", "user": "u", "password": "p"},
        {"location": "grpc://127.0.0.1:1", "user": "u"},
        {"location": "grpc://127.0.0.1:1", "parallel": 0},
    ],
)
def test_connections_that_are_none(arguments):
    with pytest.raises(ValueError):
        airside.connect(**arguments)


def test_a_header_holds_no_second_one():
    with pytest.raises(airside.Unauthenticated):
        airside.connect("grpc://127.0.0.1:1", token="x\r\nairside-purpose: audit")


def test_a_trusted_network_is_named(gateway):
    assert airside.connect("grpc://gateway.example.com:50051", token="t", insecure=True)


def test_a_closed_mesh_says_so(mesh):
    ended = mesh("analyst")
    ended.close()
    with pytest.raises(ValueError, match="closed"):
        ended.products()


def test_an_endless_wait_ends(mesh):
    hurried = mesh("service", timeout=0.001)
    with pytest.raises(airside.DeadlineExceeded):
        hurried.sql("SELECT count(*) FROM sales.lineitem")


# --- progress -------------------------------------------------------------------------------------


def test_progress_is_for_terminals(mesh, capsys):
    mesh("analyst")["geography.nation"].to_arrow()
    assert capsys.readouterr().err == ""


def test_progress_shows(mesh, monkeypatch):
    shown = io.StringIO()
    monkeypatch.setattr("sys.stderr", shown)
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert mesh("analyst", progress=True)["sales.orders"].to_arrow().num_rows > 1000
    assert "sales.orders" in shown.getvalue() and "rows" in shown.getvalue()
