"""The truth to compare with: the demo mesh's Parquet files, read by DuckDB without any gateway.

The views carry the mesh's schemas and names, so one SQL text runs on both sides.
"""

from __future__ import annotations

import datetime
import math
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow as pa

DATASETS = {
    "sales": ("orders", "lineitem"),
    "customers": ("customer",),
    "supply": ("part", "supplier", "partsupp"),
    "geography": ("nation", "region"),
}
KEYS = {
    "orders": "o_orderkey",
    "lineitem": "l_orderkey, l_linenumber",
    "customer": "c_custkey",
    "part": "p_partkey",
    "supplier": "s_suppkey",
    "partsupp": "ps_partkey, ps_suppkey",
    "nation": "n_nationkey",
    "region": "r_regionkey",
}


class MeshFiles:
    """DuckDB over the files below a demo mesh."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.connection = duckdb.connect()
        self.connection.execute("SET threads = 2")
        for domain, datasets in DATASETS.items():
            self.connection.execute(f"CREATE SCHEMA {domain}")
            for dataset in datasets:
                files = [str(path) for path in self.files(domain, dataset)]
                assert files, f"no files of {domain}.{dataset} below {directory}"
                self.connection.execute(
                    f"CREATE VIEW {domain}.{dataset} AS SELECT * FROM read_parquet({files}, union_by_name = true)"
                )

    def files(self, domain: str, dataset: str) -> list[Path]:
        """The Parquet files of a dataset."""
        found = []
        for path in self.directory.rglob("*.parquet"):
            parts = path.relative_to(self.directory).parts
            stem = path.name.removesuffix(".parquet")
            if domain in parts[:-1] and (dataset in parts[:-1] or stem == dataset):
                found.append(path)
        return sorted(found)

    def sql(self, sql: str) -> pa.Table:
        """The rows DuckDB answers."""
        return self.connection.execute(sql).to_arrow_table()

    def values(self, sql: str) -> list:
        """The first column of what DuckDB answers."""
        return self.sql(sql).column(0).to_pylist()


def normal(value):
    """One value in a form that both sides agree on: decimals and floats by number, dates by day."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, (int, float, Decimal)):
        return float(value)
    if isinstance(value, datetime.datetime) and value.time() == datetime.time():
        return value.date()
    return value


def rows(table: pa.Table) -> list[tuple]:
    """The rows of a table, normalised."""
    columns = [[normal(value) for value in column.to_pylist()] for column in table.columns]
    return list(zip(*columns, strict=True)) if columns else []


def assert_same(found: pa.Table, expected: pa.Table, *, ordered: bool = False) -> None:
    """Both tables hold the same rows under the same names; averages may differ in the last digits."""
    assert found.column_names == expected.column_names
    left, right = rows(found), rows(expected)
    if not ordered:
        left, right = sorted(left, key=_order), sorted(right, key=_order)
    assert len(left) == len(right)
    for position, (one, other) in enumerate(zip(left, right, strict=True)):
        for name, a, b in zip(found.column_names, one, other, strict=True):
            same = math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-6) if _floats(a, b) else a == b
            assert same, f"row {position}, column {name}: {a!r} is not {b!r}"


def _floats(a, b) -> bool:
    return isinstance(a, float) and isinstance(b, float)


def _order(row: tuple) -> tuple:
    return tuple((value is None, round(value, 4) if isinstance(value, float) else str(value)) for value in row)
