"""Polars: what is pushed down is seen in the request, and the rows are those of a scan that pushes nothing."""

import datetime
import math
import random
import struct
from decimal import Decimal

import hostile
import polars as pl
import pyarrow as pa
import pytest
from polars import col

import airside
import gateway as gateways
from airside.predicate import to_sql
from airside.product import Product

ROWS = 400
SIGNED_NAN = struct.unpack("<d", struct.pack("<Q", 0xFFF8000000000000))[0]
TEXTS = ["", "a", "b", "ab", "a%", "_", "o'hare", "back\\slash", "\u00fcber", "\u2708", "A", "zz", "NULL", '"q"']
FLOATS = [0.0, -0.0, 1.5, -1.5, 0.1, math.inf, -math.inf, math.nan, SIGNED_NAN, 5e-324, 1e300]
DAY, MOMENT = datetime.date(1995, 3, 15), datetime.datetime(1995, 3, 15, 12, 30, 1, 5)

VALUES = {
    "whole": (pa.int64(), [0, 1, -1, 7, 2**62, -(2**63), 2**63 - 1]),
    "small": (pa.int32(), [0, 1, -1, 7, 2**31 - 1]),
    "tiny": (pa.int16(), [0, 1, -1, 7, -(2**15)]),
    "double": (pa.float64(), FLOATS),
    "single": (pa.float32(), [0.0, -0.0, 1.5, -1.5, 0.1, math.inf, math.nan, SIGNED_NAN]),
    "money": (pa.decimal128(15, 2), [Decimal(text) for text in ("0", "0.01", "-0.01", "1.50", "9999999999999.99")]),
    "text": (pa.string(), TEXTS),
    "other": (pa.string(), TEXTS),
    "truth": (pa.bool_(), [True, False]),
    "day": (pa.date32(), [DAY, datetime.date(1969, 12, 31), datetime.date(1, 1, 1), datetime.date(9999, 12, 31)]),
    "moment": (
        pa.timestamp("us"),
        [MOMENT, MOMENT + datetime.timedelta(microseconds=1), datetime.datetime(1600, 1, 1)],
    ),
}


def values() -> pa.Table:
    """Rows of every type, with NULLs, and with what is at the edges of each."""
    chance = random.Random(7)
    columns = {"id": pa.array(range(ROWS), pa.int64())}
    for name, (type, choices) in VALUES.items():
        drawn = [None if chance.random() < 0.2 else chance.choice(choices) for _ in range(ROWS)]
        columns[name] = pa.array(drawn, type)
    return pa.table(columns)


@pytest.fixture(scope="module")
def typed(tmp_path_factory):
    """A product with columns of every type that a filter can look at."""
    directory = tmp_path_factory.mktemp("typed")
    made = hostile.Mesh(directory)
    made.domain(
        "typed", 'permit (principal in Group::"readers", action in Action::"read", resource in Domain::"typed");'
    )
    made.product("typed", "columns", values())
    running = gateways.serve(made.govern(), directory / "gateway.log")
    with airside.connect(running.flight, token=hostile.token("reader")) as mesh:
        yield mesh["typed.columns"]
    assert running.stop() == 0, running.tail()


@pytest.fixture
def asked(monkeypatch):
    """What is asked of the gateway: (columns, where, limit)."""
    seen = []
    query = Product.query

    def spy(self, columns=None, where=None, limit=None, purpose=None):
        seen.append((columns, where, limit))
        return query(self, columns, where, limit, purpose)

    monkeypatch.setattr(Product, "query", spy)
    return seen


def same(found: pl.DataFrame, expected: pl.DataFrame) -> bool:
    """The same rows: the gateway gives them in no order."""
    return found.sort("id").equals(expected.sort("id"))


# --- what is pushed -------------------------------------------------------------------------------


def test_columns_are_pushed(typed, asked):
    frame = typed.scan().select("text", "id").collect()
    assert frame.columns == ["text", "id"] and frame.height == ROWS
    [(columns, where, limit)] = asked
    assert set(columns) == {"id", "text"} and where is None and limit is None


def test_a_limit_is_pushed_unless_there_is_a_filter(typed, asked):
    assert typed.scan().head(5).collect().height == 5
    assert typed.scan().filter(col("id") >= 100).head(5).collect()["id"].to_list() == list(range(100, 105))
    assert [(where, limit) for _, where, limit in asked] == [(None, 5), ('"id" >= 100', None)]


def test_a_count_needs_one_column(typed, asked):
    assert typed.scan().select(pl.len()).collect().item() == ROWS
    [(columns, _, _)] = asked
    assert len(columns) == 1


def test_nothing_is_asked_before_it_is_collected(typed, asked):
    scanned = typed.scan().filter(col("id") < 5).select("id")
    assert asked == [] and scanned.collect_schema().names() == ["id"]
    assert scanned.collect()["id"].to_list() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("predicate", "pushed"),
    [
        (col("whole") > 5, '"whole" > 5'),
        (col("whole") < 5, '"whole" < 5'),
        (col("small").is_between(1, 7), '("small" >= 1 AND "small" <= 7)'),
        (col("small").is_between(1, 7, closed="none"), '("small" > 1 AND "small" < 7)'),
        (col("double") == 1.5, '"double" = 1.5'),
        (col("double") < 1.5, '("double" < 1.5 AND NOT isnan("double"))'),
        (col("double") >= 1.5, '("double" >= 1.5 OR isnan("double"))'),
        (col("money") >= Decimal("1.5"), "\"money\" >= CAST('1.5' AS DECIMAL(15, 2))"),
        (col("money") < 7, "\"money\" < CAST('7' AS DECIMAL(15, 2))"),
        (col("text") == "o'hare", "\"text\" = 'o''hare'"),
        (col("text") != col("other"), '"text" <> "other"'),
        (col("text").is_in(["a", "b"]), "\"text\" IN ('a', 'b')"),
        (col("text").str.starts_with("a%"), "starts_with(\"text\", 'a%')"),
        (col("text").str.ends_with("b"), "ends_with(\"text\", 'b')"),
        (col("text").str.contains("a", literal=True), "contains(\"text\", 'a')"),
        (col("truth"), '"truth"'),
        (~col("truth"), '(NOT "truth")'),
        (col("day") >= DAY, "\"day\" >= DATE '1995-03-15'"),
        (col("moment") < MOMENT, "\"moment\" < CAST('1995-03-15T12:30:01.000005' AS TIMESTAMP(6))"),
        (col("text").is_null() | (col("id") < 5), '("text" IS NULL OR "id" < 5)'),
        (col("day").is_not_null(), '"day" IS NOT NULL'),
    ],
)
def test_what_sql_can_say_is_pushed(typed, asked, predicate, pushed):
    found = typed.scan().filter(predicate).collect()
    assert [where for _, where, _ in asked] == [pushed]
    assert same(found, typed.to_polars().filter(predicate))


@pytest.mark.parametrize(
    "predicate",
    [
        col("double") == 0.0,
        col("double") > math.inf,
        col("whole") > 2.5,
        col("money") > 1.505,
        col("money") > Decimal("1.505"),
        col("whole") + 1 > 5,
        col("small") == col("whole"),
        col("double") == col("single"),
        col("text").is_in(["a", None]),
        col("text").is_in([]),
        col("text").eq_missing("a"),
        col("text") == "back\\slash",
        col("text").str.contains("a|b"),
        col("text").str.len_bytes() > 1,
        col("text").str.to_uppercase() == "A",
        col("day") > MOMENT,
        col("truth").xor(col("text").is_null()),
        col("id").shift(1) > 5,
        pl.when(col("truth")).then(col("id") > 5).otherwise(col("id") < 5),
        col("id").is_in(range(2_000)),
    ],
    ids=str,
)
def test_the_rest_stays_with_polars(typed, asked, predicate):
    try:
        expected = typed.to_polars().filter(predicate)
    except pl.exceptions.PolarsError:
        pytest.skip("polars has no such comparison")
    asked.clear()
    assert same(typed.scan().filter(predicate).collect(), expected)
    assert [where for _, where, _ in asked] == [None]


def test_what_can_be_pushed_of_a_conjunction_is(typed, asked):
    predicate = (col("id") > 5) & (col("text").str.len_bytes() > 1) & (col("id") < 300)
    found = typed.scan().filter(predicate).collect()
    assert [where for _, where, _ in asked] == ['"id" > 5 AND "id" < 300']
    assert same(found, typed.to_polars().filter(predicate))


def test_a_filter_that_the_gateway_does_not_take_is_polars_alone(typed, asked, monkeypatch):
    monkeypatch.setattr("airside.lazy.to_sql", lambda predicate, schema: "no_such_function(id)")
    assert typed.scan().filter(col("id") < 5).collect().height == 5
    assert [where for _, where, _ in asked] == ["no_such_function(id)", None]


def test_names_and_texts_stay_what_they_are():
    schema = {'a"b': pl.String(), "select": pl.Int64()}
    assert to_sql(col('a"b') == "'; --", schema) == "\"a\"\"b\" = '''; --'"
    assert to_sql(col("select") == 1, schema) == '"select" = 1'
    assert to_sql(col("absent") == 1, schema) is None


def test_an_endless_filter_is_not_sent():
    schema = {"text": pl.String()}
    predicate = col("text") == "x" * 40_000
    assert to_sql(predicate, schema) is None
    assert to_sql(predicate & (col("text") != "y"), schema) == "\"text\" <> 'y'"


def test_a_scan_takes_part_in_queries(mesh):
    analyst = mesh("analyst")
    nation, region = analyst["geography.nation"].scan(), analyst["geography.region"].scan()
    found = (
        nation.join(region, left_on="n_regionkey", right_on="r_regionkey")
        .filter(col("r_name") == "EUROPE")
        .select("n_name")
        .sort("n_name")
        .collect()
    )
    assert found["n_name"].to_list() == ["FRANCE", "GERMANY", "ROMANIA", "RUSSIA", "UNITED KINGDOM"]


# --- generated ------------------------------------------------------------------------------------


def leaf(chance: random.Random, name: str) -> pl.Expr:
    column, (_, choices) = col(name), VALUES[name]
    value = chance.choice(choices)
    kind = chance.randrange(8)
    if kind == 0:
        return column.is_null()
    if kind == 1:
        return column.is_not_null()
    if name == "truth":
        return chance.choice([column, ~column, column == value, column != value])
    if kind == 2:
        drawn = chance.sample(choices, chance.randint(1, len(choices)))
        return column.is_in(pl.Series(drawn, dtype=SCHEMA[name]).implode())
    if kind == 3:
        closed = chance.choice(["both", "left", "right", "none"])
        return column.is_between(literal(name, value), literal(name, chance.choice(choices)), closed=closed)
    if kind == 4 and name == "text":
        method = chance.choice(["starts_with", "ends_with", "contains"])
        more = {"literal": True} if method == "contains" else {}
        return getattr(column.str, method)(value, **more)
    if kind == 5 and name == "text":
        return compared(chance, column, col("other"))
    if kind == 6 and name in ("whole", "small", "tiny"):
        return compared(chance, column, pl.lit(chance.randint(-10, 10)))
    return compared(chance, column, literal(name, value))


def literal(name: str, value) -> pl.Expr:
    return pl.lit(value, dtype=SCHEMA[name])


def compared(chance: random.Random, left: pl.Expr, right: pl.Expr) -> pl.Expr:
    if chance.random() < 0.2:
        left, right = right, left
    return getattr(left, chance.choice(["eq", "ne", "lt", "le", "gt", "ge", "eq_missing", "ne_missing"]))(right)


def predicate(chance: random.Random, depth: int) -> pl.Expr:
    kind = chance.randrange(5) if depth else 4
    if kind == 0:
        return predicate(chance, depth - 1) & predicate(chance, depth - 1)
    if kind == 1:
        return predicate(chance, depth - 1) | predicate(chance, depth - 1)
    if kind == 2:
        return ~predicate(chance, depth - 1)
    return leaf(chance, chance.choice(list(VALUES)))


SCHEMA = pl.from_arrow(values().slice(0, 0)).schema


def test_generated_predicates(typed, asked, monkeypatch):
    """The gateway's rows alone, before polars filters them too, are all that polars would keep."""
    chance = random.Random(4)
    everything = typed.to_polars()
    pushed = 0
    for _ in range(120):
        condition = predicate(chance, 3)
        expected = everything.filter(condition)
        asked.clear()
        found = typed.scan().filter(condition).collect()
        assert same(found, expected), condition
        [(_, where, _)] = asked
        if where is not None:
            pushed += 1
            unfiltered = typed.to_polars(where=where)
            kept = set(expected["id"].to_list())
            assert kept <= set(unfiltered["id"].to_list()), (condition, where)
    assert pushed > 50


@pytest.mark.parametrize("name", VALUES)
def test_each_leaf_alone_is_exact(typed, name):
    """What is translated whole gives the same rows as polars: a negation around it loses none."""
    chance = random.Random(name)
    everything = typed.to_polars()
    for _ in range(25):
        condition = leaf(chance, name)
        where = to_sql(condition, {**SCHEMA})
        if where is None:
            continue
        found = typed.to_polars(where=where)
        assert same(found, everything.filter(condition)), (condition, where)
