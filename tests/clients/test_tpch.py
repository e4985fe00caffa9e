"""TPC-H through ADBC answers what DuckDB answers on the same files, for a principal who sees all."""

from pathlib import Path

import pytest

from mesh_files import assert_same

QUERIES = sorted((Path(__file__).parent / "tpch").glob("*.sql"))


@pytest.mark.parametrize("path", QUERIES, ids=lambda path: path.stem)
def test_equals_duckdb(path, query, files):
    sql = path.read_text()
    expected = files.sql(sql)
    assert expected.num_rows > 0, "the comparison would prove nothing"
    assert_same(query("steward", sql), expected, ordered=True)


@pytest.mark.parametrize("table", ["sales.orders", "sales.lineitem", "supply.partsupp", "geography.nation"])
def test_every_row_arrives(table, query, files):
    assert_same(query("steward", f"SELECT * FROM {table}"), files.sql(f"SELECT * FROM {table}"))
