"""The tools people open: pandas, polars and DuckDB on top of ADBC, unmodified."""

import duckdb
import pandas as pd
import polars as pl

from mesh_files import assert_same

SQL = "SELECT o_orderkey, o_orderstatus, o_totalprice FROM sales.orders WHERE o_orderkey < 1000 ORDER BY o_orderkey"


def test_pandas_reads_a_query(connect, files):
    frame = pd.read_sql(SQL, connect("steward"))
    assert frame["o_orderkey"].tolist() == files.values(SQL)


def test_pandas_frames_hold_answers_to_parameters(connect):
    """pandas itself passes no parameters to ADBC, but the cursor does."""
    with connect("steward").cursor() as cursor:
        cursor.execute("SELECT n_name FROM geography.nation WHERE n_nationkey = ?", (7,))
        assert cursor.fetch_df()["n_name"].tolist() == ["GERMANY"]


def test_pandas_reads_a_whole_product(connect, files):
    frame = pd.read_sql("SELECT * FROM geography.nation", connect("steward"))
    assert sorted(frame["n_name"]) == sorted(files.values("SELECT n_name FROM geography.nation"))


def test_polars_reads_a_query(connect, files):
    frame = pl.read_database(SQL, connect("steward"))
    assert frame["o_orderkey"].to_list() == files.values(SQL)
    assert_same(frame.to_arrow(), files.sql(SQL))


def test_duckdb_reads_the_stream(connect, files):
    with connect("steward").cursor() as cursor:
        cursor.execute("SELECT l_returnflag, l_quantity FROM sales.lineitem")
        lineitem = cursor.fetch_record_batch()
        local = duckdb.connect()
        local.register("lineitem", lineitem)
        total = "SELECT l_returnflag, sum(l_quantity) AS quantity FROM {} GROUP BY l_returnflag"
        assert_same(local.execute(total.format("lineitem")).to_arrow_table(), files.sql(total.format("sales.lineitem")))
