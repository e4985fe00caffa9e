"""`python -m comparison`: runs the works and prints one table."""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import os
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import gateway as gateways

from . import machine
from .bench import Bench
from .data import Data
from .figures import HEADINGS, Found, markdown, text
from .sizes import FULL, SMOKE
from .works import WORKS


def main() -> int:
    wanted = _arguments()
    sizes = SMOKE if wanted.smoke else FULL
    given = {"runs": wanted.runs, "scale": wanted.scale, "products": wanted.products}
    if wanted.products is not None:
        given["fewer_products"] = wanted.products // 10
    sizes = dataclasses.replace(sizes, **{name: value for name, value in given.items() if value is not None})
    if "debug" in gateways.binary().parts and not wanted.smoke:
        print(f"{gateways.binary()} looks like a debug build: its times mean nothing", file=sys.stderr)
    head = [datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d"), *machine.describe()]
    print("\n".join(head), flush=True)
    if machine.load() > 0.5:
        print(f"The machine is busy (load {machine.load():.1f}): mind the ratios, not the seconds.", flush=True)
    begun, every = time.monotonic(), Found()
    wanted.data.mkdir(parents=True, exist_ok=True)
    # Below the data: files are linked, not copied.
    with tempfile.TemporaryDirectory(prefix="run-", dir=wanted.data) as scratch, ExitStack() as stack:
        bench = Bench(sizes, Data(wanted.data, sizes.scale, sizes.text_rows), Path(scratch), stack)
        for name in wanted.only or WORKS:
            started = time.monotonic()
            found = WORKS[name](bench)
            every.figures += found.figures
            every.details += found.details
            print(f"\n{name}, {time.monotonic() - started:.0f} s", flush=True)
            print(text(HEADINGS, [figure.cells() for figure in found.figures]), flush=True)
    lines = [figure.cells() for figure in every.figures]
    missed = sum(figure.verdict == "missed" for figure in every.figures)
    print(f"\nAll of it, in {time.monotonic() - begun:.0f} s; {missed} figures missed\n")
    print(text(HEADINGS, lines))
    for title, headings, rows in every.details:
        print(f"\n{title}\n{text(headings, rows)}")
    if wanted.markdown:
        parts = ["  \n".join(head), markdown(HEADINGS, lines)]
        parts += [f"### {title}\n\n{markdown(headings, rows)}" for title, headings, rows in every.details]
        wanted.markdown.write_text("\n\n".join(parts) + "\n")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("comparison", description="Airside beside its peers.")
    parser.add_argument("--only", action="append", choices=WORKS, metavar="WORK", help=f"one of {', '.join(WORKS)}")
    parser.add_argument("--runs", type=int, help="rounds that count")
    parser.add_argument("--scale", help="of the TPC-H data")
    parser.add_argument("--products", type=_products, help="of the mesh, measured beside a tenth of them")
    parser.add_argument("--smoke", action="store_true", help="as little as shows that the benches work")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table as Markdown too")
    parser.add_argument("--data", type=Path, default=_cache(), metavar="FOLDER", help="where the data is kept")
    return parser.parse_args()


def _products(given: str) -> int:
    if (products := int(given)) < 10:
        raise argparse.ArgumentTypeError("at least 10, so that there is a tenth")
    return products


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "airside/bench-data"


if __name__ == "__main__":
    sys.exit(main())
