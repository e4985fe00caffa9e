"""How much is measured: all of it, or as little as shows that the benches still work."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Sizes:
    """Everything that a run can be made smaller by."""

    scale: str
    runs: int
    warm_up: bool
    text_rows: int
    lookups: int
    connections: int
    busy_seconds: float
    slow_batch_seconds: float
    copies: int
    products: int
    fewer_products: int
    repeats: int
    small_pool_queries: int


FULL = Sizes(
    scale="1",
    runs=5,
    warm_up=True,
    text_rows=800_000,
    lookups=300,
    connections=32,
    busy_seconds=8,
    slow_batch_seconds=0.005,
    copies=10,
    products=1_000,
    fewer_products=250,
    repeats=5,
    small_pool_queries=22,
)
SMOKE = Sizes(
    scale="0.01",
    runs=1,
    warm_up=False,
    text_rows=2_000,
    lookups=5,
    connections=2,
    busy_seconds=0.5,
    slow_batch_seconds=0,
    copies=2,
    products=20,
    fewer_products=10,
    repeats=1,
    small_pool_queries=3,
)
