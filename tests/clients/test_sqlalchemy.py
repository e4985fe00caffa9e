"""SQLAlchemy through sqlalchemy-adbc, and what sits on top of it: pandas and polars by URL."""

from __future__ import annotations

from urllib.parse import quote

import pandas as pd
import polars as pl
import pytest
from sqlalchemy import MetaData, Table, create_engine, func, inspect, select, text

from conftest import connect_flight
from gateway import Gateway


def url(gateway: Gateway, user: str, **more: str) -> str:
    """As the documentation says: the user is for show, the password is a bearer token."""
    token = gateway.tokens.get(user) or connect_flight(gateway, user).header[1].decode().removeprefix("Bearer ")
    options = "".join(f"&{name}={value}" for name, value in more.items())
    return f"adbc+flightsql://{user}:{quote(token, safe='')}@{gateway.address}?tls=false{options}"


@pytest.fixture(scope="module")
def engine(gateway):
    made = create_engine(url(gateway, "steward"))
    yield made
    made.dispose()


def test_text_with_parameters(engine):
    with engine.connect() as connection:
        sql = text("SELECT n_name FROM geography.nation WHERE n_nationkey = :key OR n_name = :name ORDER BY 1")
        assert connection.execute(sql, {"key": 7, "name": "FRANCE"}).scalars().all() == ["FRANCE", "GERMANY"]


def test_the_inspector_sees_schemas_and_columns(engine):
    seen = inspect(engine)
    assert seen.get_schema_names() == ["customers", "geography", "marketing", "sales", "supply"]
    assert [column["name"] for column in seen.get_columns("region", "geography")] == [
        "r_regionkey",
        "r_name",
        "r_comment",
    ]


def test_a_reflected_table_is_asked(engine):
    nation = Table("nation", MetaData(), autoload_with=engine, schema="geography")
    with engine.connect() as connection:
        assert connection.execute(select(func.count()).select_from(nation)).scalar() == 25
        query = select(nation.c.n_name).where(nation.c.n_regionkey == 3).order_by(nation.c.n_name).limit(2)
        assert connection.execute(query).scalars().all() == ["FRANCE", "GERMANY"]


def test_a_pool_is_pinged(gateway):
    """A pool that asks before use sends `SELECT 1`."""
    engine = create_engine(url(gateway, "steward"), pool_pre_ping=True, pool_size=2)
    for _ in range(3):
        with engine.connect() as connection:
            assert connection.execute(text("SELECT count(*) FROM geography.region")).scalar() == 5
    engine.dispose()


def test_a_header_in_the_url(gateway):
    engine = create_engine(url(gateway, "service", **{"header.airside-purpose": "audit"}))
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(ps_supplycost) FROM supply.partsupp")).scalar() > 0
    engine.dispose()


def test_pandas_reads_a_query_with_parameters(engine):
    sql = text("SELECT n_name FROM geography.nation WHERE n_nationkey = :key")
    assert pd.read_sql_query(sql, engine, params={"key": 7})["n_name"].tolist() == ["GERMANY"]


def test_pandas_reads_in_chunks(engine):
    chunks = list(pd.read_sql_query("SELECT n_name FROM geography.nation", engine, chunksize=10))
    assert [len(chunk) for chunk in chunks] == [10, 10, 5]


def test_polars_reads_an_engine(engine):
    frame = pl.read_database("SELECT r_name FROM geography.region ORDER BY 1", engine)
    assert frame["r_name"].to_list() == ["AFRICA", "AMERICA", "ASIA", "EUROPE", "MIDDLE EAST"]
