"""The 22 queries of TPC-H through Flight SQL, beside DuckDB in process. First both must answer the same."""

from __future__ import annotations

import statistics
from pathlib import Path

from mesh_files import assert_same

from .. import clients
from ..bench import EVERYTHING, Bench
from ..figures import Found
from ..peers import duck
from ..rounds import Rounds

ONE, DUCKDB = "Airside", "DuckDB in process"
# The specification's queries with the parameters of its validation, over the demo's domains.
QUERIES = {path.stem: path.read_text() for path in sorted((Path(__file__).parent.parent / "tpch").glob("*.sql"))}


def measure(bench: Bench) -> Found:
    header, mesh, location = bench.header(EVERYTHING), str(bench.config.parent), bench.airside.location
    every: dict[str, Rounds] = {}
    for name, sql in QUERIES.items():
        assert_same(bench.client(clients.table, location, header, sql), bench.embedded(duck.table, mesh, sql))
        every[name] = bench.rounds(
            {
                ONE: lambda sql=sql: bench.read(bench.airside, clients.query, header, sql),
                DUCKDB: lambda sql=sql: bench.embedded(duck.query, mesh, sql),
            }
        )

    def total(side: str, measure: str = "wall") -> list[float]:
        """Of all queries, round by round."""
        rounds = zip(*(each.samples[side] for each in every.values()), strict=True)
        return [sum(sample[measure] for sample in samples) for samples in rounds]

    ratios = {name: rounds.ratio(ONE, DUCKDB, "wall") for name, rounds in every.items()}
    worst = max(ratios, key=ratios.get)
    above = sum(ratio > 2.5 for ratio in ratios.values())
    found = Found()
    for measure, at_most in (("wall", 1.6), ("cpu", None)):
        ours, theirs = total(ONE, measure), total(DUCKDB, measure)
        ratio = statistics.median(one / two for one, two in zip(ours, theirs, strict=True))
        medians = statistics.median(ours), statistics.median(theirs)
        name = "TPC-H, 22 queries: " + {"wall": "wall", "cpu": "CPU"}[measure]
        found.add(name, medians[0], "s", at_most, DUCKDB, medians[1], ratio)
    note = f"{worst}; {above} of {len(ratios)} above 2.5"
    found.add("TPC-H, the slowest query: wall", unit="s", note=note, **every[worst].beside(ONE, DUCKDB, "wall", 2.5))
    lines = []
    for name, rounds in every.items():
        ours, theirs = (1000 * rounds.median(side, "wall") for side in (ONE, DUCKDB))
        cpu = [f"{1000 * rounds.median(side, 'cpu'):.0f}" for side in (ONE, DUCKDB)]
        lines.append([name, f"{ours:.0f}", f"{theirs:.0f}", f"{ratios[name]:.2f}", *cpu])
    headings = ["query", "ours, ms", "DuckDB, ms", "ratio", "server CPU, ms", "DuckDB CPU, ms"]
    found.details.append(("TPC-H, query by query", headings, lines))
    return found
