"""What all commands print alike: tables for people, JSON for scripts, refusals on standard error."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NoReturn

import typer

FAILED = 1
WRONG_USE = 2


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]], *, right: Collection[str] = ()) -> None:
    """A table on standard output, cut to the terminal's width where there is a terminal."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for line in table(columns, rows, width=width, right=right):
        typer.echo(line)


def print_items(columns: Sequence[str], items: Sequence[Mapping[str, Any]], *, as_json: bool) -> None:
    """Items with the columns' names as keys: as a table, or as `{"items": [...]}` with all their members."""
    if as_json:
        print_json({"items": list(items)})
    else:
        print_table(columns, [[item[name] for name in columns] for item in items])


def table(
    columns: Sequence[str], rows: Sequence[Sequence[object]], *, width: int | None = None, right: Collection[str] = ()
) -> list[str]:
    """Lines of aligned columns, numbers and the columns named in `right` to the right; None is an empty cell."""
    cells = [["" if value is None else str(value).replace("\n", " ") for value in row] for row in rows]
    numeric = [
        name in right or all(isinstance(row[at], int | float | None) and not isinstance(row[at], bool) for row in rows)
        for at, name in enumerate(columns)
    ]
    titles = [name.replace("_", " ").upper() for name in columns]
    widths = [max([len(title), *(len(row[position]) for row in cells)]) for position, title in enumerate(titles)]
    lines = []
    for row in [titles, *cells]:
        aligned = (
            cell.rjust(size) if is_right else cell.ljust(size)
            for cell, size, is_right in zip(row, widths, numeric, strict=True)
        )
        lines.append("  ".join(aligned).rstrip())
    return [line if width is None or len(line) <= width else line[: width - 1] + "…" for line in lines]


def fail(message: str, code: int = FAILED) -> NoReturn:
    """End the command with a message on standard error."""
    typer.echo(message, err=True)
    raise typer.Exit(code)
