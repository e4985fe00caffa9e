"""Polars' predicates as SQL.

What is translated must hold for every row that polars would keep: those rows alone are fetched, and polars filters them
once more. So a conjunct that has no exact equal in SQL is left out, and stays with polars. Where the two differ:

- NULL: both are three-valued, but polars' `is_in` and `eq_missing` are not when NULL is listed: left out.
- Floats: to polars every NaN is the greatest number; to the gateway one with a sign is the least. Polars' zeros are
  equal, the gateway's are not: comparisons with zero are left out.
- A literal must be of the column's own kind, else one of the two would convert the column.

Polars describes an expression by its JSON, which may change with any version of polars: what is not recognized is left
out as well.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import polars as pl

# The gateway takes 50 000 words in a statement. Beyond this much text a filter is hardly worth its planning.
_LONGEST = 30_000
_MOST_LISTED = 1_000

_COMPARISONS = {"Eq": "=", "NotEq": "<>", "Lt": "<", "LtEq": "<=", "Gt": ">", "GtEq": ">="}
_MIRRORED = {"Eq": "Eq", "NotEq": "NotEq", "Lt": "Gt", "LtEq": "GtEq", "Gt": "Lt", "GtEq": "LtEq"}
_TEXT_FUNCTIONS = {"StartsWith": "starts_with", "EndsWith": "ends_with"}
_BOUNDS = {"Both": ("GtEq", "LtEq"), "Left": ("GtEq", "Lt"), "Right": ("Gt", "LtEq"), "None": ("Gt", "Lt")}

Schema = Mapping[str, pl.DataType]


class _Untranslatable(Exception):
    """There is no exact equal in SQL, or polars says it in a way not known here."""


def to_sql(predicate: pl.Expr, schema: Schema) -> str | None:
    """A SQL expression that holds wherever `predicate` does; None if there is none worth sending."""
    try:
        tree = json.loads(predicate.meta.serialize(format="json"))
    # Whatever it is: without a translation all rows are fetched, and polars filters.
    except Exception:
        return None
    translated: list[str] = []
    length = 0
    for conjunct in _conjuncts(tree):
        try:
            sql = _condition(conjunct, schema)
        except (_Untranslatable, LookupError, TypeError, ValueError, ArithmeticError, pl.exceptions.PolarsError):
            continue
        if length + len(sql) <= _LONGEST:
            translated.append(sql)
            length += len(sql)
    return " AND ".join(translated) or None


def _conjuncts(tree: Any) -> list[Any]:
    found, left = [], [tree]
    while left:
        node = left.pop()
        parts = node.get("BinaryExpr") if isinstance(node, dict) else None
        if isinstance(parts, dict) and parts.get("op") in ("And", "LogicalAnd"):
            left += [parts["right"], parts["left"]]
        else:
            found.append(node)
    return found


def _condition(node: Any, schema: Schema) -> str:
    """A node that is true, false or NULL of a row."""
    kind, content = _only(node)
    if kind == "Column":
        if _dtype(content, schema) != pl.Boolean:
            raise _Untranslatable
        return _name(content)
    if kind == "BinaryExpr":
        return _binary(content["left"], content["op"], content["right"], schema)
    if kind == "Function":
        return _function(content["function"], content["input"], schema)
    raise _Untranslatable


def _binary(left: Any, op: str, right: Any, schema: Schema) -> str:
    if op in ("And", "LogicalAnd", "Or", "LogicalOr"):
        word = "AND" if op.endswith("And") else "OR"
        return f"({_condition(left, schema)} {word} {_condition(right, schema)})"
    if op not in _COMPARISONS:
        raise _Untranslatable
    if _only(left)[0] != "Column":
        left, op, right = right, _MIRRORED[op], left
    column = _column(left)
    kind, content = _only(right)
    if kind == "Column":
        return _columns(column, op, content, schema)
    return _compared(column, op, _value(right), schema)


def _columns(column: str, op: str, other: str, schema: Schema) -> str:
    one = _dtype(column, schema)
    known = one.is_integer() or one in (pl.String, pl.Date) or isinstance(one, (pl.Decimal, pl.Datetime))
    if one != _dtype(other, schema) or not known:
        raise _Untranslatable
    return f"{_name(column)} {_COMPARISONS[op]} {_name(other)}"


def _compared(column: str, op: str, value: Any, schema: Schema) -> str:
    dtype, name = _dtype(column, schema), _name(column)
    sql = f"{name} {_COMPARISONS[op]} {_literal(value, dtype)}"
    if dtype.is_float() and op in ("Gt", "GtEq"):
        return f"({sql} OR isnan({name}))"
    if dtype.is_float() and op in ("Lt", "LtEq"):
        return f"({sql} AND NOT isnan({name}))"
    return sql


def _function(function: Any, inputs: list[Any], schema: Schema) -> str:
    family, which = _only(function)
    name, detail = _only(which) if isinstance(which, dict) else (which, {})
    if family == "Boolean":
        if name == "Not":
            [operand] = inputs
            return f"(NOT {_condition(operand, schema)})"
        column = _column(inputs[0])
        if name in ("IsNull", "IsNotNull") and len(inputs) == 1:
            _dtype(column, schema)
            return f"{_name(column)} IS {'NULL' if name == 'IsNull' else 'NOT NULL'}"
        if name == "IsBetween":
            low, high = _BOUNDS[detail["closed"]]
            _, least, most = inputs
            return (
                f"({_compared(column, low, _value(least), schema)} AND {_compared(column, high, _value(most), schema)})"
            )
        if name == "IsIn":
            return _listed(column, _value(inputs[1]), schema)
    if family == "StringExpr":
        column, text = _column(inputs[0]), _value(inputs[1])
        if _dtype(column, schema) != pl.String or len(inputs) != 2:
            raise _Untranslatable
        if name in _TEXT_FUNCTIONS and not detail:
            return f"{_TEXT_FUNCTIONS[name]}({_name(column)}, {_literal(text, pl.String())})"
        if name == "Contains" and detail["literal"] is True:
            return f"contains({_name(column)}, {_literal(text, pl.String())})"
    raise _Untranslatable


def _listed(column: str, values: Any, schema: Schema) -> str:
    dtype = _dtype(column, schema)
    if not isinstance(values, pl.Series) or not 0 < len(values) <= _MOST_LISTED or values.null_count():
        raise _Untranslatable
    literals = ", ".join(_literal(value, dtype) for value in values)
    return f"{_name(column)} IN ({literals})"


def _value(node: Any) -> Any:
    """The value of a literal: polars itself reads what polars wrote."""
    if _only(node)[0] != "Literal":
        raise _Untranslatable
    return pl.select(pl.Expr.deserialize(io.StringIO(json.dumps(node)), format="json")).to_series().item()


def _literal(value: Any, dtype: pl.DataType) -> str:
    """A value of exactly this type, in SQL."""
    for known, write in _LITERALS:
        if known(dtype):
            return write(value, dtype)
    raise _Untranslatable


def _integer(value: Any, dtype: pl.DataType) -> str:
    if type(value) is not int or abs(value) >= 1 << 63:
        raise _Untranslatable
    return str(value)


def _float(value: Any, dtype: pl.DataType) -> str:
    if type(value) is not float or not math.isfinite(value) or value == 0:
        raise _Untranslatable
    return repr(value)


def _boolean(value: Any, dtype: pl.DataType) -> str:
    if type(value) is not bool:
        raise _Untranslatable
    return "TRUE" if value else "FALSE"


def _string(value: Any, dtype: pl.DataType) -> str:
    if type(value) is not str or "\0" in value or "\\" in value:
        raise _Untranslatable
    return "'" + value.replace("'", "''") + "'"


def _date(value: Any, dtype: pl.DataType) -> str:
    if type(value) is not date:
        raise _Untranslatable
    return f"DATE '{value.isoformat()}'"


def _datetime(value: Any, dtype: pl.DataType) -> str:
    assert isinstance(dtype, pl.Datetime)
    # Nanoseconds would be lost in Python, and zones are compared differently by different versions of either.
    naive = type(value) is datetime and value.tzinfo is None and dtype.time_zone is None
    if not naive or dtype.time_unit == "ns":
        raise _Untranslatable
    digits = {"ms": 3, "us": 6}[dtype.time_unit]
    if digits == 3 and value.microsecond % 1000:
        raise _Untranslatable
    return f"CAST('{value.isoformat()}' AS TIMESTAMP({digits}))"


def _decimal(value: Any, dtype: pl.DataType) -> str:
    assert isinstance(dtype, pl.Decimal)
    if type(value) is not Decimal or not value.is_finite():
        raise _Untranslatable
    precision = dtype.precision or 38
    units = value.scaleb(dtype.scale)
    if units != units.to_integral_value() or abs(units) >= 10**precision:
        raise _Untranslatable
    return f"CAST('{value:f}' AS DECIMAL({precision}, {dtype.scale}))"


_LITERALS: tuple[tuple[Callable[[pl.DataType], bool], Callable[[Any, pl.DataType], str]], ...] = (
    (lambda dtype: dtype.is_integer(), _integer),
    (lambda dtype: dtype.is_float(), _float),
    (lambda dtype: dtype == pl.Boolean, _boolean),
    (lambda dtype: dtype == pl.String, _string),
    (lambda dtype: dtype == pl.Date, _date),
    (lambda dtype: isinstance(dtype, pl.Datetime), _datetime),
    (lambda dtype: isinstance(dtype, pl.Decimal), _decimal),
)


def _column(node: Any) -> str:
    kind, content = _only(node)
    if kind != "Column" or not isinstance(content, str):
        raise _Untranslatable
    return content


def _dtype(column: str, schema: Schema) -> pl.DataType:
    return schema[column]


def _name(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'


def _only(node: Any) -> tuple[str, Any]:
    """The one entry of a node."""
    if not isinstance(node, dict) or len(node) != 1:
        raise _Untranslatable
    [(kind, content)] = node.items()
    return kind, content
