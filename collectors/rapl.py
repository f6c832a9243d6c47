"""Energy of processors and their memory, from the counters that Linux shows under /sys/class/powercap."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from collectors.frame.errors import AuthFailed, BadPayload, CollectError, NotSupported
from collectors.frame.source import Fetched, Source, Tier
from wattstat.catalogue.metric import Samples
from wattstat.catalogue.node import CPU_ENERGY_JOULES_TOTAL
from wattstat.config import Config

DOMAINS = ("core", "uncore", "dram")
_JOURNAL = ("package", "dram")  # core and uncore are parts of the package, psys is all of it once more
_CONTROL_TYPE = "intel-rapl"  # AMD's counters appear under the same name; intel-rapl-mmio shows package 0 a second time


class Zone(NamedTuple):
    """One counter: the socket it belongs to, and what it measures."""

    socket: str
    domain: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneReading:
    """A counter as read; it falls back to 0 after `range_microjoules`."""

    zone: Zone
    energy_microjoules: int
    range_microjoules: int | None


@dataclass(kw_only=True)
class Unwrapped:
    """A counter without its wraps, from 0 at the first look.

    The register itself stands anywhere below its range (262 kJ) when an agent starts. Were it shown as it is, each restart
    would look like a reset to 0 and add up to the whole range to `increase()`.
    """

    newest: int | None = None
    counted_microjoules: int = 0

    def see(self, reading: ZoneReading) -> float:
        """Joules. A wrap adds the counter's range; the counter is read far more often than it wraps (minutes at full load)."""
        if self.newest is not None:
            step = reading.energy_microjoules - self.newest
            wrapped = step < 0 and reading.range_microjoules is not None
            # Without a known range a step back cannot be made good: it counts nothing, and counting goes on from there.
            self.counted_microjoules += step + (reading.range_microjoules or 0) if wrapped else max(step, 0)
        self.newest = reading.energy_microjoules
        return self.counted_microjoules / 1e6


@dataclass(kw_only=True)
class RaplSource(Source[tuple[ZoneReading, ...]]):
    """The processors of this node. Reading needs root, or a rule that opens `energy_uj` (closed since Linux 5.10)."""

    collector: ClassVar[str] = "rapl"

    target: str
    sysfs: Path
    tiers: tuple[Tier, ...]
    on_read: Callable[[], None] | None = None  # who keeps a journal is told of every reading
    _counters: dict[Zone, Unwrapped] = field(default_factory=dict)

    async def fetch(self, tier: str) -> Fetched:
        """Read all zones. Raises `NotSupported` where there are none, `AuthFailed` where none may be read."""
        documents: dict[str, Any] = {}
        errors: dict[str, CollectError] = {}
        for folder in zones(self.sysfs):
            try:
                documents[folder.name] = _document(folder)
            except CollectError as error:
                errors[folder.name] = error
        if not documents and not errors:
            raise NotSupported(f"{self.sysfs}/class/powercap has no {_CONTROL_TYPE} zones: no RAPL on this machine")
        if not documents:
            raise next(iter(errors.values()))
        return Fetched(documents=documents, errors=errors)

    def parse(self, tier: str, documents: Mapping[str, Any]) -> tuple[ZoneReading, ...]:
        """Typed readings, in a steady order."""
        readings = (parse(name, documents) for name in sorted(documents))
        return tuple(reading for reading in readings if reading is not None)

    def samples(self, reading: tuple[ZoneReading, ...]) -> Samples:
        """Energy by socket and domain."""
        out = Samples()
        for zone, joules in self._count(reading).items():
            out.add(CPU_ENERGY_JOULES_TOTAL, joules, self.target, zone.socket, zone.domain)
        if self.on_read is not None:
            self.on_read()
        return out

    def joules_now(self) -> dict[str, float]:
        """The counters of this moment by `<domain>-<socket>`, for the node's journal: those that do not contain one another.

        Empty where they cannot be read.
        """
        documents = {}
        for folder in zones(self.sysfs):
            try:
                documents[folder.name] = _document(folder)
            except CollectError:  # the fast cycle says so
                continue
        counted = self._count(self.parse("fast", documents))
        return {f"{zone.domain}-{zone.socket}": joules for zone, joules in counted.items() if zone.domain in _JOURNAL}

    def _count(self, reading: tuple[ZoneReading, ...]) -> dict[Zone, float]:
        return {each.zone: self._counters.setdefault(each.zone, Unwrapped()).see(each) for each in reading}


def sources(config: Config, node: str) -> list[RaplSource]:
    """The processors of this node, where it has counters for them."""
    if not zones(config.agent.sysfs):
        return []
    every = config.agent.every_seconds
    return [RaplSource(target=node, sysfs=config.agent.sysfs, tiers=(Tier("fast", every, 5.0),))]


def zones(sysfs: Path) -> list[Path]:
    """The folders of all zones: `intel-rapl:0` and, in it, `intel-rapl:0:0`."""
    root = sysfs / "class/powercap"
    return sorted({*root.glob(f"{_CONTROL_TYPE}:*"), *root.glob(f"{_CONTROL_TYPE}:*/{_CONTROL_TYPE}:*")})


def parse(name: str, documents: Mapping[str, Any]) -> ZoneReading | None:
    """One zone. The zone inside a package is known by its own name and its package's."""
    document = documents.get(name)
    if not isinstance(document, Mapping):
        return None
    zone = _zone(name, str(document.get("name", "")), documents)
    energy = _microjoules(document.get("energy_uj"))
    if zone is None or energy is None:
        return None
    return ZoneReading(
        zone=zone, energy_microjoules=energy, range_microjoules=_microjoules(document.get("max_energy_range_uj"))
    )


def _zone(folder: str, name: str, documents: Mapping[str, Any]) -> Zone | None:
    kind, _, socket = name.partition("-")
    if kind == "package":
        return Zone(socket or folder.split(":")[1], "package")
    if name == "psys":
        return Zone("", "psys")
    package = documents.get(":".join(folder.split(":")[:2]))
    package_name = str(package.get("name", "")) if isinstance(package, Mapping) else ""
    if name not in DOMAINS or not package_name.startswith("package"):
        return None
    return Zone(package_name.partition("-")[2] or folder.split(":")[1], name)


def _microjoules(value: Any) -> int | None:
    text = str(value).strip()
    return int(text) if text.isascii() and text.isdecimal() else None


def _document(folder: Path) -> dict[str, str]:
    found = {}
    for name in ("name", "energy_uj", "max_energy_range_uj"):
        try:
            found[name] = (folder / name).read_text(encoding="ascii").strip()
        except PermissionError as error:
            raise AuthFailed(
                f"{folder / name} may be read by root only: run the agent as root or open it by a udev rule"
            ) from error
        except FileNotFoundError:
            continue
        except (OSError, UnicodeDecodeError) as error:
            raise BadPayload(f"{folder / name}: {error}") from error
    return found
