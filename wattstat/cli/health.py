"""`wattstat health`: every device from 0 to 100, with what took points off."""

from __future__ import annotations

from typing import Annotated

import typer

from wattstat.cli.asking import TokenOption, UrlOption
from wattstat.cli.options import ConfigOption, JsonOption
from wattstat.cli.output import print_json, print_table
from wattstat.cli.site import Site


def health(
    device: Annotated[str, typer.Argument(help="Only this device, with every finding.")] = "",
    *,
    config: ConfigOption = None,
    url: UrlOption = "",
    token: TokenOption = "",
    kind: Annotated[str, typer.Option(help="Only of this kind: node, switch, storage, pdu, rack.")] = "",
    every: Annotated[bool, typer.Option("--all", help="Also those with all their points.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Health of the devices, worst first."""
    asked: dict[str, str | int] = {"kind": kind} if kind else {}
    if not every and not device:
        asked["below"] = 100
    found = Site(url, config, token, below="/api").get("health", asked)
    items = [each for each in found["items"] if device in {"", each["name"]}]
    if as_json:
        print_json({**found, "items": items, "total": len(items)})
        return
    if not items:
        typer.echo(f"There is no device {device!r}." if device else "Every device has all its points.")
        return
    if device:
        for each in items:
            typer.echo(f"{each['kind']} {each['name']}: {each['score']} of 100")
            for taken in each["deductions"]:
                typer.echo(f"  -{taken['points']:<3} {taken['category']:<14} {taken['name']}: {taken['what']}")
        return
    rows = [
        (
            each["score"],
            each["kind"],
            each["name"],
            "; ".join(f"-{taken['points']} {taken['name']}" for taken in each["deductions"]),
        )
        for each in items
    ]
    print_table(("score", "kind", "device", "because_of"), rows)
