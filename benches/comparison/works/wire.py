"""What goes over the wire, by the byte, beside what the answer takes as Arrow with plain strings."""

from __future__ import annotations

import pyarrow as pa

import wire
from wire import Raw

from ..bench import EVERYTHING, SOME, Bench
from ..data import DOMAIN
from ..figures import Found

QUESTIONS = {
    "all texts": (EVERYTHING, f"SELECT * FROM {DOMAIN}.texts"),
    "few texts": (EVERYTHING, f"SELECT * FROM {DOMAIN}.texts WHERE code < '3'"),
    "few lines": (EVERYTHING, "SELECT * FROM sales.lineitem WHERE l_quantity < 2 AND l_shipmode = 'AIR'"),
    "governed lines": (SOME, f"SELECT * FROM {DOMAIN}.lines WHERE l_partkey < 2000"),
    "joined comments": (
        EVERYTHING,
        "SELECT o_comment, l_comment FROM sales.orders JOIN sales.lineitem ON o_orderkey = l_orderkey "
        "WHERE o_orderpriority = '1-URGENT' AND l_shipmode = 'MAIL'",
    ),
    "top comments": (EVERYTHING, "SELECT l_comment FROM sales.lineitem ORDER BY l_extendedprice DESC LIMIT 1000"),
}
# What a stream and each of its batches may take beside the rows.
STREAM, BATCH = 4096, 1024


def measure(bench: Bench) -> Found:
    found = Found()
    address = bench.airside.location.split("://", 1)[1]
    for name, (user, sql) in QUESTIONS.items():
        client = Raw.connect(address, bench.header(user))
        info = client.info(wire.statement(sql))
        messages = [message for each in info.endpoints for message in client.stream("DoGet", each.ticket.serialize())]
        table = wire.decode(messages)
        sent, plain, batches = sum(map(len, messages)), plain_size(table), len(table.to_batches())
        found.add(
            f"wire bytes: {name}",
            sent,
            "B",
            1.0,
            "1.05 × Utf8 Arrow + 4 KiB + 1 KiB a batch",
            1.05 * plain + STREAM + BATCH * batches,
            sent / (1.05 * plain + STREAM + BATCH * batches),
            f"{table.num_rows} rows in {batches} batches, {sent / max(plain, 1):.3f} × Utf8 Arrow",
        )
    return found


def plain_size(table: pa.Table) -> int:
    """The bytes of the rows, with plain strings in the place of views and dictionaries."""
    plain = {pa.string_view(): pa.string(), pa.binary_view(): pa.binary()}
    fields = [field.with_type(plain.get(field.type, field.type)) for field in table.schema]
    return table.cast(pa.schema(fields)).combine_chunks().nbytes
