"""`airside audit`: files made here by the documented rules, checked and read by the binary.

The rules stand twice, in docs/audit.md and below, so that an auditor need not take the binary's word for them.
"""

import csv
import hashlib
import hmac
import io
import json
import uuid
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

import gateway as gateways

ROOT = bytes(range(32))


def mac(key: bytes, *parts: bytes) -> bytes:
    return hmac.new(key, b"".join(parts), hashlib.sha256).digest()


CHAIN = mac(ROOT, b"airside audit 1 chain")
DIGESTS = mac(ROOT, b"airside audit 1 digests")
SIGNER = Ed25519PrivateKey.from_private_bytes(mac(ROOT, b"airside audit 1 checkpoints"))
PUBLIC = SIGNER.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()


class Chain:
    """An instance's chain, and the lines of its file under way."""

    def __init__(self, instance: str = "gw-1"):
        self.instance = instance
        self.seq, self.mac, self.digest = 0, bytes(32), bytes(32)
        self.lines: list[bytes] = []

    def head(self) -> dict:
        return {"seq": self.seq, "mac": self.mac.hex(), "digest": self.digest.hex()}

    def add(self, kind: str, at: str = "2026-11-22T10:00:00.000Z", **members) -> None:
        self.seq += 1
        record = json.dumps({"seq": self.seq, "at": at, "kind": kind} | members, separators=(",", ":"))
        prefix = record.encode()[:-1]
        self.mac = mac(CHAIN, self.mac, prefix)
        line = prefix + b',"mac":"' + self.mac.hex().encode() + b'"}'
        self.digest = hashlib.sha256(self.digest + line).digest()
        self.lines.append(line)

    def start(self, previous: dict | None = None) -> None:
        self.add(
            "start",
            format=1,
            airside="0.1.0",
            instance=self.instance,
            previous=previous,
            checkpoint_key=PUBLIC,
        )

    def checkpoint(self) -> dict:
        head, taken = self.head(), "2026-11-22T10:00:00.000Z"
        words = ["airside audit checkpoint 1", self.instance, str(head["seq"]), head["mac"], head["digest"], taken]
        signature = SIGNER.sign("".join(word + "\n" for word in words).encode()).hex()
        signed = {"instance": self.instance, "head": head, "taken": taken, "key": PUBLIC, "signature": signature}
        self.add("checkpoint", **signed)
        return signed

    def answer(self, who: str, product: str, columns: list[str], outcome: str = "complete", **opening) -> str:
        name = str(uuid.uuid4())
        self.add(
            "opening",
            id=name,
            who={"identity": who, "groups": ["analysts"], "purpose": "analytics"},
            asked={"question": "sql", "tables": [product], "statement": f"SELECT * FROM {product}"},
            reads=[
                {
                    "dataset": f"{product}@1.0.0",
                    "snapshot": "s1",
                    "columns": columns,
                    "masks": {},
                    "filtered": True,
                    "policies": ["access#1"],
                }
            ],
            policy_version="p1",
            mesh_version="m1",
            **opening,
        )
        if outcome != "open":
            self.add("closing", id=name, outcome=outcome, rows=7, bytes=100, milliseconds=12)
        return name

    def deny(self, who: str, product: str, kind: str) -> None:
        self.add(
            "denial",
            id=str(uuid.uuid4()),
            who={"identity": who, "groups": [], "purpose": ""},
            asked={"question": "product", "tables": [product]},
            error={"kind": kind},
        )

    def write(self, folder: Path, number: int) -> Path:
        file = folder / f"{self.instance}-{number:06}-20261122.jsonl"
        file.write_bytes(b"".join(line + b"\n" for line in self.lines))
        self.lines = []
        return file


@pytest.fixture
def files(tmp_path) -> Path:
    """Two files of one instance, and the checkpoint that one would keep."""
    (tmp_path / "key").write_text(ROOT.hex())
    folder = tmp_path / "audit"
    folder.mkdir()
    chain = Chain()
    chain.start()
    chain.answer("ada", "sales.orders", ["o_orderkey", "o_clerk"])
    chain.answer("grace", "sales.orders", ["o_orderkey"], "failed", at="2026-11-23T09:00:00.000Z")
    chain.deny("eve", "hr.salaries", "not_found")
    chain.checkpoint()
    first = chain.write(folder, 1)
    chain.start({"file": first.name, "head": chain.head()})
    chain.answer("=cmd()", "customers.customer", ["c_name"], "revoked")
    chain.answer("ada", "customers.customer", ["c_name"], "open")
    (tmp_path / "kept.json").write_text(json.dumps(chain.checkpoint()))
    chain.write(folder, 2)
    return folder


def audit(command: str, files: Path, *arguments, key: bool = True):
    place = ["--dir", files, *(["--key", f"file:{files.parent / 'key'}"] if key else [])]
    return gateways.run("audit", command, *place, *arguments)


def query(files: Path, *arguments) -> list[dict]:
    result = audit("query", files, "--format", "json", *arguments, key=False)
    assert result.returncode == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_files_made_by_the_documented_rules_verify(files):
    kept = ("--checkpoint", files.parent / "kept.json")
    for arguments, key in [((), True), (kept, True), ((), False), ((*kept, "--public-key", PUBLIC), False)]:
        result = audit("verify", files, *arguments, key=key)
        assert result.returncode == 0, result.stdout + result.stderr
        assert "2 file(s), 12 line(s)" in result.stdout and "no faults" in result.stdout


def cut_off(files: Path) -> None:
    file = sorted(files.iterdir())[1]
    file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[:-2]))


def alter(files: Path) -> None:
    file = sorted(files.iterdir())[0]
    file.write_text(file.read_text().replace('"identity":"ada"', '"identity":"bob"'))


def leave_out(files: Path) -> None:
    file = sorted(files.iterdir())[0]
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(lines[:2] + lines[3:]))


def lose_the_first(files: Path) -> None:
    sorted(files.iterdir())[0].unlink()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (cut_off, "the end is cut off: a kept checkpoint vouches for number 11, the files end with 10"),
        (alter, "gw-1-000001-20261122.jsonl:2: number 2 was altered"),
        (leave_out, "gw-1-000001-20261122.jsonl:3: line 3 is missing before number 4"),
        (lose_the_first, "the file before the first, gw-1-000001-20261122.jsonl, is missing"),
    ],
)
def test_what_was_changed_is_named(files, change, told):
    change(files)
    result = audit("verify", files, "--checkpoint", files.parent / "kept.json")
    assert result.returncode == 1
    assert told in result.stdout, result.stdout + result.stderr


def test_another_key_verifies_nothing(files):
    (files.parent / "key").write_text("ab" * 16 + "cd" * 16)
    result = audit("verify", files)
    assert result.returncode == 1 and "sealed with another key" in result.stdout
    result = audit("verify", files, "--public-key", "00" * 32, key=False)
    assert result.returncode == 1 and "signed with another key" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "who"),
    [
        ((), ["ada", "grace", "eve", "=cmd()", "ada"]),
        (("--who", "ada"), ["ada", "ada"]),
        (("--product", "sales.orders"), ["ada", "grace"]),
        (("--product", "sales.orders@1.0.0"), ["ada", "grace"]),
        (("--product", "sales.order"), []),
        (("--product", "hr.salaries"), ["eve"]),
        (("--column", "o_clerk"), ["ada"]),
        (("--outcome", "denied"), ["eve"]),
        (("--outcome", "open"), ["ada"]),
        (("--purpose", "analytics", "--outcome", "revoked"), ["=cmd()"]),
        (("--since", "2026-11-23"), ["grace"]),
        (("--until", "2026-11-23", "--who", "grace"), []),
    ],
)
def test_queries_find(files, arguments, who):
    assert [found["who"]["identity"] for found in query(files, *arguments)] == who


def test_formats(files):
    found = query(files, "--column", "o_clerk")[0]
    assert (found["outcome"], found["rows"], found["reads"][0]["policies"]) == ("complete", 7, ["access#1"])
    rows = list(csv.DictReader(io.StringIO(audit("query", files, "--format", "csv", key=False).stdout)))
    assert [row["who"] for row in rows][3] == "'=cmd()", "no spreadsheet takes it for a formula"
    assert rows[2]["datasets"] == "hr.salaries" and rows[2]["error"] == "not_found"
    table = audit("query", files, key=False).stdout.splitlines()
    assert table[0].split() == ["AT", "WHO", "PURPOSE", "OUTCOME", "ROWS", "READS", "STATEMENT"]
    assert "denied (not_found)" in table[3]


def test_digests_and_checkpoints(files):
    key = f"file:{files.parent / 'key'}"
    result = gateways.run("audit", "digest", "--key", key, "Clerk#000000951")
    assert result.stdout.strip() == mac(DIGESTS, b"Clerk#000000951").hex()[:16]
    result = audit("checkpoint", files, key=False)
    assert json.loads(result.stdout) == json.loads((files.parent / "kept.json").read_text())


def test_a_configuration_names_folder_and_key(files):
    config = files.parent / "airside.toml"
    config.write_text('[mesh]\nroots = ["mesh"]\n[audit]\nkey = "file:key"\n')
    result = gateways.run("audit", "verify", "--config", config)
    assert result.returncode == 0, result.stdout + result.stderr
    config.write_text('[mesh]\nroots = ["mesh"]\n[audit]\n')
    result = gateways.run("audit", "verify", "--config", config)
    assert "`audit.key` must name a key" in result.stderr
    config.write_text('[mesh]\nroots = ["mesh"]\n[flight]\naddr = "0.0.0.0:50051"\n')
    result = gateways.run("audit", "verify", "--config", config)
    assert "says where its audit goes" in result.stderr
