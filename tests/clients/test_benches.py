"""The benches still work: all of them, as small as they can be made, beside the peers that are installed here."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import gateway as gateways
from conftest import AUDIT

ROOT = Path(__file__).parents[2]
WORKS = ("export", "text", "wire", "lookup", "tpch", "governed", "memory", "mesh")


def test_every_work_is_measured(gateway, tmp_path):
    # The demo mesh is there already; the benches would make the same.
    shutil.copytree(gateway.directory, tmp_path / "data/tpch-0.01", ignore=AUDIT)
    table = tmp_path / "table.md"
    run = subprocess.run(
        [sys.executable, "-m", "comparison", "--smoke", "--data", tmp_path / "data", "--markdown", table],
        env=os.environ
        | {
            "AIRSIDE_BIN": str(gateways.binary()),
            "PYTHONPATH": os.pathsep.join([f"{ROOT}/benches", f"{ROOT}/tests/clients"]),
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert run.returncode == 0, f"{run.stdout}\n{run.stderr}"
    for work in WORKS:
        assert f"\n{work}, " in run.stdout
    assert "| TPC-H, 22 queries: wall | " in table.read_text()
    assert [path.name for path in (tmp_path / "data").glob("run-*")] == []
