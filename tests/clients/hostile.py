"""A mesh made to be attacked: one dataset for each hazard, and a canary in all that nobody may receive.

Canaries are in hidden rows, hidden columns and masked values, in names of files, folders and partition
folders, in children of nested values, in unused dictionary entries, in names and words of what may not be
discovered. `Sweep` knows all their forms: as text, as the bytes of a number, as a number in words.

`vault.twin` is what the reader should find in `vault.flat`: a file that holds nothing else. Whatever is asked of one
must come out as of the other, errors included.
"""

from __future__ import annotations

import base64
import datetime
import hashlib
import hmac
import json
import re
import struct
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

ROWS = 240
GROUP = 80
MASK_KEY = "a key of sixteen bytes and more"

# A number whose bytes, as a 64-bit integer, spell the canary; as microseconds it is a moment in 1973.
NUMBER = int.from_bytes(b"CANARY\0\0", "little")
FLOAT = struct.unpack("<d", b"CANARY\x50\x40")[0]
DAY = int.from_bytes(b"CANA", "little") // 1000  # 32-bit days cannot spell it within the calendar
MOMENT = datetime.datetime(1970, 1, 1) + datetime.timedelta(microseconds=NUMBER)

TOKENS = {
    "reader": ["readers"],
    "keeper": ["keepers"],
    "washer": ["washers"],
    "stranger": ["strangers"],
    "mender": ["menders"],
    **dict.fromkeys(("opener", "quoter", "wildcard", "lookalike", "unknown"), ["claimants"]),
}

# What the directory says of some of them: only one says what the row filter asks for.
SIDES = {
    "opener": '"open"',
    "quoter": '"open\\" || true || \\"x"',
    "wildcard": '"*"',
    "lookalike": '"\u043e\u0440\u0435\u043f"',
}


class Sweep:
    """Searches what left the gateway for canaries."""

    def __init__(self, *places: Path) -> None:
        words = [b"CANA", b"canary_", str(NUMBER).encode(), str(MOMENT.date()).encode(), b".parquet"]
        words += [repr(FLOAT)[:12].encode()]
        self.pattern = re.compile(b"|".join(map(re.escape, [*words, *(str(place).encode() for place in places)])))

    def __call__(self, *sent: bytes | str) -> None:
        for each in sent:
            found = self.found(each)
            assert found is None, f"{found!r} left the gateway"

    def found(self, sent: bytes | str) -> bytes | None:
        raw = sent.encode() if isinstance(sent, str) else sent
        found = self.pattern.search(raw)
        return raw[max(0, found.start() - 20) : found.end() + 20] if found else None


def is_open(row: int) -> bool:
    """Rows are shown and hidden in turn, but for one row group that hides all and one that shows all."""
    return row >= 2 * GROUP or (row >= GROUP and row % 2 == 0)


def digest(text: str) -> str:
    """The `hmac` mask, as its documentation has it: a keyed digest."""
    raw = hmac.digest(MASK_KEY.encode(), text.encode(), hashlib.sha256)
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


# --- the data -------------------------------------------------------------------------------------


def _flat_columns() -> dict[str, tuple[pa.DataType, object, object]]:
    """Name → type, the value of a shown row, the value of a hidden one: whatever fails, fails on the hidden."""
    return {
        "id": (pa.int64(), lambda n: n, lambda n: n),
        "side": (pa.string(), lambda n: "open", lambda n: "CANARY shut"),
        "note": (pa.string(), lambda n: str(n % 7), lambda n: f"CANARY note {n}"),
        "day_text": (pa.string(), lambda n: "2020-02-02", lambda n: f"CANARY day {n}"),
        "pattern": (pa.string(), lambda n: "^[0-9]", lambda n: "CANARY ("),
        "hex": (pa.string(), lambda n: "6162", lambda n: "CANARY hex"),
        "zone": (pa.string(), lambda n: "UTC", lambda n: "CANARY zone"),
        "size": (pa.int64(), lambda n: n % 5, lambda n: -NUMBER if n % 2 else NUMBER),
        "amount": (pa.int64(), lambda n: 10 + n, lambda n: NUMBER),
        "price": (
            pa.decimal128(38, 2),
            lambda n: Decimal(n) / 4,
            lambda n: Decimal("9" * 20 + str(NUMBER)) / 100,
        ),
        "at": (
            pa.timestamp("us"),
            lambda n: datetime.datetime(2020, 1, 1) + datetime.timedelta(hours=n),
            lambda n: MOMENT,
        ),
        "day": (
            pa.date32(),
            lambda n: datetime.date(2020, 1, 1) + datetime.timedelta(days=n),
            lambda n: datetime.date(1973, 2, 10),
        ),
        "ratio": (pa.float64(), lambda n: n / 8, lambda n: FLOAT),
        "maybe": (
            pa.string(),
            lambda n: None if n % 3 else f"m{n}",
            lambda n: f"CANARY maybe {n}" if n % 2 else None,
        ),
        # Masked: partial, hmac, redact, year, null. What is under a mask is a canary in shown rows too.
        "phone": (pa.string(), lambda n: f"CANARY phone {n:04}", lambda n: f"CANARY phone {n:04}"),
        "code": (pa.string(), lambda n: f"CANARY code {n % 9}", lambda n: f"CANARY code {n}"),
        "alias": (pa.string(), lambda n: f"CANARY alias {n}", lambda n: f"CANARY alias {n}"),
        "born": (pa.date32(), lambda n: datetime.date(1973, 2, 10), lambda n: datetime.date(1973, 2, 10)),
        "pin": (pa.int64(), lambda n: NUMBER, lambda n: NUMBER),
        "canary_column": (pa.string(), lambda n: f"CANARY column {n}", lambda n: f"CANARY column {n}"),
    }


MASKS = {"phone": "partial", "code": "hmac", "alias": "redact", "born": "year", "pin": "null"}


def flat() -> pa.Table:
    arrays = {
        name: pa.array([(shown if is_open(n) else hidden)(n) for n in range(ROWS)], type)
        for name, (type, shown, hidden) in _flat_columns().items()
    }
    return pa.table(arrays)


def twin() -> pa.Table:
    """The shown rows of `flat` with the masks written by hand, hidden columns left out."""
    shown = flat().filter(pa.array([is_open(n) for n in range(ROWS)])).drop_columns(["canary_column"])
    masked = {
        "phone": [f"{'*' * 13}{text[-4:]}" for text in shown["phone"].to_pylist()],
        "code": [digest(text) for text in shown["code"].to_pylist()],
        "alias": ["***"] * shown.num_rows,
        "born": [datetime.date(1973, 1, 1)] * shown.num_rows,
        "pin": [None] * shown.num_rows,
    }
    for name, values in masked.items():
        index = shown.column_names.index(name)
        shown = shown.set_column(index, name, pa.array(values, shown.schema.field(name).type))
    return shown


def nested() -> pa.Table:
    """Hidden values between and below the shown ones: in structs, lists, maps and lists of structs."""

    def text(n: int) -> str:
        return f"shown {n}" if is_open(n) else f"CANARY nested {n} long enough not to be inlined"

    def number(n: int) -> int:
        return n if is_open(n) else NUMBER

    inner = pa.struct([("street", pa.string()), ("geo", pa.struct([("lat", pa.int64())]))])
    return pa.table(
        {
            "id": pa.array(range(ROWS), pa.int64()),
            "side": pa.array(["open" if is_open(n) else "CANARY shut" for n in range(ROWS)]),
            "address": pa.array([{"street": text(n), "geo": {"lat": number(n)}} for n in range(ROWS)], inner),
            "tags": pa.array(
                [[text(n)] * (n % 3) if n % 5 else (None if is_open(n) else [text(n)]) for n in range(ROWS)],
                pa.list_(pa.string()),
            ),
            "marks": pa.array([[(text(n), number(n))] for n in range(ROWS)], pa.map_(pa.string(), pa.int64())),
            "lines": pa.array([[{"street": text(n), "geo": None}] for n in range(ROWS)], pa.list_(inner)),
        }
    )


def encoded(kind: str) -> pa.Table:
    """Text columns as dictionaries with unused entries, as views, and with NULLs in the place of values."""
    texts = [f"shown {n}" if is_open(n) else f"CANARY {kind} {n} beyond what is inlined" for n in range(ROWS)]
    if kind == "dictionary":
        unused = [f"CANARY unused {n}" for n in range(20)]
        note = pa.DictionaryArray.from_arrays(pa.array(range(ROWS), pa.int32()), pa.array(texts + unused))
    elif kind == "viewed":
        note = pa.array(texts, pa.string_view())
    else:
        note = pa.array([text if n % 4 else None for n, text in enumerate(texts)])
    return pa.table(
        {
            "id": pa.array(range(ROWS), pa.int64()),
            "side": pa.array(["open" if is_open(n) else "CANARY shut" for n in range(ROWS)]),
            "note": note,
        }
    )


def huge() -> pa.Table:
    """Cells of more than a message can be, hidden and shown."""
    texts = [("s" if n % 2 else "CANARY") * (200_000 if n % 2 else 40_000) for n in range(40)]
    return pa.table(
        {
            "id": pa.array(range(40), pa.int64()),
            "side": pa.array(["open" if n % 2 else "CANARY shut" for n in range(40)]),
            "note": pa.array(texts),
        }
    )


# --- the contracts --------------------------------------------------------------------------------

PHYSICAL = {
    pa.int64(): ("integer", "BIGINT"),
    pa.string(): ("string", "VARCHAR"),
    pa.string_view(): ("string", "VARCHAR"),
    pa.date32(): ("date", "DATE"),
    pa.float64(): ("number", "DOUBLE"),
    pa.timestamp("us"): ("timestamp", "TIMESTAMP(6)"),
    pa.int32(): ("integer", "INTEGER"),
    pa.int16(): ("integer", "SMALLINT"),
    pa.float32(): ("number", "REAL"),
    pa.bool_(): ("boolean", "BOOLEAN"),
}


def _column(name: str, type: pa.DataType) -> dict:
    """A column as a contract describes it."""
    if pa.types.is_dictionary(type):
        type = type.value_type
    if pa.types.is_struct(type):
        return {"name": name, "logicalType": "object", "properties": [_column(f.name, f.type) for f in type]}
    if pa.types.is_map(type):
        parts = {"key": _column("key", type.key_type), "value": _column("value", type.item_type)}
        return {"name": name, "logicalType": "map", "map": parts}
    if pa.types.is_list(type):
        return {"name": name, "logicalType": "array", "items": _column("item", type.value_type)}
    if pa.types.is_decimal(type):
        return {
            "name": name,
            "logicalType": "number",
            "physicalType": f"DECIMAL({type.precision},{type.scale})",
        }
    logical, physical = PHYSICAL[type]
    return {"name": name, "logicalType": logical, "physicalType": physical}


def contract(domain: str, name: str, schema: pa.Schema, path: str, *, query: str | None = None, **more) -> dict:
    """A contract of one dataset; `path` may be a glob below the domain's folder."""
    columns = []
    for field in schema:
        column = {**_column(field.name, field.type), "description": f"The column {field.name}."}
        if field.name.startswith("canary_"):
            column |= {"classification": "secret", "description": "CANARY description", "tags": ["CANARY tag"]}
        if mask := more.get("masks", {}).get(field.name):
            column["customProperties"] = [{"property": "airside.maskDefault", "value": mask}]
        columns.append(column)
    table = {"name": name, "logicalType": "object", "properties": columns}
    if query:
        table["customProperties"] = [{"property": "airside.query", "value": query}]
    server = {"server": "storage", "type": "local", "path": path, "format": "parquet"}
    return {
        "apiVersion": "v3.2.0",
        "kind": "DataContract",
        "id": f"{domain}.{name}",
        "name": more.get("title", name),
        "version": "1.0.0",
        "status": "active",
        "domain": domain,
        "dataProduct": name,
        "description": {"purpose": more.get("title", name)},
        **({} if query else {"servers": [server]}),
        "schema": [table],
        "team": {"name": "nobody"},
        "customProperties": [{"property": "airside.defaultVersion", "value": True}],
    }


class Mesh:
    """The files of a mesh, written into a folder."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        for folder in ("secrets", "mesh/governance"):
            (directory / folder).mkdir(parents=True, exist_ok=True)

    def domain(self, domain: str, policies: str) -> Path:
        folder = self.directory / "mesh/domains" / domain
        for part in ("products", "policies"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        (folder / "domain.toml").write_text('owner = "Nobody"\ncontact = "nobody@example.com"\n')
        (folder / "policies/access.cedar").write_text(policies)
        return folder

    def product(self, domain: str, name: str, table: pa.Table, place: str | None = None, **more) -> Path:
        """A product of one Parquet file; answers the file."""
        place = place or f"data/{name}/part.parquet"
        folder = self.directory / "mesh/domains" / domain
        file = folder / place
        file.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, file, row_group_size=more.get("group", GROUP))
        self.describe(domain, name, table.schema, more.pop("path", place), **more)
        return file

    def describe(self, domain: str, name: str, schema: pa.Schema, path: str, **more) -> None:
        document = contract(domain, name, schema, path, **more)
        file = self.directory / "mesh/domains" / domain / f"products/{name}.odcs.yaml"
        file.write_text(json.dumps(document))

    def govern(self, policies: str = "", settings: str = "", tokens: dict[str, list[str]] | None = None) -> Path:
        """Governance, tokens and configuration; answers the configuration file."""
        (self.directory / "mesh/governance/global.cedar").write_text(policies)
        principals = ['[attributes]\nside = { claim = "side", type = "string" }\n']
        principals += [f"[entitlements.{name}]\nattributes = {{ side = {side} }}\n" for name, side in SIDES.items()]
        (self.directory / "mesh/governance/principals.toml").write_text("".join(principals))
        (self.directory / "secrets/tickets.key").write_text(hashlib.sha256(b"tickets").hexdigest())
        (self.directory / "secrets/masks.key").write_text(MASK_KEY)
        entries = []
        for name, groups in (TOKENS if tokens is None else tokens).items():
            hash = hashlib.sha256(token(name).encode()).hexdigest()
            entries.append(f'[tokens.{name}]\nhash = "sha256:{hash}"\ngroups = {json.dumps(groups)}\n')
        (self.directory / "tokens.toml").write_text("".join(entries))
        config = self.directory / "airside.toml"
        config.write_text(
            '[mesh]\nroots = ["mesh"]\n[authn]\ntokens = "tokens.toml"\n[tickets]\nkeys = ["file:secrets/tickets.key"]\n'  # noqa: E501
            f'[masks]\nkey = "file:secrets/masks.key"\n{settings}'
        )
        return config


def token(name: str) -> str:
    """The token of one of the tests' principals."""
    return f"airt_{hashlib.sha256(name.encode()).hexdigest()}"


GOVERNANCE = """
@id("keepers_see_everything")
permit (principal in Group::"keepers", action in [Action::"read", Action::"readRaw"], resource);
@id("secrets_are_for_keepers")
forbid (principal, action in [Action::"readColumn", Action::"readRaw", Action::"readMasked"], resource)
when { resource.classification == "secret" } unless { principal in Group::"keepers" };
"""

# `query` shows the rows of one side alone.
ROW_FILTERED = ("flat", "nested", "dictionary", "viewed", "nulls", "huge", "same")


def _vault_policies() -> str:
    policies = [
        'permit (principal in Group::"readers", action == Action::"readColumn", resource in Domain::"vault")'
        ' when { resource.classification != "unread" };',
    ]
    for name in (*ROW_FILTERED, "twin", "hive", "named", "ghost", "known"):
        policies.append(
            f'permit (principal in Group::"readers", action == Action::"discover", resource in Product::"vault.{name}");'  # noqa: E501
        )
    for name in ROW_FILTERED:
        policies.append(
            f'permit (principal in Group::"readers", action == Action::"query", resource is vault::{name})'
            ' when { resource.row has side && resource.row.side == "open" };'
        )
    policies.append(
        'permit (principal in Group::"readers", action == Action::"query", resource is vault::hive)'
        ' when { resource.row has key && resource.row.key == "open" };'
    )
    policies.append(
        'permit (principal in Group::"claimants", action in [Action::"discover", Action::"readColumn"],'
        ' resource in Product::"vault.flat");'
        'permit (principal in Group::"claimants", action == Action::"query", resource is vault::flat)'
        " when { principal has side && resource.row has side && resource.row.side == principal.side };"
    )
    for name in ("twin", "named", "ghost"):
        policies.append(
            f'permit (principal in Group::"readers", action == Action::"query", resource is vault::{name});'
        )
    # The domain reads its own sources for `ghost`; the washing domain reads as a reader does.
    for name in ("flat",):
        policies.append(
            f'permit (principal == Domain::"vault", action in [Action::"read", Action::"readRaw"],'
            f' resource in Product::"vault.{name}");'
        )
    policies.append(
        'permit (principal == Domain::"wash", action in [Action::"discover", Action::"readColumn"],'
        ' resource in Product::"vault.flat");'
    )
    policies.append(
        'permit (principal == Domain::"wash", action == Action::"query", resource is vault::flat)'
        ' when { resource.row has side && resource.row.side == "open" };'
    )
    return "\n".join(policies)


WASH = """
permit (principal in Group::"washers", action in [Action::"read", Action::"readRaw"], resource in Domain::"wash");
"""


def write(directory: Path) -> Path:
    """The whole mesh; answers its configuration file."""
    mesh = Mesh(directory)
    vault = mesh.domain("vault", _vault_policies())
    mesh.product("vault", "flat", flat(), masks=MASKS)
    mesh.product("vault", "twin", twin())
    mesh.product("vault", "nested", nested())
    for kind in ("dictionary", "viewed", "nulls"):
        mesh.product("vault", kind, encoded(kind))
    mesh.product("vault", "huge", huge(), group=40)
    # The row filter looks at the very column that is masked.
    mesh.product("vault", "same", encoded("same"), masks={"side": "redact"})
    # Partition folders whose names are canaries, and a partition column that the contract does not name.
    rows = pa.table({"id": pa.array(range(10), pa.int64())})
    schema = pa.schema([("id", pa.int64()), ("key", pa.string())])
    for key in ("open", "CANARY-key"):
        folder = vault / f"data/hive/key={key}/other=CANARY-other"
        folder.mkdir(parents=True)
        pq.write_table(rows, folder / "CANARY-file.parquet")
    mesh.describe("vault", "hive", schema, "data/hive/")
    shown = encoded("shown").filter(pa.array([is_open(n) for n in range(ROWS)])).drop_columns(["side"])
    place = "data/CANARY-folder/CANARY-file.parquet"
    mesh.product("vault", "named", shown, place, path="data/CANARY-folder/*.parquet")
    # NULLs made over values: what nullif leaves under them.
    ghost = pa.schema([("id", pa.int64()), ("gone", pa.string())])
    query = "SELECT id, nullif(note, note) AS gone FROM vault.flat WHERE side <> 'open' OR id >= 160"
    mesh.describe("vault", "ghost", ghost, "", query=query)
    # May be known of, and may not.
    mesh.product("vault", "known", encoded("known"), title="Known")
    mesh.product("vault", "canary_hidden", encoded("hidden"), title="CANARY title")
    mesh.domain("canary_domain", "")
    mesh.product("canary_domain", "canary_thing", encoded("thing"), title="CANARY title")
    # A domain that may read some of `vault.flat` serves all that its statement can get of it.
    mesh.domain("wash", WASH)
    names = twin().schema
    mesh.describe("wash", "laundry", names, "", query=f"SELECT {', '.join(names.names)} FROM vault.flat")
    counted = pa.schema([("n", pa.int64()), ("least", pa.string()), ("code", pa.string())])
    query = "SELECT count(*) AS n, min(phone) AS least, max(code) AS code FROM vault.flat"
    mesh.describe("wash", "counted", counted, "", query=query)
    return mesh.govern(GOVERNANCE)


def datasets() -> Iterator[str]:
    """What the reader may read rows of."""
    yield from (*ROW_FILTERED, "twin", "hive", "named", "ghost")
