"""The values of a statement's parameters, as the one row of Arrow that is bound to it."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa


def row(values: Sequence[Any], declared: pa.Schema) -> pa.RecordBatch:
    """One row of `values`, of the types that the statement declares.

    A value that its type cannot hold is refused rather than cut: `CAST(? AS ...)` in the statement declares another.
    """
    arrays = []
    for index, value in enumerate(values):
        wanted = _wanted(declared.field(index)) if index < len(declared) else pa.null()
        try:
            arrays.append(_array(value, wanted))
        except (pa.ArrowException, TypeError, ValueError, ArithmeticError) as error:
            hint = (
                "" if pa.types.is_null(wanted) else f": the statement asks for {wanted}, unless it says CAST(? AS ...)"
            )
            raise TypeError(f"parameter {index + 1} cannot be sent: {error}{hint}") from None
    return pa.record_batch(arrays, names=[f"${index + 1}" for index in range(len(arrays))])


def _wanted(declared: pa.Field) -> pa.DataType:
    """The type to send; null where the gateway takes any and only suggests one."""
    return pa.null() if (declared.metadata or {}).get(b"airside.parameter") == b"any" else declared.type


def _array(value: Any, wanted: pa.DataType) -> pa.Array:
    if value is None:
        return pa.nulls(1, wanted)
    if pa.types.is_decimal(wanted) and isinstance(value, (int, float)) and not isinstance(value, bool):
        value = Decimal(repr(float(value)) if isinstance(value, float) else value)
    # Asked for a type at once, Arrow cuts what does not fit; cast to it, it refuses.
    alone = pa.array([value.as_py()], value.type) if isinstance(value, pa.Scalar) else pa.array([value])
    if pa.types.is_null(wanted) or alone.type == wanted:
        return alone
    if _kind(alone.type) is None or _kind(alone.type) != _kind(wanted):
        raise TypeError(f"{value!r} is of type {alone.type}")
    fitting = alone.cast(wanted)
    # Of a moment Arrow drops the time of the day, even so.
    if pa.types.is_date(wanted) and fitting.cast(alone.type) != alone:
        raise TypeError(f"{value!r} is no date")
    return fitting


def _kind(type: pa.DataType) -> str | None:
    """What a type is of: values of one kind compare with each other."""
    return next((kind for kind, tests in _KINDS.items() if any(test(type) for test in tests)), None)


_KINDS = {
    "number": (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal),
    "text": (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view),
    "bytes": (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view, pa.types.is_fixed_size_binary),
    "day or moment": (pa.types.is_date, pa.types.is_timestamp),
    "time": (pa.types.is_time,),
    "duration": (pa.types.is_duration,),
}
