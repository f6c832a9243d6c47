"""What the ledger answers, as JSON and CSV: the shapes that scripts rely on, made from `wattstat.api.energy`.

Times become RFC 3339, energies stay joules, absent is null. A value that is not finite is not known either.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from wattstat.api.energy import Balance, JobDetail, JobPage, JobRow, Report, ReportRow
from wattstat.api.times import rfc3339

TIMES = frozenset({"submitted", "start", "end", "settled_until", "books_begin"})

CSV_COLUMNS = (
    "by", "key", "account", "jobs", "gpu_hours", "energy_joules", "gpu_joules", "cpu_joules", "rest_joules",
    "allocated_idle_joules", "error_joules", "estimated_joules", "facility_joules", "cost", "currency", "carbon_grams",
    "carbon_market_grams", "scheduler", "instance", "name", "user", "partition", "state",
)  # fmt: skip


# What the line of a job says besides; empty in other lines.
_LABELS = CSV_COLUMNS[CSV_COLUMNS.index("scheduler") :]


def told(value: Any) -> Any:
    """Any of the answers, member by member."""
    if is_dataclass(value):
        members = ((each.name, getattr(value, each.name)) for each in fields(value))
        return {name: rfc3339(member) if name in TIMES else told(member) for name, member in members}
    if isinstance(value, Mapping):
        return {str(name): told(member) for name, member in value.items()}
    if isinstance(value, tuple | list):
        return [told(member) for member in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def job(row: JobRow) -> dict[str, Any]:
    """A run, as lists show it."""
    return {**told(row), "duration_seconds": None if row.end is None else row.end - row.start}


def jobs(page: JobPage) -> dict[str, Any]:
    """A page of runs."""
    return {
        "items": [job(row) for row in page.items],
        "total": page.total,
        "total_is_exact": page.total_is_exact,
        "next": page.next,
    }


def detail(found: JobDetail) -> dict[str, Any]:
    """Everything about one run: its row's members, and under `detail` what each GPU did, hour by hour, and what to know."""
    return {
        **job(found.job),
        "detail": {
            "gpus": told(found.gpus),
            "hours": told(found.hours),
            "findings": told(found.findings),
            "other_runs": [job(each) for each in found.other_runs],
            "inference": told(found.inference),
        },
    }


def report(found: Report) -> dict[str, Any]:
    """A report; `next` is the cursor of the page after it."""
    body = told(found)
    return {"by": body.pop("by"), "from": body.pop("start"), "to": body.pop("end"), **body}


def balance(found: Balance, by: str = "node") -> dict[str, Any]:
    """The books beside the meters: the sums, then each node (or, under `days`, each day) by itself."""
    total = {name: value for name, value in told(found.total).items() if name != "key"}
    return {
        "by": by,
        "from": rfc3339(found.start),
        "to": rfc3339(found.end),
        "settled_until": rfc3339(found.settled_until),
        "books_begin": rfc3339(found.books_begin),
        **total,
        f"{by}s": [{by: row.pop("key"), **row} for row in told(found.items)],
    }


def csv_lines(pages: Iterable[Report]) -> Iterator[str]:
    """A report as CSV, page by page. Its lines add up: idle and overhead are among them, a total is not."""
    yield _csv([CSV_COLUMNS])
    for page in pages:
        yield _csv([_cells(page, row) for row in page.items])


def _cells(page: Report, row: ReportRow) -> list[Any]:
    cells = [
        page.by, row.key, row.account, row.jobs, row.gpu_hours, row.energy_joules, row.energy.gpu, row.energy.cpu,
        row.energy.rest, row.energy.allocated_idle, row.error_joules, row.estimated_joules, row.facility_joules, row.cost,
        page.currency, row.carbon_grams, row.carbon_market_grams, *(row.labels.get(name, "") for name in _LABELS),
    ]  # fmt: skip
    return [_inert(cell) if isinstance(cell, str) else told(cell) for cell in cells]


def _inert(text: str) -> str:
    """Names come from users; a spreadsheet would take one that begins like this for a formula and run it."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _csv(rows: Sequence[Sequence[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
