"""The commands of `wattstat power` that act. Each shows its difference first and asks, unless told `--yes`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wattstat.cli.acting import DryOption, ReasonOption, YesOption, act, ask, done, show, stands
from wattstat.cli.asking import TokenOption, UrlOption
from wattstat.cli.options import ConfigOption, JsonOption
from wattstat.cli.output import print_json
from wattstat.cli.power_words import read_policies
from wattstat.cli.site import Site

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Name of the policy.")]


def apply(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="File with policies, as policies.yaml has them.")],
    *,
    enable: Annotated[bool, typer.Option("--enable", help="Also put them in force, those that wait for nobody.")] = False,
    yes: YesOption = False,
    dry_run: DryOption = False,
    config: ConfigOption = None,
    url: UrlOption = "",
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Save the policies of a file, those that are new or changed. They hold once they are enabled."""
    site = Site(url, config, token)
    given = read_policies(file)
    known = {each["name"]: site.get(site.policy(each["name"])) for each in site.get("policies")["items"]}
    seen = {name: {"expected": each["versions"][0]["version"]} for name, each in known.items()}
    tried = [site.ask("PUT", site.policy(each["name"]), {"dry_run": True}, each) for each in given]
    changed = [(policy, found) for policy, found in zip(given, tried, strict=True) if not found["unchanged"]]
    if dry_run and as_json:
        print_json({"items": tried})
        return
    if not changed:
        done(as_json, {"items": []}, "nothing to do: the site has these policies, as they are here")
        return
    for policy, found in changed:
        show(f"{'change' if policy['name'] in known else 'new'}: {policy['name']}, once it is in force", found, quiet=as_json)
    if dry_run:
        return
    ask(f"Save {len(changed)} of {len(given)} policies?", yes=yes)
    # Somebody else's version that came meanwhile is not overwritten.
    saved = [site.ask("PUT", site.policy(each["name"]), seen.get(each["name"]), each) for each, _ in changed]
    if enable:
        saved = [
            each if each["waits_for"] or each["state"] != "approved" else site.ask("POST", site.policy(each["name"], "enable"))
            for each in saved
        ]
    done(as_json, {"items": saved}, *(stands(each) for each in saved))


def approve(
    name: NameArgument,
    *,
    version: Annotated[int | None, typer.Option(min=1, help="The version that you have read; what waits unless given.")] = None,
    yes: YesOption = False,
    dry_run: DryOption = False,
    config: ConfigOption = None,
    url: UrlOption = "",
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Approve what waits of a policy, as another person than who asked for it."""
    site = Site(url, config, token)
    body = {} if version is None else {"version": version}
    if version is None:
        # What is shown is what is approved: a version that comes meanwhile is another one.
        waits = site.get(site.policy(name))
        if (waits["waits_for"] or {}).get("what", "").startswith("version") and waits["draft"] is not None:
            body = {"version": waits["draft"]}
    act(site, "POST", site.policy(name, "approve"), f"Approve {name}?", body=body, yes=yes, dry_run=dry_run, as_json=as_json)


def reject(
    name: NameArgument,
    *,
    reason: ReasonOption,
    yes: YesOption = False,
    dry_run: DryOption = False,
    config: ConfigOption = None,
    url: UrlOption = "",
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Turn down what waits of a policy."""
    site = Site(url, config, token)
    path, body = site.policy(name, "reject"), {"reason": reason}
    act(site, "POST", path, f"Turn down what waits of {name}?", body=body, yes=yes, dry_run=dry_run, as_json=as_json)


def enable(
    name: NameArgument,
    *,
    yes: YesOption = False,
    dry_run: DryOption = False,
    config: ConfigOption = None,
    url: UrlOption = "",
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Put an approved policy in force."""
    site = Site(url, config, token)
    act(site, "POST", site.policy(name, "enable"), f"Put {name} in force?", yes=yes, dry_run=dry_run, as_json=as_json)


def disable(
    name: NameArgument,
    *,
    reason: ReasonOption,
    yes: YesOption = False,
    dry_run: DryOption = False,
    config: ConfigOption = None,
    url: UrlOption = "",
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Take a policy out of force. One that is enforced waits for a second person."""
    site = Site(url, config, token)
    path, body = site.policy(name, "disable"), {"reason": reason}
    act(site, "POST", path, f"Take {name} out of force?", body=body, yes=yes, dry_run=dry_run, as_json=as_json)


def end(
    name: NameArgument,
    *,
    reason: ReasonOption,
    yes: YesOption = False,
    dry_run: DryOption = False,
    config: ConfigOption = None,
    url: UrlOption = "",
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Take a policy off the list for good; its versions are kept."""
    site, params = Site(url, config, token), {"reason": reason}
    act(site, "DELETE", site.policy(name), f"End {name} for good?", params=params, yes=yes, dry_run=dry_run, as_json=as_json)


ALL = (apply, approve, reject, enable, disable, end)
