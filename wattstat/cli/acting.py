"""How commands act: show the difference, ask, do, and tell how things stand."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from wattstat.cli.output import FAILED, WRONG_USE, fail, print_json
from wattstat.cli.power_words import differences
from wattstat.cli.site import Site

YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do it without asking.")]
DryOption = Annotated[bool, typer.Option("--dry-run", help="Only show what would be different.")]
ReasonOption = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; a few words for the trail.")]


def act(
    site: Site,
    method: str,
    path: str,
    question: str,
    *,
    params: dict[str, Any] | None = None,
    body: Any = None,
    yes: bool,
    dry_run: bool,
    as_json: bool,
    after: str = "",
) -> None:
    """Show the difference, ask, do. `after` is what is said then; how it stands unless given."""
    tried = site.ask(method, path, {**(params or {}), "dry_run": True}, body)
    if dry_run and as_json:
        print_json(tried)
        return
    show(question.rstrip("?"), tried, quiet=as_json)
    if dry_run:
        return
    ask(question, yes=yes)
    found = site.ask(method, path, params, body)
    done(as_json, found, after or stands(found))


def show(title: str, found: dict[str, Any], *, quiet: bool) -> None:
    """The difference, on standard error where standard output is for JSON."""
    typer.echo(title, err=quiet)
    for line in differences(found["preview"]):
        typer.echo(f"  {line}", err=quiet)


def ask(question: str, *, yes: bool) -> None:
    """Go on only where somebody says yes."""
    if yes:
        return
    need_terminal("--yes")
    if not typer.confirm(question, err=True):
        fail("nothing was done", FAILED)


def need_terminal(option: str) -> None:
    """Refuse where nobody can answer: a script says what it means."""
    if not at_terminal():
        fail(f"nobody is there to be asked, and nothing was done; say {option} where you mean it", WRONG_USE)


def at_terminal() -> bool:
    """Whether somebody sits there."""
    return sys.stdin.isatty()


def stands(found: dict[str, Any]) -> str:
    """How something stands after the act."""
    if "watts" in found:
        return f"hold {found['id']} on {found['scope']} " + ("counts" if found["counts"] else f"waits: {found['needs_second']}")
    waits = found["waits_for"]
    told = f"; {waits['what']} waits for a second person: {waits['reason']}" if waits else ""
    idle = f", in mode {found['mode']}: nothing is done" if found["state"] == "enabled" and found["mode"] != "enforce" else ""
    return f"{found['name']} version {found['version']} is {found['state']}{idle}{told}"


def done(as_json: bool, document: Any, *lines: str) -> None:
    """The answer for scripts, or lines for people."""
    if as_json:
        print_json(document)
        return
    for line in lines:
        typer.echo(line)
