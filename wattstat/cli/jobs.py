"""`wattstat jobs`: runs of jobs with what they drew, what it cost, and what somebody should know about them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import quote

import typer

from wattstat import units
from wattstat.cli import asking
from wattstat.cli.asking import UrlOption
from wattstat.cli.options import ConfigOption, JsonOption
from wattstat.cli.output import FAILED, WRONG_USE, fail, print_json, print_table

app = typer.Typer(help="Jobs and the energy that they used.", no_args_is_help=True)

PAGE = 500
MOST_TASKS = 8
"""How many parts of a job are named where it was asked for as a whole."""
COVERED_RATIO = 0.98
"""Below this share of a run's GPU time its figures are said to be of a part."""
_COLUMNS = (
    "job",
    "name",
    "user",
    "account",
    "state",
    "start",
    "duration",
    "gpus",
    "idle",
    "energy",
    "±",
    "cost",
    "carbon",
    "notes",
)

FromOption = Annotated[
    str, typer.Option("--from", metavar="TIME", help="Beginning: 2026-11-23, 2026-11-23T08:00:00Z, 2026-11, now-7d.")
]
ToOption = Annotated[str, typer.Option("--to", metavar="TIME", help="End, itself not included; now unless given.")]


@app.command("list")
def list_jobs(
    *,
    config: ConfigOption = None,
    url: UrlOption = "",
    start: FromOption = "",
    to: ToOption = "",
    user: Annotated[str, typer.Option(help="Only this user's.")] = "",
    account: Annotated[str, typer.Option(help="Only this account's.")] = "",
    partition: Annotated[str, typer.Option(help="Only of this partition or namespace.")] = "",
    node: Annotated[str, typer.Option(help="Only those that held this node.")] = "",
    state: Annotated[str, typer.Option(help="Only in this state, such as running, completed or failed.")] = "",
    search: Annotated[str, typer.Option(metavar="TEXT", help="Only with this in id, name, user or account.")] = "",
    sort: Annotated[
        str, typer.Option(help="start, end, energy, cost, carbon, gpus, duration, sm_active, idle; `-` in front descends.")
    ] = "-start",
    limit: Annotated[int, typer.Option(min=0, help="How many at most; 0 is all.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """List runs of jobs with their energy, cost and carbon."""
    filters = {
        "from": start, "to": to, "user": user, "account": account, "partition": partition, "node": node,
        "state": state, "search": search, "sort": sort, "limit": min(limit or PAGE, PAGE),
    }  # fmt: skip
    items: list[dict[str, Any]] = []
    total, following = 0, None
    for page in asking.pages(asking.web_url(url, config), "/api/jobs", filters):
        items += page["items"]
        total, following = page["total"], page["next"]
        if limit and len(items) >= limit:
            break
    items = items[: limit or None]
    if as_json:
        print_json({"items": items, "total": total, "next": following})
        return
    now = time.time()
    print_table(_COLUMNS, [_row(item, now) for item in items], right=("duration", "idle", "energy", "±", "cost", "carbon"))
    if total > len(items):
        typer.echo(f"{len(items)} of {total} runs; --limit 0 shows all", err=True)


def _row(item: Mapping[str, Any], now: float) -> list[object]:
    return [
        item["job_id"],
        item["name"],
        item["user"],
        item["account"],
        item["state"],
        units.clock(item["start"]),
        units.duration(_seconds(item, now)),
        item["gpus"],
        units.ratio(item["idle_ratio"]),
        units.energy(item["energy_joules"]),
        units.share(item["error_joules"], item["energy_joules"]),
        units.money(item["cost"], item["currency"]),
        units.carbon(item["carbon_grams"]),
        item["findings"] or None,
    ]


def _seconds(job: Mapping[str, Any], now: float) -> float:
    """How long it ran, or has been running."""
    end = now if job["end"] is None else _unix(job["end"])
    return max(0.0, end - _unix(job["start"]))


def _unix(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


@app.command()
def show(
    job_id: Annotated[str, typer.Argument(metavar="JOB", help="The job's id: 1234, 1234_7, 1234+1, namespace/pod.")],
    *,
    instance: Annotated[str | None, typer.Option(help="Which run of the job; the newest unless given.")] = None,
    scheduler: Annotated[str, typer.Option(help="Whose job, where several schedulers know the id.")] = "",
    config: ConfigOption = None,
    url: UrlOption = "",
    as_json: JsonOption = False,
) -> None:
    """Show one job: its energy and what drew it, cost, carbon, each GPU, and what its owner should know."""
    params = {} if instance is None else {"instance": instance}
    if scheduler:
        params["scheduler"] = scheduler
    found = _asked(asking.web_url(url, config), job_id, params)
    if as_json:
        print_json(found)
        return
    for line in _described(found, time.time()):
        typer.echo(line)
    gpus = found["detail"]["gpus"]
    if gpus:
        typer.echo("")
        print_table(
            ("node", "gpu", "model", "energy", "idle", "power", "limit", "active", "memory"), [_gpu(each) for each in gpus]
        )


def _asked(address: str, job_id: str, params: Mapping[str, str]) -> Any:
    """The job; where there is none, the command ends with the reason, and for an array's own id with its tasks."""
    try:
        return asking.get(address, f"/api/jobs/{quote(job_id, safe='/')}", params)
    except asking.NobodyAnswers as err:
        fail(str(err))
    except asking.Refused as err:
        tasks = _tasks(address, job_id) if err.status == 404 and job_id.isdecimal() else []
        if not tasks:
            fail(str(err), WRONG_USE if err.status in {400, 422} else FAILED)
        more = f" and {len(tasks) - MOST_TASKS} more" if len(tasks) > MOST_TASKS else ""
        fail(
            f"job {job_id} is known by its parts: {', '.join(tasks[:MOST_TASKS])}{more};"
            f" `wattstat jobs show {tasks[0]}` shows one, `wattstat jobs list --search {job_id}` lists them"
        )


def _tasks(address: str, job_id: str) -> list[str]:
    """The tasks of an array, or the components of a heterogeneous job."""
    page = asking.asked(address, "/api/jobs", {"search": job_id, "limit": PAGE, "sort": "start"})
    ids = dict.fromkeys(item["job_id"] for item in page["items"])
    return [each for each in ids if each.startswith((f"{job_id}_", f"{job_id}+"))]


def _described(job: Mapping[str, Any], now: float) -> Iterator[str]:
    title = f"Job {job['job_id']}" + (f" ({job['name']})" if job["name"] else "")
    run = f", run {job['instance']}" if job["detail"]["other_runs"] else ""
    yield f"{title}{run} of {job['user'] or 'an unknown user'}: {job['state']}"
    ended = units.clock(job["end"]) if job["end"] else "now"
    yield f"  when      {units.clock(job['start'])} to {ended} ({units.duration(_seconds(job, now))})"
    partition = f"; partition {job['partition']}" if job["partition"] else ""
    yield f"  where     {units.count(job['gpus'], 'GPU')} on {_names(job['nodes'])}{partition}"
    yield f"  account   {job['account'] or '-'}"
    yield f"  energy    {units.energy(job['energy_joules'])} ± {units.energy(job['error_joules'])}{_power(job)}"
    for text, part in (("GPUs at work", "gpu"), ("CPUs and memory", "cpu"), ("rest of the servers", "rest")):
        yield _part(text, job["energy"][part], job["energy_joules"])
    yield _part("GPUs held but idle", job["energy"]["allocated_idle"], job["energy_joules"])
    yield f"  method    {_method(job)}"
    yield f"  settled   {_settled(job)}"
    yield from _uncounted(job)
    yield f"  cost      {_cost(job)}"
    yield f"  carbon    {_carbon(job)}"
    for each in job["detail"]["inference"]:
        yield f"  serving   {_served(each)}"
    findings = job["detail"]["findings"]
    yield "" if findings else "  nothing to note about its efficiency"
    for each in findings:
        yield f"{'!' if each['severity'] == 'warning' else '-'} {each['text']}"


def _names(nodes: list[str]) -> str:
    return ", ".join(nodes) if len(nodes) <= 6 else f"{', '.join(nodes[:5])} and {len(nodes) - 5} more servers"


def _power(job: Mapping[str, Any]) -> str:
    return "" if job["average_gpu_watts"] is None else f"; a GPU drew {job['average_gpu_watts']:.0f} W on average"


def _part(text: str, joules: float, whole: float) -> str:
    return f"              {text:<20}{units.energy(joules):>12}{units.share(joules, whole):>8}"


_METHODS = {
    "counter": "hardware energy counters",
    "integral": "power integrated over time",
    "split": "a model's share of devices that several jobs used at once",
    "estimated": "estimates",
}


def _method(job: Mapping[str, Any]) -> str:
    words = [_METHODS.get(each, each) for each in job["methods"]]
    if not words:
        return "nothing posted yet"
    estimated = (
        f"; {units.share(job['estimated_joules'], job['energy_joules'])} is estimated" if job["estimated_joules"] else ""
    )
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words) + estimated


def _settled(job: Mapping[str, Any]) -> str:
    until = job["settled_until"]
    if until is None:
        return "not yet"
    if job["end"] is not None and until >= job["end"]:
        return "wholly: these are the final figures"
    return f"until {units.clock(until)}; what came later is not in these figures yet"


def _uncounted(job: Mapping[str, Any]) -> Iterator[str]:
    """Where the ledger saw the run's GPUs only for a part of the time, its figures are of that part."""
    gpus = job["detail"]["gpus"]
    if not gpus or job["settled_until"] is None:
        return
    until = min(_unix(each) for each in (job["settled_until"], job["end"]) if each is not None)
    held = (until - _unix(job["start"])) * len(gpus)
    counted = sum(each["seconds"] for each in gpus)
    if held > 0 and counted < COVERED_RATIO * held:
        covered = f"{counted / 3600:,.1f} of {held / 3600:,.1f} GPU hours"
        yield f"  counted   {covered} ({units.share(counted, held)}): of the rest no meter was read for this ledger"


def _cost(job: Mapping[str, Any]) -> str:
    if job["cost"] is None:
        return "not known: no tariff held when the energy was posted"
    rest = (
        f" for {units.ratio(job['priced_ratio'])} of the energy; the rest had no price" if job["priced_ratio"] < 0.999 else ""
    )
    return f"{units.money(job['cost'], job['currency'])}{rest}"


def _carbon(job: Mapping[str, Any]) -> str:
    told = [
        f"{units.carbon(job[name])} ({kind}-based)"
        for name, kind in (("carbon_grams", "location"), ("carbon_market_grams", "market"))
        if job[name] is not None
    ]
    return ", ".join(told) or "not known: no carbon intensity held when the energy was posted"


def _served(each: Mapping[str, Any]) -> str:
    counts = [f"{each[name]:,.0f} {name}" for name in ("requests", "tokens") if each[name] is not None]
    whole = [f"{_joules(each[name])} {text}" for name, text in _SERVED if each[name] is not None]
    live = [f"{_joules(each[f'live_{name}'])} {text}" for name, text in _SERVED if each.get(f"live_{name}") is not None]
    figures = ", ".join([*counts, *whole]) or units.energy(each["energy_joules"])
    return f"{each['model']}: {figures}" + (f"; now {', '.join(live)}" if live else "")


_SERVED = (("joules_per_request", "a request"), ("joules_per_1000_tokens", "per 1,000 tokens"))


def _joules(joules: float) -> str:
    return f"{joules / 1000:,.1f} kJ" if joules >= 1000 else f"{joules:.3g} J"


def _gpu(each: Mapping[str, Any]) -> list[object]:
    active = each["sm_active_ratio"] if each["sm_active_ratio"] is not None else each["busy_ratio"]
    part = f" {each['instance']}" if each["instance"] else ""
    return [
        each["node"],
        f"{each['index']}{part}",
        each["model"],
        units.energy(each["energy_joules"]),
        units.ratio(each["idle_ratio"]),
        _watts(each["average_watts"]),
        _watts(each["limit_watts"]),
        units.ratio(active),
        units.share(each["memory_peak_bytes"], each["memory_total_bytes"]),
    ]


def _watts(watts: float | None) -> str:
    return "-" if watts is None else f"{watts:.0f} W"
