"""`wattstat alerts`: what fires and why, silences, receivers, and the rule files."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from wattstat.cli import alert_words as words
from wattstat.cli.asking import TokenOption, UrlOption
from wattstat.cli.options import ConfigOption, JsonOption, config_path
from wattstat.cli.output import FAILED, WRONG_USE, fail, print_json, print_table
from wattstat.cli.rule_notes import warnings
from wattstat.cli.site import Site

app = typer.Typer(help="Alerts: what fires and why, silences, rules.", no_args_is_help=True)

_ONE = "Fingerprint (its beginning is enough)."
FromOption = Annotated[str, typer.Option("--from", metavar="TIME", help="Beginning: 2026-11-23, now-7d, 2026-11.")]
ToOption = Annotated[str, typer.Option("--to", metavar="TIME", help="End, itself not included; now unless given.")]


def _site(url: str, config: Path | None, token: str = "") -> Site:
    return Site(url, config, token, below="/api")


@app.command("list")
def list_alerts(
    *,
    config: ConfigOption = None,
    url: UrlOption = "",
    token: TokenOption = "",
    severity: Annotated[str, typer.Option(help="Only these, separated by commas: critical, warning, info.")] = "",
    subject: Annotated[str, typer.Option(help="Only of this device, such as gpu-017.")] = "",
    name: Annotated[str, typer.Option(help="Only of this rule or finding.")] = "",
    job: Annotated[str, typer.Option(help="Only on servers of this job.")] = "",
    pending: Annotated[bool, typer.Option("--pending", help="Also what has not held for long enough.")] = False,
    every: Annotated[bool, typer.Option("--all", help="Also what is silenced, or has a cause that is told.")] = False,
    as_json: JsonOption = False,
) -> None:
    """What is wrong now, worst first. Exit code 1 when something critical is among it."""
    asked = {
        "severity": severity or None,
        "subject": subject or None,
        "name": name or None,
        "job": job or None,
        "state": None if pending else "firing",
        "quiet": None if every else "false",
    }
    site = _site(url, config, token)
    found = site.get("alerts", _given(asked))
    if as_json:
        print_json(found)
    else:
        waiting = {} if pending or _listed(found["items"]) else site.get("alerts", {**_given(asked), "state": "pending"})
        _show(found["items"], len(_listed(waiting.get("items", []))))
        _complaints(site)
    if any(each["severity"] == "critical" and each["state"] == "firing" for each in found["items"]):
        raise typer.Exit(FAILED)


def _given(asked: Mapping[str, str | None]) -> dict[str, str]:
    return {key: value for key, value in asked.items() if value is not None}


def _listed(items: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [each for each in items if each["severity"] != "none"]


def _show(items: list[Mapping[str, Any]], waiting: int) -> None:
    """`waiting`: how many are pending that are not among the items."""
    listed = _listed(items)
    if not listed:
        some = f"Nothing fires; {waiting} pending: `wattstat alerts list --pending` shows what has not held for long enough."
        typer.echo(some if waiting else "Nothing is wrong that anybody should hear of.")
        return
    now = time.time()
    rows = [
        (
            each["fingerprint"][:8],
            each["severity"] if each["state"] != "pending" else f"({each['severity']})",
            each["name"],
            " ".join(part for part in (each["subject"], each["part"]) if part),
            words.clock(each["active_at"], now),
            "pending" if each["state"] == "pending" else words.clock(each["fired_at"] or each["active_at"], now),
            words.notes(each, now),
            each["summary"],
        )
        for each in listed
    ]
    print_table(("id", "severity", "alert", "where", "since", "firing since", "note", "what"), rows)


def _complaints(site: Site) -> None:
    """What makes the list less than the truth, on standard error."""
    status = site.get("alerts/status")
    for name, reason in status["failing_rules"].items():
        typer.echo(f"not evaluated: {name}: {reason}", err=True)
    for name, reason in status["failing_receivers"].items():
        typer.echo(f"not told: {name}: {reason}", err=True)
    if status["silences_problem"]:
        typer.echo(f"not known: {status['silences_problem']}", err=True)


@app.command()
def show(
    alert: Annotated[str, typer.Argument(help=_ONE)],
    *,
    config: ConfigOption = None,
    url: UrlOption = "",
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """One alert: what it says, what speaks for it, what to do."""
    site = _site(url, config, token)
    active = site.get("alerts")["items"]
    found = [each for each in active if each["fingerprint"].startswith(alert)]
    if len(found) != 1:
        what = "no active alert begins" if not found else f"{len(found)} active alerts begin"
        fail(f"{what} with {alert!r}; `wattstat alerts list --pending --all` shows them", WRONG_USE)
    one = found[0]
    evidence = site.get(f"alerts/{one['fingerprint']}/evidence")["items"]
    if as_json:
        print_json({**one, "evidence": evidence})
        return
    where = " ".join(part for part in (one["subject"], one["part"]) if part)
    typer.echo(f"{one['name']} ({one['severity']}, {one['state']}): {where}")
    typer.echo(f"  since     {words.since(one, time.time())}")
    if doubt := words.doubt(one, time.time()):
        typer.echo(f"  but       {doubt}: core gives no data")
    says = "will say" if one["state"] == "pending" else "says"
    typer.echo(f"  {says:<9} {one['description'] or one['summary']}")
    for line in evidence:
        typer.echo(f"  evidence  {line['text']}")
    if one["jobs"]:
        typer.echo(f"  jobs      {' '.join(one['jobs'])}")
    typer.echo(f"  told      {words.told(one, time.time())}")
    for silence in one["silenced_by"]:
        typer.echo(f"  silenced  by {silence}")
    causes = {each["fingerprint"]: each for each in active}
    for cause in one["inhibited_by"]:
        known = causes.get(cause)
        typer.echo(f"  because   of {known['name']} on {known['subject']}" if known else f"  because   of {cause}")
    if one["runbook"]:
        typer.echo(f"  runbook   `wattstat alerts runbook {one['runbook']}`")


@app.command()
def runbook(
    name: Annotated[str, typer.Argument(help="Name of the alert.")],
    *,
    config: ConfigOption = None,
    url: UrlOption = "",
    token: TokenOption = "",
) -> None:
    """What an alert means and what to do."""
    typer.echo(_site(url, config, token).text(f"alerts/runbooks/{quote(name, safe='')}"))


@app.command()
def history(
    *,
    config: ConfigOption = None,
    url: UrlOption = "",
    token: TokenOption = "",
    start: FromOption = "now-1d",
    to: ToOption = "now",
    as_json: JsonOption = False,
) -> None:
    """What fired within a span of time, newest first."""
    found = _site(url, config, token).get("alerts/history", {"from": start, "to": to})
    if as_json:
        print_json(found)
        return
    rows = [
        (
            each["fired_at"],
            words.lasted(each),
            each["severity"],
            each["name"],
            " ".join(part for part in (each["subject"], each["part"]) if part),
            each["summary"],
        )
        for each in found["items"]
    ]
    print_table(("fired", "lasted", "severity", "alert", "where", "what"), rows, right=("lasted",))


@app.command()
def noise(
    *,
    config: ConfigOption = None,
    url: UrlOption = "",
    token: TokenOption = "",
    start: FromOption = "now-7d",
    to: ToOption = "now",
    as_json: JsonOption = False,
) -> None:
    """The noisiest rules: how often each fired, for how long, and how many messages that made."""
    found = _site(url, config, token).get("alerts/noise", {"from": start, "to": to})
    if as_json:
        print_json(found)
        return
    rows = [
        (each["name"], each["severity"], each["fired"], words.span(each["seconds_firing"]), each["notified"], each["silenced"])
        for each in found["items"]
    ]
    print_table(("alert", "severity", "fired", "firing", "messages", "silenced"), rows, right=("firing",))


@app.command()
def silences(*, config: ConfigOption = None, url: UrlOption = "", token: TokenOption = "", as_json: JsonOption = False) -> None:
    """What is kept quiet, by whom, until when, and why."""
    found = _site(url, config, token).get("alerts/silences")
    if as_json:
        print_json(found)
        return
    rows = [
        (each["id"], each["state"], " ".join(each["matchers"]), each["ends_at"], each["created_by"], each["comment"])
        for each in found["items"]
    ]
    print_table(("id", "state", "what", "until", "by", "why"), rows)
    if found["problem"]:
        typer.echo(f"not known: {found['problem']}", err=True)


@app.command()
def silence(
    matchers: Annotated[list[str], typer.Argument(help="""What: 'node="gpu-017"', 'alertname=~"Gpu.*"'; or just gpu-017.""")],
    *,
    duration: Annotated[str, typer.Option("--for", metavar="SPAN", help="How long: 30m, 2h, 3d.")],
    comment: Annotated[str, typer.Option("--comment", "-m", help="Why.")],
    config: ConfigOption = None,
    url: UrlOption = "",
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Keep quiet what matches all of these. It still counts, and is still listed with `--all`."""
    if not words.is_span(duration):
        fail(f"--for: {duration!r} is no span; expected a number with a unit, such as 30m, 2h or 3d", WRONG_USE)
    wanted = [each if any(sign in each for sign in "=~!") else f'node="{each}"' for each in matchers]
    body = {"matchers": wanted, "ends_at": f"now+{duration.strip()}", "comment": comment}
    site = _site(url, config, token)
    found = site.ask("POST", "alerts/silences", body=body)
    if as_json:
        print_json(found)
        return
    typer.echo(f"{found['id']}: quiet until {found['ends_at']}: {' '.join(found['matchers'])}")
    typer.echo(words.reach([each["labels"] for each in site.get("alerts")["items"]], found["matchers"]))


@app.command()
def expire(
    silence_id: Annotated[str, typer.Argument(metavar="SILENCE", help="Id of the silence (its beginning is enough).")],
    *,
    config: ConfigOption = None,
    url: UrlOption = "",
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """End a silence now."""
    site = _site(url, config, token)
    kept = [each["id"] for each in site.get("alerts/silences")["items"] if each["state"] != "expired"]
    fitting = [silence_id] if silence_id in kept else [each for each in kept if each.startswith(silence_id)]
    if len(fitting) > 1:
        fail(f"{len(fitting)} silences begin with {silence_id!r}; `wattstat alerts silences` shows them", WRONG_USE)
    # One that is not listed may be there all the same, or the site says best that it is not.
    found = site.ask("DELETE", f"alerts/silences/{quote(fitting[0] if fitting else silence_id, safe='')}")
    if as_json:
        print_json(found)
        return
    typer.echo(f"{found['id']} has ended: {' '.join(found['matchers'])}")


@app.command("test")
def try_receiver(
    receiver: Annotated[str, typer.Argument(help="Name of the receiver.")],
    *,
    config: ConfigOption = None,
    url: UrlOption = "",
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Send a test message to a receiver, and say what came of it."""
    found = _site(url, config, token).ask("POST", f"alerts/receivers/{quote(receiver, safe='')}/test")
    if as_json:
        print_json(found)
        return
    typer.echo(found["outcome"])


@app.command()
def rules(*, config: ConfigOption = None, url: UrlOption = "", token: TokenOption = "", as_json: JsonOption = False) -> None:
    """The rules that are evaluated, how each is, and how many alerts it has."""
    found = _site(url, config, token).get("v1/rules", {"type": "alert"})["data"]
    if as_json:
        print_json(found)
        return
    rows = [
        (
            group["name"],
            rule["name"],
            rule["labels"].get("severity", ""),
            words.span(rule["duration"]),
            rule["health"],
            sum(alert["state"] == "firing" for alert in rule["alerts"]),
            rule.get("lastError", ""),
        )
        for group in found["groups"]
        for rule in group["rules"]
    ]
    print_table(("group", "rule", "severity", "for", "health", "firing", "error"), rows, right=("for",))


@app.command()
def check(
    files: Annotated[list[Path], typer.Argument(help="Rule files.")],
) -> None:
    """Whether rule files can be evaluated here; says what is wrong, and where. Warnings leave the exit code 0."""
    from alerts.evaluation.loader import load_rules

    for path in files:
        if not path.is_file():
            fail(f"{path}: no such file; check the path", WRONG_USE)
    groups = load_rules(files)
    for said in warnings(groups):
        typer.echo(f"warning: {said}", err=True)
    count = sum(len(group.rules) for group in groups)
    inside = f"{len(groups)} {'group' if len(groups) == 1 else 'groups'}"
    typer.echo(f"{count} {'rule' if count == 1 else 'rules'} in {inside} can be evaluated.")


@app.command()
def export(
    folder: Annotated[Path, typer.Argument(help="Where to; made if it is not there.")],
    *,
    public_url: Annotated[
        str, typer.Option(metavar="URL", help="Where people reach the dashboard; `alerts.public_url` unless given.")
    ] = "",
    config: ConfigOption = None,
) -> None:
    """Write the shipped rule files for a Prometheus, with links that lead to this site's dashboard."""
    from alerts.shipped import LOCAL_URL, RECORDING, RULES

    given = public_url.rstrip("/") or _public_url(config) or LOCAL_URL
    written = 0
    for source in (RULES, RECORDING):
        target = folder / source.name
        target.mkdir(parents=True, exist_ok=True)
        for path in sorted(source.glob("*.yml")):
            (target / path.name).write_text(path.read_text(encoding="utf-8").replace(LOCAL_URL, given), encoding="utf-8")
            written += 1
    typer.echo(f"{written} files in {folder}; links lead to {given}")


@app.command()
def relabel(*, config: ConfigOption = None, url: UrlOption = "", token: TokenOption = "") -> None:
    """The racks of all devices, for the `alerting:` section of a Prometheus that evaluates the rules."""
    import yaml

    from alerts.relabel import rules
    from wattstat.inventory import Inventory

    found = rules(Inventory.model_validate(_site(url, config, token).get("inventory")))
    typer.echo("# Below `alerting:` in prometheus.yml. By `wattstat alerts relabel`; anew when devices move or come.")
    typer.echo(yaml.safe_dump({"alert_relabel_configs": list(found)}, sort_keys=False, width=10**6), nl=False)


def _public_url(config: Path | None) -> str:
    from wattstat.config import load

    return (load(config_path(config)).alerts.public_url or "").rstrip("/")
