"""All of a table of texts into a client, beside C++: what a row costs when it is mostly letters."""

from __future__ import annotations

import pyarrow.flight as flight

from .. import clients, servers
from ..bench import EVERYTHING, Bench
from ..data import DOMAIN
from ..figures import Found
from .export import CPP, ONE

TEXTS = flight.FlightDescriptor.for_path(DOMAIN, "texts").serialize()


def measure(bench: Bench) -> Found:
    folder, header = bench.data.text, bench.header(EVERYTHING)
    with servers.cpp(folder) as cpp:
        rounds = bench.rounds(
            {
                ONE: lambda: bench.read(bench.airside, clients.export, TEXTS, (header,)),
                CPP: lambda: bench.read(cpp, clients.fetch, str(folder).encode()),
            }
        )
    assert rounds.median(ONE, "rows") == rounds.median(CPP, "rows"), "not everybody exported the same rows"
    found = Found()
    size = f"{rounds.median(ONE, 'bytes') / 1e6:.0f} MB"
    found.add("export of texts: wall", unit="s", note=size, **rounds.beside(ONE, CPP, "wall", 0.75))
    found.add("export of texts: server CPU", unit="s", **rounds.beside(ONE, CPP, "cpu"))
    return found
