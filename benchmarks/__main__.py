"""`./run bench [NAME …]`: run the benchmarks one by one and print the table; `--write` also writes docs/benchmarks.md."""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys
from pathlib import Path

import benchmarks
from benchmarks.table import Row, machine, markdown

TARGET = Path("docs/benchmarks.md")
_NO_BENCHMARKS = {"table", "__main__", "precision"}


def names() -> list[str]:
    """Every benchmark: the modules of this folder that have `run`."""
    return sorted(each.name for each in pkgutil.iter_modules(benchmarks.__path__) if each.name not in _NO_BENCHMARKS)


def main() -> int:
    """Run what was named, or everything."""
    parser = argparse.ArgumentParser(prog="./run bench", description=__doc__)
    parser.add_argument("name", nargs="*", help=f"one of {', '.join(names())}")
    parser.add_argument("--write", action="store_true", help=f"write the table to {TARGET}")
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.name) - set(names()))
    if unknown:
        parser.error(f"no benchmark named {', '.join(unknown)}; there are {', '.join(names())}")
    rows: list[Row] = []
    for name in arguments.name or names():
        print(f"{name} ...", file=sys.stderr)
        rows += importlib.import_module(f"benchmarks.{name}").run()
    table = markdown(rows)
    print(table)
    if arguments.write:
        head = f"# Benchmarks\n\nWritten by `./run bench --write` on {machine()}. Shared machines are noisy: read the ratios."
        TARGET.write_text(f"{head}\n\n{table}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
