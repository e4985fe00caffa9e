"""Reading around the policy of the hostile mesh, by every path a question or a list can take."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from grpc import StatusCode
from pyarrow import flight

import attacks
import hostile
import wire
from attacks import same
from wire import Refused, Sent

# --- every dataset, every path --------------------------------------------------------------------

PATHS = {
    "path": lambda client, name: client.ask(wire.descriptor_path("vault", name)),
    "version": lambda client, name: client.ask(wire.descriptor_path("vault", f"{name}@1")),
    "dataset": lambda client, name: client.ask(wire.descriptor_path("vault", name, name)),
    "request": lambda client, name: request(client, name),
    "one column": lambda client, name: request(client, name, columns=("id",)),
    "filter": lambda client, name: request(client, name, filter="id >= 0"),
    "nothing": lambda client, name: request(client, name, limit=0),
    "few": lambda client, name: request(client, name, limit=3),
    "statement": lambda client, name: attacks.by_statement(client, f"SELECT * FROM vault.{name}"),
    "text": lambda client, name: attacks.by_text(client, f"SELECT * FROM mesh.vault.{name}"),
    "versioned": lambda client, name: attacks.by_text(client, f"SELECT * FROM vault.{name}_v1"),
    "prepared": lambda client, name: attacks.by_prepared(client, f"SELECT * FROM vault.{name}"),
    "bound": lambda client, name: attacks.by_parameter(client, f"SELECT * FROM vault.{name}"),
    "schema": lambda client, name: attacks.by_schema(client, f"SELECT * FROM vault.{name}"),
}


def request(client: wire.Raw, name: str, **more) -> Sent:
    return client.ask(wire.descriptor_command(wire.product_request("vault", name, **more)))


@pytest.mark.parametrize("path", PATHS)
def test_no_path_gives_what_is_hidden(path, vault):
    for name in hostile.datasets():
        sent = PATHS[path](vault.client(), name)
        assert sent.refused is None, f"{name}: {sent.refused}"
        vault.sweep(*sent.swept())


def test_the_sweep_finds_what_the_keeper_gets(vault):
    """Every dataset holds what it searches for, so finding nothing means something."""
    for name in hostile.datasets():
        if name not in ("twin", "named", "hive", "ghost"):
            sent = attacks.by_statement(vault.client("keeper"), f"SELECT * FROM vault.{name}")
            assert any(vault.sweep.found(each) for each in sent.swept()), name


def test_a_redeemed_ticket_gives_the_same_again(vault):
    client = vault.client()
    for name in hostile.datasets():
        ticket = client.info(wire.descriptor_path("vault", name)).endpoints[0].ticket.serialize()
        first, second = client.redeem(ticket), client.redeem(ticket)
        vault.sweep(*second.swept())
        assert first.outcome() == second.outcome(), name


# --- what a table tells beside its rows ---------------------------------------------------------------

COLUMNS = [name for name in hostile.flat().column_names if name != "canary_column"]
BESIDE = [
    "SELECT count(*) FROM T",
    "SELECT count(1), count(id), min(id), max(id), sum(id) FROM T",
    "SELECT 1 FROM T",
    "SELECT FROM T",
    "SELECT * FROM T LIMIT 0",
    "SELECT count(*) FROM (SELECT * FROM T LIMIT 77)",
    "SELECT count(*) FROM T WHERE id < 80",
    "SELECT count(*) FROM T WHERE side <> 'open'",
    "SELECT count(*) FROM T WHERE side LIKE 'C%'",
    "SELECT count(*) FROM T WHERE amount > 1000 OR amount IS NULL",
    "SELECT count(*) FROM T WHERE NOT (amount < 1000)",
    "SELECT id FROM T ORDER BY amount DESC LIMIT 5",
    "SELECT id FROM T ORDER BY amount LIMIT 5 OFFSET 3",
    "SELECT id FROM T ORDER BY phone, id LIMIT 5",
    "SELECT id FROM T ORDER BY code DESC, id LIMIT 5",
    "SELECT side, count(*) FROM T GROUP BY side",
    "SELECT side, born, count(*) FROM T GROUP BY GROUPING SETS ((side), (born), ())",
    "SELECT t.amount FROM (VALUES (100), (160), (200)) v(k) JOIN T ON id = v.k",
    "SELECT count(*) FROM T WHERE id IN (SELECT id FROM T ORDER BY price DESC LIMIT 10)",
    "SELECT a.id FROM T a JOIN (SELECT max(amount) AS m FROM T) b ON a.amount = b.m",
    "SELECT count(*) FROM T a WHERE a.amount = (SELECT max(amount) FROM T)",
    "SELECT a.id FROM T a WHERE NOT EXISTS (SELECT 1 FROM T WHERE T.id = a.id + 1)",
    "SELECT count(*) FROM (VALUES (1), (84), (85)) v(k) WHERE k NOT IN (SELECT id FROM T)",
    "SELECT v.k, t.id FROM (VALUES (1), (84), (85)) v(k) LEFT JOIN T ON id = v.k",
    "SELECT v.k, t.id FROM (VALUES (1), (84), (85)) v(k) FULL JOIN T ON id = v.k WHERE id IS NULL OR id < 90",
    "SELECT id, lag(amount) OVER (ORDER BY id), lead(phone) OVER (ORDER BY id) FROM T",
    "SELECT id, rank() OVER (ORDER BY phone) FROM T",
    "SELECT first_value(amount) OVER (ORDER BY id), last_value(note) OVER (ORDER BY id) FROM T LIMIT 1",
    "SELECT approx_distinct(amount), median(amount), count(ratio), round(avg(ratio), 6) FROM T",
    "SELECT string_agg(note, ',' ORDER BY id), array_agg(phone ORDER BY id) FROM T",
    "SELECT bool_and(amount < 1000), bit_or(amount), max(born), min(pin) FROM T",
    "SELECT id FROM T WHERE maybe IS NULL",
    "SELECT nullif(note, note), nullif(phone, phone) FROM T",
    "SELECT CASE WHEN id < 0 THEN note END FROM T",
    "SELECT id FROM T INTERSECT SELECT amount - 10 FROM T",
    "SELECT id FROM T WHERE (id, amount) IN (SELECT id, amount FROM T)",
    "WITH a AS (SELECT * FROM T WHERE id > 100), b AS (SELECT * FROM a) SELECT count(*) FROM a, b WHERE a.id = b.id",
    "SELECT sum(a.id) FROM T a CROSS JOIN (SELECT id FROM T LIMIT 1) b",
]
# Questions for what is under a mask. The letters are put together by the statement, so that only an answer spells them.
GUESSES = [
    "SELECT id FROM T WHERE phone = 'CAN' || 'ARY phone 0100'",
    "SELECT id FROM T WHERE phone LIKE 'CAN' || 'ARY%'",
    "SELECT id FROM T WHERE phone IN ('CAN' || 'ARY phone 0100', 'x')",
    "SELECT id FROM T WHERE substr(phone, 1, 3) = 'CAN'",
    "SELECT id FROM T WHERE starts_with(code, 'CAN')",
    "SELECT id FROM T WHERE code = 'CAN' || 'ARY code 1'",
    "SELECT id FROM T WHERE alias ~ '^CAN'",
    "SELECT id FROM T WHERE born = DATE '1973-02-1' + 0 * (id - id) OR date_part('month', born) = 2",
    "SELECT id FROM T WHERE pin IS NOT NULL",
    "SELECT id FROM T WHERE pin > 0 OR pin <= 0",
    "SELECT a.id FROM T a JOIN (SELECT 'CAN' || 'ARY phone 0100' AS p) b ON a.phone = b.p",
    "SELECT id FROM T WHERE phone = ANY (SELECT 'CAN' || 'ARY phone 0100')",
    "SELECT phone, count(*) FROM T GROUP BY phone HAVING phone LIKE 'CAN%'",
    "SELECT max(phone), min(phone), min(code), max(alias), max(born), count(pin) FROM T",
    "SELECT DISTINCT alias, born, pin FROM T",
    "SELECT length(phone), md5(alias), ascii(code), reverse(phone) FROM T",
    "SELECT id FROM (SELECT id, phone AS p FROM T) WHERE p LIKE 'CAN%'",
    "SELECT count(*) FROM T a JOIN T b ON a.code = b.code AND a.alias = b.alias AND a.born = b.born",
    "SELECT count(*) FROM T WHERE phone > 'CAM' AND phone < 'CAO'",
]


def test_what_a_table_tells_beside_its_rows(vault):
    each = "SELECT min({0}), max({0}), count({0}), count(DISTINCT {0}) FROM T"
    same(vault, [*BESIDE, *(each.format(column) for column in COLUMNS)])


def test_a_masked_value_cannot_be_guessed(vault):
    same(vault, GUESSES)


def test_a_row_filter_looks_below_the_mask_of_its_own_column(vault):
    """The filter sees what is stored, the reader what is shown."""
    shown = sum(hostile.is_open(n) for n in range(hostile.ROWS))
    client = vault.client()
    for sql, expected in (
        ("SELECT count(*) AS n FROM vault.same", shown),
        ("SELECT count(*) AS n FROM vault.same WHERE side = '***'", shown),
        ("SELECT count(*) AS n FROM vault.same WHERE side = 'open'", 0),
        ("SELECT count(*) AS n FROM vault.same WHERE side <> '***' OR side IS NULL", 0),
    ):
        sent = attacks.by_statement(client, sql)
        assert wire.decode(sent.rows)["n"].to_pylist() == [expected], sql
        vault.sweep(*sent.swept())


def test_totals_are_not_told(vault):
    for name in hostile.datasets():
        info = vault.client().info(wire.descriptor_path("vault", name))
        assert (info.total_records, info.total_bytes) == (-1, -1)


# --- values within values ---------------------------------------------------------------------------

WITHIN = [
    "SELECT address FROM vault.nested",
    "SELECT address['street'], address['geo']['lat'] FROM vault.nested",
    "SELECT t.address.street FROM vault.nested t",
    "SELECT tags, tags[1], tags[-1], tags[1:2] FROM vault.nested",
    "SELECT tags[999999999999], tags[0] FROM vault.nested",
    "SELECT array_length(tags), cardinality(tags), array_has(tags, 'x'), array_position(tags, 'x') FROM vault.nested",
    "SELECT array_pop_back(tags), array_reverse(tags), array_distinct(tags), array_sort(tags) FROM vault.nested",
    "SELECT map_keys(marks), map_values(marks), map_extract(marks, 'x') FROM vault.nested",
    "SELECT lines, lines[1]['street'] FROM vault.nested",
    "SELECT min(address['street']), max(tags[1]), count(DISTINCT lines[1]['street']) FROM vault.nested",
    "SELECT array_agg(address ORDER BY id) FROM vault.nested",
    "SELECT address['street'] AS s, count(*) FROM vault.nested GROUP BY address['street']",
    "SELECT nullif(address, address), nullif(tags, tags) FROM vault.nested",
    "SELECT CASE WHEN id < 0 THEN address END, CASE WHEN id < 0 THEN tags END FROM vault.nested",
    "SELECT a.address, b.tags FROM vault.nested a JOIN vault.nested b USING (id)",
    "SELECT address FROM vault.nested ORDER BY address['street'] DESC LIMIT 3",
    "SELECT tags FROM vault.nested LIMIT 2",
    "SELECT * FROM vault.nested WHERE address['geo']['lat'] > 0 AND CAST(address['street'] AS VARCHAR) LIKE 'shown%'",
    "SELECT unnest(tags) FROM vault.nested",
    "SELECT * FROM vault.nested CROSS JOIN UNNEST(tags)",
    "SELECT first_value(tags) OVER (ORDER BY id), last_value(address) OVER (ORDER BY id) FROM vault.nested",
    "SELECT address FROM vault.nested UNION ALL SELECT address FROM vault.nested WHERE id > 200",
    "SELECT marks FROM vault.nested ORDER BY id LIMIT 1",
]
ENCODED = [
    "SELECT note FROM vault.{0}",
    "SELECT DISTINCT note FROM vault.{0}",
    "SELECT note, count(*) FROM vault.{0} GROUP BY note",
    "SELECT min(note), max(note), count(DISTINCT note) FROM vault.{0}",
    "SELECT note FROM vault.{0} ORDER BY note DESC LIMIT 3",
    "SELECT note FROM vault.{0} WHERE id % 37 = 0",
    "SELECT substr(note, 1, 3), upper(note), nullif(note, note) FROM vault.{0}",
    "SELECT note FROM vault.{0} WHERE note IS NULL OR note LIKE 'shown 2%'",
    "SELECT a.note FROM vault.{0} a JOIN vault.{0} b ON a.note = b.note WHERE a.id > 200",
    "SELECT array_agg(note) FROM vault.{0}",
    "SELECT coalesce(CASE WHEN id < 0 THEN note END, 'none') FROM vault.{0} LIMIT 5",
]


@pytest.mark.parametrize("kind", ["nested", "dictionary", "viewed", "nulls", "same", "ghost"])
def test_no_byte_behind_a_value_leaves(kind, vault):
    sqls = WITHIN if kind == "nested" else [sql.format(kind) for sql in ENCODED]
    if kind == "ghost":
        sqls = [sql.replace("note", "gone") for sql in sqls]
    with ThreadPoolExecutor(2) as pool:
        sent = list(pool.map(lambda sql: attacks.by_statement(vault.client(), sql), sqls))
    for sql, each in zip(sqls, sent, strict=True):
        vault.sweep(*each.swept())
        if each.refused:
            assert each.refused.code in (StatusCode.INVALID_ARGUMENT, StatusCode.UNIMPLEMENTED), (
                f"{sql}: {each.refused}"
            )
    assert sum(each.refused is None for each in sent) >= len(sqls) * 0.7, [str(each.refused) for each in sent]


def test_huge_cells_leave_nothing_of_their_neighbours(vault):
    for sql in (
        "SELECT note FROM vault.huge",
        "SELECT note FROM vault.huge LIMIT 1",
        "SELECT max(note) FROM vault.huge",
    ):
        sent = attacks.by_statement(vault.client(), sql)
        assert sent.refused is None, sent.refused
        assert max(map(len, sent.rows)) < 4 << 20
        vault.sweep(*sent.swept())


# --- places -----------------------------------------------------------------------------------------


def test_a_partition_folder_is_hidden_like_a_row(vault):
    client = vault.client()
    for sql in (
        "SELECT DISTINCT key FROM vault.hive",
        "SELECT key, count(*) FROM vault.hive GROUP BY key",
        "SELECT min(key), max(key), count(*) FROM vault.hive",
        "SELECT * FROM vault.hive WHERE key > 'A' ORDER BY key LIMIT 3",
        "SELECT * FROM vault.hive WHERE CAST(key AS INT) > 0 OR true",
    ):
        sent = attacks.by_statement(client, sql)
        vault.sweep(*sent.swept())
    counted = attacks.by_statement(client, "SELECT count(*) AS n FROM vault.hive")
    assert wire.decode(counted.rows)["n"].to_pylist() == [10]


@pytest.mark.parametrize("column", ["other", "filename", "file_name", "_file", "__index", '"CANARY-file"'])
def test_a_place_is_no_column(column, vault):
    for name in ("hive", "named"):
        sent = attacks.by_statement(vault.client(), f"SELECT {column} FROM vault.{name}")
        assert sent.refused and sent.refused.code is StatusCode.INVALID_ARGUMENT, sent.refused


# --- lists and pages --------------------------------------------------------------------------------


def lists(client: wire.Raw) -> list[bytes]:
    """All that is listed, by every call and with every filter that could reach what is hidden."""
    sent = []
    for criteria in (
        b"",
        b"vault",
        b"vault.",
        b"vault.canary",
        b"canary",
        b"c",
        b"wash",
        b"%",
        b"vault.known",
        b"\x00",
    ):
        sent += client.stream("ListFlights", wire.text(1, criteria))
    for command, filters in {
        "CommandGetCatalogs": [b""],
        "CommandGetTableTypes": [b""],
        "CommandGetSqlInfo": [b""],
        "CommandGetDbSchemas": [b"", wire.text(2, "%"), wire.text(2, "canary%"), wire.text(1, "mesh")],
        "CommandGetTables": [
            b"",
            wire.number(5, 1),
            wire.text(3, "%") + wire.number(5, 1),
            wire.text(3, "canary%") + wire.number(5, 1),
            wire.text(2, "canary%"),
            wire.text(2, "vault") + wire.text(3, "%") + wire.text(4, "TABLE") + wire.number(5, 1),
        ],
    }.items():
        for filter in filters:
            asked = client.ask(wire.metadata(command, filter))
            assert asked.refused is None, f"{command}: {asked.refused}"
            sent += [client.unary("GetSchema", wire.metadata(command, filter)), *asked.messages]
    return sent


# The criteria and patterns of a question come back in its descriptor.
ECHOED = (b"canary%", b"vault.canary", b"canary")


@pytest.mark.parametrize("who", ["reader", "washer", "stranger", "opener"])
def test_lists_name_nothing_hidden(who, vault):
    for message in lists(vault.client(who)):
        for echoed in ECHOED:
            message = message.replace(b"\x0a" + wire.varint(len(echoed)) + echoed, b"").replace(
                b"\x12" + wire.varint(len(echoed)) + echoed, b""
            )
            message = message.replace(b"\x1a" + wire.varint(len(echoed)) + echoed, b"")
        vault.sweep(message)


def test_lists_hold_what_may_be_discovered_and_no_more(vault):
    client = vault.client()
    paths = {
        tuple(part.decode() for part in flight.FlightInfo.deserialize(info).descriptor.path)
        for info in client.stream("ListFlights", b"")
    }
    assert paths == {("vault", name) for name in (*hostile.datasets(), "known")}
    assert client.stream("ListFlights", wire.text(1, b"canary")) == []
    assert vault.client("stranger").stream("ListFlights", b"") == []
    [tables] = [wire.decode(client.ask(wire.metadata("CommandGetTables")).rows)]
    assert set(tables["db_schema_name"].to_pylist()) == {"vault"}


def test_what_may_be_known_of_shows_no_column(vault):
    client = vault.client()
    [known] = [
        info
        for info in map(flight.FlightInfo.deserialize, client.stream("ListFlights", wire.text(1, b"vault.known")))
        if info.descriptor.path == [b"vault", b"known"]
    ]
    assert known.schema.names == [] and known.endpoints == []
    for descriptor in (wire.descriptor_path("vault", "known"), wire.statement("SELECT count(*) FROM vault.known")):
        for method in ("GetFlightInfo", "GetSchema"):
            with pytest.raises(Refused) as refusal:
                client.unary(method, descriptor)
            assert refusal.value.code is StatusCode.PERMISSION_DENIED
            vault.sweep(refusal.value.message, repr(refusal.value.trailers))


PAGES = ["/", "/healthz", "/readyz", "/metrics", "/nothing", "/vault", "/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd"]


@pytest.mark.parametrize("page", PAGES)
def test_pages_name_nothing(page, vault):
    status, body = vault.gateway.get(page)
    assert status in (200, 404, 400), (status, body)
    vault.sweep(body)
    for word in ("vault", "reader", "SELECT", "root:", "readers"):
        assert word not in body, f"{word} on {page}"


# --- hidden is nonexistent --------------------------------------------------------------------------

# One name for what is hidden, one as long for what is not there.
NAMES = {
    "vault.canary_hidden": "vault.absent_hidden",
    "canary_domain.canary_thing": "absent_domain.absent_thing",
    "wash.laundry": "wish.laundry",
}
QUESTIONS = {
    "statement": lambda name: wire.statement(f"SELECT * FROM {name}"),
    "text": lambda name: wire.descriptor_command(f"SELECT count(*) FROM {name}".encode()),
    "catalog": lambda name: wire.statement(f"SELECT * FROM mesh.{name}"),
    "version": lambda name: wire.statement(f"SELECT * FROM {name}_v1"),
    "no version": lambda name: wire.statement(f"SELECT * FROM {name}_v7"),
    "column": lambda name: wire.statement(f"SELECT canary_column, id FROM {name} WHERE id > 0"),
    "wrong types": lambda name: wire.statement(f"SELECT id + 'x' FROM {name}"),
    "join": lambda name: wire.statement(f"SELECT 1 FROM vault.twin a JOIN {name} b ON a.id = b.id"),
    "subquery": lambda name: wire.statement(f"SELECT 1 WHERE EXISTS (SELECT 1 FROM {name})"),
    "common": lambda name: wire.statement(f"WITH c AS (SELECT * FROM {name}) SELECT 1 FROM c"),
    "union": lambda name: wire.statement(f"SELECT id FROM vault.twin UNION SELECT id FROM {name}"),
    "unused": lambda name: wire.statement(f"WITH c AS (SELECT * FROM {name}) SELECT 1"),
    "path": lambda name: wire.descriptor_path(*name.split(".")),
    "path version": lambda name: wire.descriptor_path(name.split(".")[0], name.split(".")[1] + "@1"),
    "path no version": lambda name: wire.descriptor_path(name.split(".")[0], name.split(".")[1] + "@9.9.9"),
    "path dataset": lambda name: wire.descriptor_path(*name.split("."), name.split(".")[1]),
    "path no dataset": lambda name: wire.descriptor_path(*name.split("."), "nothing"),
    "request": lambda name: wire.descriptor_command(wire.product_request(name)),
    "request column": lambda name: wire.descriptor_command(wire.product_request(name, columns=("id", "nothing"))),
    "request filter": lambda name: wire.descriptor_command(wire.product_request(name, filter="nothing = 1", limit=1)),
    "request purpose": lambda name: wire.descriptor_command(wire.product_request(name, purpose="audit")),
}


def alike(refusal: Refused, name: str) -> tuple:
    words = {name, *name.split("."), name + "_v1", name + "_v7"}
    return refusal.code, wire.alike(refusal.message, *words), sorted(refusal.trailers)


@pytest.mark.parametrize("question", QUESTIONS)
def test_what_is_hidden_is_like_what_is_not_there(question, vault):
    client = vault.client()
    for hidden, missing in NAMES.items():
        for method in ("GetFlightInfo", "GetSchema", "DoAction"):
            told = []
            for name in (hidden, missing):
                message = QUESTIONS[question](name)
                if method == "DoAction":
                    if not question.isalpha() or question in ("path", "request", "text"):
                        continue
                    message = wire.prepare(_sql(message))
                with pytest.raises(Refused) as refusal:
                    client.stream(method, message) if method == "DoAction" else client.unary(method, message)
                told.append(alike(refusal.value, name))
            assert len(set(map(repr, told))) <= 1, (hidden, method, told)
            assert all(code is StatusCode.NOT_FOUND for code, *_ in told), told


def _sql(descriptor: bytes) -> str:
    """The text in a descriptor that `wire.statement` made."""
    packed = dict(wire.fields(dict(wire.fields(descriptor))[2]))[2]
    return dict(wire.fields(packed))[1].decode()


COLUMN_QUESTIONS = [
    "SELECT {0} FROM vault.flat",
    "SELECT t.{0} FROM vault.flat t",
    "SELECT vault.flat.{0} FROM vault.flat",
    "SELECT upper({0}) FROM vault.flat",
    "SELECT id FROM vault.flat WHERE {0} = 'x'",
    "SELECT id FROM vault.flat WHERE {0} IS NULL",
    "SELECT id FROM vault.flat ORDER BY {0}",
    "SELECT count(*) FROM vault.flat GROUP BY {0}",
    "SELECT count(*) FROM vault.flat HAVING min({0}) = 'x'",
    "SELECT rank() OVER (PARTITION BY {0} ORDER BY id) FROM vault.flat",
    "SELECT a.id FROM vault.flat a JOIN vault.flat b USING ({0})",
    "SELECT a.id FROM vault.flat a JOIN vault.flat b ON a.{0} = b.{0}",
    "SELECT a.id FROM vault.flat a NATURAL JOIN (SELECT 1 AS {0}) b",
    "SELECT * EXCEPT ({0}) FROM vault.flat",
    "SELECT * REPLACE ('x' AS {0}) FROM vault.flat",
    "SELECT (SELECT {0} FROM vault.twin LIMIT 1) FROM vault.flat",
    "SELECT id FROM vault.flat a WHERE EXISTS (SELECT 1 WHERE a.{0} = 'x')",
    "SELECT id FROM (SELECT * FROM vault.flat) WHERE {0} = 'x'",
    "WITH c ({0}) AS (SELECT id FROM vault.flat) SELECT c.{0}, flat.{0} FROM c, vault.flat",
    "SELECT count(*) FILTER (WHERE {0} = 'x') FROM vault.flat",
    "SELECT a.id, b.x FROM vault.flat a, LATERAL (SELECT a.{0} AS x) b",
    'SELECT "{0}" FROM vault.flat',
    "SELECT address['{0}'] FROM vault.nested",
]


def test_a_hidden_column_is_like_one_that_is_not_there(vault):
    client = vault.client()
    for question in COLUMN_QUESTIONS:
        for way in (attacks.by_statement, attacks.by_prepared, attacks.by_schema):
            told = []
            for column in ("canary_column", "absent_column"):
                refused = way(client, question.format(column)).refused
                told.append(refused and (refused.code, wire.alike(refused.message, column), sorted(refused.trailers)))
            assert told[0] == told[1], question


@pytest.mark.parametrize("more", [{"columns": ("{0}",)}, {"columns": ("id", "{0}")}, {"filter": "{0} = 'x'"}])
def test_a_request_for_a_hidden_column_is_like_one_for_none(more, vault):
    told = []
    for column in ("canary_column", "absent_column"):
        filled = {
            key: value.format(column) if isinstance(value, str) else tuple(each.format(column) for each in value)
            for key, value in more.items()
        }
        refused = request(vault.client(), "flat", **filled).refused
        told.append((refused.code, wire.alike(refused.message, column), sorted(refused.trailers)))
    assert told[0] == told[1]
    assert told[0][0] is StatusCode.INVALID_ARGUMENT


FILTERS = [
    "id = 1) OR (1 = 1",
    "id IN (SELECT id FROM vault.canary_hidden)",
    "EXISTS (SELECT 1 FROM vault.twin)",
    "id = (SELECT max(id) FROM vault.twin)",
    "true UNION SELECT * FROM vault.canary_hidden",
    "true; DROP TABLE x",
    "true -- ",
    "true /*",
    "count(*) > 0",
    "row_number() OVER () = 1",
    "CAST(note AS INT) >= 0",
    "1000 / (amount - 98209817837890 - 1) < 0 OR true",
    "input_file_name() = 'x'",
    "vault.canary_hidden.id = 1",
    "$1 = 1",
]


def test_a_requests_filter_is_a_condition_and_no_more(vault):
    for filter in FILTERS:
        sent = request(vault.client(), "flat", filter=filter)
        # The filter comes back within the descriptor.
        told = [each.replace(filter.encode(), b"") for each in sent.messages[1:]] + sent.swept()[len(sent.messages) :]
        for each in told:
            assert not vault.sweep.found(str(each).replace("canary_hidden", "")), filter
        if sent.refused:
            assert sent.refused.code in (StatusCode.INVALID_ARGUMENT, StatusCode.UNIMPLEMENTED), sent.refused


# --- derived products -------------------------------------------------------------------------------


def test_a_domain_serves_no_more_than_it_reads(vault):
    """The washing domain reads `vault.flat` as a reader would; whoever reads its product reads that."""
    expected = attacks.by_statement(vault.client("keeper"), "SELECT * FROM vault.twin").outcome()
    for who in ("washer", "keeper"):
        sent = attacks.by_statement(vault.client(who), "SELECT * FROM wash.laundry")
        vault.sweep(*sent.swept())
        assert sent.outcome()[1] == expected[1]
    counted = attacks.by_statement(vault.client("washer"), "SELECT * FROM wash.counted")
    vault.sweep(*counted.swept())
    shown = sum(hostile.is_open(n) for n in range(hostile.ROWS))
    assert wire.decode(counted.rows)["n"].to_pylist() == [shown]


LAUNDERING = [
    "SELECT count(*) FROM {0} WHERE CAST(note AS INT) >= 0",
    "SELECT sum(1000 / (amount - 98209817837890 - 1)) FROM {0}",
    "SELECT id FROM {0} WHERE regexp_like(note, pattern)",
    "SELECT id FROM {0} ORDER BY CAST(note AS INT), id LIMIT 3",
    "SELECT id FROM {0} WHERE phone LIKE 'CAN%'",
    "SELECT id FROM {0} WHERE CAST(alias AS INT) = 1",
    "SELECT min(amount), max(amount), count(*) FROM {0}",
    "SELECT v.k, it.note FROM (VALUES (1), (84), (85)) v(k) LEFT JOIN {0} ON id = v.k",
    "SELECT canary_column FROM {0}",
    "SELECT nullif(note, note) FROM {0}",
    "SELECT substr(note, 1, size) FROM {0}",
]


def test_a_derived_product_is_no_oracle(vault):
    for sql in LAUNDERING:
        washed = attacks.by_statement(vault.client("washer"), sql.format("wash.laundry AS it"))
        plain = attacks.by_statement(vault.client("reader"), sql.format("vault.twin AS it"))
        if "canary_column" not in sql:
            vault.sweep(*washed.swept())
        one, other = washed.outcome(), plain.outcome()
        # Only what a column may be differs: a derived product promises no NOT NULL.
        assert one[0] == other[0] or washed.refused is None, sql
        assert one[1] == other[1], sql


def test_sources_of_a_derived_product_stay_hidden(vault):
    for who, table in (("washer", "vault.flat"), ("washer", "vault.twin"), ("reader", "wash.laundry")):
        sent = attacks.by_statement(vault.client(who), f"SELECT * FROM {table}")
        assert sent.refused.code is StatusCode.NOT_FOUND, sent.refused


# --- claims -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["quoter", "wildcard", "lookalike", "unknown"])
def test_a_hostile_claim_is_a_text_and_no_more(who, vault):
    for sql in ("SELECT * FROM vault.flat", "SELECT count(*) AS n FROM vault.flat"):
        sent = attacks.by_statement(vault.client(who), sql)
        vault.sweep(*sent.swept())
        if sent.refused:
            assert sent.refused.code is StatusCode.PERMISSION_DENIED
        else:
            table = wire.decode(sent.rows)
            assert table.num_rows == 0 or table["n"].to_pylist() == [0]


def test_the_claim_that_is_asked_for_shows_its_rows(vault):
    sent = attacks.by_statement(vault.client("opener"), "SELECT * FROM vault.flat")
    assert wire.decode(sent.rows).num_rows == sum(hostile.is_open(n) for n in range(hostile.ROWS))
    vault.sweep(*sent.swept())


# --- the log ----------------------------------------------------------------------------------------

LITERAL = "literal-7391-of-a-statement"


def test_the_log_holds_no_literal_whatever_becomes_of_the_statement(vault):
    client = vault.client()
    for sql in (
        f"SELECT id FROM vault.twin WHERE note = '{LITERAL}'",
        f"SELECT CAST('{LITERAL}' AS INT)",
        f"SELECT CAST(note || '{LITERAL}' AS INT) FROM vault.twin",
        f"SELECT id FROM vault.twin WHERE CAST(side || '{LITERAL}' AS INT) > 0",
        f"SELECT id FROM vault.twin WHERE regexp_like(side, '(' || '{LITERAL}')",
        f"SELECT id FROM vault.twin WHERE repeat('{LITERAL}', 100000) = side",
        f"SELECT '{LITERAL}' FROM vault.nothing",
        f"SELECT '{LITERAL}' +",
        f"SELECT 1 FROM vault.twin '{LITERAL}' '{LITERAL}'",
        f"SELECT * FROM '{LITERAL}'",
        f"SELECT id IN '{LITERAL}' FROM vault.twin",
        f"SELECT '{LITERAL}",
        f"SELECT INTERVAL '{LITERAL}'",
        f"SELECT CAST(1 AS '{LITERAL}')",
        f"COPY vault.twin TO '{LITERAL}'",
        f"SELECT * FROM vault.twin LIMIT '{LITERAL}'",
        f"SELECT CASE '{LITERAL}'",
        f"SELECT read_csv('{LITERAL}')",
        f"EXPLAIN SELECT '{LITERAL}'",
        f"SELECT DATE '{LITERAL}'",
    ):
        for way in attacks.WAYS:
            way(client, sql)
    request(client, "twin", filter=f"note = '{LITERAL}'")
    request(client, "twin", filter=f"CAST('{LITERAL}' AS INT) = 1")
    assert LITERAL not in vault.gateway.log_text()


def test_the_log_holds_no_value_of_a_row(vault):
    """Failing questions over values that only the keeper may see; the operator's log is not for them."""
    before = len(vault.gateway.log_text())
    for sql in (
        "SELECT CAST(note AS INT) FROM vault.flat",
        "SELECT id FROM vault.flat WHERE CAST(note AS INT) > 0",
        "SELECT id FROM vault.flat ORDER BY to_date(day_text)",
        "SELECT id FROM vault.flat WHERE decode(hex, 'hex') IS NULL",
    ):
        sent = attacks.by_statement(vault.client("keeper"), sql)
        assert sent.refused.code is StatusCode.INVALID_ARGUMENT, sent.refused
    assert "CANARY" not in vault.gateway.log_text()[before:]
