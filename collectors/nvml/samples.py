"""Samples of readings. Labels stand in the catalogue's order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from collectors.nvml import gpm
from collectors.nvml.counters import Kept
from collectors.nvml.events import WATCHED_XIDS
from collectors.nvml.fast import FastReading
from collectors.nvml.identity import Identity
from collectors.nvml.medium import MediumReading
from collectors.nvml.slow import FABRIC_STATES, SlowReading
from wattstat.catalogue import gpu
from wattstat.catalogue.metric import Metric, Samples

_ACTIVITY = {
    gpm.GRAPHICS: gpu.GPU_GRAPHICS_ACTIVE_RATIO,
    gpm.SM: gpu.GPU_SM_ACTIVE_RATIO,
    gpm.OCCUPANCY: gpu.GPU_SM_OCCUPANCY_RATIO,
    gpm.TENSOR: gpu.GPU_TENSOR_ACTIVE_RATIO,
    gpm.DRAM: gpu.GPU_DRAM_ACTIVE_RATIO,
}
_TRAFFIC = {"pcie": gpu.GPU_PCIE_BYTES_PER_SECOND, "nvlink": gpu.GPU_NVLINK_BYTES_PER_SECOND}
_PIPES = {gpm.INTEGER: "int", gpm.FP64: "fp64", gpm.FP32: "fp32", gpm.FP16: "fp16"}


def fast(node: str, reading: FastReading, kept: Kept) -> Samples:
    """Samples of a fast reading and of the counters that it moved."""
    out = Samples()
    labels = _labels(node, reading.identity)
    for (window, scope), watts in reading.power_watts.items():
        out.add(gpu.GPU_POWER_WATTS, watts, *labels, window, scope)
    _each(out, gpu.GPU_POWER_LIMIT_WATTS, reading.limits_watts, labels)
    out.add(gpu.GPU_ENERGY_JOULES_TOTAL, reading.energy_joules, *labels)
    if reading.energy_joules is not None:
        out.add(gpu.GPU_ENERGY_RESETS_TOTAL, kept.energy.resets, *labels)
    out.add(gpu.GPU_UTILIZATION_RATIO, reading.utilization_ratio, *labels)
    out.add(gpu.GPU_MEMORY_UTILIZATION_RATIO, reading.memory_utilization_ratio, *labels)
    for metric_id, ratio in reading.activity.items():
        if metric_id in _PIPES:
            out.add(gpu.GPU_PIPE_ACTIVE_RATIO, ratio, *labels, _PIPES[metric_id])
        elif metric_id in _ACTIVITY:
            out.add(_ACTIVITY[metric_id], ratio, *labels)
    for (link, direction), rate in reading.traffic_bytes_per_second.items():
        out.add(_TRAFFIC[link], rate, *labels, direction)
    out.add(gpu.GPU_MEMORY_USED_BYTES, reading.memory_used_bytes, *labels)
    out.add(gpu.GPU_MEMORY_RESERVED_BYTES, reading.memory_reserved_bytes, *labels)
    out.add(gpu.GPU_MEMORY_TOTAL_BYTES, reading.memory_total_bytes, *labels)
    _each(out, gpu.GPU_TEMPERATURE_CELSIUS, reading.temperatures_celsius, labels)
    out.add(gpu.GPU_TEMPERATURE_MARGIN_CELSIUS, reading.margin_celsius, *labels)
    _each(out, gpu.GPU_CLOCK_HERTZ, reading.clocks_hertz, labels)
    out.add(gpu.GPU_PERFORMANCE_STATE, reading.performance_state, *labels)
    if reading.throttle_reasons is not None:
        for bit, reason in gpu.THROTTLE_BITS.items():
            out.add(gpu.GPU_THROTTLE_ACTIVE, bool(reading.throttle_reasons & bit), *labels, reason)
    _each(out, gpu.GPU_THROTTLE_SECONDS_TOTAL, reading.throttle_seconds, labels)
    _each(out, gpu.GPU_PCIE_BYTES_TOTAL, kept.pcie.bytes_total or reading.pcie_bytes, labels)
    out.add(gpu.GPU_PCIE_REPLAYS_TOTAL, reading.pcie_replays, *labels)
    _each(out, gpu.GPU_NVLINK_BYTES_TOTAL, reading.nvlink_bytes, labels)
    out.add(gpu.GPU_RECOVERY_ACTION, reading.recovery_action, *labels)
    out.add(gpu.GPU_LOST, 0, *labels)
    return out


def medium(node: str, reading: MediumReading) -> Samples:
    """Samples of processes, engines and MIG instances."""
    out = Samples()
    labels = _labels(node, reading.identity)
    if reading.processes is not None:
        out.add(gpu.GPU_PROCESSES, len(reading.processes), *labels)
        for process in reading.processes:
            out.add(gpu.GPU_PROCESS_MEMORY_BYTES, process.memory_bytes, *labels, str(process.pid))
            out.add(gpu.GPU_PROCESS_SM_RATIO, process.sm_ratio, *labels, str(process.pid))
    _each(out, gpu.GPU_ENGINE_UTILIZATION_RATIO, reading.engines, labels)
    for mig in reading.mig:
        mig_labels = (*labels, str(mig.instance), str(mig.compute_instance))
        out.add(gpu.MIG_INFO, 1, *mig_labels, mig.uuid, mig.profile)
        out.add(gpu.MIG_MEMORY_USED_BYTES, mig.memory_used_bytes, *mig_labels)
        out.add(gpu.MIG_MEMORY_TOTAL_BYTES, mig.memory_total_bytes, *mig_labels)
        out.add(gpu.MIG_MULTIPROCESSORS, mig.sm_count, *mig_labels)
        out.add(gpu.MIG_SLICES, mig.slices, *mig_labels)
        out.add(gpu.MIG_SM_ACTIVE_RATIO, mig.sm_active_ratio, *mig_labels)
        out.add(gpu.MIG_PROCESSES, mig.processes, *mig_labels)
    return out


def slow(node: str, reading: SlowReading) -> Samples:
    """Samples of a slow reading and of the identity."""
    out = Samples()
    who = reading.identity
    labels = _labels(node, who)
    names = (who.model, who.serial, who.pci_bus_id, who.minor, who.module_id, who.architecture, who.vbios, who.driver)
    out.add(gpu.GPU_INFO, 1, *labels, *names)
    _each(out, gpu.GPU_CLOCK_MAX_HERTZ, who.clocks_max_hertz, labels)
    for (kind, location), count in reading.ecc_errors.items():
        out.add(gpu.GPU_ECC_ERRORS_TOTAL, count, *labels, kind, location)
    _each(out, gpu.GPU_ECC_AGGREGATE_ERRORS_TOTAL, reading.ecc_aggregate, labels)
    _each(out, gpu.GPU_REMAPPED_ROWS, reading.remapped_rows, labels)
    out.add(gpu.GPU_ROW_REMAP_PENDING, reading.remap_pending, *labels)
    out.add(gpu.GPU_ROW_REMAP_FAILED, reading.remap_failed, *labels)
    _each(out, gpu.GPU_ROW_REMAP_BANKS, reading.remap_banks, labels)
    _each(out, gpu.GPU_RETIRED_PAGES, reading.retired_pages, labels)
    _each(out, gpu.GPU_PCIE_ERRORS_TOTAL, reading.pcie_errors, labels)
    _each(out, gpu.GPU_PCIE_LINK_GENERATION, reading.pcie_generation, labels)
    _each(out, gpu.GPU_PCIE_LINK_WIDTH, reading.pcie_width, labels)
    out.add(gpu.GPU_NVLINKS_ACTIVE, reading.nvlinks_active, *labels)
    _each(out, gpu.GPU_NVLINK_ERRORS_TOTAL, reading.nvlink_errors, labels)
    if reading.fabric_state:
        for state in FABRIC_STATES.values():
            out.add(gpu.GPU_FABRIC_STATE, state == reading.fabric_state, *labels, state)
    out.add(gpu.GPU_FABRIC_HEALTHY, reading.fabric_healthy, *labels)
    _each(out, gpu.GPU_TEMPERATURE_LIMIT_CELSIUS, reading.thresholds_celsius, labels)
    out.add(gpu.GPU_PERSISTENCE_MODE, reading.persistence_mode, *labels)
    out.add(gpu.GPU_MIG_MODE, reading.mig_mode, *labels)
    for fan, ratio in enumerate(reading.fan_ratios):
        out.add(gpu.GPU_FAN_SPEED_RATIO, ratio, *labels, str(fan))
    return out


def lost(node: str, kept: Mapping[str, Kept], answering: Iterable[str]) -> Samples:
    """What is left of GPUs that were seen and do not answer."""
    out = Samples()
    for uuid in kept.keys() - set(answering):
        out.add(gpu.GPU_LOST, 1, node, str(kept[uuid].index), uuid)
    return out


def xids(node: str, kept: Mapping[str, Kept]) -> Samples:
    """XID counters of every GPU seen, also of those that are lost now: the XID says why."""
    out = Samples()
    for uuid, entry in kept.items():
        out.add(gpu.GPU_LAST_XID, entry.last_xid, node, str(entry.index), uuid)
        for xid in (*WATCHED_XIDS, *sorted(entry.xids.keys() - set(WATCHED_XIDS))):
            out.add(gpu.GPU_XID_ERRORS_TOTAL, entry.xids.get(xid, 0), node, str(entry.index), uuid, str(xid))
    return out


def _labels(node: str, identity: Identity) -> tuple[str, str, str]:
    return node, str(identity.index), identity.uuid


def _each(out: Samples, metric: Metric, values: Mapping[str, float], labels: tuple[str, ...]) -> None:
    for name, value in values.items():
        out.add(metric, value, *labels, name)
