"""How runs ended that slurmctld has forgotten: asked of Slurm's database, by `sacct`, where there is one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from collectors.frame.errors import CollectError
from collectors.slurm.comment import Runner
from collectors.slurm.job import Job
from wattstat.jobs import Run, State

_FORMAT = "JobIDRaw,Start,End,State,ExitCode"
_MOST_JOBS = 200  # in one command; the rest have ended unseen
_SAME_START_SECONDS = 2.0


@dataclass(kw_only=True)
class Accounting:
    """`sacct`, until it says that there is no database."""

    runner: Runner
    is_there: bool = field(default=True)

    async def ends(self, runs: Sequence[Run]) -> tuple[Run, ...]:
        """Those of the runs that the database knows to have ended, with their ends. Raises a `CollectError`."""
        ids = {run.labels.get("slurm_job_id", "") for run in runs[:_MOST_JOBS]} - {""}
        if not ids or not self.is_there:
            return ()
        try:
            shown = await self.runner.run(
                "sacct", "--allusers", "--allocations", "--duplicates", "--noheader", "--parsable2",
                f"--jobs={','.join(sorted(ids))}", f"--format={_FORMAT}",
            )  # fmt: skip
        except CollectError as error:
            if "accounting storage is disabled" in str(error):
                self.is_there = False
                return ()
            raise
        return ends(shown, runs)


def ends(shown: str, runs: Sequence[Run]) -> tuple[Run, ...]:
    """The runs that the lines of sacct know to have ended. A run is known by its job and its start: each has its own line."""
    lines = [line.split("|") for line in shown.splitlines()]
    found = [_ended(run, fields) for run in runs for fields in lines if len(fields) == 5 and _is_of(run, fields)]
    return tuple({run.key: run for run in found if run is not None}.values())


def _is_of(run: Run, fields: Sequence[str]) -> bool:
    started = _seconds(fields[1])
    is_same_job = fields[0] == run.labels.get("slurm_job_id")
    return is_same_job and started is not None and abs(started - run.started) <= _SAME_START_SECONDS


def _ended(run: Run, fields: Sequence[str]) -> Run | None:
    """`CANCELLED by 1000` is a state too; `Unknown` is the end of what still runs."""
    ended = _seconds(fields[2])
    word = fields[3].split(" ")[0].rstrip("+").upper()
    if ended is None or word in {"RUNNING", "SUSPENDED", "PENDING"}:
        return None
    state = State.REQUEUED if word == "REQUEUED" else Job(id=1, states=frozenset({word})).end_state or State.GONE
    returned, _, signal = fields[4].partition(":")
    ended_by = int(signal) if signal.isdecimal() else 0
    code = 128 + ended_by if ended_by else int(returned) if returned.isdecimal() else None
    since = run.suspended_since
    suspended = (*run.suspended, (since, ended)) if since is not None and since < ended else run.suspended
    return replace(run, state=state, ended=max(ended, run.started), exit_code=code, suspended=suspended, suspended_since=None)


def _seconds(text: str) -> float | None:
    """Unix seconds (sacct is asked with SLURM_TIME_FORMAT=%s)."""
    return float(text) if text.isascii() and text.isdecimal() and 0 < len(text) < 13 else None
