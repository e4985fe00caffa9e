"""Corrupt, truncated and hostile files of a product, and contracts that point where they must not.

Each damaged file is a product of its own in one mesh. Whatever is asked of it is an answer or a clean error: no
panic reaches the caller, no path or cell is told, and the product beside it answers.
"""

from __future__ import annotations

import json
import os
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from grpc import StatusCode

import attacks
import gateway as gateways
import hostile
import wire
from conftest import Vault

ROWS = 300
SEED = int(os.environ.get("ATTACKS_SEED", "7391"))
MANY = 18 if os.environ.get("ATTACKS") != "all" else 600
CLEAN = (
    StatusCode.UNAVAILABLE,
    StatusCode.NOT_FOUND,
    StatusCode.INVALID_ARGUMENT,
    StatusCode.RESOURCE_EXHAUSTED,
    StatusCode.INTERNAL,
)

POLICY = """
permit (principal in Group::"menders", action in [Action::"discover", Action::"readColumn"],
        resource in Domain::"broken");
%s
"""


def table() -> pa.Table:
    return pa.table(
        {
            "id": pa.array(range(ROWS), pa.int64()),
            "side": pa.array(["open" if n % 2 else "CANARY shut" for n in range(ROWS)]),
            "note": pa.array([f"shown {n}" if n % 2 else f"CANARY {n}" for n in range(ROWS)]),
            "tags": pa.array([[f"t{n}"] * (n % 4) for n in range(ROWS)], pa.list_(pa.string())),
        }
    )


def damages(whole: bytes) -> dict[str, bytes]:
    """Files made of a good one: its end, its footer, its pages damaged, by rule and by chance."""
    footer = int.from_bytes(whole[-8:-4], "little")
    body = len(whole) - 8 - footer
    chance = random.Random(SEED)
    made = {
        "whole": whole,
        "empty": b"",
        "magic": b"PAR1PAR1",
        "text": b"CANARY,of,a,csv\n" * 100,
        "no_end": whole[:-8],
        "half": whole[: len(whole) // 2],
        "cut_footer": whole[: body + footer // 2] + whole[-8:],
        "no_pages": b"PAR1" + whole[body:],
        "footer_twice": whole + whole[body:],
        "long_footer": whole[:-8] + (2**31 - 1).to_bytes(4, "little") + b"PAR1",
        "negative_footer": whole[:-8] + b"\xff\xff\xff\xff" + b"PAR1",
        "encrypted": whole[:-4] + b"PARE",
        "zero_footer": whole[:body] + bytes(footer) + whole[-8:],
        "zero_pages": whole[:4] + bytes(body - 4) + whole[body:],
        "noise": bytes(chance.randrange(256) for _ in range(4_000)),
        "noise_pages": whole[:4] + bytes(chance.randrange(256) for _ in range(body - 4)) + whole[body:],
        "shifted": whole[:4] + b"\x00" * 7 + whole[4:],
    }
    for n in range(MANY):
        broken = bytearray(whole)
        low, high = (body, len(whole) - 8) if n % 3 == 0 else (4, body)
        for _ in range(chance.choice((1, 1, 2, 8))):
            broken[chance.randrange(low, high)] ^= 1 << chance.randrange(8)
        if n % 5 == 4:
            start = chance.randrange(low, high)
            broken[start : start + chance.randrange(1, 64)] = bytes(chance.randrange(256) for _ in range(8))
        made[f"flip{n}"] = bytes(broken)
    return made


@pytest.fixture(scope="module")
def broken(tmp_path_factory):
    directory = tmp_path_factory.mktemp("broken")
    mesh = hostile.Mesh(directory)
    good = directory / "good.parquet"
    made = {}
    for kind, compression in (("one", "snappy"), ("two", "zstd")):
        pq.write_table(table(), good, row_group_size=100, compression=compression)
        for name, content in damages(good.read_bytes()).items():
            made[f"p_{kind}_{name}"] = content
    # The checksums of pages, and pages of the second version.
    pq.write_table(table(), good, row_group_size=100, data_page_version="2.0", write_page_checksum=True)
    for name, content in list(damages(good.read_bytes()).items())[: 17 + MANY // 3]:
        made[f"p_three_{name}"] = content
    rows = "\n".join(
        f'permit (principal in Group::"menders", action == Action::"query", resource is broken::{name})'
        ' when { resource.row has side && resource.row.side == "open" };'
        for name in made
    )
    folder = mesh.domain("broken", POLICY % rows)
    for name, content in made.items():
        mesh.describe("broken", name, table().schema, f"data/CANARY-{name}.parquet")
        file = folder / f"data/CANARY-{name}.parquet"
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(content)
    good.unlink()
    running = gateways.serve(mesh.govern(hostile.GOVERNANCE), directory / "gateway.log")
    vault = Vault(running, hostile.Sweep(directory))
    vault.products = list(made)
    yield vault
    assert running.stop() == 0, running.tail()


QUESTIONS = [
    "SELECT id, side, note, tags FROM broken.{0}",
    "SELECT count(*) FROM broken.{0} WHERE note LIKE 'shown%' AND id > 5",
    "SELECT max(note) FROM broken.{0}",
]


@pytest.mark.timeout(120)
def test_a_damaged_file_is_a_clean_error(broken):
    client = broken.client("mender")

    def ask(name: str) -> list[wire.Sent]:
        return [attacks.by_statement(client, sql.format(name)) for sql in QUESTIONS]

    answered = refused = 0
    with ThreadPoolExecutor(4) as pool:
        for name, all_sent in zip(broken.products, pool.map(ask, broken.products), strict=True):
            for sent in all_sent:
                told = sent.refused and f"{name}: {sent.refused}"
                if sent.refused:
                    refused += 1
                    assert sent.refused.code in CLEAN, told
                    for word in ("panic", "arquet", "/", "thrift", "EOF", "snappy", "index out"):
                        assert word not in sent.refused.message.replace("http://", ""), told
                    broken.sweep(sent.refused.message, repr(sent.refused.trailers))
                else:
                    answered += 1
    assert answered > 10 and refused > 50, (answered, refused)
    assert broken.gateway.process.poll() is None
    # What was whole is whole still.
    for kind in ("one", "two", "three"):
        sent = attacks.by_statement(client, f"SELECT count(*) AS n FROM broken.p_{kind}_whole")
        assert wire.decode(sent.rows)["n"].to_pylist() == [ROWS // 2]
        broken.sweep(*sent.swept())


def test_lists_live_with_damaged_products(broken):
    client = broken.client("mender")
    for message in [
        *client.stream("ListFlights", b""),
        *client.ask(wire.metadata("CommandGetTables", wire.number(5, 1))).messages,
    ]:
        broken.sweep(message)


# --- places -----------------------------------------------------------------------------------------

OUTSIDE = [
    "../other/data/secret.parquet",
    "data/../../other/data/secret.parquet",
    "data/%2e%2e/%2e%2e/other/data/secret.parquet",
    "%2e%2e/other/data/secret.parquet",
    "data/..%2f..%2fother/data/secret.parquet",
    "data\\..\\..\\other\\data\\secret.parquet",
    "{root}/mesh/domains/other/data/secret.parquet",
    "file://{root}/mesh/domains/other/data/secret.parquet",
    "/etc/passwd",
    "file:///etc/passwd",
    "s3://bucket/secret.parquet",
    "http://127.0.0.1:1/secret.parquet",
    "//127.0.0.1/share/secret.parquet",
    "~/secret.parquet",
    "linked.parquet",
    "linked/secret.parquet",
    "linked/",
    "linked/*.parquet",
    "lin*/*.parquet",
    "**/secret.parquet",
]


@pytest.mark.parametrize("place", OUTSIDE)
def test_a_contract_reads_below_its_domain_alone(place, tmp_path: Path):
    """Loading refuses the place, or the dataset has no file; its neighbour's rows are never served."""
    mesh = hostile.Mesh(tmp_path)
    rows = pa.table({"id": pa.array([1]), "note": pa.array(["CANARY of the other domain"])})
    mesh.domain("own", "")
    mesh.domain("other", "")
    mesh.product("other", "secret", rows, "data/secret.parquet")
    mesh.describe("own", "thing", rows.schema, place.format(root=tmp_path))
    own, other = (tmp_path / "mesh/domains" / domain for domain in ("own", "other"))
    (own / "data").mkdir()
    (own / "linked.parquet").symlink_to(other / "data/secret.parquet")
    (own / "linked").symlink_to(other / "data")
    config = mesh.govern(hostile.GOVERNANCE)
    checked = gateways.run("check", "--config", config)
    if checked.returncode != 0:
        assert "thing.odcs.yaml" in checked.stdout + checked.stderr
        return
    running = gateways.serve(config, tmp_path / "gateway.log")
    try:
        vault = Vault(running, hostile.Sweep(tmp_path))
        for sql in ("SELECT * FROM own.thing", "SELECT count(*) FROM own.thing"):
            sent = attacks.by_statement(vault.client("keeper"), sql)
            vault.sweep(*sent.swept())
            assert sent.refused and sent.refused.code in CLEAN[:2], json.dumps(str(sent.refused))
    finally:
        assert running.stop() == 0


def test_a_file_replaced_or_removed_while_it_is_read(tmp_path: Path):
    """A ticket's snapshot is those very files: another file in the place is never read in its stead."""
    mesh = hostile.Mesh(tmp_path)
    mesh.domain("own", "")
    rows = pa.table({"id": pa.array(range(1000)), "note": pa.array(["shown"] * 1000)})
    file = mesh.product("own", "thing", rows)
    running = gateways.serve(mesh.govern(hostile.GOVERNANCE), tmp_path / "gateway.log")
    try:
        client = Vault(running, hostile.Sweep(tmp_path)).client("keeper")
        sweep = hostile.Sweep(tmp_path)
        ticket = client.info(wire.statement("SELECT * FROM own.thing")).endpoints[0].ticket.serialize()
        pq.write_table(pa.table({"id": pa.array([1]), "note": pa.array(["CANARY"])}), file.with_suffix(".new"))
        file.with_suffix(".new").replace(file)
        for change in ("replaced", "truncated", "removed"):
            if change == "truncated":
                file.write_bytes(file.read_bytes()[:50])
            elif change == "removed":
                file.unlink()
            sent = client.redeem(ticket)
            assert sent.refused and sent.refused.code is StatusCode.UNAVAILABLE, (change, sent.refused)
            sweep(*sent.swept())
        assert attacks.by_statement(client, "SELECT 1").refused is None
    finally:
        assert running.stop() == 0
