"""Which rows a scope means. Kept until the fleet, or for scopes that follow jobs the jobs, change."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from power.model import Bools, Fleet, Floats, Ints
from power.policies.scope import OF_JOBS, Scope, words
from power.policies.signals import NO_JOBS, JobFacts, JobTable


class Masks:
    """Rows of scopes in one fleet."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.jobs: JobTable = NO_JOBS
        self._nodes: dict[Scope, Bools] = {}
        self._gpus: dict[Scope, Ints] = {}
        self._gpus_of_jobs: dict[Scope, Ints] = {}
        self._job_starts = np.empty(0)
        self._jobs_in: dict[Scope, Bools] = {}
        self._units: dict[tuple[Scope, str], Units] = {}
        self._units_of_jobs: dict[tuple[Scope, str], Units] = {}
        self._limits: dict[tuple[str, tuple[str, ...]], Ints] = {}

    def use(self, jobs: JobTable) -> None:
        """Take these jobs from now on."""
        if jobs is not self.jobs:
            self.jobs = jobs
            self._job_starts = np.array([np.nan if job.started is None else job.started for job in jobs.jobs], np.float64)
            self._gpus_of_jobs.clear()
            self._jobs_in.clear()
            self._units_of_jobs.clear()

    def nodes(self, scope: Scope) -> Bools:
        """Servers in places that the scope names; with members that name GPUs or jobs, servers that hold such GPUs."""
        if scope.follows_jobs or scope.gpu or scope.gpu_model:
            found = np.zeros(len(self.fleet.nodes), np.bool_)
            found[self.fleet.gpu_node[self.gpus(scope)]] = True
            return found
        known = self._nodes.get(scope)
        if known is None:
            known = self._nodes[scope] = self._in_places(scope)
        return known

    def gpus(self, scope: Scope) -> Ints:
        """GPUs in the scope, ascending."""
        cache = self._gpus_of_jobs if scope.follows_jobs else self._gpus
        known = cache.get(scope)
        if known is None:
            known = cache[scope] = np.flatnonzero(self._gpu_mask(scope))
        return known

    def limits(self, kind: str, names: tuple[str, ...]) -> Ints:
        """Lines of the tree by kind and names; the site is the one line of its kind whatever its name."""
        known = self._limits.get((kind, names))
        if known is None:
            rows = [self._rows.get((kind, name)) for name in names] if names else self._of_kind.get(kind, [])
            known = self._limits[kind, names] = np.array([row for row in rows if row is not None], np.int64)
        return known

    def holds(self, fits: Callable[[JobFacts], bool]) -> Bools:
        """Holds of jobs that fit."""
        chosen = np.fromiter((fits(job) for job in self.jobs.jobs), np.bool_, len(self.jobs.jobs))
        found: Bools = chosen[self.jobs.holder]
        return found

    @property
    def job_starts(self) -> Floats:
        """When each job began; NaN where that is not known."""
        return self._job_starts

    def jobs_in(self, scope: Scope) -> Bools:
        """Jobs with a GPU in the scope, and themselves meant by it."""
        known = self._jobs_in.get(scope)
        if known is None:
            inside = np.zeros(len(self.fleet.gpus), np.bool_)
            inside[self.gpus(scope)] = True
            known = np.zeros(len(self.jobs.jobs), np.bool_)
            known[self.jobs.holder[inside[self.jobs.gpu] & self.holds(fitting(scope))]] = True
            self._jobs_in[scope] = known
        return known

    def units(self, scope: Scope, per: str) -> Units:
        """The servers of a scope by server, by rack, or as one."""
        cache = self._units_of_jobs if scope.follows_jobs else self._units
        known = cache.get((scope, per))
        if known is None:
            nodes = np.flatnonzero(self.nodes(scope))
            whole = str(scope)
            labels = {
                "node": lambda: [self.fleet.nodes[row] for row in nodes],
                "rack": lambda: [self.fleet.racks[row] for row in nodes],
                "scope": lambda: [whole] * nodes.size,
            }[per]()
            number = {name: position for position, name in enumerate(dict.fromkeys(labels))}
            unit = np.fromiter((number[name] for name in labels), np.int64, nodes.size)
            known = cache[scope, per] = Units(names=tuple(number), nodes=nodes, unit=unit, total=len(self.fleet.nodes))
        return known

    def members(self, row: int) -> Ints:
        """The servers of a line of the tree."""
        tree = self.fleet.tree
        return tree.member[tree.start[row] : tree.start[row + 1]]

    def _in_places(self, scope: Scope) -> Bools:
        found = np.ones(len(self.fleet.nodes), np.bool_)
        for kind, names in scope.given.items():
            found &= self._in_place(kind, names)
        return found

    def _in_place(self, kind: str, names: tuple[str, ...]) -> Bools:
        found = np.zeros(len(self.fleet.nodes), np.bool_)
        if kind == "node":
            found[[self.node_rows[name] for name in names if name in self.node_rows]] = True
        elif kind == "rack":
            chosen = frozenset(names)
            found[:] = np.fromiter((rack in chosen for rack in self.fleet.racks), np.bool_, len(self.fleet.racks))
        else:
            for row in self.limits(kind, names):
                found[self.members(row)] = True
        return found

    def _gpu_mask(self, scope: Scope) -> Bools:
        fleet = self.fleet
        places = scope.model_copy(update=dict.fromkeys(("gpu", "gpu_model", *OF_JOBS), ()))
        found: Bools = self.nodes(places)[fleet.gpu_node]
        if scope.gpu:
            chosen = frozenset(scope.gpu)
            found = found & _flags((device.uuid in chosen for device in fleet.gpus), len(fleet.gpus))
        if scope.gpu_model:
            found = found & self._of_model(scope.gpu_model)
        if scope.follows_jobs:
            held = np.zeros(len(fleet.gpus), np.bool_)
            held[self.jobs.gpu[self.holds(fitting(scope))]] = True
            found = found & held
        return found

    def _of_model(self, names: tuple[str, ...]) -> Bools:
        asked = [words(name) for name in names]
        fits = {model: any(each <= words(model) for each in asked) for model in set(self.fleet.gpu_model)}
        return _flags((fits[model] for model in self.fleet.gpu_model), len(self.fleet.gpus))

    @cached_property
    def node_rows(self) -> dict[str, int]:
        """The row of each server."""
        return {name: row for row, name in enumerate(self.fleet.nodes)}

    def line_watts(self, of: str) -> Floats:
        """The rating, the trip-safe load or the budget (else what is trip-safe) of every line; NaN where it has none."""
        return self._line_watts[of]

    @cached_property
    def _line_watts(self) -> dict[str, Floats]:
        lines = self.fleet.tree.limits
        safe = _numbers(line.trip_safe_watts for line in lines)
        budget = _numbers(line.budget_watts for line in lines)
        return {
            "rating": _numbers(line.rating_watts for line in lines),
            "trip_safe": safe,
            "budget": np.where(np.isnan(budget), safe, budget),
            "only budget": budget,
        }

    @cached_property
    def _rows(self) -> dict[tuple[str, str], int]:
        return {(limit.kind, limit.name): row for row, limit in enumerate(self.fleet.tree.limits)}

    @cached_property
    def _of_kind(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for row, limit in enumerate(self.fleet.tree.limits):
            found.setdefault(limit.kind, []).append(row)
        return found


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Units:
    """Units of a condition: rows of servers, and the unit of each."""

    names: tuple[str, ...]
    nodes: Ints
    unit: Ints
    total: int

    def rows(self, on: Bools) -> Bools:
        """The servers of the units that are on."""
        found = np.zeros(self.total, np.bool_)
        found[self.nodes[on[self.unit]]] = True
        return found


def fitting(scope: Scope) -> Callable[[JobFacts], bool]:
    """Whether a job is one that the scope means. `1234` means all tasks and components of job 1234."""

    def fits(job: JobFacts) -> bool:
        return (
            (not scope.partition or job.partition in scope.partition)
            and (not scope.account or job.account in scope.account)
            and (not scope.user or job.user in scope.user)
            and (not scope.qos or job.qos in scope.qos)
            and (not scope.job or job.job_id in scope.job or _whole(job.job_id) in scope.job)
        )

    return fits


def _whole(job_id: str) -> str:
    """The job of an array's task (1234_7) or of a component (1234+1); a pod is its own."""
    return job_id if "/" in job_id else job_id.partition("_")[0].partition("+")[0]


def _numbers(values: Iterable[float | None]) -> Floats:
    return np.array([np.nan if value is None else value for value in values], np.float64)


def _flags(values: Iterable[bool], count: int) -> Bools:
    return np.fromiter(values, np.bool_, count)
