"""What governing costs: rows filtered and columns masked by policy, beside the same written by hand by somebody who may
see everything."""

from __future__ import annotations

import pyarrow.parquet as pq

from mesh_files import assert_same

from .. import clients
from ..bench import EVERYTHING, SOME, Bench
from ..data import DOMAIN, MASKS
from ..figures import Found

GOVERNED, BY_HAND = "Airside", "by hand, unrestricted"
LINES = f"{DOMAIN}.lines"
MASKED = {
    "redact": "'***'",
    "year": "CAST(date_trunc('year', {0}) AS DATE)",
    "partial": "CASE WHEN character_length({0}) > 4 THEN concat(repeat('*', character_length({0}) - 4), right({0}, 4))"
    " ELSE repeat('*', character_length({0})) END",
}
QUESTIONS = {
    "rows": "SELECT l_orderkey, l_extendedprice, l_receiptdate, l_shipinstruct, l_comment FROM {0}",
    "few rows": "SELECT * FROM {0} WHERE l_partkey < 2000",
    "sum": "SELECT l_shipmode, sum(l_quantity) AS quantity, count(*) AS lines FROM {0} GROUP BY l_shipmode",
    "masked group": "SELECT l_receiptdate, l_shipinstruct, count(*) AS lines FROM {0} "
    "GROUP BY l_receiptdate, l_shipinstruct",
}


def measure(bench: Bench) -> Found:
    location, schema = bench.airside.location, pq.read_schema(bench.data.lineitem()[0])
    columns = [f"{MASKED[MASKS[name]].format(name)} AS {name}" if name in MASKS else name for name in schema.names]
    by_hand = f"(SELECT {', '.join(columns)} FROM {LINES} WHERE l_returnflag = 'N') AS lines"
    found = Found()
    for name, question in QUESTIONS.items():
        asked = {
            GOVERNED: (bench.header(SOME), question.format(LINES)),
            BY_HAND: (bench.header(EVERYTHING), question.format(by_hand)),
        }
        if name != "rows":
            answers = [bench.client(clients.table, location, *side) for side in asked.values()]
            assert_same(*answers)
        rounds = bench.rounds(
            {
                side: lambda asked=of_side: bench.read(bench.airside, clients.query, *asked)
                for side, of_side in asked.items()
            }
        )
        size = f"{rounds.median(GOVERNED, 'rows'):.0f} rows"
        found.add(f"governed, {name}: wall", unit="s", note=size, **rounds.beside(GOVERNED, BY_HAND, "wall", 1.05))
        found.add(f"governed, {name}: server CPU", unit="s", **rounds.beside(GOVERNED, BY_HAND, "cpu"))
    return found
