"""DataFusion in the process that reads, over the Parquet files: no server, no wire, no policy."""

from __future__ import annotations

import functools
import os
import time

from ..rounds import Sample


@functools.cache
def _session(folder: str):
    import datafusion

    config = datafusion.SessionConfig().with_target_partitions(2)
    session = datafusion.SessionContext(config)
    session.register_parquet("files", folder)
    return session


def export(folder: str) -> Sample:
    """All rows of a folder, batch by batch."""
    session = _session(folder)
    used, started, first, rows = sum(os.times()[:2]), time.perf_counter(), 0.0, 0
    for batch in session.sql("SELECT * FROM files").execute_stream():
        first = first or time.perf_counter() - started
        rows += batch.to_pyarrow().num_rows
    wall = time.perf_counter() - started
    return {"wall": wall, "first": first, "cpu": sum(os.times()[:2]) - used, "rows": rows}
