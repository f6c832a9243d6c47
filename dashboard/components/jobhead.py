"""The head of a run's page: who, what, where, since; its energy, what that cost, and how it was found. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import tzinfo

from dashboard import address, words
from dashboard.components import jobwords, parts
from dashboard.energyunit import unit_for
from dashboard.markup import Markup, tag
from dashboard.problems import Level
from wattstat.api.energy import JobDetail, JobFinding, JobRow

_MOST_NODES = 6
# Less is the lag of the first readings.
_LEAST_UNSEEN_SECONDS, _LEAST_UNSEEN_RATIO = 60.0, 0.02
# Findings need so much of a GPU's time.
_LEAST_SECONDS = 600.0
_PARTS = (
    ("gpu", "GPUs at work"),
    ("cpu", "Processors and memory"),
    ("rest", "Rest of the servers"),
    ("allocated_idle", "GPUs held but idle"),
)
_REST_ABOUT = "fans, network cards, drives and the losses of the power supplies, by the run's share of the server"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the head is written with; `watts` is what its GPUs draw now, `span` the time that the charts show."""

    now: float
    zone: tzinfo
    search: str
    watts: float | None = None
    span: tuple[float, float] | None = None


def head(job: JobRow, seen: Seen) -> list[Markup]:
    """Name, state, who and where, and a link that shows others the same."""
    title = job.name or job.job_id
    facts = [
        tag("span", [f"{_kind(job)} ", tag("strong", job.job_id)], title=job.job_id) if job.name else None,
        _who("user", job.user, seen.search),
        _who("account", job.account, seen.search),
        _who("partition", job.partition, seen.search),
        tag("span", f"QOS {job.qos}") if job.qos else None,
        tag("span", words.plural(job.gpus, "GPU")),
        tag("span", _nodes(job, seen.search)),
        tag("span", job.scheduler.replace(":", " on ").capitalize()),
    ]
    return [
        tag("div", [tag("h1", title, title=title), jobwords.state_badge(job.state)], class_="name-line"),
        tag("div", [*[fact for fact in facts if fact], *_times(job, seen)], class_="facts"),
        tag("div", tag("button", "Copy link", type="button", data_copy=_share(job, seen), class_="step",
                       title="Copy a link to what is seen here"), class_="neighbours"),
    ]  # fmt: skip


def _share(job: JobRow, seen: Seen) -> str:
    """The same page for others: with absolute times, so that they see what is seen now."""
    here = address.to_job(job.job_id, job.instance, "", job.scheduler)
    if seen.span is None:
        return here
    path, _, query = here.partition("?")
    return path + address.changed(query, from_=address.stamp(seen.span[0]), to=address.stamp(seen.span[1]))


def _kind(job: JobRow) -> str:
    return "Pod" if job.scheduler.startswith("kubernetes") else "Job"


def _who(name: str, value: str, search: str) -> Markup | None:
    if not value:
        return None
    href = "/jobs" + address.changed(address.kept(search, *address.VIEWER), **{name: value})
    return tag("span", [f"{name} ", tag("a", value, href=href, data_link=True, title=f"All jobs of {name} {value}")])


def _nodes(job: JobRow, search: str) -> list[Markup | str]:
    if not job.nodes:
        return ["no server"]
    links = [tag("a", node, href=address.to_node(node, search), data_link=True) for node in job.nodes[:_MOST_NODES]]
    spaced: list[Markup | str] = [piece for link in links for piece in (" ", link)][1:]
    more = len(job.nodes) - _MOST_NODES
    names = ", ".join(job.nodes)
    return [*spaced, tag("span", f" and {words.plural(more, 'more server')}", title=names)] if more > 0 else spaced


def _times(job: JobRow, seen: Seen) -> list[Markup]:
    started = f"since {words.clock(job.start, seen.now, seen.zone)}"
    if job.end is not None:
        started = f"{words.clock(job.start, seen.now, seen.zone)} to {words.clock(job.end, seen.now, seen.zone)}"
    lasted = words.duration(jobwords.duration_seconds(job, seen.now))
    found = [tag("span", f"{started} ({lasted})")]
    if job.submitted is not None and job.start - job.submitted >= 1:
        found.append(tag("span", f"waited {words.duration(job.start - job.submitted)}"))
    return found


def figures(detail: JobDetail, seen: Seen) -> list[Markup]:
    """Energy with its error, power, activity, cost, carbon."""
    job = detail.job
    return [_energy(detail, seen), _power(job, seen), _activity(job), _cost(job), _carbon(job)]


def _energy(detail: JobDetail, seen: Seen) -> Markup:
    job = detail.job
    number = words.split(job.energy_joules / 3600, "Wh")
    ratio = job.error_joules / job.energy_joules if job.energy_joules else None
    note = f"±{words.THIN}{words.energy(job.error_joules)}" + ("" if ratio is None else f" ({_fine_percent(ratio)})")
    missed = unseen_seconds(detail, seen)
    return parts.key_figure("Energy", number, note, bound="≥" if missed else "")


def unseen_seconds(detail: JobDetail, seen: Seen) -> float:
    """How much of the run's settled time the books do not have: it began before the ledger did, or nothing was read."""
    job = detail.job
    until = job.settled_until if job.settled_until is not None else seen.now
    known = max((each.seconds for each in detail.gpus), default=None)
    missed = 0.0 if known is None else until - job.start - known
    return missed if missed > max(_LEAST_UNSEEN_SECONDS, _LEAST_UNSEEN_RATIO * (until - job.start)) else 0.0


def _fine_percent(ratio: float) -> str:
    return f"{ratio * 100:.2f}{words.THIN}%" if ratio < 0.1 else words.percent(ratio)


def _power(job: JobRow, seen: Seen) -> Markup:
    average = job.average_gpu_watts
    note = "no GPU power known" if average is None else f"{words.watts(average)} a GPU on average"
    if jobwords.is_alive(job):
        return parts.key_figure("GPU power now", words.split(seen.watts, "W"), note)
    mean = None if average is None else average * job.gpus
    return parts.key_figure("GPU power, average", words.split(mean, "W"), note)


def _activity(job: JobRow) -> Markup:
    activity, kind = jobwords.activity(job)
    idle = "" if job.idle_ratio is None else f"idle {words.percent(job.idle_ratio)}"
    capped = "" if job.capped_ratio is None else f"at a cap {words.percent(job.capped_ratio)}"
    name = "GPU busy" if kind else "SM active"
    if activity is None:
        return parts.key_figure(name, (words.NOTHING, ""), "no board told it")
    note = ", ".join(filter(None, (idle, capped)))
    return parts.key_figure(name, (f"{activity * 100:.0f}", "%"), note, extra=parts.bar(activity))


def _cost(job: JobRow) -> Markup:
    if job.cost is None:
        return parts.key_figure("Cost", (words.NOTHING, ""), "no price known: energy.tariff")
    is_partial = job.priced_ratio < 0.995
    per_hour = job.cost / (job.gpu_seconds / 3600) if job.gpu_seconds else None
    note = f"for {words.percent(job.priced_ratio)} of the energy" if is_partial else ""
    if not note and per_hour is not None:
        note = f"{words.money(per_hour, job.currency)} per GPU hour"
    return parts.key_figure(
        "Cost", (words.small(job.cost, 2), words.currency_sign(job.currency)), note, bound="≥" if is_partial else ""
    )


def _carbon(job: JobRow) -> Markup:
    if job.carbon_grams is None and job.carbon_market_grams is None:
        return parts.key_figure("Carbon", (words.NOTHING, ""), "none known: energy.carbon")
    number, unit = words.carbon(job.carbon_grams).partition(words.THIN)[::2]
    market = "" if job.carbon_market_grams is None else f"; market {words.carbon(job.carbon_market_grams)}"
    return parts.key_figure("Carbon", (number, f"{unit} CO₂" if unit else ""), f"by location{market}")


def split(detail: JobDetail, seen: Seen) -> list[Markup]:
    """The energy's four parts as a bar and in numbers, and how they were found."""
    job = detail.job
    total = job.energy.total
    if not total:
        return [tag("p", "No energy is posted to this run yet; that takes a minute after its start.", class_="empty")]
    unit = unit_for(total)
    shares = [(key, name, getattr(job.energy, key)) for key, name in _PARTS]
    stripes = [
        tag("span", class_=f"part {key}", style=f"--f:{value / total:.4f}", title=f"{name}: {words.energy(value)}")
        for key, name, value in shares
    ]
    rows = [
        tag("tr", [
            tag("th", [tag("span", class_=f"part-key {key}"), name], scope="row", title=_REST_ABOUT if key == "rest" else None),
            _number(unit.write(value)), _number(words.percent(value / total)),
        ])
        for key, name, value in shares
    ]  # fmt: skip
    rows.append(tag("tr", [
        tag("th", "Total", scope="row"),
        _number(f"{unit.write(total)} {unit.error(job.error_joules)}"),
        _number(f"100{words.THIN}%"),
    ], class_="total"))  # fmt: skip
    head = tag("tr", [tag("th", "Part", scope="col"), tag("th", unit.name, scope="col", class_="number"),
                      tag("th", "Share", scope="col", class_="number")])  # fmt: skip
    table = tag("table", [tag("thead", head), tag("tbody", rows)], class_="table split-table", aria_label="Energy by part")
    return [tag("div", stripes, class_="split", aria_hidden="true"), table, tag("p", how(detail, seen), class_="quiet")]


def _number(text: str) -> Markup:
    return tag("td", text, class_="number")


def how(detail: JobDetail, seen: Seen) -> str:
    """Methods, the estimated share, what the books do not have, and how far it is settled."""
    job = detail.job
    said = [jobwords.methods(job.methods)]
    if job.estimated_joules:
        said.append(f"{words.energy(job.estimated_joules)} of it are estimated.")
    if job.settled_until is not None:
        is_final = job.end is not None and job.settled_until >= job.end
        at = words.clock(job.settled_until, seen.now, seen.zone)
        said.append("The run is settled to its end." if is_final else f"Settled until {at}; what came later is not in it yet.")
    if missed := unseen_seconds(detail, seen):
        said.append(f"{words.duration(missed)} of the run are not in the books: they began later, or nothing was read.")
    said.append("The error bounds the attribution; the meters' own accuracy comes on top.")
    return " ".join(said)


def findings(detail: JobDetail) -> Markup:
    """What somebody should know, each with the numbers that prove it."""
    if not detail.findings:
        longest = max((each.seconds for each in detail.gpus), default=0.0)
        text = "Nothing: what was measured gives no reason to look closer."
        if longest < _LEAST_SECONDS:
            text = "Too early to say: findings need ten minutes of a GPU." if detail.gpus else "No GPU of this run was read."
        return tag("div", [parts.shape(Level.OK), tag("span", text)], class_="all-well")
    return tag("ul", [_finding(each) for each in detail.findings], class_="findings")


def _finding(found: JobFinding) -> Markup:
    level = Level.WARNING if found.severity == "warning" else Level.OK
    proof = [_evidence(name, value) for name, value in found.evidence.items()]
    wasted = None
    if found.wasted_joules:
        wasted = tag("span", ["wasted ", tag("strong", words.energy(found.wasted_joules))])
    return tag("li", [parts.shape(level), tag("div", [tag("p", found.text), tag("div", [*proof, wasted], class_="proof")])])


_UNITS: dict[str, Callable[[float], str]] = {
    "_ratio": words.percent, "_joules": words.energy, "_watts": words.watts, "_bytes": words.gigabytes,
    "_seconds": words.duration,
}  # fmt: skip


def _evidence(name: str, value: float | str) -> Markup:
    """One number of the proof; its unit stands at the end of its name."""
    unit = next((unit for unit in _UNITS if name.endswith(unit)), "")
    text = value if isinstance(value, str) else _UNITS.get(unit, "{:,.6g}".format)(value)
    return tag("span", [name.removesuffix(unit).replace("_", " "), " ", tag("strong", text)])
