"""The list of runs: a row each, sorted and filtered by the ledger, so that it may have millions. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo

from dashboard import address, words
from dashboard.components import jobwords, parts
from dashboard.ledger import Alive
from dashboard.markup import Markup, tag
from wattstat.api.energy import JobPage, JobQuery, JobRow

PAGE = 50
SORTS = ("start", "end", "energy", "cost", "carbon", "gpus", "duration", "sm_active", "idle", "name", "user", "account")
# These are looked at from the smallest on; of numbers the largest are of interest first.
_UPWARDS = ("name", "user", "account", "sm_active")

# Each column: the keys by which it sorts with their names, and whether it holds numbers.
_COLUMNS: tuple[tuple[tuple[tuple[str, str], ...], bool], ...] = (
    ((("", "State"),), False),
    ((("name", "Job"),), False),
    ((("user", "User"), ("account", "Account")), False),
    ((("gpus", "GPUs"),), True),
    ((("start", "Start"), ("duration", "Duration")), True),
    ((("", "GPU power"),), True),
    ((("energy", "Energy, kWh"),), True),
    ((("sm_active", "SM active"),), True),
    ((("idle", "Held idle"),), True),
    ((("cost", "Cost"),), True),
    ((("carbon", "CO₂"),), True),
    ((("", "Findings"),), False),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the rows are written with."""

    now: float
    zone: tzinfo
    search: str
    alive: Alive | None


def query(search: str, start: float | None, end: float | None) -> JobQuery:
    """The question that an address asks. An order that nobody knows is the default's."""
    given = address.given(search)
    sort = given.get("sort", "")
    return JobQuery(
        start=start, end=end, limit=PAGE, cursor=given.get("cursor", ""),
        sort=sort if sort.removeprefix("-") in SORTS else "-start", search=given.get("q", ""),
        **{name: given.get(name, "") for name in ("user", "account", "partition", "node", "state")},
    )  # fmt: skip


def table(page: JobPage, asked: JobQuery, seen: Seen) -> Markup:
    """The rows of one page, or why there are none."""
    if not page.items:
        return tag("p", nothing(asked), class_="empty")
    head = tag("tr", [_heading(keys, is_number, asked.sort, seen.search) for keys, is_number in _COLUMNS])
    rows = [row(job, seen) for job in page.items]
    whole = tag("table", [tag("thead", head), tag("tbody", rows)], class_="table jobs", aria_label="Jobs")
    return tag("div", whole, class_="table-box")


def nothing(asked: JobQuery) -> str:
    """Why the list is empty."""
    if asked.cursor:
        return "There are no more jobs on this page; go back to the first."
    if any((asked.user, asked.account, asked.partition, asked.node, asked.state, asked.search)):
        return "No job of the chosen time fits the filter."
    return "No job ran in the chosen time, or no scheduler is read: see schedulers in wattstat.yaml."


def _heading(keys: Sequence[tuple[str, str]], is_number: bool, sort: str, search: str) -> Markup:
    names = {key: name for key, name in keys if key}
    sorted_by = sort.removeprefix("-")
    order = ("descending" if sort.startswith("-") else "ascending") if sorted_by in names else None
    pieces: list[Markup] = []
    for key, name in keys:
        pieces += [tag("span", " · ", aria_hidden="true")] * bool(pieces)
        pieces.append(_sorter(key, name, sort, search) if key else tag("span", name))
    return tag("th", pieces, scope="col", class_="number" if is_number else None, aria_sort=order)


def _sorter(key: str, name: str, sort: str, search: str) -> Markup:
    upwards = key in _UPWARDS if sort.removeprefix("-") != key else sort.startswith("-")
    arrow = "" if sort.removeprefix("-") != key else "down" if sort.startswith("-") else "up"
    href = "/jobs" + address.changed(search, sort=key if upwards else f"-{key}", cursor=None, row=None)
    return tag("a", name, href=href, data_link=True, class_=f"sorter {arrow}".rstrip())


def row(job: JobRow, seen: Seen) -> Markup:
    """One run."""
    activity, kind = jobwords.activity(job)
    return tag("tr", [
        tag("td", jobwords.state_badge(job.state)),
        tag("th", [jobwords.link(job, seen.search), _below(job.name)], scope="row", class_="name"),
        tag("td", [_filter("user", job.user, seen.search), _account(job, seen.search)], class_="who"),
        tag("td", [f"{job.gpus:,}", _below(jobwords.places(job))], class_="number"),
        tag("td", [words.clock(job.start, seen.now, seen.zone),
                   _below(words.duration(jobwords.duration_seconds(job, seen.now)))], class_="number"),
        _power(job, seen),
        tag("td", [words.kilowatt_hours(job.energy_joules), _below(f"±{words.THIN}{words.kilowatt_hours(job.error_joules)}")],
            class_="number"),
        _ratio(activity, kind),
        _ratio(job.idle_ratio, "" if not job.energy.allocated_idle else words.energy(job.energy.allocated_idle)),
        tag("td", [words.money(job.cost, job.currency), _unpriced(job)], class_="number"),
        tag("td", words.carbon(job.carbon_grams), class_="number"),
        tag("td", jobwords.findings(job.findings)),
    ], class_="job-row")  # fmt: skip


def _below(text: str) -> Markup:
    return tag("span", text or "\N{NO-BREAK SPACE}", class_="below", title=text)


def _filter(name: str, value: str, search: str, class_: str = "") -> str:
    """A value that shows only its own jobs when it is followed."""
    if not value:
        return words.NOTHING
    href = "/jobs" + address.changed(search, **{name: value}, cursor=None, row=None)
    return tag("a", value, href=href, data_link=True, class_=f"filter {class_}".rstrip(), title=f"Only {name} {value}")


def _account(job: JobRow, search: str) -> Markup:
    pieces = [_filter(name, value, search) for name, value in (("account", job.account), ("partition", job.partition)) if value]
    between = [piece for both in pieces for piece in (" · ", both)][1:]
    return tag("span", [tag("span", piece) for piece in between] or words.NOTHING, class_="below")


def _power(job: JobRow, seen: Seen) -> Markup:
    """What its GPUs draw now, over what one of them drew on average."""
    average = None if job.average_gpu_watts is None else f"ø {words.watts(job.average_gpu_watts)} a GPU"
    live = seen.alive.watts_of(job.scheduler, job.job_id) if seen.alive and jobwords.is_alive(job) else None
    return tag("td", [words.NOTHING if live is None else words.watts(live), _below(average or "")], class_="number")


def _ratio(value: float | None, below: str) -> Markup:
    small = tag("span", below, class_="below") if below else None
    cell = [tag("span", words.percent(value)), parts.bar(value), small]
    return tag("td", tag("div", cell, class_="barred"), class_="number")


def _unpriced(job: JobRow) -> Markup | None:
    """A cost that covers a part only says which."""
    is_partial = job.cost is not None and job.priced_ratio < 0.995
    return _below(f"of {words.percent(job.priced_ratio)}") if is_partial else None
