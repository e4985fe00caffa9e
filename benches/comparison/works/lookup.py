"""One order by its key, prepared once and asked often: alone beside DuckDB, then by many connections at once."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable
from contextlib import ExitStack

from .. import clients
from ..bench import EVERYTHING, Bench
from ..figures import Found
from ..peers import duck
from ..processes import Client
from ..rounds import Sample

SQL = "SELECT o_orderkey, o_custkey, o_totalprice, o_orderdate, o_comment FROM sales.orders WHERE o_orderkey = ?"
ONE, DUCKDB = "Airside", "DuckDB in process"
# The clients of many connections: enough that they do not wait for each other.
PROCESSES = 4


def measure(bench: Bench) -> Found:
    header, mesh, server = bench.header(EVERYTHING), str(bench.config.parent), bench.airside
    every = bench.embedded(duck.table, mesh, "SELECT o_orderkey FROM sales.orders")["o_orderkey"].to_pylist()
    keys = random.Random(6).choices(every, k=bench.sizes.lookups * (bench.sizes.runs + 1))

    def asked(side: Callable[[list[int]], list[float]]) -> Callable[[], Sample]:
        """Each round asks for other keys, and both sides for the same."""
        rounds = iter(range(0, len(keys), bench.sizes.lookups))

        def sample() -> Sample:
            begin = next(rounds)
            return percentiles(side(keys[begin : begin + bench.sizes.lookups]))

        return sample

    rounds = bench.rounds(
        {
            ONE: asked(lambda some: bench.client(clients.lookups, server.location, header, SQL, some)),
            DUCKDB: asked(lambda some: bench.embedded(duck.lookups, mesh, SQL, some)),
        }
    )
    found = Found()
    found.add("point lookup, prepared: p50", unit="ms", **rounds.beside(ONE, DUCKDB, "p50", 0.5))
    found.add("point lookup, prepared: p99", unit="ms", **rounds.beside(ONE, DUCKDB, "p99"))
    alone, count = rounds.median(ONE, "p50"), bench.sizes.connections
    seconds = _busy(bench, header, keys)
    busy = percentiles(seconds)
    found.add(
        f"point lookup, {count} connections: p99",
        busy["p99"],
        "ms",
        25,
        "1 connection: p50",
        alone,
        busy["p99"] / alone,
        f"p50 {busy['p50']:.1f} ms, {len(seconds) / bench.sizes.busy_seconds:.0f} a second",
    )
    return found


def percentiles(seconds: list[float]) -> Sample:
    """The middle one and the slow one of a hundred, in milliseconds."""
    if len(seconds) < 2:
        return dict.fromkeys(("p50", "p99"), 1000 * seconds[0])
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    return {"p50": 1000 * statistics.median(seconds), "p99": 1000 * cuts[98]}


def _busy(bench: Bench, header, keys: list[int]) -> list[float]:
    """Every connection asks again as soon as it has its answer."""
    processes = min(PROCESSES, bench.sizes.connections)
    with ExitStack() as stack:
        many = [stack.enter_context(Client()) for _ in range(processes)]
        for each in many:
            each(clients.lookups, bench.airside.location, header, SQL, keys[:2])
        start = time.time() + 0.1 * bench.sizes.connections
        end = start + bench.sizes.busy_seconds
        share = bench.sizes.connections // processes
        asked = [
            each.begin(clients.busy_lookups, bench.airside.location, header, SQL, keys, share, start, end)
            for each in many
        ]
        return [second for each in asked for second in each.result()]
