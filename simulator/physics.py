"""One physical model for everything that the simulated devices report: watts, joules, degrees, clocks, fans.

All state is in arrays, GPUs in one and servers in another order (`Layout`). A step holds the demand constant and solves the
first-order lags exactly, so that energy is the exact integral of power whatever the step.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from simulator.lanes import NO_GPU, Lanes
from simulator.models import CPU_SKEW, GpuModel
from simulator.power_path import Breakers, PowerSupplies
from simulator.site import Layout
from simulator.workload import DAY, Activity, Patterns, daylight

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

GPU_LAG_SECONDS = 0.2
CPU_LAG_SECONDS = 0.5
CAP_LAG_SECONDS = 1.2
GPU_THERMAL_SECONDS = 28.0
CPU_THERMAL_SECONDS = 18.0
FAN_LAG_SECONDS = 12.0
# Clock follows power with this root: voltage falls with the clock.
CLOCK_EXPONENT = 1 / 2.4
REASONS = ("idle", "sw_power_cap", "hw_power_brake", "sw_thermal", "hw_slowdown")


class Physics:
    """The state of the hall at `now`; `step` moves it."""

    def __init__(self, lanes: Lanes, hall: Layout, patterns: Patterns, seed: int, now: float) -> None:  # noqa: PLR0915 - one array a line
        """Everything idle and settled at `now`."""
        self.lanes = lanes
        self.hall = hall
        self.now = now
        self.patterns = patterns
        rng = np.random.default_rng(seed)
        servers = hall.servers
        self.node_of = np.repeat(np.arange(len(servers)), [server.model.gpus for server in servers])
        count, gpus = len(servers), len(self.node_of)
        models: list[GpuModel] = [server.model.gpu for server in servers if server.model.gpu for _ in range(server.model.gpus)]

        def of_gpu(name: str) -> Floats:
            return np.array([float(getattr(model, name)) for model in models])

        def of_server(name: str) -> Floats:
            return np.array([float(getattr(server.model, name)) for server in servers])

        # No two chips are alike: a few percent in demand, more in the seat of the heat sink.
        self.idle_watts = of_gpu("idle_watts") * rng.uniform(0.95, 1.06, gpus)
        self.peak_watts = of_gpu("peak_watts") * rng.uniform(0.96, 1.03, gpus)
        self.resistance = of_gpu("thermal_resistance") * rng.uniform(0.9, 1.12, gpus)
        self.slowdown_celsius = of_gpu("slowdown_celsius")
        self.memory_share = of_gpu("memory_share")
        self.memory_clock_mhz = of_gpu("memory_clock_mhz")
        self.clock_max_mhz = of_gpu("clock_max_mhz")
        self.clock_idle_mhz = of_gpu("clock_idle_mhz")
        self.nvlink_peak = of_gpu("nvlink_bytes_per_second")
        self.pcie_peak = of_gpu("pcie_bytes_per_second")
        self.limit_min_watts = of_gpu("limit_min_watts")
        self.limit_max_watts = of_gpu("limit_max_watts")

        self.requested_watts = self.limit_max_watts.copy()  # in band, through NVML
        self.setpoint_watts = self.limit_max_watts.copy()  # out of band, through the baseboard
        self.brake_watts = self.limit_max_watts.copy()  # what a server's own cap leaves to each GPU
        self.clock_lock_mhz = np.full(gpus, np.inf)  # how far clocks may rise, through NVML
        self.board_clock_ratio = np.ones(gpus)  # how far a board that has a fault lets them rise
        self.present = np.ones(gpus, bool)

        self.gpu_watts = self.idle_watts.copy()
        self.gpu_mean_watts = self.idle_watts.copy()
        self.gpu_joules = np.zeros(gpus)
        # What a GPU's own counter shows beyond the truth: what it drew before the simulation, less what it forgot at a reset.
        self.counter_start_joules = self.idle_watts * DAY * rng.uniform(20, 40, gpus).round()
        self.gpu_celsius = np.full(gpus, 30.0)
        self.memory_celsius = np.full(gpus, 34.0)
        self.clock_mhz = self.clock_idle_mhz.copy()
        self.speed = np.ones(gpus)
        # How much of its time each lane works, and how much it has data to work on (None: always).
        self.pace = np.ones(len(lanes))
        self.fed: Floats | None = None
        self.activity = Activity(*(np.zeros(gpus) for _ in range(4)))
        self.lane_activity = Activity(*(np.zeros(len(lanes)) for _ in range(4)))
        self.throttled = np.zeros((len(REASONS), gpus), bool)
        self.throttle_seconds = np.zeros((len(REASONS), gpus))
        self.too_hot = np.zeros(gpus, bool)  # beyond the slowdown temperature: the hardware steps in
        self.too_hot_seconds = np.zeros(gpus)
        self.nvlink_bytes = np.zeros((2, gpus))
        self.pcie_bytes = np.zeros((2, gpus))
        self.nvlink_rate = np.zeros((2, gpus))
        self.pcie_rate = np.zeros((2, gpus))

        self.cpu_sockets = 2
        self.cpu_idle_watts = of_server("cpu_idle_watts")
        self.cpu_peak_watts = of_server("cpu_peak_watts")
        self.dram_idle_watts = of_server("dram_idle_watts")
        self.dram_peak_watts = of_server("dram_peak_watts")
        self.fixed_watts = of_server("nic_watts") + of_server("other_watts")
        self.board_idle_watts = of_server("board_idle_watts")
        self.board_peak_watts = of_server("board_peak_watts")
        self.fan_max_watts = of_server("fan_max_watts")
        self.fan_floor = of_server("fan_floor")
        self.node_gpus = of_server("gpus")
        # How much of its server's processors a lane's work can ask for.
        whole = np.where(lanes.gpu == NO_GPU, 1 / np.bincount(lanes.node, minlength=count)[lanes.node], lanes.weight)
        self.lane_cpu_share = whole / np.maximum(self.node_gpus[lanes.node], 1)
        self.inlet_offset = rng.uniform(-1.2, 1.8, count)
        # How much warmer than cooled air an inlet is, how much it will be, and how fast it gets there.
        self.inlet_excess, self.inlet_target, self.inlet_rate = np.zeros(count), np.zeros(count), np.zeros(count)
        self.fan_alive = np.ones(count)  # share of the fans that turn
        self.cpu_phase = rng.uniform(0, 2 * np.pi, (2, count))

        self.cap_watts = np.full(count, np.inf)
        self.cpu_load = np.zeros(count)
        self.cpu_watts = np.tile(self.cpu_idle_watts, (2, 1))
        self.cpu_joules = np.zeros((2, count))
        self.dram_joules = np.zeros((2, count))
        self.dram_watts = self.dram_idle_watts * 2
        self.cpu_celsius = np.full((2, count), 40.0)
        self.fan_ratio = self.fan_floor.copy()
        self.board_watts = self.board_idle_watts.copy()
        self.node_gpu_watts = np.zeros(count)
        self.load_watts = np.zeros(count)
        self.node_watts = np.zeros(count)
        self.node_joules = np.zeros(count)
        self.node_peak_watts = np.zeros(count)
        self.hgx_joules = np.zeros(count)
        self.powered: Bools = np.ones(count, bool)
        self.inlet_celsius = np.full(count, 23.0)
        self.exhaust_celsius = np.full(count, 30.0)

        self.supplies = PowerSupplies(hall, seed)
        self.breakers = Breakers(hall)
        self.tripped: list[str] = []
        self._second: deque[tuple[float, Floats]] = deque([(now, self.gpu_joules.copy())])

    def step(self, seconds: float) -> Floats:
        """Move the hall by `seconds`; returns the joules that each GPU drew in them."""
        before = self.gpu_joules
        on = self.powered[self.node_of]
        self.lane_activity = self.patterns.advance(self.now, seconds, self.lanes.from_gpus(self.speed * on, 1.0), self.pace)
        self.activity = self._combined(self.lane_activity)
        self._gpus(seconds, on)
        self._processors(seconds)
        self._nodes(seconds)
        self._heat(seconds)
        self._links(seconds)
        self.now += seconds
        self._remember()
        drawn: Floats = self.gpu_joules - before
        return drawn

    @property
    def limit_watts(self) -> Floats:
        """The limit in force of each GPU: the lowest of all that were set."""
        return np.minimum(np.minimum(self.requested_watts, self.setpoint_watts), self.brake_watts)

    def _combined(self, lanes: Activity) -> Activity:
        """What the lanes of each GPU do together."""
        if not self.lanes.is_split:
            count = self.lanes.gpus
            return Activity(lanes.level[:count], lanes.busy[:count], lanes.checkpoint[:count], lanes.load[:count])
        to_gpus = self.lanes.to_gpus
        level = np.minimum(to_gpus(lanes.level), 1.0)
        return Activity(level, to_gpus(lanes.busy), to_gpus(lanes.checkpoint), to_gpus(lanes.load))

    def _gpus(self, seconds: float, on: Bools) -> None:
        level = np.where(on & self.present, self.activity.level, 0.0)
        free = self.idle_watts + (self.peak_watts - self.idle_watts) * level
        lock = np.minimum(np.minimum(self.clock_lock_mhz / self.clock_max_mhz, 1.0), self.board_clock_ratio)
        demand = self.idle_watts + (free - self.idle_watts) * lock ** (1 / CLOCK_EXPONENT)
        # From 3 degrees below the slowdown temperature the GPU gives up power, all of it above idle within 8 degrees.
        hot = np.clip((self.gpu_celsius - (self.slowdown_celsius - 3)) / 8, 0.0, 0.9)
        thermal = self.peak_watts - (self.peak_watts - self.idle_watts) * hot
        limit = self.limit_watts
        target = np.where(on, np.minimum(np.minimum(demand, limit), thermal), 0.0)
        self.gpu_watts, mean = _lag(self.gpu_watts, target, seconds, GPU_LAG_SECONDS)
        self.gpu_mean_watts = mean
        self.gpu_joules = self.gpu_joules + mean * seconds
        room = np.maximum(np.minimum(limit, thermal) - self.idle_watts, 1.0)
        speed = np.clip(room / np.maximum(free - self.idle_watts, 1.0), 0.02, 1.0) ** CLOCK_EXPONENT
        self.speed = np.minimum(speed, lock)
        busy = level > 0.005
        self.clock_mhz = np.where(busy, np.maximum(self.clock_idle_mhz, self.clock_max_mhz * self.speed), self.clock_idle_mhz)
        capped = busy & (demand > limit + 0.5) & (limit <= thermal)
        braked = capped & (self.brake_watts < np.minimum(self.requested_watts, self.setpoint_watts))
        hot_now, held = busy & (demand > thermal) & (thermal < limit), busy & (self.board_clock_ratio < 1)
        self.throttled = np.stack([~busy, capped & ~braked, braked, hot_now, held])
        self.throttle_seconds += self.throttled * seconds
        self.too_hot = busy & (self.gpu_celsius >= self.slowdown_celsius)
        self.too_hot_seconds += self.too_hot * seconds

    def _processors(self, seconds: float) -> None:
        count = len(self.hall.servers)
        wanted = self.patterns.cpu * np.maximum(self.lane_activity.load, 0.2) * self.lane_cpu_share
        asked = np.bincount(self.lanes.node, weights=wanted, minlength=count)
        noise = np.sin(2 * np.pi * self.now / 97 + self.cpu_phase[0]) + np.sin(2 * np.pi * self.now / 640 + self.cpu_phase[1])
        base = np.where(self.node_gpus > 0, 0.04, 0.03 + 0.05 * daylight(self.now))
        self.cpu_load = np.clip(asked + base + 0.015 * noise, 0.01, 1.0) * self.powered
        peak = self.cpu_idle_watts + (self.cpu_peak_watts - self.cpu_idle_watts) * self.cpu_load**0.85
        # Without GPUs a server's cap can only take from its processors.
        room = (self.cap_watts * 0.93 - self.load_watts + self.cpu_watts.sum(axis=0)) / 2
        target = np.where(self.node_gpus > 0, peak, np.clip(room, self.cpu_idle_watts, peak)) * self.powered
        skew = 1 + (CPU_SKEW - 1) * np.sin(self.cpu_phase)
        self.cpu_watts, mean = _lag(self.cpu_watts, target * skew, seconds, CPU_LAG_SECONDS)
        self.cpu_joules += mean * seconds
        self._cpu_mean = mean
        self.dram_watts = (
            (self.dram_idle_watts + (self.dram_peak_watts - self.dram_idle_watts) * self.cpu_load) * 2 * self.powered
        )
        self.dram_joules += self.dram_watts / 2 * seconds

    def _nodes(self, seconds: float) -> None:
        count = len(self.hall.servers)
        self.node_gpu_watts = np.bincount(self.node_of, weights=self.gpu_mean_watts, minlength=count).astype(float)
        level = np.bincount(self.node_of, weights=self.activity.level, minlength=count) / np.maximum(self.node_gpus, 1)
        self.board_watts = (self.board_idle_watts + (self.board_peak_watts - self.board_idle_watts) * level) * self.powered
        fans = self.fan_max_watts * self.fan_ratio**2.6 * self.fan_alive * self.powered
        other = self._cpu_mean.sum(axis=0) + self.dram_watts + self.board_watts + self.fixed_watts * self.powered + fans
        self.load_watts = self.node_gpu_watts + other
        self.node_watts = self.supplies.supply(self.load_watts)
        self.node_joules += self.node_watts * seconds
        self.hgx_joules += (self.node_gpu_watts + self.board_watts) * seconds
        self.node_peak_watts = np.maximum(self.node_peak_watts, self.node_watts)
        self._brake(other, seconds)
        self.tripped += self.breakers.carry(self.supplies, seconds)
        self.breakers.energise(self.supplies)
        self.powered = np.asarray(self.supplies.alive.any(axis=1))

    def _brake(self, other: Floats, seconds: float) -> None:
        """A server's controller leaves its GPUs what its cap and its living supplies allow beside everything else."""
        efficiency = np.divide(self.load_watts, self.node_watts, out=np.full_like(other, 0.94), where=self.node_watts > 1)
        allowed = np.minimum(self.cap_watts * efficiency, self.supplies.capacity_watts)
        each = (allowed - other) / np.maximum(self.node_gpus, 1)
        target = np.clip(each[self.node_of], 0.45 * self.limit_min_watts, self.limit_max_watts)
        self.brake_watts, _ = _lag(self.brake_watts, target, seconds, CAP_LAG_SECONDS)
        # A lag never arrives; what lies within a watt of the top is no brake.
        self.brake_watts = np.where(self.brake_watts > self.limit_max_watts - 1, self.limit_max_watts, self.brake_watts)

    def _heat(self, seconds: float) -> None:
        day = daylight(self.now)
        most = self.inlet_rate * seconds
        self.inlet_excess = self.inlet_excess + np.clip(self.inlet_target - self.inlet_excess, -most, most)
        self.inlet_celsius = 21.5 + 2.2 * day + self.inlet_offset + self.inlet_excess
        flow = np.maximum(self.fan_ratio * self.fan_alive, 0.05)
        preheat = 2.0 + 0.006 * self.cpu_watts.sum(axis=0)
        resistance = self.resistance * (0.6 / flow[self.node_of]) ** 0.35
        target = (self.inlet_celsius + preheat)[self.node_of] + resistance * self.gpu_mean_watts
        self.gpu_celsius, _ = _lag(self.gpu_celsius, target, seconds, GPU_THERMAL_SECONDS)
        memory = self.gpu_celsius + 4 + 9 * self.activity.level
        self.memory_celsius, _ = _lag(self.memory_celsius, memory, seconds, GPU_THERMAL_SECONDS)
        cpu = self.inlet_celsius + 8 + 0.145 * self.cpu_watts * (0.5 / flow) ** 0.3
        self.cpu_celsius, _ = _lag(self.cpu_celsius, cpu, seconds, CPU_THERMAL_SECONDS)
        hottest = np.maximum(self.cpu_celsius.max(axis=0) - 12, 20.0)
        if len(self.gpu_celsius):
            np.maximum.at(hottest, self.node_of, self.gpu_celsius)
        # Those that are left turn faster.
        asked = np.clip(self.fan_floor + (hottest - 42) / 52, self.fan_floor, 1.0)
        wanted = np.minimum(asked / np.maximum(self.fan_alive, 0.05), 1.0)
        self.fan_ratio, _ = _lag(self.fan_ratio, wanted, seconds, FAN_LAG_SECONDS)
        airflow = 14 * self.fan_max_watts**0.5 * flow
        self.exhaust_celsius = self.inlet_celsius + 3 + 1.76 * self.load_watts / np.maximum(airflow, 20)

    def _links(self, seconds: float) -> None:
        talking = np.where(self.lanes.to_gpus(self.patterns.tensor) > 0.4, (1 - self.activity.busy) * 0.75 + 0.12, 0.0) * (
            self.activity.level > 0.02
        )
        self.nvlink_rate = np.stack([self.nvlink_peak * talking] * 2)
        self.nvlink_bytes += self.nvlink_rate * seconds
        loading = 0.02 * self.activity.level + 0.35 * self.activity.checkpoint
        self.pcie_rate = self.pcie_peak * np.stack([loading, 0.6 * loading])
        self.pcie_bytes += self.pcie_rate * seconds

    def _remember(self) -> None:
        self._second.append((self.now, self.gpu_joules))
        while len(self._second) > 2 and self._second[1][0] <= self.now - 1.0:
            self._second.popleft()

    def restart_meters(self, now: float) -> None:
        """Put every meter to zero and the clock to `now`; temperatures, fans and powers stay as they are."""
        self.now = now
        self.gpu_joules = np.zeros_like(self.gpu_joules)
        for meter in (self.cpu_joules, self.dram_joules, self.node_joules, self.hgx_joules, self.node_peak_watts):
            meter[:] = 0
        for counters in (self.throttle_seconds, self.too_hot_seconds, self.nvlink_bytes, self.pcie_bytes):
            counters[:] = 0
        self._second = deque([(now, self.gpu_joules)])

    @property
    def gpu_second_watts(self) -> Floats:
        """The mean of the last second, as the 1 s average of NVML has it."""
        then, joules = self._second[0]
        if self.now - then <= 0:
            return self.gpu_mean_watts
        return (self.gpu_joules - joules) / (self.now - then)

    @property
    def counter_joules(self) -> Floats:
        """What the GPUs' own energy counters show."""
        return self.gpu_joules + self.counter_start_joules

    @property
    def memory_watts(self) -> Floats:
        """The memory's part of the last second's power."""
        return 0.46 * self.idle_watts + self.memory_share * np.maximum(self.gpu_second_watts - self.idle_watts, 0)

    @property
    def sm_active(self) -> Floats:
        """Share of cycles in which an SM had a warp."""
        return np.clip(self.activity.level * 0.92, 0, 1)

    @property
    def tensor_active(self) -> Floats:
        """Share of cycles in which the tensor cores worked."""
        return self.lanes.to_gpus(self.lane_tensor_active)

    @property
    def dram_active(self) -> Floats:
        """Share of the memory's peak bandwidth in use."""
        return np.clip(self.lanes.to_gpus(self.lane_activity.level * (0.78 - 0.4 * self.patterns.tensor)), 0, 1)

    @property
    def lane_tensor_active(self) -> Floats:
        """The same of each lane, as a share of what the lane has."""
        lanes = self.lane_activity
        active: Floats = self.patterns.tensor * lanes.level * np.clip(lanes.busy, 0.1, 1)
        return active

    @property
    def utilization(self) -> Floats:
        """Share of time in which a kernel ran: collectives count, checkpoints hardly, waiting for data not at all."""
        fed = 1.0 if self.fed is None else np.clip(self.lanes.to_gpus(self.fed), 0.02, 1.0)
        level = self.activity.level / fed
        bursts = np.clip(level * 1.6, 0, 1)
        return fed * np.where(level > 0.3, 1.0 - 0.9 * self.activity.checkpoint, bursts)

    @property
    def memory_used_ratio(self) -> Floats:
        """Share of the GPU's memory that its processes hold."""
        return self.lanes.to_gpus(np.where(self.patterns.running, self.patterns.memory, 0.0))

    @property
    def running(self) -> Bools:
        """GPUs that a job holds, or a part of."""
        return self.lanes.to_gpus(self.patterns.running.astype(float)) > 0


def _lag(value: Floats, target: Floats, seconds: float, lag: float) -> tuple[Floats, Floats]:
    """A first-order lag towards a constant target: the value after `seconds`, and its exact mean over them."""
    fade = float(np.exp(-seconds / lag))
    gap = value - target
    return target + gap * fade, target + gap * (lag / seconds) * (1 - fade)
