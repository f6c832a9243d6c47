"""The InfiniBand and RoCE ports of this machine, from `/sys/class/infiniband`: no privilege, no library, no fabric manager."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from collectors.frame.errors import AuthFailed, BadPayload, CollectError
from collectors.frame.source import Fetched, Source, Tier
from collectors.infiniband.ports import ERRORS, HARDWARE, STATE_FILES, TRAFFIC, WAIT, Port, parse
from collectors.nvml.worker import Worker
from wattstat.catalogue.metric import Samples
from wattstat.catalogue.network import (
    INFINIBAND_PORT_ACTIVE,
    INFINIBAND_PORT_BYTES_TOTAL,
    INFINIBAND_PORT_ERRORS_TOTAL,
    INFINIBAND_PORT_INFO,
    INFINIBAND_PORT_ON,
    INFINIBAND_PORT_PACKETS_TOTAL,
    INFINIBAND_PORT_RATE_BITS_PER_SECOND,
    INFINIBAND_PORT_WAIT_TICKS_TOTAL,
)
from wattstat.config import Config

# Each counter is a question to the adapter's firmware: often enough for rates, too seldom to be felt.
PORTS_SECONDS = 5.0
HARDWARE_SECONDS = 30.0
_MOST_CHARACTERS = 256
# A file that is not there, a device that just went, a counter that this device or this link does not have.
_ABSENT = frozenset({errno.ENOENT, errno.ENODEV, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOTDIR})
_IN_COUNTERS = (*ERRORS, WAIT, *TRAFFIC)


@dataclass(kw_only=True)
class InfinibandSource(Source[tuple[Port, ...]]):
    """The adapters of this machine; they may come and go."""

    collector: ClassVar[str] = "infiniband"

    target: str
    sysfs: Path
    tiers: tuple[Tier, ...]
    # Firmware that is busy with itself answers late: the event loop must not wait for it.
    _worker: Worker = field(default_factory=lambda: Worker("infiniband"))

    async def close(self) -> None:
        self._worker.stop()

    async def fetch(self, tier: str) -> Fetched:
        """The texts of a tier's files, by `device/port`. A machine without adapters has none, and that is no failure."""
        return await self._worker.run(lambda: _fetched(self.sysfs / "class/infiniband", tier))

    def parse(self, tier: str, documents: Mapping[str, Any]) -> tuple[Port, ...]:
        """Typed readings, in a steady order."""
        named = (name.partition("/") for name in sorted(documents))
        return tuple(parse(device, port, documents[f"{device}/{port}"]) for device, _, port in named)

    def samples(self, reading: tuple[Port, ...]) -> Samples:
        """State, rate, traffic and errors of each port."""
        out = Samples()
        for port in reading:
            labels = (self.target, port.device, port.number)
            out.add(INFINIBAND_PORT_ACTIVE, port.active, *labels)
            out.add(INFINIBAND_PORT_ON, port.link_up, *labels)
            out.add(INFINIBAND_PORT_RATE_BITS_PER_SECOND, port.rate_bits_per_second, *labels)
            out.add(INFINIBAND_PORT_BYTES_TOTAL, port.receive_bytes, *labels, "receive")
            out.add(INFINIBAND_PORT_BYTES_TOTAL, port.transmit_bytes, *labels, "transmit")
            out.add(INFINIBAND_PORT_PACKETS_TOTAL, port.receive_packets, *labels, "receive")
            out.add(INFINIBAND_PORT_PACKETS_TOTAL, port.transmit_packets, *labels, "transmit")
            out.add(INFINIBAND_PORT_WAIT_TICKS_TOTAL, port.wait_ticks, *labels)
            for kind, count in port.errors.items():
                out.add(INFINIBAND_PORT_ERRORS_TOTAL, count, *labels, kind)
            if port.identity is not None:
                each = port.identity
                out.add(INFINIBAND_PORT_INFO, 1, *labels, each.guid, each.firmware, each.link_layer)
        return out


def sources(config: Config, node: str) -> list[InfinibandSource]:
    """The adapters of this node, also where there are none yet: drivers may be loaded after the agent starts."""
    if not config.agent.infiniband:
        return []
    settings = config.agent
    tiers = (
        Tier("ports", max(PORTS_SECONDS, settings.every_seconds), 4.0),
        Tier("hardware", max(HARDWARE_SECONDS, settings.every_seconds), 10.0),
        Tier("identity", max(settings.slow_every_seconds, settings.every_seconds), 10.0),
    )
    return [InfinibandSource(target=node, sysfs=settings.sysfs, tiers=tiers)]


def _fetched(folder: Path, tier: str) -> Fetched:
    """What is there. A file that cannot be read costs itself, and is told once for its device."""
    documents: dict[str, Any] = {}
    errors: dict[str, CollectError] = {}
    for device in _listed(folder):
        problems: list[CollectError] = []
        try:
            for port in _listed(folder / device / "ports"):
                files = _FILES[tier](f"{folder}/{device}", port, problems)
                if files:
                    documents[f"{device}/{port}"] = files
        except CollectError as error:
            problems.append(error)
        if problems:
            errors[device] = problems[0]
    return Fetched(documents=documents, errors=errors)


Problems = list[CollectError]


def _ports(device: str, port: str, problems: Problems) -> dict[str, str]:
    base = f"{device}/ports/{port}"
    found = _read(f"{base}/", STATE_FILES, problems) | _read(f"{base}/counters/", _IN_COUNTERS, problems)
    if os.path.isdir(f"{base}/counters_ext"):  # noqa: PTH112 - a Path costs more than the question
        found |= _read(f"{base}/counters_ext/", TRAFFIC.values(), problems)
    return found


def _hardware(device: str, port: str, problems: Problems) -> dict[str, str]:
    return _read(f"{device}/ports/{port}/hw_counters/", HARDWARE, problems)


def _identity(device: str, port: str, problems: Problems) -> dict[str, str]:
    return _read(f"{device}/", ("node_guid", "fw_ver"), problems) | _read(f"{device}/ports/{port}/", ("link_layer",), problems)


_FILES = {"ports": _ports, "hardware": _hardware, "identity": _identity}


def _listed(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))  # noqa: PTH208 - names are wanted, not paths
    except PermissionError as error:
        raise AuthFailed(f"{folder} may not be read: run the agent as root, or open it") from error
    except OSError:  # no adapters, a device that went between two looks, or a file beside the devices (`abi_version`)
        return []


def _read(folder: str, names: Iterable[str], problems: Problems) -> dict[str, str]:
    """The files that are there. By plain descriptors: Python's text files cost three times as much."""
    found = {}
    for name in names:
        try:
            descriptor = os.open(folder + name, os.O_RDONLY | os.O_CLOEXEC)
            try:
                found[name] = os.read(descriptor, _MOST_CHARACTERS).decode("ascii", errors="replace")
            finally:
                os.close(descriptor)
        except OSError as error:
            if error.errno not in _ABSENT:
                problems.append(_problem(error, folder + name))
    return found


def _problem(error: OSError, path: str) -> CollectError:
    if isinstance(error, PermissionError):
        return AuthFailed(f"{path} may not be read: run the agent as root, or open it")
    return BadPayload(f"{path}: {error.strerror}")
