"""Cables that want to be reseated, by how bad each is, then by the GPUs that wait for it. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from dashboard.fabricstate import BAD_RATIO, Cable, Place, SwitchState
from dashboard.ledger import Alive, JobName
from dashboard.problem import Level

FLAP_SECONDS, ERROR_SECONDS = 6 * 3600, 3600
_LEAST_LINKS = 2
"""Of one link alone nobody says whether the cable or the switch is bad."""
# How much of a link is lost, roughly: a link that comes and goes costs each time a restart of what ran over it.
_FLAPS_OF_ALL, _BAD, _ERRORS, _WORRYING = 6.0, 0.5, 0.25, 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job that runs now, and how many GPUs it holds everywhere: all of them wait for its slowest link."""

    scheduler: str
    job_id: str
    name: str
    user: str
    gpus: int
    nodes: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What was seen of a port; None and False are what was not seen."""

    is_down: bool = False
    flaps: float | None = None
    symbol_errors: float | None = None
    packet_errors: float | None = None
    bit_error_ratio: float | None = None
    speed: float | None = None
    expected: float | None = None
    light_dbm: float | None = None

    @property
    def is_any(self) -> bool:
        """Light and speed alone are not held against a cable."""
        seen = (self.flaps, self.symbol_errors, self.packet_errors, self.bit_error_ratio, self.expected)
        return self.is_down or any(value is not None for value in seen)

    @property
    def badness(self) -> float:
        """0 to 1."""
        if self.is_down:
            return 1.0
        found = [0.0]
        if self.speed is not None and self.expected:
            found.append(1 - self.speed / self.expected)
        if self.flaps is not None:
            found.append(min(1.0, self.flaps / _FLAPS_OF_ALL))
        if self.bit_error_ratio is not None:
            found.append(_BAD if self.bit_error_ratio >= BAD_RATIO else _WORRYING)
        if self.symbol_errors or self.packet_errors:
            found.append(_ERRORS)
        return max(found)

    @property
    def is_grave(self) -> bool:
        """Down, slow, flapping or losing data: whoever runs over it is hurt now. Else errors rise that are still corrected."""
        is_slow = self.speed is not None and self.expected is not None and self.speed < self.expected
        is_losing = bool(self.packet_errors) or (self.bit_error_ratio or 0.0) >= BAD_RATIO
        return self.is_down or is_slow or bool(self.flaps) or is_losing

    @property
    def level(self) -> Level:
        return Level.CRITICAL if self.is_grave else Level.WARNING


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """A port of a switch with what speaks against its cable, and who is behind it."""

    switch: str
    port: str
    cable: Cable | None
    evidence: Evidence
    jobs: tuple[Job, ...]

    @property
    def gpus(self) -> int:
        return sum(job.gpus for job in self.jobs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dark:
    """A switch that took its links along: to reseat these would mend nothing."""

    switch: str
    answers: bool
    since: float | None
    down: int
    links: int
    jobs: tuple[Job, ...] = ()

    @property
    def gpus(self) -> int:
        return sum(job.gpus for job in self.jobs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What history says, by switch and port; of adapters by server and adapter."""

    flaps: Mapping[Place, float]
    symbol_errors: Mapping[Place, float]
    packet_errors: Mapping[Place, float]
    bit_error_ratio: Mapping[Place, float]
    down: Iterable[Place]
    adapters_down: Iterable[Place]
    adapters_slow: Mapping[Place, float]
    adapters_flaps: Mapping[Place, float]
    adapters_symbol_errors: Mapping[Place, float]
    light_dbm: Mapping[Place, float]
    rates: Mapping[Place, float]
    """Speed of all adapters of the servers with slow ones."""


def jobs_now(alive: Alive) -> list[Job]:
    """The jobs of core's present answer."""
    held: defaultdict[JobName, list[Mapping[str, str]]] = defaultdict(list)
    for holders in alive.holders.values():
        for labels in holders:
            held[labels["scheduler"], labels["job_id"]].append(labels)
    return [
        Job(
            scheduler=name[0], job_id=name[1], name=alive.names.get(name, ""), user=listed[0].get("user", ""),
            gpus=len({(each["node"], each["gpu"]) for each in listed}), nodes=frozenset(each["node"] for each in listed),
        )
        for name, listed in held.items()
    ]  # fmt: skip


def by_node(jobs: Iterable[Job]) -> dict[str, list[Job]]:
    """The jobs of each server, the largest first."""
    found: defaultdict[str, list[Job]] = defaultdict(list)
    for job in sorted(jobs, key=lambda each: (-each.gpus, each.job_id)):
        for node in job.nodes:
            found[node].append(job)
    return found


def dark(switches: Iterable[SwitchState], links: Mapping[str, float], down: Mapping[str, float]) -> list[Dark]:
    """Switches that do not answer and lost most of their links, and those that answer and lost all: not a cable each."""
    found = []
    for each in switches:
        known, lost = round(links.get(each.name, 0.0)), round(down.get(each.name, 0.0))
        answers = each.answer.level is not Level.CRITICAL
        least = max(_LEAST_LINKS, known if answers else known / 2)
        if lost >= least or (lost and lost == known and not answers):
            found.append(Dark(switch=each.name, answers=answers, since=each.answer.since, down=lost, links=known))
    return sorted(found, key=lambda each: -each.down)


def behind(nodes: Iterable[str], jobs: Iterable[Job]) -> tuple[Job, ...]:
    """The jobs that have one of the servers, the largest first."""
    touched = set(nodes)
    return tuple(sorted((job for job in jobs if job.nodes & touched), key=lambda each: (-each.gpus, each.job_id)))


def suspects(seen: Seen, cables: Sequence[Cable], jobs: Mapping[str, Sequence[Job]]) -> list[Suspect]:
    """Every port that something speaks against: the graver class first, in it those that the most GPUs wait for."""
    by_adapter = {(cable.node, cable.device): cable for cable in cables}
    by_port = {(cable.switch, cable.port): cable for cable in cables}
    fastest: dict[str, float] = {}
    for (node, _), rate in seen.rates.items():
        fastest[node] = max(rate, fastest.get(node, 0.0))
    down = {*seen.down, *(_port(by_adapter[place]) for place in seen.adapters_down if place in by_adapter)}
    slow = {_port(by_adapter[place]): place for place in seen.adapters_slow if place in by_adapter}
    flaps = _either_end(seen.flaps, seen.adapters_flaps, by_adapter)
    symbols = _either_end(seen.symbol_errors, seen.adapters_symbol_errors, by_adapter)
    ports = {*flaps, *symbols, *seen.packet_errors, *seen.bit_error_ratio, *down, *slow}
    found = []
    for place in ports:
        adapter = slow.get(place)
        evidence = Evidence(
            is_down=place in down,
            flaps=flaps.get(place),
            symbol_errors=symbols.get(place),
            packet_errors=seen.packet_errors.get(place),
            bit_error_ratio=seen.bit_error_ratio.get(place),
            speed=None if adapter is None else seen.adapters_slow[adapter],
            expected=None if adapter is None else fastest.get(adapter[0]),
            light_dbm=seen.light_dbm.get(place),
        )
        cable = by_port.get(place)
        behind = tuple(jobs.get(cable.node, ())) if cable else ()
        found.append(Suspect(switch=place[0], port=place[1], cable=cable, evidence=evidence, jobs=behind))
    return sorted(
        found, key=lambda each: (not each.evidence.is_grave, -each.gpus, -each.evidence.badness, each.switch, each.port)
    )


def _either_end(
    by_port: Mapping[Place, float], by_server: Mapping[Place, float], cables: Mapping[Place, Cable]
) -> dict[Place, float]:
    """What either end counted, by the switch's port; both may count the same, so that the larger number stands."""
    found = dict(by_port)
    for adapter, value in by_server.items():
        if adapter in cables:
            place = _port(cables[adapter])
            found[place] = max(value, found.get(place, 0.0))
    return found


def _port(cable: Cable) -> Place:
    return cable.switch, cable.port
