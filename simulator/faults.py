"""Faults that can be switched on, and what each does to the hall. The control API stands in `control.py`."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

KINDS: Mapping[str, str] = {
    "bmc_slow": "answers after `seconds` (5)",
    "bmc_hang": "accepts the connection and never answers",
    "bmc_refuse": "its address refuses connections",
    "bmc_lockdown": "System Lockdown mode: reads work, writes are refused",
    "bmc_sessions_exhausted": "all eight sessions are taken (503, RAC0218)",
    "bmc_unauthorized": "refuses every session and password (401)",
    "bmc_unavailable": "503 with Retry-After `seconds` (30)",
    "bmc_broken_json": "bodies that are cut in the middle of the JSON",
    "bmc_html": "403 with a page of HTML",
    "bmc_truncated": "closes the connection in the middle of the body",
    "bmc_sentinels": "sensors read -2147483648",
    "bmc_lying": "power sensors read `factor` (0.5) times the truth",
    "bmc_clock_off": "its clock is `seconds` (3600) ahead, or behind if negative",
    "bmc_weak": "IPMI over the network with a key of zeros, and SNMP with the community `public`, were left on",
    "bmc_unlicensed": "the licence for power capping is missing: caps are refused (403, LIC501)",
    "cap_ignored": "the controller says yes (200) to every cap and applies none",
    "cap_reverts": "caps of the controller go back to the default `seconds` (300) after they were set",
    "cap_not_holding": "the server draws more than its own cap allows, and logs PWR2400",
    "telemetry_lost": "sensors read null",
    "telemetry_frozen": "sensors keep the value that they have now",
    "telemetry_spike": "power sensors read `factor` (50) times the truth in `percent` (20) of all readings",
    "psu_failed": "power supply `psu` (1) fails",
    "fan_failed": "`count` (1) fans of a server from `fan` (1) on stand still, or with `gone` (0) 1 were pulled out",
    "dimm_errors": "memory module `dimm` (A1) corrects too many errors (MEM0701), or with `uncorrected` (0) 1 cannot (MEM0001)",
    "server_drive_failing": "drive `bay` (0) of a server predicts its failure, fails with `failed` (0) 1; `life` (5) % is left",
    "cooling_failed": "air of a server, a rack or `hall` gets `celsius` (20) warmer within `minutes` (20)",
    "feed_lost": "breaker of feed `feed` (A) of the target's rack opens; the target may be a rack, or `hall`: the feed's main",
    "gpu_off_bus": "GPU `gpu` (0) falls off the bus (XID 79)",
    "gpu_xid": "GPU `gpu` (0) raises XID `xid` (48)",
    "gpu_ecc": "GPU `gpu` (0) counts `count` (10) corrected and, with `uncorrected` (0), uncorrected ECC errors",
    "gpu_row_remap": "GPU `gpu` (0) remaps `rows` (1) rows, which wait for a reset (XID 63); with `failed` (0) 1 none (64)",
    "gpu_recovery": "the driver asks for recovery action `action` (1) on GPU `gpu` (0)",
    "nvlink_errors": "NVLinks of GPU `gpu` (0): `replays` (2), `recoveries` (0) a minute, `crc` (0) errors a second",
    "gpu_pcie": "GPU `gpu` (0) runs on `lanes` (8) PCIe lanes and repeats `replays` (20) packets a minute",
    "gpu_fabric": "GPU `gpu` (0) does not join its NVLink fabric",
    "nvlink_down": "`links` (1) of the NVLinks of GPU `gpu` (0) are down",
    "gpu_hot": "the heat sink of GPU `gpu` (0) conducts `factor` (3) times worse",
    "gpu_slow": "the board of GPU `gpu` (0) holds its clocks at `factor` (0.7) times the highest and says HW slowdown",
    "gpu_cap_slips": "the GPUs' limits rise by `watts` (10) an hour, and read so",
    "gpu_cap_rogue": "somebody resets the GPUs' limits to the default every `seconds` (60)",
    "gpu_cap_denied": "NVML lets nobody set limits or clocks (NVML_ERROR_NO_PERMISSION)",
    "gpu_cap_ignored": "NVML says yes to every limit and applies none",
    "counter_reset": "the driver is loaded anew: the GPUs' energy counters begin at zero",
    "agent_gone": "the agent process is stopped",
    "storage_slow_metadata": "looking up, opening and creating files takes `factor` (20) times as long",
    "storage_gone": "connections to the storage cluster are cut; who reads from it waits",
    "storage_full": "the storage cluster's pool is full: checkpoints wait, readers do a third of their work",
    "storage_node_down": "node `node` (1) of the storage cluster is down",
    "drive_failed": "drive `bay` (1) of node `node` (1) of the storage cluster fails",
    "storage_unauthorized": "the storage cluster has forgotten all sessions and refuses every password (401)",
    "storage_broken_json": "bodies of the storage cluster are cut in the middle of the JSON",
    "switch_gone": "the switch is dead: it does not answer, and no link of it is up",
    "switch_psu_failed": "power supply `psu` (1) of the switch fails",
    "link_degraded": "the cable at `port` runs at `gigabits` (100) and counts `errors` (40) symbol errors a second",
    "link_wearing": "the cable at `port` gets worse: errors, and wrong bits, `factor` (10) times as many every `hours` (6)",
    "link_flapping": "the link at `port` comes and goes",
    "link_down": "the link at `port` is down",
    "optics_dark": "the optical module at `port` receives no light",
    "switch_unauthorized": "the switch's web interface refuses every password (401)",
    "switch_broken_json": "bodies of the switch's web interface are cut in the middle of the JSON",
    "ufm_gone": "the fabric manager breaks off every connection",
    "ufm_unauthorized": "the fabric manager refuses every password and token (401)",
    "ufm_broken_json": "bodies of the fabric manager are cut in the middle of the JSON",
    "ufm_telemetry_frozen": "the fabric manager's telemetry shows for ever what it counted when the fault began",
    "bcm_gone": "the cluster manager breaks off every connection",
    "bcm_unauthorized": "the cluster manager refuses every certificate and password (401)",
    "bcm_broken_json": "bodies of the cluster manager are cut in the middle of the JSON",
    "pdu_gone": "the PDU does not answer",
    "pdu_frozen": "the PDU answers what it measured when the fault began",
}

# What each kind can be told, and what holds where it is not.
OPTIONS: Mapping[str, Mapping[str, float | str]] = {
    "bmc_slow": {"seconds": 5},
    "bmc_unavailable": {"seconds": 30},
    "bmc_lying": {"factor": 0.5},
    "bmc_clock_off": {"seconds": 3600},
    "cap_reverts": {"seconds": 300},
    "gpu_cap_rogue": {"seconds": 60},
    "telemetry_spike": {"factor": 50, "percent": 20},
    "psu_failed": {"psu": 1},
    "fan_failed": {"fan": 1, "count": 1, "gone": 0},
    "dimm_errors": {"dimm": "A1", "uncorrected": 0},
    "server_drive_failing": {"bay": 0, "failed": 0, "life": 5},
    "cooling_failed": {"celsius": 20, "minutes": 20},
    "feed_lost": {"feed": "A"},
    "gpu_off_bus": {"gpu": 0},
    "gpu_xid": {"gpu": 0, "xid": 48},
    "gpu_ecc": {"gpu": 0, "count": 10, "uncorrected": 0},
    "gpu_row_remap": {"gpu": 0, "rows": 1, "failed": 0},
    "gpu_recovery": {"gpu": 0, "action": 1},
    "nvlink_errors": {"gpu": 0, "replays": 2, "recoveries": 0, "crc": 0},
    "gpu_pcie": {"gpu": 0, "lanes": 8, "replays": 20},
    "gpu_fabric": {"gpu": 0},
    "nvlink_down": {"gpu": 0, "links": 1},
    "gpu_hot": {"gpu": 0, "factor": 3},
    "gpu_slow": {"gpu": 0, "factor": 0.7},
    "gpu_cap_slips": {"watts": 10},
    "storage_slow_metadata": {"factor": 20},
    "storage_node_down": {"node": 1},
    "drive_failed": {"node": 1, "bay": 1},
    "switch_psu_failed": {"psu": 1},
    "link_degraded": {"port": "", "gigabits": 100, "errors": 40},
    "link_wearing": {"port": "", "factor": 10, "hours": 6},
    "link_flapping": {"port": ""},
    "link_down": {"port": ""},
    "optics_dark": {"port": ""},
}


class UnknownFault(ValueError):
    """A fault that does not exist, or one for something that does not stand in the hall."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A fault that is switched on. `until` is when it ends by itself, if it does."""

    id: int
    target: str
    kind: str
    options: Mapping[str, float | str]
    since: float
    until: float | None = None

    def number(self, name: str) -> float:
        """An option that is a number."""
        return float(self.options[name])

    def text(self, name: str) -> str:
        """An option that is a word."""
        return str(self.options[name])

    def document(self) -> dict[str, Any]:
        """The fault as the control API shows it."""
        return {
            "id": self.id,
            "target": self.target,
            "kind": self.kind,
            **self.options,
            "since": self.since,
            "until": self.until,
        }


class Faults:
    """All faults that are switched on."""

    def __init__(self) -> None:
        """None."""
        self._numbers = itertools.count(1)
        self._all: dict[int, Fault] = {}
        self._by_target: dict[str, dict[str, Fault]] = defaultdict(dict)

    def add(self, target: str, kind: str, options: Mapping[str, Any], now: float, seconds: float | None = None) -> Fault:
        """Switch a fault on; the same kind for the same target is replaced."""
        if kind not in KINDS:
            raise UnknownFault(f"no fault is called {kind!r}; there are: {', '.join(KINDS)}")
        complete = _complete(kind, options)
        if (before := self._by_target[target].get(kind)) is not None:
            self.remove(before.id)
        fault = Fault(
            id=next(self._numbers),
            target=target,
            kind=kind,
            options=complete,
            since=now,
            until=None if seconds is None else now + seconds,
        )
        self._all[fault.id] = fault
        self._by_target[target][kind] = fault
        return fault

    def remove(self, number: int) -> Fault | None:
        """Switch a fault off; None where there is none of that number."""
        fault = self._all.pop(number, None)
        if fault is not None:
            self._by_target[fault.target].pop(fault.kind, None)
            if not self._by_target[fault.target]:
                del self._by_target[fault.target]
        return fault

    def expired(self, now: float) -> list[Fault]:
        """Those whose time is over."""
        return [fault for fault in self._all.values() if fault.until is not None and fault.until <= now]

    def find(self, target: str, kind: str) -> Fault | None:
        """The fault of a kind for a target."""
        found = self._by_target.get(target)
        return found.get(kind) if found else None

    def any_for(self, target: str) -> bool:
        """Whether anything is switched on for a target."""
        return target in self._by_target

    def __iter__(self) -> Any:
        """All of them, oldest first."""
        return iter(tuple(self._all.values()))


def _complete(kind: str, given: Mapping[str, Any]) -> dict[str, float | str]:
    """What was given over what holds without. Raises `UnknownFault` for an option of another name or type."""
    known = OPTIONS.get(kind, {})
    for name, value in given.items():
        if name not in known:
            raise UnknownFault(f"{kind} has no option {name!r}; it has: {', '.join(known) or 'none'}")
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if is_number != (not isinstance(known[name], str)):
            expected = "a word" if isinstance(known[name], str) else "a number"
            raise UnknownFault(f"{kind}: {name} must be {expected}, not {value!r}")
    return {**known, **given}
