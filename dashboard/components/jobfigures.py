"""Figures about jobs: utilization against power, energy by hour, activity by rank. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from html import escape

from dashboard import address, words
from dashboard.components import charts, jobwords
from dashboard.components.charts import Chart, Figure
from wattstat.api.energy import JobQuery, JobRow

_LEAST_SIZE, _MOST_SIZE = 7.0, 34.0


def largest(asked: JobQuery, count: int) -> JobQuery:
    """The same question for the runs with most energy."""
    return replace(asked, sort="-energy", limit=count, cursor="")


def scatter(jobs: Sequence[JobRow], chart: Chart, search: str) -> Figure:
    """Each run by SM activity and watts of a GPU, as large as its energy; those with findings stand out."""
    known = [job for job in jobs if job.average_gpu_watts is not None and jobwords.activity(job)[0] is not None]
    if not known:
        return charts.message("No job of this choice has both activity and power.", chart)
    most = max(job.energy_joules for job in known) or 1.0
    found = charts.plain(chart)
    groups = (("nothing found", charts.BLUE, [job for job in known if not job.findings]),
              ("with findings", charts.AMBER, [job for job in known if job.findings]))  # fmt: skip
    found["data"] = [_dots(name, colour, members, most, search) for name, colour, members in groups if members]
    found["layout"] |= {
        "hovermode": "closest",
        "showlegend": True,
        "xaxis": {"range": [-0.02, 1.04], "tickformat": ".0%", "title": {"text": "SM active", "standoff": 4}, "zeroline": False,
                  "showgrid": False, "automargin": True, "nticks": 6},
        "yaxis": {"rangemode": "tozero", "tickformat": "~s", "ticksuffix": "W", "zeroline": False,
                  "automargin": True, "nticks": 5},
    }  # fmt: skip
    return found


def _dots(name: str, colour: str, jobs: Sequence[JobRow], most: float, search: str) -> Figure:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": [jobwords.activity(job)[0] for job in jobs],
        "y": [job.average_gpu_watts for job in jobs],
        "text": [_about(job) for job in jobs],
        "customdata": [address.to_job(job.job_id, job.instance, search, job.scheduler) for job in jobs],
        "hovertemplate": "%{text}<extra></extra>",
        "marker": {
            "color": colour,
            "opacity": 0.7,
            # the area says how much, not the diameter
            "size": [_LEAST_SIZE + (_MOST_SIZE - _LEAST_SIZE) * (max(0.0, job.energy_joules) / most) ** 0.5 for job in jobs],
            "line": {"width": 1, "color": colour},
        },
    }


def _about(job: JobRow) -> str:
    activity, kind = jobwords.activity(job)
    lines = [
        f"<b>{escape(job.job_id)}</b> {escape(job.name)}",
        escape(" · ".join(filter(None, (job.user, job.account, words.plural(job.gpus, "GPU"))))),
        f"{words.energy(job.energy_joules)}, {words.watts(job.average_gpu_watts)} a GPU",
        f"{words.percent(activity)} {kind or 'SM active'}",
    ]
    if job.findings:
        lines.append(words.plural(job.findings, "finding"))
    return "<br>".join(lines)
