"""What the processes on each simulated server see: the NVML state file and RAPL's part of /sys."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from simulator.nvml.profiles import MIB, PROFILES
from simulator.nvml.state import Gpu, StateFile
from simulator.physics import Physics
from simulator.processes import ProcessFeed
from simulator.site import Server, Sharing
from simulator.world import World

# Bits of nvmlDeviceGetCurrentClocksEventReasons, in the order of `physics.REASONS`; a brake also says "hardware slowdown".
REASON_BITS = np.array([0x1, 0x4, 0x80, 0x20, 0x8])
HW_SLOWDOWN, HW_THERMAL = 0x8, 0x40
# GPM metric ids and the share of the SMs' activity that the simple ones show.
GPM_GRAPHICS, GPM_SM, GPM_OCCUPANCY, GPM_INTEGER, GPM_TENSOR, GPM_DRAM, GPM_FP64, GPM_FP32, GPM_FP16 = (
    1,
    2,
    3,
    4,
    5,
    10,
    11,
    12,
    13,
)
RAPL_RANGE_MICROJOULES = 262_143_328_850
RAPL_DOMAINS = ("package", "dram")
# NVLink and PCIe, two directions each, in MiB/s.
GPM_TRAFFIC = ((60, 61), (20, 21))


def create_state(server: Server, directory: Path) -> StateFile:
    """The NVML state file of a server."""
    model = server.model
    # The driver is in every server's image; one without GPUs finds none.
    gpus = [
        Gpu(
            profile=PROFILES[model.gpu.key],
            uuid=server.gpu_uuid(index),
            serial=server.gpu_serial(index),
            pci_bus=server.pci_bus(index),
            minor=index,
            module_id=index + 1 if model.hgx else None,
        )
        for index in range(model.gpus)
        if model.gpu
    ]
    return StateFile.create(directory / f"{server.name}.nvml", gpus)


class NvmlFeed:
    """Writes the model's state into the state files and takes power limits that were set through NVML out of them."""

    def __init__(self, world: World, directory: Path) -> None:
        """Create a file for every server."""
        self.world = world
        self.states = {server.name: create_state(server, directory) for server in world.hall.servers}
        self._servers = [server for server in world.hall.servers if server.model.gpus]
        self.processes = ProcessFeed(world, self.states, directory.parent / "proc")
        self._at = world.now

    def close(self) -> None:
        """Unmap the files."""
        for state in self.states.values():
            state.close()

    def take_limits(self) -> None:
        """Read back what was requested in band."""
        for server in self._servers:
            columns, rows = self.states[server.name].columns, slice(server.first_gpu, server.first_gpu + server.model.gpus)
            self.world.physics.requested_watts[rows] = columns["limit_requested_mw"] / 1000
            locks = columns["clock_lock_mhz"]
            self.world.physics.clock_lock_mhz[rows] = np.where(locks > 0, locks, np.inf)

    def write(self) -> None:
        """Show the state of now."""
        physics = self.world.physics
        seconds = self.world.now - self._at
        self._at = self.world.now
        values = _values(physics)
        gpm = _gpm(physics)
        traffic = np.stack([physics.nvlink_rate, physics.pcie_rate]) / MIB
        self.processes.write()
        for server in self._servers:
            rows = slice(server.first_gpu, server.first_gpu + server.model.gpus)
            state = self.states[server.name]
            columns = state.columns
            with state.update():
                for name, column in values.items():
                    columns[name][:] = column[rows]
                if server.model.gpu is not None and server.model.gpu.has_hbm:
                    memory = (physics.memory_watts[rows] * 1000).astype(np.int64)
                    columns["memory_power_average_mw"][:] = columns["memory_power_instant_mw"][:] = memory
                    columns["temperature_memory"][:] = physics.memory_celsius[rows].round()
                    nvlink = (physics.nvlink_bytes[:, rows] / 1024).astype(np.int64)
                    columns["nvlink_tx_kib"][:], columns["nvlink_rx_kib"][:] = nvlink
                    for metric, shares in gpm.items():
                        columns["gpm_percent"][:, metric] = 100 * shares[rows]
                    for metrics, rates in zip(GPM_TRAFFIC, traffic, strict=True):
                        columns["gpm_percent"][:, list(metrics)] = rates[:, rows].T
                columns["memory_used"][:] = physics.memory_used_ratio[rows] * columns["memory_total"]
                columns["processes"]["sm"][:, 0] = values["utilization_gpu"][rows]
                columns["processes"]["mem"][:, 0] = values["utilization_memory"][rows]
                columns["processes"]["time_us"][:] = int(self.world.now * 1e6)
                if server.sharing is not Sharing.WHOLE:
                    self.processes.activity(server, physics)
                state.advance_gpm(seconds)


def _reasons(throttled: NDArray[np.bool_], too_hot: NDArray[np.bool_]) -> NDArray[np.int64]:
    bits = np.where(throttled, REASON_BITS[:, None], 0)
    bits[4] |= np.where(throttled[2], REASON_BITS[4], 0)
    found: NDArray[np.int64] = bits.sum(axis=0)
    return found | np.where(too_hot, HW_SLOWDOWN | HW_THERMAL, 0)


def _values(physics: Physics) -> dict[str, np.ndarray]:
    busy = physics.activity.level > 0.005
    clock = physics.clock_mhz.round()
    # Boards without HBM let their memory sleep when nothing runs.
    sleeps = ~busy & ~physics.running & (physics.nvlink_peak == 0)
    out_of_band = np.where(physics.setpoint_watts < physics.limit_max_watts, physics.setpoint_watts * 1000, 0)
    throttled = physics.throttle_seconds * 1e9
    return {
        "lost": ~physics.present | ~physics.powered[physics.node_of],
        "power_average_mw": physics.gpu_second_watts * 1000,
        "power_instant_mw": physics.gpu_watts * 1000,
        "energy_mj": physics.counter_joules * 1000,
        "limit_out_of_band_mw": out_of_band,
        "utilization_gpu": (100 * physics.utilization).round(),
        "utilization_memory": (100 * physics.dram_active).round(),
        "temperature": physics.gpu_celsius.round(),
        "clock_graphics": clock,
        "clock_sm": clock,
        "clock_memory": np.where(sleeps, 405, physics.memory_clock_mhz),
        "clock_video": (0.78 * clock).round(),
        "performance_state": np.where(sleeps, 8, 0),
        "throttle_reasons": _reasons(physics.throttled, physics.too_hot),
        "throttle_power_ns": throttled[1],
        "throttle_power_brake_ns": throttled[2],
        "throttle_sw_thermal_ns": throttled[3],
        "throttle_hw_thermal_ns": physics.too_hot_seconds * 1e9,
        "pcie_tx_bytes": physics.pcie_bytes[0],
        "pcie_rx_bytes": physics.pcie_bytes[1],
    }


def _gpm(physics: Physics) -> dict[int, np.ndarray]:
    sm, tensor = physics.sm_active, physics.tensor_active
    return {
        GPM_GRAPHICS: physics.utilization,
        GPM_SM: sm,
        GPM_OCCUPANCY: 0.42 * sm,
        GPM_INTEGER: 0.11 * sm,
        GPM_TENSOR: tensor,
        GPM_DRAM: physics.dram_active,
        GPM_FP64: 0.0 * sm,
        GPM_FP32: 0.14 * sm,
        GPM_FP16: 0.05 * sm,
    }


class RaplFeed:
    """RAPL's counters in a tree that looks like /sys, one for each server."""

    def __init__(self, world: World, directory: Path) -> None:
        """Make the trees as the kernel has them: zones under devices, links to them under class."""
        self.world = world
        self._files: list[tuple[Path, str, int, int]] = []
        # The counters wrap just now: a reader that begins with them goes on from a history without a jump.
        physics = world.physics
        self._start = -1e6 * np.stack([physics.cpu_joules, physics.dram_joules])
        for server in world.hall.servers:
            root = directory / server.name
            control = root / "devices/virtual/powercap/intel-rapl"
            links = root / "class/powercap"
            links.mkdir(parents=True, exist_ok=True)
            control.mkdir(parents=True, exist_ok=True)
            (control / "enabled").write_text("1\n")
            _link(links / "intel-rapl", control)
            for socket in range(2):
                package = control / f"intel-rapl:{socket}"
                for zone, name in ((package, f"package-{socket}"), (package / f"intel-rapl:{socket}:0", "dram")):
                    zone.mkdir(exist_ok=True)
                    (zone / "name").write_text(f"{name}\n")
                    (zone / "max_energy_range_uj").write_text(f"{RAPL_RANGE_MICROJOULES}\n")
                    (zone / "enabled").write_text("1\n")
                    _link(links / zone.name, zone)
                    self._files.append((zone / "energy_uj", "dram" if name == "dram" else "package", socket, server.index))
        self.write()

    def write(self) -> None:
        """Write all counters; they wrap where the hardware's do."""
        physics = self.world.physics
        joules = {"package": physics.cpu_joules, "dram": physics.dram_joules}
        for path, domain, socket, index in self._files:
            start = self._start[RAPL_DOMAINS.index(domain), socket, index]
            path.write_text(f"{int(start + joules[domain][socket, index] * 1e6) % RAPL_RANGE_MICROJOULES}\n")


def _link(link: Path, target: Path) -> None:
    if not link.is_symlink():
        link.symlink_to(target.resolve())
