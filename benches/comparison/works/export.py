"""All of lineitem into a client: one stream, larger messages, all endpoints; beside C++, DataFusion and ROAPI."""

from __future__ import annotations

import pyarrow.flight as flight

import wire

from .. import clients, machine, servers
from ..bench import EVERYTHING, Bench
from ..figures import Found
from ..peers import datafusion
from ..rounds import Sample

LINEITEM = flight.FlightDescriptor.for_path("sales", "lineitem").serialize()
LARGE = (b"airside-message-bytes", b"16777216")
PARALLEL = (b"airside-endpoints", b"all")
ONE, SIXTEEN, ALL = "Airside", "Airside, 16 MiB", "Airside, all endpoints"
CPP, DATAFUSION, ROAPI = "C++ Flight", "DataFusion in process", "ROAPI"


def measure(bench: Bench) -> Found:
    files = bench.data.lineitem()
    folder = files[0].parent
    header = bench.header(EVERYTHING)
    with servers.cpp(folder) as cpp, servers.roapi({"lineitem": folder}, bench.scratch / "roapi.log") as roapi:

        def ours(*headers: servers.Header) -> Sample:
            return bench.read(bench.airside, clients.export, LINEITEM, (header, *headers))

        sides = {
            ONE: ours,
            SIXTEEN: lambda: ours(LARGE),
            ALL: lambda: ours(PARALLEL),
            CPP: lambda: bench.read(cpp, clients.fetch, str(folder).encode()),
        }
        if machine.installed("datafusion"):
            sides[DATAFUSION] = lambda: bench.embedded(datafusion.export, str(folder))
        if roapi:
            question = wire.statement("SELECT * FROM lineitem")
            sides[ROAPI] = lambda: bench.read(roapi, clients.export, question)
        rounds = bench.rounds(sides)
    assert len({rounds.median(side, "rows") for side in sides}) == 1, "not everybody exported the same rows"
    found = Found()
    size = f"{rounds.median(ONE, 'bytes') / 1e6:.0f} MB in {rounds.median(ONE, 'batches'):.0f} batches"
    found.add("export, one stream: wall", unit="s", note=size, **rounds.beside(ONE, CPP, "wall", 0.70))
    found.add("export, one stream: server CPU", unit="s", **rounds.beside(ONE, CPP, "cpu", 0.70))
    found.add("export, one stream: first batch", unit="s", **rounds.beside(ONE, CPP, "first", 0.5))
    size = f"{rounds.median(SIXTEEN, 'batches'):.0f} batches"
    found.add("export, 16 MiB messages: wall", unit="s", note=size, **rounds.beside(SIXTEEN, CPP, "wall", 0.60))
    found.add("export, 16 MiB messages: server CPU", unit="s", **rounds.beside(SIXTEEN, CPP, "cpu", 0.60))
    found.add("export, all endpoints: wall", unit="s", **rounds.beside(ALL, ONE, "wall", 0.95))
    if DATAFUSION in rounds:
        found.add("export, one stream: wall", unit="s", **rounds.beside(ONE, DATAFUSION, "wall", 1.4))
    if ROAPI in rounds:
        found.add("export, one stream: wall", unit="s", **rounds.beside(ONE, ROAPI, "wall"))
    return found
