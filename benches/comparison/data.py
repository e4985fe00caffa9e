"""The files that everybody reads: TPC-H as the demo lays it out, and a table of texts. Made once, then kept."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import gateway as gateways
from hostile import Mesh

# The domain of what the demo does not have.
DOMAIN = "bench"
# Whoever is in the group sees the lines that are not returned, and three columns masked.
ANALYSTS = "analysts"
MASKS = {"l_comment": "redact", "l_receiptdate": "year", "l_shipinstruct": "partial"}
POLICY = f"""
permit (principal in Group::"{ANALYSTS}", action in [Action::"discover", Action::"readColumn"],
        resource in Product::"{DOMAIN}.lines");
permit (principal in Group::"{ANALYSTS}", action == Action::"query", resource is {DOMAIN}::lines)
when {{ resource.row has l_returnflag && resource.row.l_returnflag == "N" }};
"""
# A row group as the demo writes them.
ROW_GROUP = 128 * 1024
LETTERS = np.frombuffer(b"aaabcddeeeeefghhiiijklmnnoooprrsssttttuvwy.,      0123456789ABCDEF", np.uint8)
# Column → the shortest and the longest value.
TEXTS = {"title": (20, 60), "body": (50, 350), "code": (32, 32), "note": (0, 160)}


class Data:
    """A folder with the mesh of TPC-H of one scale and the texts."""

    def __init__(self, folder: Path, scale: str, text_rows: int) -> None:
        self.folder = folder
        self._demo = folder / f"tpch-{scale}"
        folder.mkdir(parents=True, exist_ok=True)
        made = gateways.run("demo", "--prepare", "--scale", scale, "--dir", self._demo, timeout=1800)
        if made.returncode != 0:
            raise RuntimeError(f"no TPC-H data:\n{made.stderr}")
        self.text = folder / f"text-{text_rows}"
        if not self.text.is_dir():
            _write_texts(self.text, text_rows)

    def lineitem(self) -> list[Path]:
        return sorted((self._demo / "mesh/domains/sales/data/lineitem").glob("*.parquet"))

    def texts(self) -> list[Path]:
        return sorted(self.text.glob("*.parquet"))

    def mesh(self, folder: Path, copies: int) -> Path:
        """A mesh over these files: the demo's, texts and governed lines; answers its configuration."""
        shutil.copytree(self._demo, folder, ignore=shutil.ignore_patterns("data", "audit", "personal-tokens"))
        for source in self._demo.glob("mesh/domains/*/data"):
            shutil.copytree(source, folder / source.relative_to(self._demo), copy_function=os.link)
        mesh = Mesh(folder)
        mesh.domain(DOMAIN, POLICY)
        lines = pq.read_schema(self.lineitem()[0])
        self._offer(mesh, "texts", pq.read_schema(self.texts()[0]), self.texts())
        self._offer(mesh, "lines", lines, self.lineitem(), masks=MASKS)
        self._offer(mesh, "many_lines", lines, self.lineitem(), copies=copies)
        return folder / "airside.toml"

    def _offer(self, mesh: Mesh, name: str, schema: pa.Schema, files: list[Path], *, copies: int = 1, **more) -> None:
        place = mesh.directory / f"mesh/domains/{DOMAIN}/data/{name}"
        place.mkdir(parents=True)
        for copy in range(copies):
            for file in files:
                os.link(file, place / f"{copy:02}-{file.name}")
        mesh.describe(DOMAIN, name, schema, f"data/{name}/", **more)


def _write_texts(folder: Path, rows: int) -> None:
    """Four files of random letters, the same wherever they are made: nothing to gain by dictionaries."""
    random = np.random.default_rng(6)
    partial = folder.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    each = rows // 4
    for number in range(4):
        columns = {"id": pa.array(np.arange(number * each, (number + 1) * each))}
        columns |= {name: _texts(random, each, *bounds) for name, bounds in TEXTS.items()}
        file = partial / f"part-{number}.parquet"
        pq.write_table(pa.table(columns), file, row_group_size=ROW_GROUP, compression="zstd", use_dictionary=False)
    partial.rename(folder)


def _texts(random: np.random.Generator, rows: int, shortest: int, longest: int) -> pa.Array:
    lengths = random.integers(shortest, longest + 1, rows)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    letters = LETTERS[random.integers(0, len(LETTERS), offsets[-1], np.uint8)]
    return pa.StringArray.from_buffers(rows, pa.py_buffer(offsets.tobytes()), pa.py_buffer(letters.tobytes()))
