"""flightsql-dbapi, unmodified, in an environment of its own: it wants SQLAlchemy 1.4.

Each `check_…` is a check; a line is printed for each, `ok name` or `fail name: why`. tests/clients/test_dbapi.py starts
the gateway, runs this and makes each check a test.
"""

import os
import traceback

import flightsql.sqlalchemy  # noqa: F401  registers its dialect
import pandas as pd
from flightsql import FlightSQLClient, connect
from sqlalchemy import create_engine, func, inspect, select
from sqlalchemy.schema import MetaData, Table

HOST, PORT = os.environ["GATEWAY"].rsplit(":", 1)
NATION = "SELECT n_name FROM geography.nation WHERE "


def client(**login):
    return FlightSQLClient(host=HOST, port=int(PORT), insecure=True, **login)


def steward(**more):
    return connect(client(user="steward", password="demo-steward", **more))


def engine(user="steward", **query):
    more = "".join(f"&{name}={value}" for name, value in query.items())
    return create_engine(f"datafusion+flightsql://{user}:demo-{user}@{HOST}:{PORT}?insecure=true{more}")


def rows(sql, *parameters):
    cursor = steward().cursor()
    cursor.execute(sql, parameters)
    return [tuple(row) for row in cursor.fetchall()]


def check_by_password():
    assert rows("SELECT count(*) FROM geography.region") == [(5,)]


def check_by_token():
    cursor = connect(client(token=os.environ["TOKEN"])).cursor()
    cursor.execute("SELECT count(*) FROM sales.orders")
    assert cursor.fetchone()[0] > 0


def check_without_login_nobody_gets_in():
    """It sends `Bearer None`."""
    try:
        connect(client()).cursor().execute("SELECT 1")
    except Exception as refusal:
        assert "nauthenticated" in str(refusal), refusal
        return
    raise AssertionError("was not refused")


def check_the_columns_are_described():
    cursor = steward().cursor()
    cursor.execute("SELECT o_orderkey, o_orderdate, o_totalprice, o_comment FROM sales.orders LIMIT 1")
    assert [each[0] for each in cursor.description] == ["o_orderkey", "o_orderdate", "o_totalprice", "o_comment"]


def check_rows_are_fetched_in_pieces():
    cursor = steward().cursor()
    cursor.execute("SELECT n_name FROM geography.nation ORDER BY 1")
    assert cursor.fetchone() == ["ALGERIA"]
    assert cursor.fetchmany(2) == [["ARGENTINA"], ["BRAZIL"]]
    assert len(cursor.fetchall()) == 22


def check_an_integer_parameter():
    assert rows(NATION + "n_nationkey = ?", 7) == [("GERMANY",)]


def check_a_text_parameter():
    assert rows(NATION + "n_name = ?", "GERMANY") == [("GERMANY",)]


def check_a_float_parameter():
    assert rows(NATION + "CAST(n_nationkey AS DOUBLE) = ?", 7.0) == [("GERMANY",)]


def check_a_truth_parameter():
    assert rows(NATION + "(n_nationkey = 7) = ?", True) == [("GERMANY",)]


def check_several_parameters():
    assert rows(NATION + "n_nationkey > ? AND n_name < ? ORDER BY 1", 20, "S") == [("RUSSIA",)]


def check_schemas_are_listed():
    assert "sales" in inspect(engine()).get_schema_names()


def check_tables_are_listed():
    assert {"orders", "lineitem"} <= set(inspect(engine()).get_table_names("sales"))


def check_columns_are_listed():
    columns = inspect(engine()).get_columns("orders", "sales")
    assert [column["name"] for column in columns][:2] == ["o_orderkey", "o_custkey"]
    assert str(columns[0]["type"]) == "BIGINT" and not columns[0]["nullable"]


def check_primary_keys_are_told():
    found = inspect(engine(**{"feature-sqlalchemy-primary-keys": "on"})).get_pk_constraint("orders", "sales")
    assert found["constrained_columns"] == ["o_orderkey"]


def check_a_table_is_reflected_and_asked():
    bound = engine()
    nation = Table("nation", MetaData(bind=bound), schema="geography", autoload=True)
    assert select([func.count()], from_obj=nation).scalar() == 25
    query = select([nation.c.n_name]).where(nation.c.n_nationkey == 7)
    assert bound.execute(query).fetchall() == [("GERMANY",)]


def check_prepared_through_sqlalchemy():
    bound = engine(**{"feature-sqlalchemy-prepared-statements": "on"})
    nation = Table("nation", MetaData(bind=bound), schema="geography", autoload=True)
    query = select([nation.c.n_name]).where(nation.c.n_nationkey == 7).where(nation.c.n_name == "GERMANY")
    assert bound.execute(query).fetchall() == [("GERMANY",)]


def check_what_the_url_says_besides_becomes_headers():
    purpose = {"airside-purpose": "audit"}
    [[count]] = engine("service", **purpose).execute("SELECT count(ps_supplycost) FROM supply.partsupp").fetchall()
    assert count > 0


def check_pandas_reads_the_client():
    info = client(user="steward", password="demo-steward").execute("SELECT * FROM geography.region")
    reader = client(user="steward", password="demo-steward").do_get(info.endpoints[0].ticket)
    assert isinstance(frame := reader.read_all().to_pandas(), pd.DataFrame) and len(frame) == 5


def check_an_error_says_what_is_wrong():
    try:
        rows("SELECT no_such_column FROM sales.orders")
    except Exception as refusal:
        assert "no_such_column" in str(refusal), refusal
        return
    raise AssertionError("was not refused")


def main():
    for name, check in list(globals().items()):
        if name.startswith("check_"):
            try:
                check()
                print("ok", name)
            except Exception as failure:
                traceback.print_exc()
                print(f"fail {name}:", " ".join(repr(failure).split()))


if __name__ == "__main__":
    main()
