"""DuckDB in the process that reads, over the mesh's Parquet files: as analysts would without any gateway."""

from __future__ import annotations

import functools
import os
import time
from pathlib import Path

import duckdb
import pyarrow as pa

from mesh_files import DATASETS

from ..rounds import Sample


@functools.cache
def _connection(mesh: str) -> duckdb.DuckDBPyConnection:
    """Views with the mesh's names, so that one SQL text runs on both sides."""
    connection = duckdb.connect()
    connection.execute("SET threads = 2")
    connection.execute("SET parquet_metadata_cache = true")
    for domain, datasets in DATASETS.items():
        connection.execute(f"CREATE SCHEMA {domain}")
        for dataset in datasets:
            files = sorted(map(str, Path(mesh).glob(f"mesh/domains/{domain}/data/{dataset}/*.parquet")))
            connection.execute(f"CREATE VIEW {domain}.{dataset} AS SELECT * FROM read_parquet({files})")
    return connection


def table(mesh: str, sql: str) -> pa.Table:
    """What DuckDB answers."""
    return _connection(mesh).sql(sql).to_arrow_table()


def query(mesh: str, sql: str) -> Sample:
    """How long it takes until the answer is there as Arrow."""
    connection = _connection(mesh)
    used, started = sum(os.times()[:2]), time.perf_counter()
    rows = connection.sql(sql).to_arrow_table().num_rows
    return {"wall": time.perf_counter() - started, "cpu": sum(os.times()[:2]) - used, "rows": rows}


def lookups(mesh: str, sql: str, keys: list[int]) -> list[float]:
    """Seconds that each key takes, with a prepared statement."""
    connection = _connection(mesh)
    connection.execute(f"PREPARE lookup AS {sql}")
    seconds = []
    for key in keys:
        started = time.perf_counter()
        found = connection.execute(f"EXECUTE lookup({key})").fetchall()
        seconds.append(time.perf_counter() - started)
        assert len(found) == 1, f"{len(found)} rows of key {key}"
    connection.execute("DEALLOCATE lookup")
    return seconds
