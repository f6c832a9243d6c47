"""`wattstat energy`: who used how much, and whether the books agree with the meters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Any

import typer

from wattstat import units
from wattstat.cli import asking
from wattstat.cli.asking import UrlOption
from wattstat.cli.jobs import FromOption, ToOption
from wattstat.cli.options import ConfigOption, JsonOption
from wattstat.cli.output import FAILED, WRONG_USE, fail, print_json, print_table

app = typer.Typer(help="Energy by job, user, account, partition, node and day; the balance of the books.", no_args_is_help=True)

PAGE = 10_000


class Form(StrEnum):
    """How a report is printed."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


class By(StrEnum):
    """What a report has a line for."""

    JOB = "job"
    USER = "user"
    ACCOUNT = "account"
    PARTITION = "partition"
    NODE = "node"
    DAY = "day"


class BalanceBy(StrEnum):
    """What the balance has a line for."""

    NODE = "node"
    DAY = "day"


MonthOption = Annotated[
    str, typer.Option(metavar="MONTH", help="A whole month instead of --from and --to: 2026-11, this-month, last-month.")
]


@app.command()
def report(
    *,
    config: ConfigOption = None,
    url: UrlOption = "",
    by: Annotated[By, typer.Option(help="One line for each of these.")] = By.ACCOUNT,
    start: FromOption = "",
    to: ToOption = "",
    month: MonthOption = "",
    form: Annotated[
        Form, typer.Option("--format", help="A table for people, CSV or JSON with joules for programs.")
    ] = Form.TABLE,
    as_json: JsonOption = False,
) -> None:
    """Print who used how much energy, what it cost and how much carbon it stands for; the last seven days unless told."""
    address = asking.web_url(url, config)
    span = {"by": by.value, "from": start, "to": to, "month": month}
    if form is Form.CSV and not as_json:
        typer.echo(_csv(address, span), nl=False)
        return
    found = _whole(address, span)
    if as_json or form is Form.JSON:
        print_json(found)
        return
    _within_books(found)
    currency = found["currency"]
    figures = ("jobs", "gpu_hours", "energy", "±", "gpus", "cpus", "rest", "held_idle", "cost", "carbon")
    # A job's id alone says little.
    labels = ("name", "user", "account") if by is By.JOB else ()
    items = [*found["items"], {**found["total"], "key": "total"}]
    rows = [[item["key"], *_labels(item, labels), *_row(item, currency)] for item in items]
    print_table((by.value, *labels, *figures), rows, right=figures)
    typer.echo(_footnote(found), err=True)


def _csv(address: str, span: Mapping[str, str]) -> str:
    try:
        return asking.get_text(address, "/api/energy/report", {**span, "format": "csv"})
    except asking.NobodyAnswers as err:
        fail(str(err))
    except asking.Refused as err:
        fail(str(err), WRONG_USE if err.status in {400, 422} else FAILED)


def _whole(address: str, span: Mapping[str, str]) -> dict[str, Any]:
    """All pages of a report as one. They are of the first one's span: `now` would go on meanwhile."""
    found = asking.asked(address, "/api/energy/report", {**span, "limit": PAGE})
    items, following = [*found["items"]], found["next"]
    same = {"by": span["by"], "from": found["from"], "to": found["to"], "limit": PAGE}
    while following is not None:
        page = asking.asked(address, "/api/energy/report", {**same, "cursor": following})
        items += page["items"]
        following = page["next"]
    return {**found, "items": items, "next": None}


def _labels(item: Mapping[str, Any], names: Sequence[str]) -> list[object]:
    known = {"account": item["account"] if item["labels"] else "", **item["labels"]}
    return [known.get(name) for name in names]


def _row(item: Mapping[str, Any], currency: str) -> list[object]:
    parts, whole = item["energy"], item["energy_joules"]
    return [
        item["jobs"],
        f"{item['gpu_hours']:,.1f}",
        units.energy(whole),
        units.share(item["error_joules"], whole),
        *(units.share(parts[name], whole) for name in ("gpu", "cpu", "rest", "allocated_idle")),
        units.money(item["cost"], currency),
        units.carbon(item["carbon_grams"]),
    ]


def _footnote(found: Mapping[str, Any]) -> str:
    facility = found["total"]["facility_joules"]
    pue = "" if facility is None else f"; with the building's PUE of {found['pue']} it is {units.energy(facility)}"
    return f"{_span(found)}{pue}; {_settled(found)}"


def _within_books(found: Mapping[str, Any]) -> None:
    """Of a time that ended before the books began nothing is known: that is no zero. Ends the command."""
    begin = found.get("books_begin")
    if begin is not None and found["to"] <= begin:
        fail(f"{_span(found)}: nothing is known of this time, the books begin at {units.clock(begin)}")


def _span(found: Mapping[str, Any]) -> str:
    return f"{units.clock(found['from'])} to {units.clock(found['to'])}"


def _settled(found: Mapping[str, Any]) -> str:
    until, begin = found["settled_until"], found.get("books_begin")
    if until is None:
        return "nothing is settled yet"
    if begin is not None and found["from"] < begin:
        rest = "all since then" if until >= found["to"] else f"since then until {units.clock(until)}"
        return f"the books begin at {units.clock(begin)}, nothing before is in them; settled is {rest}"
    return "all of it settled" if until >= found["to"] else f"settled until {units.clock(until)}, the rest is still to come"


@app.command()
def balance(
    *,
    config: ConfigOption = None,
    url: UrlOption = "",
    by: Annotated[BalanceBy, typer.Option(help="One line for each of these.")] = BalanceBy.NODE,
    start: FromOption = "",
    to: ToOption = "",
    month: MonthOption = "",
    node: Annotated[str, typer.Option(help="Only this node.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Print what the meters counted beside what was posted to jobs, idle and overhead; the last seven days unless told."""
    params = {"by": by.value, "from": start, "to": to, "month": month, "node": node}
    found = asking.asked(asking.web_url(url, config), "/api/energy/balance", params)
    if as_json:
        print_json(found)
        return
    _within_books(found)
    columns = (by.value, "measured", "jobs", "idle", "overhead", "residual", "of_measured", "±", "holes", "meter")
    lines = [(row[by.value], row) for row in found[f"{by.value}s"]]
    print_table(columns, [_balance_row(name, row) for name, row in [*lines, ("total", found)]], right=columns[1:-1])
    typer.echo(f"{_span(found)}; {_settled(found)}", err=True)


def _balance_row(name: str, row: Mapping[str, Any]) -> list[object]:
    energies = ("measured_joules", "jobs_joules", "idle_joules", "overhead_joules", "residual_joules")
    return [
        name,
        *(units.energy(row[each]) for each in energies),
        "-" if row["residual_ratio"] is None else f"{100 * row['residual_ratio']:z.3f} %",
        units.energy(row["error_joules"]),
        units.duration(row["hole_seconds"]) if row["hole_seconds"] else None,
        row["source"],
    ]


@app.command()
def services(
    *,
    config: ConfigOption = None,
    url: UrlOption = "",
    start: FromOption = "",
    to: ToOption = "",
    month: MonthOption = "",
    as_json: JsonOption = False,
) -> None:
    """Print what inference services answered, and the joules that it took, by model; the last seven days unless told."""
    params = {"from": start, "to": to, "month": month}
    found = asking.asked(asking.web_url(url, config), "/api/energy/services", params)
    if as_json:
        print_json(found)
        return
    columns = ("service", "model", "jobs", "requests", "tokens", "seconds", "energy", "j/request", "j/1000_tokens")
    print_table(columns, [_service_row(row) for row in found["items"]], right=columns[2:])
    typer.echo(_span(found), err=True)


def _service_row(row: Mapping[str, Any]) -> list[object]:
    counts = (None if row[name] is None else f"{row[name]:,.0f}" for name in ("requests", "tokens"))
    seconds = None if row["seconds_per_request"] is None else f"{row['seconds_per_request']:,.2f}"
    figures = (None if row[name] is None else f"{row[name]:,.1f}" for name in ("joules_per_request", "joules_per_1000_tokens"))
    return [row["service"], row["model"], row["jobs"], *counts, seconds, units.energy(row["energy_joules"]), *figures]
