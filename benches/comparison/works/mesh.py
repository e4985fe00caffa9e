"""A mesh of many products: how long it takes to load, to be listed, and to tell all its columns."""

from __future__ import annotations

import os
import statistics
from pathlib import Path

import pyarrow as pa

import hostile
import wire

from .. import clients, servers
from ..bench import Bench
from ..figures import Found, quantity

DOMAINS, COLUMNS, KEEPER = 10, 20, "keeper"
TARGETED = 1_000
TYPES = [pa.int64(), pa.string(), pa.date32(), pa.float64(), pa.timestamp("us")]
# GetTables, with the columns of each.
TABLES = wire.metadata("CommandGetTables", wire.number(5, 1))


def measure(bench: Bench) -> Found:
    found = Found()
    many, few = bench.sizes.products, bench.sizes.fewer_products
    figures = {products: _measure(bench, products) for products in (few, many)}
    targets = {
        "load": (5, "s"),
        "ListFlights": (100, "ms"),
        "GetTables, warm": (250, "ms"),
        "GetTables, cold": (2, "s"),
    }
    for name, (at_most, unit) in targets.items():
        factor = 1000 if unit == "ms" else 1
        values = {products: factor * measured[name] for products, measured in figures.items()}
        growth = (values[many] / values[few]) / (many / few)
        note = f"{few} products: {quantity(values[few], unit)}, so {growth:.2f} × of linear growth"
        # What is asked for is asked of so many, and of no others.
        bound = at_most if many == TARGETED else None
        found.add(f"mesh of {many} products × {COLUMNS} columns: {name}", values[many], unit, bound, note=note)
    return found


def _measure(bench: Bench, products: int) -> dict[str, float]:
    folder = bench.scratch / f"mesh-{products}"
    config = _write(folder, products)
    headers = ((b"authorization", f"Bearer {hostile.token(KEEPER)}".encode()),)
    with servers.airside(config, bench.scratch / f"mesh-{products}.log") as server:
        cold = bench.client(clients.export, server.location, TABLES, headers)
        # Each is there twice: by its name, and by its name with its version.
        assert cold["rows"] == 2 * products, f"{cold['rows']} tables of {products} products"
        warm = [bench.client(clients.export, server.location, TABLES, headers) for _ in range(bench.sizes.repeats)]
        listed = [bench.client(clients.listing, server.location, headers) for _ in range(bench.sizes.repeats + 1)]
        return {
            "load": server.seconds,
            "GetTables, cold": cold["wall"],
            "GetTables, warm": statistics.median(each["wall"] for each in warm),
            "ListFlights": statistics.median(each["wall"] for each in listed[1:]),
        }


def _write(folder: Path, products: int) -> Path:
    """Products of a file each: hard links to one."""
    mesh = hostile.Mesh(folder)
    schema = pa.schema([(f"column_{number}", TYPES[number % len(TYPES)]) for number in range(COLUMNS)])
    table = pa.table([pa.nulls(10, field.type) for field in schema], schema=schema)
    for domain in range(DOMAINS):
        mesh.domain(f"d{domain}", "")
    first = mesh.product("d0", "p_0", table, "data/p_0.parquet")
    for number in range(1, products):
        domain, name = f"d{number % DOMAINS}", f"p_{number}"
        file = folder / f"mesh/domains/{domain}/data/{name}.parquet"
        file.parent.mkdir(exist_ok=True)
        os.link(first, file)
        mesh.describe(domain, name, schema, f"data/{name}.parquet")
    return mesh.govern(hostile.GOVERNANCE)
