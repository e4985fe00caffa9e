"""The works, in the order of the table. Each takes the bench and answers what it found out."""

from collections.abc import Callable

from ..bench import Bench
from ..figures import Found
from . import export, governed, lookup, memory, mesh, text, tpch, wire

WORKS: dict[str, Callable[[Bench], Found]] = {
    "export": export.measure,
    "text": text.measure,
    "wire": wire.measure,
    "lookup": lookup.measure,
    "tpch": tpch.measure,
    "governed": governed.measure,
    "memory": memory.measure,
    "mesh": mesh.measure,
}
