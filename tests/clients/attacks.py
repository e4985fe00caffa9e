"""The ways a question can be asked, and the comparison of a governed table with one that hides nothing."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa

import wire
from wire import Raw, Refused, Sent


def by_statement(client: Raw, sql: str) -> Sent:
    return client.ask(wire.statement(sql))


def by_text(client: Raw, sql: str) -> Sent:
    return client.ask(wire.descriptor_command(sql.encode()))


def by_prepared(client: Raw, sql: str) -> Sent:
    return client.prepared(sql)


def by_parameter(client: Raw, sql: str) -> Sent:
    """The statement with a bound value that changes nothing."""
    bound = pa.record_batch({"$1": pa.array([1], pa.int64())})
    return client.prepared(f"SELECT * FROM ({sql}) AS asked WHERE 1 = CAST($1 AS BIGINT)", bound)


def by_schema(client: Raw, sql: str) -> Sent:
    try:
        return Sent([client.unary("GetSchema", wire.statement(sql))])
    except Refused as refusal:
        return Sent(refused=refusal)


WAYS = [by_statement, by_text, by_prepared]


def over(sql: str, table: str) -> str:
    """The question over a table, which keeps its name `T` there."""
    words = sql.replace(" T a", f" {table} a").replace("FROM T,", f"FROM {table} t,")
    for word in ("FROM", "JOIN"):
        words = words.replace(f"{word} T", f"{word} {table} t")
    return words.replace(" t t ", " t ").replace("T.id", "t.id")


def same(vault, sqls: list[str]) -> None:
    """Each question has one outcome of both tables, and nothing hidden leaves, by one of the ways in turn."""
    client = vault.client()

    def ask(sql: str) -> tuple[str, Sent, Sent]:
        way = WAYS[hashlib.sha256(sql.encode()).digest()[0] % len(WAYS)]
        return sql, way(client, over(sql, "vault.flat")), way(client, over(sql, "vault.twin"))

    with ThreadPoolExecutor(2) as pool:
        for sql, flat, twin in pool.map(ask, sqls):
            vault.sweep(*flat.swept())
            assert flat.outcome() == twin.outcome(), sql
