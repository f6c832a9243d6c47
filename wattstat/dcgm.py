"""GPU metrics under the names, units and labels of dcgm-exporter, for dashboards and rules that were written for it.

Old names and those that DCGM 4.6 gave the same fields are both written. Left out, because nothing that we read is the same
quantity: NVLINK_BANDWIDTH_TOTAL (a rate called a counter, in a unit that differs by board) and VGPU_LICENSE_STATUS.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple

from wattstat.catalogue import gpu
from wattstat.catalogue.metric import Kind, Metric
from wattstat.exposition import header, number
from wattstat.hall import Snapshot

HostnameLabel = Literal["Hostname", "hostname", "both"]


class Row(NamedTuple):
    """One field of DCGM: what it is called, and which of our series it is, times `factor`."""

    names: tuple[str, ...]
    help: str
    metric: Metric
    where: Mapping[str, str] = {}
    factor: float = 1.0
    kind: Kind = Kind.GAUGE


_DEV, _PROF = "DCGM_FI_DEV_", "DCGM_FI_PROF_"
_MIB = 1 / 1024**2
_COUNTER = Kind.COUNTER


def _dev(*names: str) -> tuple[str, ...]:
    return tuple(_DEV + name for name in names)


def _prof(*names: str) -> tuple[str, ...]:
    return tuple(_PROF + name for name in names)


def _limit(kind: str, *names: str) -> Row:
    return Row(_dev(*names), f"Power limit, {kind} (in W).", gpu.GPU_POWER_LIMIT_WATTS, {"kind": kind})


def _violation(name: str, reason: str) -> Row:
    text = f"Time held back, {reason} (in ns)."
    return Row(_dev(name), text, gpu.GPU_THROTTLE_SECONDS_TOTAL, {"reason": reason}, 1e9, _COUNTER)


def _nvlink_errors(kind: str, *names: str) -> Row:
    return Row(_dev(*names), f"NVLink errors, {kind}.", gpu.GPU_NVLINK_ERRORS_TOTAL, {"kind": kind}, 1, _COUNTER)


ROWS: tuple[Row, ...] = (
    Row(_dev("SM_CLOCK"), "SM clock (in MHz).", gpu.GPU_CLOCK_HERTZ, {"domain": "sm"}, 1e-6),
    Row(_dev("MEM_CLOCK"), "Memory clock (in MHz).", gpu.GPU_CLOCK_HERTZ, {"domain": "memory"}, 1e-6),
    Row(_dev("GPU_TEMP", "GPU_TEMP_CELSIUS"), "GPU temperature (in C).", gpu.GPU_TEMPERATURE_CELSIUS, {"sensor": "gpu"}),
    Row(
        _dev("MEMORY_TEMP", "MEMORY_TEMP_CELSIUS"),
        "Memory temperature (in C).",
        gpu.GPU_TEMPERATURE_CELSIUS,
        {"sensor": "memory"},
    ),
    Row(
        _dev("POWER_USAGE", "BOARD_POWER_WATTS"),
        "Power, averaged over 1 s (in W).",
        gpu.GPU_POWER_WATTS,
        {"window": "1s", "scope": "gpu"},
    ),
    Row(
        _dev("POWER_USAGE_INSTANT", "BOARD_POWER_RAW_WATTS"),
        "Power at this instant (in W).",
        gpu.GPU_POWER_WATTS,
        {"window": "instant", "scope": "gpu"},
    ),
    Row(
        _dev("TOTAL_ENERGY_CONSUMPTION"),
        "Energy since the driver was loaded (in mJ).",
        gpu.GPU_ENERGY_JOULES_TOTAL,
        {},
        1e3,
        _COUNTER,
    ),
    _limit("enforced", "ENFORCED_POWER_LIMIT", "BOARD_POWER_LIMIT_ENFORCED_WATTS"),
    _limit("requested", "POWER_MGMT_LIMIT", "BOARD_POWER_LIMIT_REQUESTED_WATTS"),
    _limit("default", "POWER_MGMT_LIMIT_DEF", "BOARD_POWER_LIMIT_DEFAULT_WATTS"),
    _limit("min", "POWER_MGMT_LIMIT_MIN", "BOARD_POWER_LIMIT_MIN_WATTS"),
    _limit("max", "POWER_MGMT_LIMIT_MAX", "BOARD_POWER_LIMIT_MAX_WATTS"),
    Row(_dev("GPU_UTIL", "GPU_UTIL_RATIO"), "GPU utilization (in %).", gpu.GPU_UTILIZATION_RATIO, {}, 100),
    Row(_dev("MEM_COPY_UTIL"), "Memory utilization (in %).", gpu.GPU_MEMORY_UTILIZATION_RATIO, {}, 100),
    Row(_dev("ENC_UTIL"), "Encoder utilization (in %).", gpu.GPU_ENGINE_UTILIZATION_RATIO, {"engine": "encoder"}, 100),
    Row(_dev("DEC_UTIL"), "Decoder utilization (in %).", gpu.GPU_ENGINE_UTILIZATION_RATIO, {"engine": "decoder"}, 100),
    Row(_dev("FB_USED"), "Memory used (in MiB).", gpu.GPU_MEMORY_USED_BYTES, {}, _MIB),
    Row(_dev("FB_RESERVED"), "Memory reserved (in MiB).", gpu.GPU_MEMORY_RESERVED_BYTES, {}, _MIB),
    Row(_dev("FB_TOTAL"), "Memory (in MiB).", gpu.GPU_MEMORY_TOTAL_BYTES, {}, _MIB),
    Row(_dev("XID_ERRORS", "XID_ERROR"), "The last XID, 0 for none.", gpu.GPU_LAST_XID),
    Row(_dev("PCIE_REPLAY_COUNTER", "PCIE_REPLAY_TOTAL"), "PCIe replays.", gpu.GPU_PCIE_REPLAYS_TOTAL, {}, 1, _COUNTER),
    _violation("POWER_VIOLATION", "sw_power_cap"),
    _violation("THERMAL_VIOLATION", "thermal_policy"),
    _violation("SYNC_BOOST_VIOLATION", "sync_boost"),
    _violation("BOARD_LIMIT_VIOLATION", "board_limit"),
    _violation("LOW_UTIL_VIOLATION", "low_utilization"),
    _violation("RELIABILITY_VIOLATION", "reliability"),
    Row(
        _dev("UNCORRECTABLE_REMAPPED_ROWS", "ROW_REMAP_UNCORRECTABLE_TOTAL"),
        "Rows remapped for uncorrectable errors.",
        gpu.GPU_REMAPPED_ROWS,
        {"kind": "uncorrectable"},
        1,
        _COUNTER,
    ),
    Row(
        _dev("CORRECTABLE_REMAPPED_ROWS", "ROW_REMAP_CORRECTABLE_TOTAL"),
        "Rows remapped for correctable errors.",
        gpu.GPU_REMAPPED_ROWS,
        {"kind": "correctable"},
        1,
        _COUNTER,
    ),
    Row(_dev("ROW_REMAP_FAILURE", "ROW_REMAP_FAILED"), "1 when remapping failed.", gpu.GPU_ROW_REMAP_FAILED),
    Row(_dev("ROW_REMAP_PENDING"), "1 when a remapping waits for a reset.", gpu.GPU_ROW_REMAP_PENDING),
    Row(_dev("RETIRED_SBE", "PAGE_RETIRED_SBE_TOTAL"), "Retired pages.", gpu.GPU_RETIRED_PAGES, {"cause": "single_bit"}),
    Row(_dev("RETIRED_DBE", "PAGE_RETIRED_DBE_TOTAL"), "Retired pages.", gpu.GPU_RETIRED_PAGES, {"cause": "double_bit"}),
    Row(
        _dev("ECC_SBE_AGG_TOTAL"),
        "Corrected ECC errors, life.",
        gpu.GPU_ECC_AGGREGATE_ERRORS_TOTAL,
        {"kind": "corrected"},
        1,
        _COUNTER,
    ),
    Row(
        _dev("ECC_DBE_AGG_TOTAL"),
        "Uncorrected ECC errors, life.",
        gpu.GPU_ECC_AGGREGATE_ERRORS_TOTAL,
        {"kind": "uncorrected"},
        1,
        _COUNTER,
    ),
    Row(
        _dev("ECC_SBE_VOL_TOTAL"),
        "Corrected ECC errors since driver load.",
        gpu.GPU_ECC_ERRORS_TOTAL,
        {"kind": "corrected"},
        1,
        _COUNTER,
    ),
    Row(
        _dev("ECC_DBE_VOL_TOTAL"),
        "Uncorrected ECC errors since driver load.",
        gpu.GPU_ECC_ERRORS_TOTAL,
        {"kind": "uncorrected"},
        1,
        _COUNTER,
    ),
    _nvlink_errors("crc_flit", "NVLINK_CRC_FLIT_ERROR_COUNT_TOTAL"),
    _nvlink_errors("crc_data", "NVLINK_CRC_DATA_ERROR_COUNT_TOTAL"),
    _nvlink_errors("replay", "NVLINK_REPLAY_ERROR_COUNT_TOTAL", "NVLINK_REPLAY_TOTAL"),
    _nvlink_errors("recovery", "NVLINK_RECOVERY_ERROR_COUNT_TOTAL", "NVLINK_RECOVERY_TOTAL"),
    _nvlink_errors("crc", "NVLINK_CRC_ERROR_TOTAL"),
    Row(_dev("GET_GPU_RECOVERY_ACTION", "GPU_RECOVERY_ACTION"), "What the driver asks for.", gpu.GPU_RECOVERY_ACTION),
    Row(_dev("PSTATE", "GPU_PSTATE"), "Performance state.", gpu.GPU_PERFORMANCE_STATE),
    Row(_prof("GR_ENGINE_ACTIVE", "GR_ENGINE_UTIL_RATIO"), "Share of time any engine worked.", gpu.GPU_GRAPHICS_ACTIVE_RATIO),
    Row(_prof("SM_ACTIVE", "SM_UTIL_RATIO"), "Share of cycles an SM had a warp.", gpu.GPU_SM_ACTIVE_RATIO),
    Row(_prof("SM_OCCUPANCY", "SM_OCCUPANCY_RATIO"), "Resident warps over the maximum.", gpu.GPU_SM_OCCUPANCY_RATIO),
    Row(_prof("PIPE_TENSOR_ACTIVE", "TENSOR_UTIL_RATIO"), "Share of cycles of the tensor pipe.", gpu.GPU_TENSOR_ACTIVE_RATIO),
    Row(_prof("DRAM_ACTIVE", "DRAM_UTIL_RATIO"), "Share of cycles of the memory interface.", gpu.GPU_DRAM_ACTIVE_RATIO),
    Row(_prof("PIPE_FP64_ACTIVE", "FP64_UTIL_RATIO"), "FP64 pipe.", gpu.GPU_PIPE_ACTIVE_RATIO, {"pipe": "fp64"}),
    Row(_prof("PIPE_FP32_ACTIVE", "FP32_UTIL_RATIO"), "FP32 pipe.", gpu.GPU_PIPE_ACTIVE_RATIO, {"pipe": "fp32"}),
    Row(_prof("PIPE_FP16_ACTIVE", "FP16_UTIL_RATIO"), "FP16 pipe.", gpu.GPU_PIPE_ACTIVE_RATIO, {"pipe": "fp16"}),
    Row(_prof("PIPE_INT_ACTIVE", "INT_UTIL_RATIO"), "Integer pipe.", gpu.GPU_PIPE_ACTIVE_RATIO, {"pipe": "int"}),
    Row(_prof("PCIE_TX_BYTES"), "PCIe sent (in B/s).", gpu.GPU_PCIE_BYTES_PER_SECOND, {"direction": "tx"}),
    Row(_prof("PCIE_RX_BYTES"), "PCIe received (in B/s).", gpu.GPU_PCIE_BYTES_PER_SECOND, {"direction": "rx"}),
    Row(_prof("NVLINK_TX_BYTES"), "NVLink sent (in B/s).", gpu.GPU_NVLINK_BYTES_PER_SECOND, {"direction": "tx"}),
    Row(_prof("NVLINK_RX_BYTES"), "NVLink received (in B/s).", gpu.GPU_NVLINK_BYTES_PER_SECOND, {"direction": "rx"}),
)


class Target(NamedTuple):
    """Whom a value is about: a GPU, or one of its MIG instances by (GPU instance, compute instance)."""

    uuid: str
    instance: tuple[str, str] | None = None


_FB_FREE = _dev("FB_FREE")
_REASONS = _dev("CLOCK_THROTTLE_REASONS", "CLOCKS_EVENT_REASONS")
_MIG_ROWS: tuple[Row, ...] = (
    Row(_dev("FB_USED"), "", gpu.MIG_MEMORY_USED_BYTES, {}, _MIB),
    Row(_dev("FB_TOTAL"), "", gpu.MIG_MEMORY_TOTAL_BYTES, {}, _MIB),
    Row(_prof("SM_ACTIVE", "SM_UTIL_RATIO"), "", gpu.MIG_SM_ACTIVE_RATIO),
)


def render(snapshot: Snapshot, hostname: HostnameLabel) -> bytes:
    """The exposition of a snapshot's GPUs under DCGM's names. A GPU that is not identified yet is left out."""
    labels = dict(_labels(snapshot, hostname))
    parts: list[str] = []
    for row in ROWS:
        values = _values(snapshot, row)
        for mig_row in _MIG_ROWS:
            if mig_row.names == row.names:
                values |= _values(snapshot, mig_row)
        parts += _family(row.names, row.kind, row.help, values, labels)
    parts += _family(_FB_FREE, Kind.GAUGE, "Memory free (in MiB).", _free(snapshot), labels)
    parts += _family(_REASONS, Kind.GAUGE, "Reasons that hold the clocks down, as bits.", _reasons(snapshot), labels)
    return "".join(parts).encode()


def _labels(snapshot: Snapshot, hostname: HostnameLabel) -> Iterator[tuple[Target, dict[str, str]]]:
    hosts = ("Hostname", "hostname") if hostname == "both" else (hostname,)
    known: dict[str, dict[str, str]] = {}
    for found in snapshot.find(gpu.GPU_INFO):
        has = dict(zip(gpu.GPU_INFO.labels, found.sample.labels, strict=True))
        known[has["uuid"]] = {
            "gpu": has["gpu"],
            "UUID": has["uuid"],
            "pci_bus_id": has["pci_bus_id"],
            "device": f"nvidia{has['gpu']}",
            "modelName": has["model"],
            **dict.fromkeys(hosts, has["node"]),
            "DCGM_FI_DRIVER_VERSION": has["driver"],
        }
        yield Target(has["uuid"]), known[has["uuid"]]
    for found in snapshot.find(gpu.MIG_INFO):
        has = dict(zip(gpu.MIG_INFO.labels, found.sample.labels, strict=True))
        if has["uuid"] in known:
            instance = {"GPU_I_PROFILE": has["profile"], "GPU_I_ID": has["gpu_instance"]}
            yield Target(has["uuid"], (has["gpu_instance"], has["compute_instance"])), {**known[has["uuid"]], **instance}


def _values(snapshot: Snapshot, row: Row) -> dict[Target, float]:
    """Values of a row. Series that differ only in what DCGM does not tell apart, such as the place of an error, add up."""
    values: dict[Target, float] = {}
    names = row.metric.labels
    for found in snapshot.find(row.metric, **row.where):
        labels = dict(zip(names, found.sample.labels, strict=True))
        instance = (labels["gpu_instance"], labels["compute_instance"]) if "gpu_instance" in labels else None
        target = Target(labels["uuid"], instance)
        values[target] = values.get(target, 0.0) + round(found.sample.value * row.factor, 9)
    return values


def _free(snapshot: Snapshot) -> dict[Target, float]:
    total, used, reserved = (
        _values(snapshot, Row((), "", metric, {}, _MIB))
        for metric in (gpu.GPU_MEMORY_TOTAL_BYTES, gpu.GPU_MEMORY_USED_BYTES, gpu.GPU_MEMORY_RESERVED_BYTES)
    )
    return {target: total[target] - used[target] - reserved[target] for target in total.keys() & used.keys() & reserved.keys()}


def _reasons(snapshot: Snapshot) -> dict[Target, float]:
    bits: dict[Target, float] = {}
    for bit, reason in gpu.THROTTLE_BITS.items():
        for target, active in _values(snapshot, Row((), "", gpu.GPU_THROTTLE_ACTIVE, {"reason": reason})).items():
            bits[target] = bits.get(target, 0.0) + bit * active
    return bits


def _family(
    names: tuple[str, ...], kind: Kind, text: str, values: Mapping[Target, float], labels: Mapping[Target, Mapping[str, str]]
) -> Iterator[str]:
    shown = [(labels[target], value) for target, value in values.items() if target in labels]
    for name in names if shown else ():
        yield header(_metric(name, kind, text, ()))
        for has, value in shown:
            yield f"{_metric(name, kind, text, tuple(has)).series_prefix(tuple(has.values()))}{number(value)}\n"


def _metric(name: str, kind: Kind, text: str, labels: tuple[str, ...]) -> Metric:
    return Metric(name=name, kind=kind, labels=labels, help=text, source="")
