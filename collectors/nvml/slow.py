"""What changes rarely, or takes long to read: ECC, remapped rows, links, the fabric, thresholds, modes."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from collectors.nvml.device import Device, FieldKey
from collectors.nvml.identity import Identity
from collectors.nvml.numbers import celsius, percent, whole

PCIE_ERRORS: Mapping[FieldKey, str] = {
    (173, 0): "correctable",
    (174, 0): "nak_received",
    (175, 0): "receiver",
    (176, 0): "bad_tlp",
    (177, 0): "nak_sent",
    (178, 0): "bad_dllp",
    (179, 0): "non_fatal",
    (180, 0): "fatal",
    (181, 0): "unsupported_request",
    (182, 0): "lcrc",
    (183, 0): "lane",
}
NVLINK_COUNT: FieldKey = (91, 0)
NVLINK_ERROR_TOTALS: Mapping[FieldKey, str] = {(38, 0): "crc_flit", (45, 0): "crc_data", (52, 0): "replay", (59, 0): "recovery"}
NVLINK_ERRORS_BY_LINK: Mapping[int, str] = {161: "replay", 162: "recovery", 163: "crc"}
RETIRED_PAGES: Mapping[FieldKey, str] = {(29, 0): "single_bit", (30, 0): "double_bit"}
FIELDS: tuple[FieldKey, ...] = (*PCIE_ERRORS, NVLINK_COUNT, *NVLINK_ERROR_TOTALS, *RETIRED_PAGES)

ECC_KINDS = {"corrected": 0, "uncorrected": 1}
ECC_LOCATIONS = {"dram": 2, "sram": 7}
_VOLATILE, _AGGREGATE = 0, 1
THRESHOLDS = {"shutdown": 0, "slowdown": 1, "memory_max": 2, "gpu_max": 3}
FABRIC_STATES = {0: "not_supported", 1: "not_started", 2: "in_progress", 3: "completed"}
_FABRIC_COMPLETED = 3
BANKS = ("max", "high", "partial", "low", "none")


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowReading:
    """One GPU, in base units. What was not read is None or has no entry."""

    identity: Identity
    ecc_errors: Mapping[tuple[str, str], int] = field(default_factory=dict)
    ecc_aggregate: Mapping[str, int] = field(default_factory=dict)
    remapped_rows: Mapping[str, int] = field(default_factory=dict)
    remap_pending: bool | None = None
    remap_failed: bool | None = None
    remap_banks: Mapping[str, int] = field(default_factory=dict)
    retired_pages: Mapping[str, int] = field(default_factory=dict)
    pcie_errors: Mapping[str, int] = field(default_factory=dict)
    pcie_generation: Mapping[str, int] = field(default_factory=dict)
    pcie_width: Mapping[str, int] = field(default_factory=dict)
    nvlinks_active: int | None = None
    nvlink_errors: Mapping[str, int] = field(default_factory=dict)
    fabric_state: str = ""
    fabric_healthy: bool | None = None
    thresholds_celsius: Mapping[str, float] = field(default_factory=dict)
    persistence_mode: bool | None = None
    mig_mode: bool | None = None
    fan_ratios: tuple[float | None, ...] = ()


def fetch(device: Device) -> dict[str, Any]:
    """Ask a GPU. Raises `GpuLost`, `LibraryGone`."""
    fields = device.fields(FIELDS)
    links = _count(fields.get(NVLINK_COUNT))
    by_link = device.fields((number, link) for number in NVLINK_ERRORS_BY_LINK for link in range(links))
    banks = device.ask("GetRowRemapperHistogram")
    fans = whole(device.ask("GetNumFans")) or 0
    mig = device.ask("GetMigMode")
    return {
        "fields": fields,
        "by_link": by_link,
        "links": [device.ask("GetNvLinkState", link) for link in range(links)],
        "ecc": {
            (kind, location): device.ask("GetMemoryErrorCounter", kind_number, _VOLATILE, location_number)
            for kind, kind_number in ECC_KINDS.items()
            for location, location_number in ECC_LOCATIONS.items()
        },
        "ecc_volatile": {kind: device.ask("GetTotalEccErrors", number, _VOLATILE) for kind, number in ECC_KINDS.items()},
        "ecc_aggregate": {kind: device.ask("GetTotalEccErrors", number, _AGGREGATE) for kind, number in ECC_KINDS.items()},
        "remapped": device.ask("GetRemappedRows"),
        "banks": None if banks is None else {name: getattr(banks, name) for name in BANKS},
        "pcie_generation": {
            "current": device.ask("GetCurrPcieLinkGeneration"),
            "max": device.ask("GetMaxPcieLinkGeneration"),
        },
        "pcie_width": {"current": device.ask("GetCurrPcieLinkWidth"), "max": device.ask("GetMaxPcieLinkWidth")},
        "fabric": _fabric(device),
        "thresholds": {kind: device.ask("GetTemperatureThreshold", number) for kind, number in THRESHOLDS.items()},
        "persistence_mode": device.ask("GetPersistenceMode"),
        "mig_mode": mig[0] if mig else None,
        "fans": [device.ask("GetFanSpeed_v2", fan) for fan in range(fans)],
    }


def _fabric(device: Device) -> dict[str, Any] | None:
    """State, status and health in the newest version of the structure that both sides know."""
    for version in ("c_nvmlGpuFabricInfo_v3_t", "c_nvmlGpuFabricInfo_v2_t"):
        structure = getattr(device.nvml, version, None)
        if structure is None:
            continue
        info = structure()
        if device.ask("GetGpuFabricInfoV", ctypes.byref(info), key=version) is not None:
            return {
                "state": info.state,
                "status": info.status,
                "mask": info.healthMask,
                "summary": getattr(info, "healthSummary", None),
            }
    return None


def parse(identity: Identity, document: Mapping[str, Any]) -> SlowReading:
    """A reading of a document."""
    fields = _mapping(document, "fields")
    remapped = document.get("remapped")
    correctable, uncorrectable, pending, failed = (
        remapped if isinstance(remapped, tuple) and len(remapped) == 4 else (None,) * 4
    )
    links = document.get("links")
    state, healthy = fabric(document.get("fabric"))
    fans = document.get("fans")
    return SlowReading(
        identity=identity,
        ecc_errors=_ecc(document),
        ecc_aggregate=_wholes(_mapping(document, "ecc_aggregate")),
        remapped_rows=_wholes({"correctable": correctable, "uncorrectable": uncorrectable}),
        remap_pending=_flag(pending),
        remap_failed=_flag(failed),
        remap_banks=_wholes({name: _mapping(document, "banks").get(name) for name in BANKS}),
        retired_pages=_each(fields, RETIRED_PAGES),
        pcie_errors=_each(fields, PCIE_ERRORS),
        pcie_generation=_wholes(_mapping(document, "pcie_generation")),
        pcie_width=_wholes(_mapping(document, "pcie_width")),
        nvlinks_active=sum(link == 1 for link in links)
        if isinstance(links, list) and any(x is not None for x in links)
        else None,
        nvlink_errors=_nvlink_errors(fields, _mapping(document, "by_link"), links if isinstance(links, list) else []),
        fabric_state=state,
        fabric_healthy=healthy,
        thresholds_celsius={
            kind: value for kind, raw in _mapping(document, "thresholds").items() if (value := celsius(raw)) is not None
        },
        persistence_mode=_flag(document.get("persistence_mode")),
        mig_mode=_flag(document.get("mig_mode")),
        fan_ratios=tuple(percent(fan) for fan in fans) if isinstance(fans, list) else (),
    )


def fabric(info: Any) -> tuple[str, bool | None]:
    """State of the NVLink fabric, and whether the GPU is well in it; None where there is no fabric to be in."""
    if not isinstance(info, Mapping):
        return "", None
    number = whole(info.get("state"))
    state = FABRIC_STATES.get(-1 if number is None else number, "")
    if state in ("", "not_supported"):
        return state, None
    return state, number == _FABRIC_COMPLETED and info.get("status") == 0 and _fabric_health_is_good(info)


def _fabric_health_is_good(info: Mapping[str, Any]) -> bool:
    summary = whole(info.get("summary"))
    if summary:  # 0 is "not supported"
        return summary == 1
    mask = whole(info.get("mask")) or 0
    # Pairs of bits of which 1 is bad (degraded bandwidth, route recovery, route unhealthy, access time-out recovery), then
    # four bits for what is configured wrongly (1: nothing).
    pairs_bad = any(mask >> shift & 0x3 == 1 for shift in (0, 2, 4, 6))
    return not pairs_bad and mask >> 8 & 0xF <= 1


def _ecc(document: Mapping[str, Any]) -> dict[tuple[str, str], int]:
    """Errors by location, else those that the board counts only as a whole."""
    by_location = _wholes(_mapping(document, "ecc"))
    if by_location:
        return by_location
    return {(kind, "all"): count for kind, count in _wholes(_mapping(document, "ecc_volatile")).items()}


def _nvlink_errors(fields: Mapping[Any, Any], by_link: Mapping[Any, Any], links: list[Any]) -> dict[str, int]:
    """The driver's totals, else sums over links. A sum without one link would fall when that link goes: then there is none."""
    found = _each(fields, NVLINK_ERROR_TOTALS)
    for number, kind in NVLINK_ERRORS_BY_LINK.items():
        counts = [_entry(by_link.get((number, link))) for link in range(len(links))]
        known = [count for count in counts if count is not None]
        if kind not in found and known and len(known) == len(counts):
            found[kind] = sum(known)
    return found


def _each(fields: Mapping[Any, Any], names: Mapping[FieldKey, str]) -> dict[str, int]:
    return _wholes({name: _entry(fields.get(key)) for key, name in names.items()})


def _entry(entry: Any) -> int | None:
    return whole(entry[1]) if isinstance(entry, tuple) and len(entry) == 2 else None


def _count(entry: Any) -> int:
    return min(_entry(entry) or 0, 64)


def _wholes(values: Mapping[Any, Any]) -> dict[Any, int]:
    return {name: count for name, value in values.items() if (count := whole(value)) is not None}


def _flag(value: Any) -> bool | None:
    number = whole(value)
    return None if number is None else number > 0


def _mapping(document: Mapping[str, Any], name: str) -> Mapping[Any, Any]:
    value = document.get(name)
    return value if isinstance(value, Mapping) else {}
