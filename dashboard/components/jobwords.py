"""What is said of a job the same way on every page. Pure."""

from __future__ import annotations

from dashboard import address, words
from dashboard.components import parts
from dashboard.markup import Markup, tag
from dashboard.problems import Level
from wattstat.api.energy import JobRow

_LEVELS = {
    "failed": Level.WARNING, "timeout": Level.WARNING, "out_of_memory": Level.WARNING, "preempted": Level.WARNING,
    "suspended": Level.WARNING, "node_fail": Level.CRITICAL,
}  # fmt: skip
_STATES = {"gone": "Ended unseen", "node_fail": "Node failed", "out_of_memory": "Out of memory", "timeout": "Timed out"}
ALIVE = frozenset({"running", "suspended"})
STATES = ("running", "suspended", "completed", "failed", "cancelled", "timeout", "node_fail", "out_of_memory", "preempted",
          "requeued", "gone")  # fmt: skip

_METHODS = {
    "counter": "differences of hardware counters",
    "integral": "power integrated over time",
    "split": "shares of GPUs that several jobs held",
    "estimated": "estimates over holes in the readings",
}


def is_alive(job: JobRow) -> bool:
    return job.end is None


def state_word(state: str) -> str:
    return _STATES.get(state) or state.replace("_", " ").capitalize() or "Not told"


def state_badge(state: str) -> Markup:
    """Shape and word; only what went wrong has a colour, and what runs a filled dot."""
    level = _LEVELS.get(state, Level.OK)
    kind = level.name.lower() if level else "running" if state == "running" else "ended"
    return tag("span", [tag("span", class_=f"shape {kind}", aria_hidden="true"), state_word(state)], class_=f"badge {kind}")


def link(job: JobRow, search: str, **attributes: str) -> Markup:
    """The job's id, leading to its page."""
    href = address.to_job(job.job_id, job.instance, search, job.scheduler)
    return tag("a", job.job_id, href=href, data_link=True, class_="row-link", title=job.job_id, **attributes)


def duration_seconds(job: JobRow, now: float) -> float:
    return max(0.0, (now if job.end is None else job.end) - job.start)


def places(job: JobRow) -> str:
    """`gpu-01`, `2 servers`."""
    return job.nodes[0] if len(job.nodes) == 1 else words.plural(len(job.nodes), "server")


def activity(job: JobRow) -> tuple[float | None, str]:
    """SM activity; for boards that do not tell it, how much of the time a kernel ran, and a word that says so."""
    stands_in = job.sm_active_ratio is None and job.busy_ratio is not None
    return (job.busy_ratio, "busy") if stands_in else (job.sm_active_ratio, "")


def methods(names: tuple[str, ...]) -> str:
    """How the joules were found, as a sentence."""
    known = [_METHODS.get(name, name) for name in names]
    if not known:
        return "Nothing is posted yet."
    said = known[0] if len(known) == 1 else ", ".join(known[:-1]) + " and " + known[-1]
    return f"Found from {said}."


def findings(count: int) -> Markup | str:
    return parts.badge(Level.WARNING, words.plural(count, "finding")) if count else tag("span", "none", class_="quiet")
