"""The most memory that a gateway ever holds: for a reader that is slow, and over TPC-H with a small pool."""

from __future__ import annotations

import pyarrow.flight as flight

from .. import clients, servers
from ..bench import EVERYTHING, Bench
from ..data import DOMAIN
from ..figures import Found
from ..processes import peak_memory
from .tpch import QUERIES

MANY = flight.FlightDescriptor.for_path(DOMAIN, "many_lines").serialize()
POOL = 512 << 20


def measure(bench: Bench) -> Found:
    found = Found()
    # The audit of a mesh is one gateway's, so each has its own.
    folder = bench.scratch / "slow"
    with servers.airside(bench.data.mesh(folder, bench.sizes.copies), bench.scratch / "slow.log") as server:
        pause, header = bench.sizes.slow_batch_seconds, server.sign_in(EVERYTHING)
        sample = bench.client(clients.export, server.location, MANY, (header,), pause)
        note = f"{sample['bytes'] / 1e9:.1f} GB in {sample['wall']:.0f} s"
        found.add("memory, export to a slow reader: peak", peak_memory(server.pid), "MiB", 400, note=note)
    folder = bench.scratch / "small-pool"
    settings = {"AIRSIDE_QUERY__MEMORY_LIMIT": str(POOL)}
    with servers.airside(bench.data.mesh(folder, 1), bench.scratch / "small-pool.log", **settings) as server:
        header, failed = server.sign_in(EVERYTHING), []
        for name, sql in list(QUERIES.items())[: bench.sizes.small_pool_queries]:
            try:
                bench.client(clients.query, server.location, header, sql)
            except Exception as error:  # whatever the driver makes of a refusal
                failed.append(f"{name}: {str(error).splitlines()[0]}")
        found.add("memory, TPC-H with a pool of 512 MiB: peak", peak_memory(server.pid), "MiB", 900)
        found.add("memory, TPC-H with a pool of 512 MiB: failed", len(failed), "", 0, note="; ".join(failed))
    return found
