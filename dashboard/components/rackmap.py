"""The rack map's data: racks, servers at their units, GPU cells, coloured by any of six metrics. Drawn by assets/rackmap.js.

All metrics travel at once, so that switching between them is instant and asks nobody.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dashboard import words
from dashboard.problems import CLOSE_CELSIUS, NEAR_CELSIUS, Level, Problem, by_node, gpu_level
from dashboard.rackpower import RackPower
from dashboard.state import GpuState, HallState, NodeState
from wattstat.inventory import Rack

Json = dict[str, Any]

# A cell that is quite cool is this far from its limit; the ramp begins there.
_COOL_CELSIUS = 45.0
_OLD_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """How a metric looks in one cell: `fill` 0-1 on the ramp (None: hatched), the text in it, and whether it deviates."""

    fill: float | None
    text: str = ""
    level: Level = Level.OK

    def packed(self) -> list[Any]:
        """As short as it gets: there are thousands."""
        return [None if self.fill is None else round(self.fill, 3), self.text, int(self.level)]


METRICS: Mapping[str, tuple[str, str, str, str]] = {
    "power": ("Power", "W", "idle", "at its limit"),
    "utilization": ("Utilization", "%", "idle", "busy"),
    "margin": ("Temp. margin", "°C left to the limit", "cool", "at the limit"),
    "memory": ("Memory", "% used", "empty", "full"),
    "health": ("Health", "", "", ""),
    "age": ("Data age", "s", "fresh", "old"),
}
DEFAULT_METRIC = "power"


def payload(hall: HallState, found: Sequence[Problem]) -> Json:
    """Everything the map needs, as plain JSON."""
    levels = by_node(found)
    racks = [*hall.inventory.racks]
    known = {rack.name for rack in racks}
    racks += [Rack(name=name) for name in dict.fromkeys(s.entry.rack for s in hall.nodes) if name and name not in known]
    if any(not server.entry.rack for server in hall.nodes):
        racks.append(Rack(name=""))
    standing = {rack.name: [server for server in hall.nodes if server.entry.rack == rack.name] for rack in racks}
    return {"racks": [_rack(rack, standing[rack.name], levels, hall.racks.get(rack.name)) for rack in racks]}


def _rack(rack: Rack, servers: Sequence[NodeState], levels: Mapping[str, Level], told: RackPower | None) -> Json:
    told = told or _of_servers(servers)
    places = _places(servers)
    top = max((unit + server.entry.height - 1 for server, unit in places), default=rack.units)
    power, bound = told.watts, "≥ " if told.is_partial else ""
    return {
        "name": rack.name or "no rack",
        "units": max(rack.units, top),
        "top": top,
        "power": bound + words.watts(power),
        "limit": words.watts(rack.budget_watts) if rack.budget_watts else "",
        "f": None if power is None or not rack.budget_watts else round(power / rack.budget_watts, 3),
        "over": bool(rack.budget_watts and power and power > rack.budget_watts),
        "from": told.source,
        "known": power is not None,
        "about": told.about,
        "differs": "" if told.difference is None else f"sum {words.signed_percent(told.difference)}",
        "nodes": [_node(server, unit, levels.get(server.name, Level.OK)) for server, unit in places],
    }


def _of_servers(servers: Sequence[NodeState]) -> RackPower:
    """Of a rack that core says nothing of: the sum over its servers."""
    known = [server.power_watts for server in servers if server.power_watts is not None]
    if not servers:
        return RackPower()
    return RackPower(summed=sum(known) if known else None, summed_coverage=len(known) / len(servers))


def _places(servers: Sequence[NodeState]) -> list[tuple[NodeState, int]]:
    """Servers with their lowest unit; those without a position stand above the others."""
    placed = [(server, server.entry.unit) for server in servers if server.entry.unit is not None]
    free = max((unit + server.entry.height for server, unit in placed), default=1)
    for server in servers:
        if server.entry.unit is None:
            placed.append((server, free))
            free += server.entry.height
    return placed


def _node(server: NodeState, unit: int, level: Level) -> Json:
    return {
        "name": server.name,
        "unit": unit,
        "height": server.entry.height,
        "level": int(level),
        "seen": server.age_seconds is not None,
        "power": words.watts(server.power_watts),
        "tip": _node_tip(server, level),
        "own": {} if server.installed_gpus else {key: cell.packed() for key, cell in node_cells(server, level).items()},
        "gpus": [
            {"i": entry.index, "level": int(gpu_level(entry)), "tip": _gpu_tip(entry),
             "v": {key: cell.packed() for key, cell in gpu_cells(entry).items()}}
            for entry in server.gpus
        ] + [_missing(number) for number in range(len(server.gpus), server.entry.gpus)],
    }  # fmt: skip


def _missing(number: int) -> Json:
    cells = {key: Cell(fill=None).packed() for key in METRICS}
    return {"i": str(number), "level": 0, "tip": [f"GPU {number}", "no data"], "v": cells}


def gpu_cells(entry: GpuState) -> dict[str, Cell]:
    """A GPU under each metric."""
    if entry.age_seconds is None or entry.is_lost:
        return {key: Cell(fill=None) for key in METRICS} | {"health": Cell(fill=None, level=gpu_level(entry))}
    watts = entry.power_watts
    limit = entry.limit_watts or watts
    return {
        "power": Cell(fill=None) if watts is None else Cell(fill=_unit(watts / limit if limit else 0), text=f"{watts:.0f}"),
        "utilization": _ratio(entry.utilization_ratio),
        "margin": _margin(entry.margin_celsius),
        "memory": _ratio(entry.memory_ratio),
        "health": Cell(fill=0, level=gpu_level(entry)),
        "age": _age(entry.age_seconds),
    }


def node_cells(server: NodeState, level: Level) -> dict[str, Cell]:
    """A server without GPUs under each metric: one cell for the whole of it."""
    if server.age_seconds is None:
        return {key: Cell(fill=None, level=level if key == "health" else Level.OK) for key in METRICS}
    heat = server.hottest_sensor
    return {
        "power": Cell(fill=None) if server.power_watts is None else Cell(fill=0, text=words.watts(server.power_watts)),
        "utilization": _ratio(server.usage.get("cpu")),
        "margin": _margin(heat.margin_celsius if heat else None),
        "memory": _ratio(server.usage.get("memory")),
        "health": Cell(fill=0, level=level),
        "age": _age(server.age_seconds),
    }


def _ratio(value: float | None) -> Cell:
    return Cell(fill=None) if value is None else Cell(fill=_unit(value), text=f"{value * 100:.0f}")


def _margin(value: float | None) -> Cell:
    if value is None:
        return Cell(fill=None)
    level = Level.CRITICAL if value <= 0 else Level.WARNING if value <= CLOSE_CELSIUS else Level.OK
    # just above the mark the ramp is full already: near is dark, at the limit is another colour
    return Cell(fill=_unit((_COOL_CELSIUS - value) / (_COOL_CELSIUS - NEAR_CELSIUS)), text=f"{value:.0f}", level=level)


def _age(seconds: float) -> Cell:
    return Cell(fill=_unit(seconds / _OLD_SECONDS), text=f"{seconds:.0f}")


def _unit(value: float) -> float:
    return min(1.0, max(0.0, value))


def _node_tip(server: NodeState, level: Level) -> list[str]:
    if server.age_seconds is None:
        return [server.name, server.entry.model, "no data"]
    return [server.name, server.entry.model, words.watts(server.power_watts), level.name.lower() if level else "OK"]


def _gpu_tip(entry: GpuState) -> list[str]:
    name = entry.index if entry.out_of_band else f"GPU {entry.index}"
    if entry.is_lost:
        return [name, "lost"]
    facts = [name]
    if entry.power_watts is not None:
        facts.append(words.watts(entry.power_watts) + (f" of {words.watts(entry.limit_watts)}" if entry.limit_watts else ""))
    if entry.utilization_ratio is not None:
        facts.append(f"{words.percent(entry.utilization_ratio)} busy")
    if entry.temperature_celsius is not None:
        margin = "" if entry.margin_celsius is None else f", {words.celsius(entry.margin_celsius)} left"
        facts.append(words.celsius(entry.temperature_celsius) + margin)
    if entry.memory_used_bytes is not None:
        facts.append(f"{words.gigabytes(entry.memory_used_bytes)} of {words.gigabytes(entry.memory_total_bytes)}")
    if entry.throttles:
        facts.append(", ".join(reason.replace("_", " ") for reason in entry.throttles))
    return facts
