"""Cables, ports and switches as the page shows them, made from core's live answers and from history's. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import StrEnum

from dashboard.devices import Answering, Plant, Readings
from dashboard.problem import Level
from dashboard.state import natural
from wattstat.catalogue import facility, network
from wattstat.inventory.devices import Switch
from wattstat.store.protocol import Series

# Fabric managers take a port out of service at 1e-12 after correction; healthy ones stay below 1e-15.
BAD_RATIO, WORRYING_RATIO = 1e-12, 1e-14
_SOURCES = ("ufm", "ibnetdiscover", "lldp", "inventory")
_POWER_SOURCES = ("pdu", "psu_input", "psu_unknown", "derived", "psu_output")
POWER_WORDS = {
    "pdu": "PDU outlets", "psu_input": "input of its supplies", "psu_unknown": "its supplies, input or output not told",
    "derived": "estimated from its supplies' output", "psu_output": "output of its supplies",
}  # fmt: skip
Place = tuple[str, str]
"""A switch and its port, or a server and its adapter."""


class Link(StrEnum):
    """How a link is, worst first."""

    DOWN = "down"
    SLOW = "slow"
    FLAPS = "flaps"
    ERRORS = "errors"
    UP = "up"
    UNKNOWN = "no data"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cable:
    """A cable between a server's port and a switch's. `rail` is None where the fabric has none, or nobody says."""

    node: str
    device: str
    rail: int | None
    switch: str
    port: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """What both ends say: presence and speed by the server's adapter and by the switch's port, errors of the last minutes."""

    active: Mapping[Place, float]
    rates: Mapping[Place, float]
    errors: Mapping[Place, float]
    up: Mapping[Place, float]
    speeds: Mapping[Place, float]
    symbol_errors: Mapping[Place, float]
    flapping: AbstractSet[Place] = frozenset()

    def is_up(self, cable: Cable) -> bool | None:
        """Down where either end says so; unknown where neither says anything."""
        said = [
            value
            for value in (self.active.get((cable.node, cable.device)), self.up.get((cable.switch, cable.port)))
            if value is not None
        ]
        return all(said) if said else None

    def speed(self, cable: Cable) -> float | None:
        return self.rates.get((cable.node, cable.device)) or self.speeds.get((cable.switch, cable.port))

    def errors_of(self, cable: Cable) -> float:
        """Errors that either end counted; both may count the same ones."""
        return max(self.errors.get((cable.node, cable.device), 0.0), self.symbol_errors.get((cable.switch, cable.port), 0.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A link of the matrix. `expected` is the speed of the server's fastest rail."""

    cable: Cable
    link: Link
    speed: float | None
    expected: float | None
    errors: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchState:
    """A switch with what is known of it."""

    entry: Switch
    answer: Answering
    age_seconds: float | None
    model: str
    system: str
    version: str
    celsius: Mapping[str, float]
    fans: Mapping[str, bool]
    supplies: Mapping[str, bool]
    empty_slots: tuple[str, ...]
    watts: float | None
    watts_source: str
    cpu_ratio: float | None
    uptime_seconds: float | None
    ports_up: int | None
    ports: int | None

    @property
    def name(self) -> str:
        return self.entry.name

    @property
    def level(self) -> Level:
        is_ill = not all(self.supplies.values()) or not all(self.fans.values()) or self.answer.level
        return Level.CRITICAL if self.answer.level is Level.CRITICAL else Level.WARNING if is_ill else Level.OK


def switches(plant: Plant, ports_up: Sequence[Series], ports: Sequence[Series]) -> list[SwitchState]:
    """Every switch of the inventory. Counts of ports come from history, by switch."""
    found, devices = plant.by("switch"), plant.by("device")
    up, all_ports = by_label(ports_up, "switch"), by_label(ports, "switch")
    return [_switch(entry, plant.answer(entry.name), found, devices, (up, all_ports)) for entry in plant.inventory.switches]


def _switch(
    entry: Switch, answer: Answering, found: Readings, devices: Readings, ports: tuple[Mapping[str, float], Mapping[str, float]]
) -> SwitchState:
    name = entry.name
    watts = devices.values(facility.DEVICE_POWER_WATTS, name, "source") or found.values(
        network.SWITCH_POWER_WATTS, name, "source"
    )
    source = next((each for each in _POWER_SOURCES if each in watts), "")
    up, all_ports = (counted.get(name) for counted in ports)
    slots = found.values(network.SWITCH_PSU_ON, name, "psu")
    return SwitchState(
        entry=entry,
        answer=answer,
        age_seconds=found.age(name),
        model=entry.model or found.told(network.SWITCH_INFO, name, "model"),
        system=found.told(network.SWITCH_INFO, name, "os"),
        version=found.told(network.SWITCH_INFO, name, "version"),
        celsius=found.values(network.SWITCH_TEMPERATURE_CELSIUS, name, "sensor"),
        fans=_truths(found.values(network.SWITCH_FAN_OK, name, "fan")),
        supplies=_truths(found.values(network.SWITCH_PSU_OK, name, "psu")),
        empty_slots=tuple(psu for psu, on in slots.items() if not on),
        watts=watts.get(source),
        watts_source=POWER_WORDS.get(source, ""),
        cpu_ratio=found.value(network.SWITCH_CPU_RATIO, name),
        uptime_seconds=found.value(network.SWITCH_UPTIME_SECONDS, name),
        ports_up=None if up is None and all_ports is None else round(up or 0),
        ports=None if all_ports is None else round(all_ports),
    )


def _truths(values: Mapping[str, float]) -> dict[str, bool]:
    return {name: value > 0 for name, value in values.items()}


def by_label(series: Iterable[Series], label: str) -> dict[str, float]:
    """The newest values by one label."""
    return {one.labels[label]: one.values[-1] for one in series if label in one.labels and len(one.values)}


def by_place(series: Iterable[Series], *labels: str) -> dict[Place, float]:
    """The newest values by two labels; of several the largest."""
    found: dict[Place, float] = {}
    for one in series:
        if len(one.values):
            place = (one.labels.get(labels[0], ""), one.labels.get(labels[1], ""))
            found[place] = max(one.values[-1], found.get(place, one.values[-1]))
    return found


def cables(series: Iterable[Series]) -> list[Cable]:
    """One for each port of a server: as the fabric manager or the neighbour has it, else as it is written down."""
    best: dict[Place, Mapping[str, str]] = {}
    for one in series:
        labels = one.labels
        place = (labels.get("node", ""), labels.get("device", ""))
        if place not in best or _rank(labels) < _rank(best[place]):
            best[place] = labels
    rails = {
        (one.labels.get("node", ""), one.labels.get("device", "")): one.labels["rail"]
        for one in series
        if one.labels.get("rail")
    }
    return sorted((_cable(place, labels, rails.get(place, "")) for place, labels in best.items()), key=_order)


def _rank(labels: Mapping[str, str]) -> int:
    source = labels.get("source", "")
    return _SOURCES.index(source) if source in _SOURCES else len(_SOURCES)


def _cable(place: Place, labels: Mapping[str, str], rail: str) -> Cable:
    return Cable(
        node=place[0], device=place[1], rail=int(rail) if rail.isdecimal() else None,
        switch=labels.get("switch", ""), port=labels.get("port", ""),
    )  # fmt: skip


def _order(cable: Cable) -> tuple[object, ...]:
    return natural(cable.node), cable.rail or 0, natural(cable.device)


def cells(found: Sequence[Cable], ends: Ends) -> dict[str, list[Cell]]:
    """The links of each server. A rail is slow beside the fastest rail of the same server."""
    fastest: dict[str, float] = {}
    for cable in found:
        speed = ends.speed(cable) if cable.rail is not None else None
        if speed:
            fastest[cable.node] = max(speed, fastest.get(cable.node, 0.0))
    rows: dict[str, list[Cell]] = {}
    for cable in found:
        rows.setdefault(cable.node, []).append(_cell(cable, ends, fastest.get(cable.node) if cable.rail is not None else None))
    return rows


def _cell(cable: Cable, ends: Ends, expected: float | None) -> Cell:
    is_up, speed, errors = ends.is_up(cable), ends.speed(cable), ends.errors_of(cable)
    if is_up is None:
        link = Link.UNKNOWN
    elif not is_up:
        link = Link.DOWN
    elif speed is not None and expected is not None and speed < expected:
        link = Link.SLOW
    elif (cable.node, cable.device) in ends.flapping:
        link = Link.FLAPS
    else:
        link = Link.ERRORS if errors >= 1 else Link.UP
    return Cell(cable=cable, link=link, speed=speed, expected=expected, errors=errors)
