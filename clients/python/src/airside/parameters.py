"""The values of a statement's parameters, as the one row of Arrow that is bound to it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa


def row(values: Sequence[Any], declared: pa.Schema) -> pa.RecordBatch:
    """One row of `values`, of the types the statement declares as far as that loses nothing.

    A value that its declared type cannot hold goes as what it is, and the gateway says what it thinks of it.
    """
    arrays = []
    for index, value in enumerate(values):
        wanted = declared.field(index).type if index < len(declared) else pa.null()
        arrays.append(_array(value, wanted))
    return pa.record_batch(arrays, names=[f"${index + 1}" for index in range(len(arrays))])


def _array(value: Any, wanted: pa.DataType) -> pa.Array:
    if isinstance(value, pa.Scalar):
        return pa.array([value.as_py()], value.type)
    if value is None:
        return pa.nulls(1, wanted)
    # Arrow would drop the time of the day, or take a truth for a number.
    lossy = isinstance(value, datetime) and pa.types.is_date(wanted)
    if not pa.types.is_null(wanted) and not lossy and isinstance(value, bool) == pa.types.is_boolean(wanted):
        try:
            return pa.array([value], wanted)
        except (pa.ArrowException, TypeError, ValueError, OverflowError):
            pass
    try:
        return pa.array([value])
    except pa.ArrowException as error:
        raise TypeError(f"no parameter of a statement: {error}") from None
