"""A mesh of one product that has a column of every type that contracts know, in every encoding that files may have."""

from __future__ import annotations

import datetime
import json
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

import hostile

READER = "reader"
DAY = datetime.date(1995, 3, 15)
MOMENT = datetime.datetime(1995, 3, 15, 12, 30, 1)
STREET = {"logicalType": "object", "properties": [{"name": "street", "logicalType": "string"}]}


@dataclass
class Column:
    """What a contract says of a column, the type in the file, the type in answers, and one value beside NULL."""

    name: str
    described: dict
    written: pa.DataType
    value: object
    served: pa.DataType = field(default=None)

    def __post_init__(self) -> None:
        self.served = self.served or self.written


def physical(logical: str, physical: str) -> dict:
    return {"logicalType": logical, "physicalType": physical}


COLUMNS = [
    Column("a_boolean", {"logicalType": "boolean"}, pa.bool_(), True),
    *(
        Column(f"an_{kind}", {"logicalType": "integer", "logicalTypeOptions": {"format": kind}}, data_type, 7)
        for kind, data_type in {
            "i8": pa.int8(),
            "i16": pa.int16(),
            "i32": pa.int32(),
            "i64": pa.int64(),
            "u8": pa.uint8(),
            "u16": pa.uint16(),
            "u32": pa.uint32(),
            "u64": pa.uint64(),
        }.items()
    ),
    Column("a_float", {"logicalType": "number", "logicalTypeOptions": {"format": "f32"}}, pa.float32(), 2.5),
    Column("a_double", {"logicalType": "number"}, pa.float64(), 2.5),
    Column("a_decimal", physical("number", "DECIMAL(12,2)"), pa.decimal128(12, 2), Decimal("1234.50")),
    Column(
        "a_decimal_as_256",
        physical("number", "DECIMAL(38,4)"),
        pa.decimal256(38, 4),
        Decimal("1.2500"),
        pa.decimal128(38, 4),
    ),
    Column(
        "a_decimal_as_32", physical("number", "DECIMAL(9,2)"), pa.decimal32(9, 2), Decimal("1.25"), pa.decimal128(9, 2)
    ),
    Column("a_text", {"logicalType": "string"}, pa.string(), "größer 名前 🛫"),
    Column("a_text_as_dictionary", {"logicalType": "string"}, pa.dictionary(pa.int32(), pa.string()), "a", pa.string()),
    Column("a_text_as_view", {"logicalType": "string"}, pa.string_view(), "longer than twelve bytes", pa.string()),
    Column("a_large_text", {"logicalType": "string"}, pa.large_string(), "a", pa.string()),
    Column("bytes", {"physicalType": "BYTEA"}, pa.binary(), b"\x00\xff"),
    Column("large_bytes", {"physicalType": "BYTEA"}, pa.large_binary(), b"\x00\xff", pa.binary()),
    Column("a_date", {"logicalType": "date"}, pa.date32(), DAY),
    Column("a_time_in_ms", physical("time", "TIME(3)"), pa.time32("ms"), MOMENT.time()),
    Column("a_time", {"logicalType": "time"}, pa.time64("us"), MOMENT.time()),
    Column("a_time_in_ns", physical("time", "TIME(9)"), pa.time64("ns"), MOMENT.time()),
    Column("a_moment_in_ms", physical("timestamp", "TIMESTAMP(3)"), pa.timestamp("ms"), MOMENT),
    Column("a_moment", {"logicalType": "timestamp"}, pa.timestamp("us"), MOMENT),
    Column("a_moment_in_ns", physical("timestamp", "TIMESTAMP(9)"), pa.timestamp("ns"), MOMENT),
    Column(
        "a_moment_with_zone",
        physical("timestamp", "TIMESTAMPTZ"),
        pa.timestamp("us", "Europe/Berlin"),
        MOMENT.replace(tzinfo=datetime.UTC),
        pa.timestamp("us", "UTC"),
    ),
    Column(
        "a_list",
        {"logicalType": "array", "items": {"name": "item", "logicalType": "string"}},
        pa.list_(pa.string()),
        ["a"],
    ),
    Column("a_struct", STREET, pa.struct([("street", pa.string())]), {"street": "a"}),
    Column(
        "a_map",
        {
            "logicalType": "map",
            "map": {
                "key": {"name": "key", "logicalType": "string"},
                "value": {"name": "value", "logicalType": "integer"},
            },
        },
        pa.map_(pa.string(), pa.int64()),
        [("a", 1)],
    ),
    Column(
        "a_list_of_structs",
        {"logicalType": "array", "items": {"name": "item", **STREET}},
        pa.list_(pa.struct([("street", pa.string())])),
        [{"street": "a"}, None],
    ),
]


def table() -> pa.Table:
    """Three rows: the value, NULL, the value."""
    return pa.table({each.name: pa.array([each.value, None, each.value], each.written) for each in COLUMNS})


def write(directory: Path) -> Path:
    """The mesh in a folder; answers its configuration."""
    mesh = hostile.Mesh(directory)
    folder = mesh.domain(
        "types", 'permit (principal in Group::"readers", action in Action::"read", resource in Domain::"types");'
    )
    (folder / "data").mkdir()
    pq.write_table(table(), folder / "data/everything.parquet")
    document = hostile.contract("types", "everything", pa.schema([]), "data/everything.parquet")
    document["schema"][0]["properties"] = [{"name": each.name, **each.described} for each in COLUMNS]
    (folder / "products/everything.odcs.yaml").write_text(json.dumps(document))
    return mesh.govern(tokens={READER: ["readers"]})
