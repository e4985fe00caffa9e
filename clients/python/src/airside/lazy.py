"""A product as a polars LazyFrame."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING

import polars as pl
from polars.io.plugins import register_io_source

from airside.errors import InvalidArgument, ResourceExhausted
from airside.predicate import to_sql
from airside.result import Result

if TYPE_CHECKING:
    from airside.product import Product


def scan(product: Product) -> pl.LazyFrame:
    """A LazyFrame that fetches the columns and rows of `product` that a query needs, when it is collected."""
    schema = _frame(product.schema.empty_table()).schema

    def read(
        columns: list[str] | None, predicate: pl.Expr | None, rows: int | None, _batch_size: int | None
    ) -> Iterator[pl.DataFrame]:
        # A count of rows needs some column.
        wanted = columns or (None if columns is None else [next(iter(schema))])
        if predicate is None:
            result = product.query(wanted, None, rows)
        else:
            result = _filtered(product, wanted, to_sql(predicate, schema))
        left = rows
        with closing(result.batches()) as batches:
            for batch in batches:
                frame = _frame(batch)
                if predicate is not None:
                    frame = frame.filter(predicate)
                if left is not None:
                    frame = frame.head(left)
                    left -= frame.height
                yield frame
                if left == 0:
                    return
        yield _frame(result.schema.empty_table())

    return register_io_source(read, schema=schema, is_pure=True)


def _filtered(product: Product, columns: list[str] | None, where: str | None) -> Result:
    """Without a limit, which is one of the rows that are left when polars, too, has filtered."""
    try:
        return product.query(columns, where)
    except (InvalidArgument, ResourceExhausted):
        # The filter was a favour: polars applies it anyway.
        if where is None:
            raise
        return product.query(columns)


def _frame(data: object) -> pl.DataFrame:
    frame = pl.from_arrow(data)
    assert isinstance(frame, pl.DataFrame)
    return frame
