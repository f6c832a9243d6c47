"""`wattstat token`: a bearer token for a person or a script, and the entry of the settings that lets it in."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from wattstat.cli.options import JsonOption
from wattstat.cli.output import WRONG_USE, fail, print_json


class RoleChoice(StrEnum):
    """What a token may do; each may do what the ones before it may."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    AUTHOR = "author"
    APPROVER = "approver"


def token(
    name: Annotated[str, typer.Argument(help="Whose it is; the audit trail calls them so.")],
    *,
    role: Annotated[RoleChoice, typer.Option(help="What it may: each role may do what the ones before it may.")],
    file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Add the entry to this file, which access.tokens_file names.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make a bearer token. It is shown once; the settings hold only its SHA-256."""
    from wattstat.api import tokens

    made = tokens.fresh()
    try:
        entry = tokens.entry(name, role.value, made)
    except ValueError as err:
        fail(str(err), WRONG_USE)
    if file is not None:
        _add(file, entry)
    if as_json:
        print_json({"name": name, "role": role.value, "token": made, "sha256": tokens.digest(made)})
        return
    typer.echo(made)
    told = f"Added to {file}; a running web process takes it up at once." if file else f"access:\n  tokens:\n{_indented(entry)}"
    typer.echo(f"\nThe token stands above, once and nowhere else. Send it as `Authorization: Bearer …`.\n{told}", err=True)


def _add(file: Path, entry: str) -> None:
    """The file with one entry more, replaced in one step: a web process that reads it now sees the old or the new one."""
    from wattstat.api import tokens
    from wattstat.document import InvalidDocument

    try:
        text = file.read_text(encoding="utf-8") if file.exists() else ""
        if text.strip():
            known = [each.name for each in tokens.read_file(file)]
            head = text if text.endswith("\n") else text + "\n"
            if not known:
                head = "tokens:\n"
        else:
            head = "tokens:\n"
        made = file.with_name(f".{file.name}.new")
        with os.fdopen(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as out:
            out.write(head + entry)
        tokens.read_file(made)
        made.replace(file)
    except InvalidDocument as err:
        fail(f"{err}\nnothing was added; mend the file first, its entries must stand at its end")
    except OSError as err:
        fail(f"{file}: cannot be written ({err.strerror}); nothing was added")


def _indented(entry: str) -> str:
    return "".join(f"  {line}\n" for line in entry.splitlines()).rstrip("\n")
