"""Errors, and their absence, as oracles: what fails on hidden rows must come out as if they were not there.

`vault.twin` holds what the reader may see of `vault.flat` and nothing else. So every question must have the same
outcome of both, to the last word of an error: the hidden rows and the values under masks do not interfere.
"""

from __future__ import annotations

import os

import pytest

import hostile
import wire
from attacks import same

# Each computes well on what is shown, and fails, or would grow, on what is hidden.
FALLIBLE = {
    "cast to int": "CAST(note AS INT)",
    "cast to date": "CAST(day_text AS DATE)",
    "cast to decimal": "CAST(note AS DECIMAL(5, 2))",
    "narrowing": "CAST(amount AS SMALLINT)",
    "boolean": "CAST(CASE WHEN note LIKE 'C%' THEN note ELSE 'true' END AS BOOLEAN)",
    "division": "1000 / (amount - {number})",
    "modulo": "1000 % (amount - {number})",
    "overflow": "amount * amount * amount",
    "decimal": "price * price * price",
    "regex": "CASE WHEN regexp_like(note, pattern) THEN 1 ELSE 0 END",
    "regex replace": "regexp_replace(note, pattern, 'x')",
    "hex": "decode(hex, 'hex')",
    "date parse": "to_date(day_text)",
    "timestamp parse": "to_timestamp(day_text)",
    "make date": "make_date(2020, CAST(1 + size % 12 AS INT), 40 - CAST(39 AS INT) + CAST(size / 1000000 AS INT))",
    "substr": "substr(note, 1, size)",
    "pad": "lpad(note, size, 'x')",
    "repeat": "repeat(note, size)",
    "character": "chr(65 + size)",
    "factorial": "factorial(size)",
    "like": "CASE WHEN 'a' LIKE pattern THEN 1 ELSE 0 END",
    "power": "power(amount, 9)",
    "interval": "day + CAST(size || ' days' AS INTERVAL)",
    "zone": "at AT TIME ZONE 'UTC'",
    "masked": "CAST(right(phone, 4) AS INT)",
    "masked cast": "CAST(alias AS INT)",
    "masked division": "1 / (pin - {number})",
    "masked date": "1000 / (date_part('year', born) - 1974) + 1 / (date_part('month', born) - 2)",
}

CLAUSES = {
    "select": "SELECT {e} AS x FROM T",
    "where": "SELECT id FROM T WHERE {e} IS NOT NULL",
    "guarded": "SELECT id FROM T WHERE side = 'open' AND {e} IS NOT NULL AND id < 1000",
    "or": "SELECT id FROM T WHERE id >= 0 OR {e} IS NULL",
    "join": "SELECT a.id FROM T a JOIN (SELECT id, {e} AS x FROM T) b ON a.id = b.id AND b.x IS NOT NULL",
    "join on": "SELECT count(*) FROM T JOIN (VALUES (1)) v(k) ON {e} IS NOT NULL OR id = v.k",
    "left join": "SELECT count(*) FROM (VALUES (1), (200)) v(k) LEFT JOIN T ON id = v.k AND {e} IS NOT NULL",
    "group": "SELECT {e} AS x, count(*) FROM T GROUP BY {e}",
    "having": "SELECT side, count(*) FROM T GROUP BY side HAVING count({e}) > 0",
    "order": "SELECT id FROM T ORDER BY {e}, id",
    "top": "SELECT id FROM T ORDER BY {e} DESC, id LIMIT 3",
    "window": "SELECT id, count({e}) OVER (PARTITION BY side ORDER BY id) FROM T",
    "partition": "SELECT id, row_number() OVER (PARTITION BY {e} ORDER BY id) FROM T",
    "case": "SELECT CASE WHEN id < 0 THEN {e} END AS x FROM T",
    "coalesce": "SELECT count(coalesce({e}, {e})) FROM T",
    "filter": "SELECT count(*) FILTER (WHERE {e} IS NOT NULL) FROM T",
    "least": "SELECT min({e}), max({e}) FROM T",
    "scalar": "SELECT (SELECT max({e}) FROM T) AS x",
    "exists": "SELECT id FROM T a WHERE EXISTS (SELECT 1 FROM T WHERE {e} IS NOT NULL AND T.id = a.id)",
    "in": "SELECT count(*) FROM T WHERE id IN (SELECT id FROM T WHERE {e} IS NOT NULL)",
    "union": "SELECT {e} AS x FROM T UNION ALL SELECT {e} FROM T WHERE id > 200",
    "except": "SELECT id FROM T EXCEPT SELECT id FROM T WHERE {e} IS NULL",
    "lateral": "SELECT a.id, b.x FROM T a, LATERAL (SELECT {e} AS x) b",
    "distinct": "SELECT DISTINCT {e} AS x FROM T",
    "common": "WITH c AS (SELECT id, {e} AS x FROM T) SELECT count(*) FROM c WHERE x IS NOT NULL",
    "limit": "SELECT count(*) FROM (SELECT {e} AS x FROM T LIMIT 1000)",
}


def fallible() -> list[str]:
    # A caller's own words come back in descriptors and names of columns: the number is not written out.
    number = f"({hostile.NUMBER - 1} + 1)"
    return [text.replace("{number}", number) for text in FALLIBLE.values()]


@pytest.mark.parametrize("clause", CLAUSES)
def test_what_fails_on_hidden_rows_does_not_fail(clause, vault):
    """A third of the matrix, another one for each clause; all of it in a long run (`make soak`)."""
    every = 1 if os.environ.get("ATTACKS") == "all" else 3
    chosen = fallible()[list(CLAUSES).index(clause) % every :: every]
    same(vault, [CLAUSES[clause].replace("{e}", each) for each in chosen])


def test_some_of_them_compute(vault):
    """Else the comparison would be of refusals alone."""
    client = vault.client()
    answered = [client.ask(wire.statement(f"SELECT {e} FROM vault.twin")).refused is None for e in fallible()]
    assert sum(answered) >= 20, [e for e, ok in zip(fallible(), answered, strict=True) if not ok]


def test_they_fail_where_nothing_is_hidden(vault):
    """The keeper meets the very values, so the expressions are the attacks that they claim to be."""
    client = vault.client("keeper")
    failed = [client.ask(wire.statement(f"SELECT {e} FROM vault.flat")).refused for e in fallible()]
    assert sum(each is not None for each in failed) >= 15, fallible()
    for refusal in filter(None, failed):
        vault.sweep(refusal.message, repr(refusal.trailers))
