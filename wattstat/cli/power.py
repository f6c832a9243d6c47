"""`wattstat power`: how power stands, and what people want of it. Asks the web process, which asks core."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from wattstat import units
from wattstat.cli import power_acts, power_pins, power_replay
from wattstat.cli.asking import TokenOption, UrlOption
from wattstat.cli.options import ConfigOption, JsonOption
from wattstat.cli.output import FAILED, print_json, print_table
from wattstat.cli.power_words import differences, read_number, read_policies, scope_and_devices, watts
from wattstat.cli.rehearsal_words import rehearsed
from wattstat.cli.site import Site

app = typer.Typer(help="Budgets, policies, holds, emergencies, and the trail of what was done.", no_args_is_help=True)


class ModeChoice(StrEnum):
    """How far a policy goes."""

    OBSERVE = "observe"
    ADVISE = "advise"
    ENFORCE = "enforce"


NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Name of the policy.")]
FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="File with policies, as policies.yaml has them.")]


@app.command()
def status(
    *,
    devices: Annotated[bool, typer.Option("--devices", help="Also every GPU and server with its cap.")] = False,
    config: ConfigOption = None,
    url: UrlOption = "",
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Print mode, leader, every budget with its headroom, and what is wrong. Exit code 1 while a breaker is not safe."""
    found = Site(url, config, token).get("status")
    if as_json:
        print_json(found)
    else:
        for line in _summary(found):
            typer.echo(line)
        print_table(_BUDGET, [_budget(each) for each in found["budgets"]], right=_BUDGET[2:7])
        if devices:
            typer.echo("")
            print_table(_DEVICE, [_device(each) for each in found["devices"]], right=_DEVICE[1:4])
    if found.get("safe") is False:
        raise typer.Exit(FAILED)


_BUDGET = ("budget", "kind", "limit", "power", "headroom", "trip_safe", "worst_case", "state", "set_by")
_DEVICE = ("device", "target", "confirmed", "power", "state", "bound_by")


def _summary(found: dict[str, Any]) -> list[str]:
    leader = found.get("leader")
    holder = leader.get("holder") if isinstance(leader, dict) else leader
    lines = [f"mode {found['mode']}; led by {holder or 'nobody'}"]
    if found.get("safe") is False:
        lines.append(f"! NOT SAFE without control: {', '.join(map(str, found.get('unsafe', [])))}")
    on, wrong = found.get("emergencies", []), found.get("findings", [])
    lines += [f"! emergency {each['id']} for {each['scope']}: {each['reason']} ({each['owner']})" for each in on]
    lines += [f"! {each['node']} {each['uuid']}: {each['why']}; {each['detail']}" for each in wrong]
    return [*lines, *(f"! {each}" for each in found.get("troubles", []))]


_FIGURES = ("limit_watts", "power_watts", "headroom_watts", "trip_safe_watts", "envelope_watts")


def _budget(each: dict[str, Any]) -> list[object]:
    figures = (watts(each.get(name)) for name in _FIGURES)
    return [each["name"], each["kind"], *figures, each["state"], each.get("binding")]


def _device(each: dict[str, Any]) -> list[object]:
    figures = (watts(each.get(name)) for name in ("target_watts", "confirmed_watts", "power_watts"))
    return [each["device"], *figures, each["state"], each["binding_policy"]]


@app.command()
def policies(
    *,
    state: Annotated[str, typer.Option(help="Only in this state: draft, approved, enabled or expired.")] = "",
    config: ConfigOption = None,
    url: UrlOption = "",
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """List the policies."""
    found = Site(url, config, token).get("policies", {"state": state})
    if as_json:
        print_json(found)
        return
    columns = ("name", "state", "version", "mode", "kind", "scope", "owner", "expires", "waits_for")
    print_table(columns, [[*(each[name] for name in columns[:-2]), *_ends(each)] for each in found["items"]])


def _ends(each: dict[str, Any]) -> list[object]:
    waits = each["waits_for"]
    return [units.clock(each["expires"]) if each["expires"] else None, f"{waits['what']} by {waits['by']}" if waits else None]


@app.command()
def show(
    name: NameArgument,
    *,
    version: Annotated[int | None, typer.Option(min=1, help="Another version than the one that counts.")] = None,
    config: ConfigOption = None,
    url: UrlOption = "",
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Show one policy as YAML, and its versions."""
    import yaml

    site = Site(url, config, token)
    found = site.get(site.policy(name), {"version": version})
    if as_json:
        print_json(found)
        return
    typer.echo(yaml.safe_dump({"policies": [found["policy"]]}, sort_keys=False, allow_unicode=True), nl=False)
    typer.echo(f"\nversion {found['policy_version']}; version {found['version']} is {found['state']}")
    if found["waits_for"]:
        typer.echo(f"! {found['waits_for']['what']} waits for a second person: {found['waits_for']['reason']}")
    columns = ("version", "saved", "author", "approved_by")
    rows = [[each["version"], units.clock(each["saved_at"]), each["author"], each["approved_by"]] for each in found["versions"]]
    print_table(columns, rows)


@app.command()
def predefined(
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="Print this one as YAML, to begin with.")] = "",
    *,
    given: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A number of it; may be given several times.")
    ] = None,
    owner: Annotated[str, typer.Option(help="Who answers for it.")] = "facility",
    mode: Annotated[ModeChoice, typer.Option(help="How far it goes.")] = ModeChoice.OBSERVE,
    config: ConfigOption = None,
    url: UrlOption = "",
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """List the policies that people know by name, or print one as YAML for `wattstat power apply`."""
    import yaml

    site = Site(url, config, token)
    if not name:
        found = site.get("predefined")
        rows = [[each["name"], each["title"], ", ".join(map(_parameter, each["parameters"]))] for each in found["items"]]
        print_json(found) if as_json else print_table(("name", "title", "set"), rows)
        return
    body = {"owner": owner, "mode": mode.value, "parameters": dict(read_number(each) for each in given or ())}
    made = site.ask("POST", f"predefined/{quote(name, safe='')}", body=body)
    if as_json:
        print_json(made)
        return
    # The mode is written out, so that whoever edits the file sees that there is one.
    head = {key: made["policy"][key] for key in ("name", "owner", "reason")} | {"mode": mode.value}
    typer.echo(yaml.safe_dump({"policies": [head | made["policy"]]}, sort_keys=False, allow_unicode=True), nl=False)


def _parameter(each: dict[str, Any]) -> str:
    return f"{each['name']}=..." if each["required"] else each["name"]


@app.command()
def diff(
    file: FileArgument,
    *,
    config: ConfigOption = None,
    url: UrlOption = "",
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Show what would be different if the policies of a file were in force. Nothing is saved."""
    found = Site(url, config, token).ask("POST", "preview", body={"policies": read_policies(file)})
    if as_json:
        print_json(found)
        return
    for line in differences(found["preview"]):
        typer.echo(line)


@app.command()
def simulate(
    policy: Annotated[str, typer.Argument(metavar="NAME|FILE", help="Name of a saved policy, or a file with policies.")],
    *,
    days: Annotated[float, typer.Option(min=0.01, max=31, help="How many days of the site's own history, up to now.")] = 7,
    config: ConfigOption = None,
    url: UrlOption = "",
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Rehearse policies on the site's own past: watts, work lost, jobs, time over limits. `wattstat simulate` has scenarios."""
    site, body = Site(url, config, token, timeout_seconds=900), {"days": days}
    file = Path(policy)
    if file.suffix in {".yaml", ".yml"} or file.exists():
        found = site.ask("POST", "simulate", body={**body, "policies": read_policies(file)})
    else:
        found = site.ask("POST", site.policy(policy, "simulate"), body=body)
    if as_json:
        print_json(found)
        return
    for line in rehearsed(found):
        typer.echo(line)


@app.command()
def holds(*, config: ConfigOption = None, url: UrlOption = "", token: TokenOption = "", as_json: JsonOption = False) -> None:
    """List the holds."""
    found = Site(url, config, token).get("hold")
    if as_json:
        print_json(found)
        return
    columns = ("id", "scope", "watts", "until", "owner", "reason", "waits_for")
    rows = [
        [each["id"], scope_and_devices(each), watts(each["watts"]), units.clock(each["expires"]), each["owner"], each["reason"],
         each["needs_second"] if not each["counts"] else None]
        for each in found["items"]
    ]  # fmt: skip
    print_table(columns, rows, right=("watts",))


@app.command()
def audit(
    *,
    kind: Annotated[str, typer.Option(help="Only records of this kind, such as order.")] = "",
    device: Annotated[str, typer.Option(metavar="DEVICE", help="Only of this server and its GPUs, or of node/uuid.")] = "",
    caller: Annotated[str, typer.Option(metavar="NAME", help="Only what this caller asked for.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 50,
    config: ConfigOption = None,
    url: UrlOption = "",
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Print the trail: who did what to which device, and why; the newest first."""
    site = Site(url, config, token)
    asked = {"kind": kind, "device": device, "caller": caller, "limit": min(limit, 1000)}
    items: list[dict[str, Any]] = []
    cursor: str | None = ""
    while cursor is not None and len(items) < limit:
        page = site.get("audit", {**asked, "cursor": cursor})
        items += page["items"]
        cursor = page["next"]
    if as_json:
        print_json({"items": items[:limit], "total": None, "next": cursor})
        return
    rows = [[each["number"], units.clock(each["at"]), each["kind"], each.get("caller"), _told(each)] for each in items[:limit]]
    print_table(("number", "at", "kind", "caller", "what"), rows)


_HEAD = frozenset({"number", "at", "kind", "caller", "previous", "hash"})


def _told(record: dict[str, Any]) -> str:
    """What a record says besides its head; whole policies are for --json."""
    plain = {name: value for name, value in record.items() if name not in _HEAD and not isinstance(value, dict | list)}
    return ", ".join(f"{name} {value}" for name, value in plain.items() if value not in (None, "", False))


@app.command()
def verify(*, config: ConfigOption = None, url: UrlOption = "", token: TokenOption = "", as_json: JsonOption = False) -> None:
    """Check that the trail is as it was written. Exit code 1: it is not."""
    found = Site(url, config, token).get("audit/verify")
    if as_json:
        print_json(found)
    else:
        typer.echo(f"{units.count(found['records'], 'record')}, {'whole' if found['whole'] else 'NOT as they were written'}")
        for problem in found["problems"]:
            typer.echo(f"! {problem}")
    if not found["whole"]:
        raise typer.Exit(FAILED)


for act in (power_replay.replay, *power_acts.ALL, *power_pins.ALL):
    app.command(act.__name__.rstrip("_").replace("_", "-"))(act)
