"""Holds and emergencies by `wattstat power`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated
from urllib.parse import quote

import typer

from wattstat import units
from wattstat.cli.acting import DryOption, ReasonOption, YesOption, act, done, need_terminal, show
from wattstat.cli.asking import TokenOption, UrlOption
from wattstat.cli.options import ConfigOption, JsonOption
from wattstat.cli.output import print_json
from wattstat.cli.power_words import watts
from wattstat.cli.site import Site

ScopeArgument = Annotated[str, typer.Argument(metavar="SCOPE", help="site, or such as rack/r01, feed/A, node/gpu[001-004].")]
NumberArgument = Annotated[int, typer.Argument(metavar="ID", help="Its number, as the list has it.")]


class Pinned(StrEnum):
    """What a hold pins."""

    GPU = "gpu"
    NODE = "node"


def hold(
    scope: ScopeArgument,
    wanted: Annotated[float, typer.Argument(metavar="WATTS", min=1, help="What each device is pinned at.")],
    *,
    minutes: Annotated[float, typer.Option(min=0.1, help="After how long it ends by itself.")],
    reason: ReasonOption,
    of: Annotated[Pinned, typer.Option(help="Whether GPUs or whole servers are pinned.")] = Pinned.GPU,
    yes: YesOption = False,
    dry_run: DryOption = False,
    config: ConfigOption = None,
    url: UrlOption = "",
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Pin devices at watts for a time, whatever policies say."""
    body = {"scope": scope, "watts": wanted, "of": of.value, "reason": reason, "minutes": minutes}
    question = f"Hold {'servers' if of is Pinned.NODE else 'GPUs'} of {scope} at {watts(wanted)} for {minutes:g} minutes?"
    act(Site(url, config, token), "POST", "hold", question, body=body, yes=yes, dry_run=dry_run, as_json=as_json)


def release(
    number: NumberArgument,
    *,
    reason: ReasonOption,
    yes: YesOption = False,
    dry_run: DryOption = False,
    config: ConfigOption = None,
    url: UrlOption = "",
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """End a hold."""
    act(
        Site(url, config, token),
        "DELETE",
        f"hold/{number}",
        f"Release hold {number}?",
        params={"reason": reason},
        yes=yes,
        dry_run=dry_run,
        as_json=as_json,
        after=f"hold {number} is released",
    )


def emergency(
    scope: ScopeArgument,
    *,
    reason: ReasonOption,
    confirm: Annotated[
        str, typer.Option(metavar="WORD", help="The name of the scope, typed again (r01 for rack/r01); asked for unless given.")
    ] = "",
    minutes: Annotated[float | None, typer.Option(min=0.1, help="After how long it ends by itself.")] = None,
    dry_run: DryOption = False,
    config: ConfigOption = None,
    url: UrlOption = "",
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Bring devices to their lowest limits at once, past every rate limit. Ends with `wattstat power all-clear ID`."""
    site = Site(url, config, token)
    body = {"scope": scope, "reason": reason, "minutes": minutes}
    if dry_run or not confirm:
        tried = site.ask("POST", "emergency", {"dry_run": True}, body)
        if dry_run and as_json:
            print_json(tried)
            return
        show(f"emergency for {scope}", tried, quiet=as_json)
        if dry_run:
            return
        need_terminal(f"--confirm {tried['confirm']}")
        confirm = typer.prompt(f"Type {tried['confirm']} to bring {scope} to its lowest limits", err=True)
    made = site.ask("POST", "emergency", body={**body, "confirm": confirm})
    ends = f"`wattstat power all-clear {made['id']} --reason TEXT` ends it"
    done(as_json, made, f"emergency {made['id']} is on for {made['scope']}; {ends}", *(f"! {each}" for each in made["notes"]))


def all_clear(
    number: NumberArgument,
    *,
    reason: ReasonOption,
    yes: YesOption = False,
    dry_run: DryOption = False,
    config: ConfigOption = None,
    url: UrlOption = "",
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """End an emergency; caps rise slowly."""
    act(
        Site(url, config, token),
        "DELETE",
        f"emergency/{number}",
        f"End emergency {number}?",
        params={"reason": reason},
        yes=yes,
        dry_run=dry_run,
        as_json=as_json,
        after=f"emergency {number} has ended; caps rise slowly",
    )


def approve_hold(
    number: NumberArgument,
    *,
    yes: YesOption = False,
    dry_run: DryOption = False,
    config: ConfigOption = None,
    url: UrlOption = "",
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Let a hold count that waits for a second person."""
    site = Site(url, config, token)
    act(site, "POST", f"hold/{number}/approve", f"Approve hold {number}?", yes=yes, dry_run=dry_run, as_json=as_json)


def signal(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its name, as policies have it, such as spot-price.")],
    value: Annotated[float, typer.Argument(metavar="VALUE", help="The number.")],
    *,
    minutes: Annotated[float, typer.Option(min=0.1, help="How long it counts, unless another comes.")] = 15,
    config: ConfigOption = None,
    url: UrlOption = "",
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Post a number that policies look at, such as a price."""
    body = {"value": value, "minutes": minutes}
    found = Site(url, config, token).ask("PUT", f"signals/{quote(name, safe='')}", body=body)
    done(as_json, found, f"{found['name']} is {found['value']:g} until {units.clock(found['until'])}")


def give_back(
    scope: Annotated[str, typer.Argument(metavar="SCOPE", help="site, or such as rack/r01; whole servers.")] = "site",
    *,
    reason: ReasonOption,
    yes: YesOption = False,
    dry_run: DryOption = False,
    config: ConfigOption = None,
    url: UrlOption = "",
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Give devices what their operator had set before Wattstat, where it enforces nothing any more."""
    body = {"scope": scope, "reason": reason}
    question = f"Give the servers of {scope} back to their operator?"
    said = "asked for; power status tells what is left behind"
    act(
        Site(url, config, token),
        "POST",
        "give-back",
        question,
        body=body,
        yes=yes,
        dry_run=dry_run,
        as_json=as_json,
        after=said,
    )


ALL = (give_back, hold, release, approve_hold, emergency, all_clear, signal)
