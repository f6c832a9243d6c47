"""The controller at the size of a large site: 10,000 servers with 80,000 GPUs, decided once a second.

The hall is built from an inventory as any other: 2,500 racks on A/B breakers in 100 rows under boards and mains, budgets on
rows and on the site. Three servers of five train (synchronous jobs of 1 to 64 servers), the others serve or idle; power moves
as such work does, caps land a second after they were asked for. Not timed: talking to devices.
"""

from __future__ import annotations

import time
from dataclasses import replace
from itertools import pairwise

import numpy as np

from benchmarks.table import Row
from power.control.allocator import propose
from power.control.memory import Memory
from power.control.peaks import Peaks
from power.control.tuning import Tuning
from power.model import NOBODY, ControlState, Device, DeviceCaps, Fleet, Floats, Intent, Mode, View, Way
from power.tree.build import build
from power.tree.ceilings import counted, worst_draw
from wattstat.inventory import Breaker, Inventory, Node, Rack, Site

ROWS, RACKS_PER_ROW, NODES_PER_RACK, GPUS = 100, 25, 4, 8
ROWS_PER_BOARD, BOARDS_PER_MAIN = 5, 4
REST_WATTS, GPU_MIN, GPU_MAX = 2200.0, 200.0, 700.0
NODE_BUDGET_WATTS = 6200.0
JOB_SIZES = (1, 2, 4, 8, 16, 32, 64)
CYCLES, WARM = 90, 30


def run() -> list[Row]:
    """A minute of decisions after half a minute to warm up."""
    hall = _Hall()
    seconds = {"peaks": [], "allocator": []}
    computed = []
    memory, tuning = Memory(seed=1), Tuning()
    peaks = Peaks(tuning.window_seconds, tuning.cycle_seconds)
    intent = hall.intent()
    for cycle in range(CYCLES):
        view = hall.view(cycle)
        began, cpu_began = time.perf_counter(), time.process_time()
        ceiling, node_cap = counted(hall.fleet, view)
        worst = worst_draw(hall.fleet, ceiling, node_cap)
        gpu_peak, node_peak = peaks.update(
            view.monotonic, view.gpu_watts, view.gpu_age, ceiling, view.node_watts, view.node_age, worst
        )
        seen = replace(view, gpu_peak_watts=gpu_peak, node_peak_watts=node_peak)
        middle = time.perf_counter()
        proposal, memory = propose(hall.fleet, seen, intent, tuning, memory)
        done = time.perf_counter()
        if cycle >= WARM:
            seconds["peaks"].append(middle - began)
            seconds["allocator"].append(done - middle)
            computed.append(time.process_time() - cpu_began)
        hall.limit = np.where(np.isnan(proposal.gpu_watts), hall.limit, proposal.gpu_watts)
    both = np.sum(list(seconds.values()), axis=0)
    parts = ", ".join(f"{name} {1e3 * float(np.median(each)):.0f}" for name, each in seconds.items())
    over = hall.most_over_budget(proposal.gpu_watts)
    return [
        Row(
            what="controller: peaks and allocation for 10,000 servers, 80,000 GPUs",
            measured=(
                f"{1e3 * np.median(both):.0f} ms, p99 {1e3 * np.quantile(both, 0.99):.0f} ms "
                f"(of the processor {1e3 * np.median(computed):.0f} ms, p99 {1e3 * np.quantile(computed, 0.99):.0f} ms)"
            ),
            peer="-",
            reach="150 ms with the guard",
            note=f"medians in ms: {parts}; {len(hall.fleet.tree.limits):,} limits, worst case {over:+.1%} of the tightest",
        )
    ]


class _Hall:
    """The hall, and what its devices show."""

    def __init__(self) -> None:
        self.random = np.random.default_rng(7)
        inventory = _inventory()
        self.fleet: Fleet = build(inventory, {node.name: _gpus(node.name) for node in inventory.nodes})
        nodes = len(inventory.nodes)
        self.limit = np.full(nodes * GPUS, GPU_MAX)
        trains = self.random.random(nodes) < 0.6
        self.job = np.full(nodes, NOBODY, np.int64)
        self.trains = np.flatnonzero(trains)
        sizes = self.random.choice(JOB_SIZES, size=len(self.trains))
        bounds = np.concatenate([[0], np.cumsum(sizes)])
        for number, (first, last) in enumerate(pairwise(bounds[bounds < len(self.trains)])):
            self.job[self.trains[first:last]] = number
        jobs = int(self.job.max()) + 1
        self.period, self.offset = self.random.uniform(4, 9, jobs + 1), self.random.uniform(0, 9, jobs + 1)
        self.serves = self.random.uniform(90, 560, nodes)
        self.noise = self.random.normal(0, 0.06, (60, nodes))

    def want(self, cycle: int) -> Floats:
        """What each GPU would draw: square waves of training, inference with noise."""
        computes = ((cycle + self.offset) % self.period / self.period) < 0.72
        training = np.where(computes, 690.0, 250.0)[self.job]
        serving = np.clip(self.serves * (1 + self.noise[cycle % 60]), 80, GPU_MAX)
        return np.repeat(np.where(self.job >= 0, training, serving), GPUS)

    def view(self, cycle: int) -> View:
        """What is known after so many seconds."""
        fleet, gpus, nodes = self.fleet, len(self.fleet.gpus), len(self.fleet.nodes)
        watts = np.minimum(self.want(cycle), self.limit)
        node = 0.85 * fleet.rest_watts + fleet.loss * fleet.by_node(watts)
        late = self.random.random(gpus) < 0.01
        return View(
            at=1_790_000_000.0 + cycle,
            monotonic=1000.0 + cycle,
            gpu_watts=watts,
            gpu_age=np.where(late, 4.0, 0.5),
            gpu_peak_watts=watts,
            gpu_limit_watts=self.limit.copy(),
            gpu_own_watts=self.limit.copy(),
            gpu_limit_age=np.full(gpus, 0.5),
            gpu_min_watts=np.full(gpus, GPU_MIN),
            gpu_max_watts=np.full(gpus, GPU_MAX),
            gpu_default_watts=np.full(gpus, GPU_MAX),
            gpu_state=np.full(gpus, ControlState.CONTROLLED, np.int64),
            node_watts=node,
            node_age=np.full(nodes, 0.5),
            node_peak_watts=node,
            node_cap_watts=np.full(nodes, 10_000.0),
            node_cap_age=np.full(nodes, 20.0),
            node_cap_min_watts=np.full(nodes, 6000.0),
            node_cap_max_watts=np.full(nodes, 10_500.0),
            node_state=np.full(nodes, ControlState.CONTROLLED, np.int64),
        )

    def intent(self) -> Intent:
        """Priorities by job, budgets on rows (every other by worst case) and on the site."""
        fleet, gpus, nodes = self.fleet, len(self.fleet.gpus), len(self.fleet.nodes)
        limits = len(fleet.tree.limits)
        budgets = np.array([np.inf if each.budget_watts is None else each.budget_watts for each in fleet.tree.limits])
        rows = np.flatnonzero([each.kind == "row" for each in fleet.tree.limits])
        guaranteed = np.zeros(limits, np.bool_)
        guaranteed[rows[::2]] = True
        budgets[rows] = NODE_BUDGET_WATTS * RACKS_PER_ROW * NODES_PER_RACK
        priority = np.where(self.job >= 0, 20 + 10 * (self.job % 4), 70)
        return Intent(
            names=(),
            limit_watts=budgets,
            limit_name=np.full(limits, NOBODY, np.int64),
            guaranteed=guaranteed,
            gpu_cap_watts=np.full(gpus, np.inf),
            gpu_cap_name=np.full(gpus, NOBODY, np.int64),
            node_cap_watts=np.full(nodes, np.inf),
            node_cap_name=np.full(nodes, NOBODY, np.int64),
            priority=np.repeat(priority, GPUS),
            group=np.repeat(self.job, GPUS),
            keep=np.repeat(self.job % 50 == 7, GPUS),
            pinned_watts=np.full(gpus, np.nan),
            pinned_name=np.full(gpus, NOBODY, np.int64),
            clock_mhz=np.full(gpus, np.nan),
            floor_watts=np.full(gpus, GPU_MAX / 2),
            urgent=np.zeros(nodes, np.bool_),
            mode=Mode.ENFORCE,
        )

    def most_over_budget(self, gpu_caps: Floats) -> float:
        """By what share the worst case of any breaker is above what is trip-safe (below nought: it fits)."""
        tree = self.fleet.tree
        carried = tree.load(worst_draw(self.fleet, gpu_caps, np.full(len(self.fleet.nodes), np.nan)))
        return float(np.max(carried / tree.trip_safe_watts)) - 1


def _gpus(node: str) -> list[DeviceCaps]:
    return [
        DeviceCaps(
            device=Device(node, f"GPU-{node}-{index}"),
            way=Way.NVML,
            limit_watts=GPU_MAX,
            min_watts=GPU_MIN,
            max_watts=GPU_MAX,
            default_watts=GPU_MAX,
            index=str(index),
            model="NVIDIA H100 80GB HBM3",
        )
        for index in range(GPUS)
    ]


def _inventory() -> Inventory:
    per_row = RACKS_PER_ROW * NODES_PER_RACK
    nodes = ROWS * per_row
    boards = ROWS // ROWS_PER_BOARD
    breakers, racks = [], []
    for feed in ("a", "b"):
        for main in range(boards // BOARDS_PER_MAIN):
            watts = 7300.0 * per_row * ROWS_PER_BOARD * BOARDS_PER_MAIN
            breakers.append(Breaker(name=f"main{main}{feed}", limit_watts=watts, feed=feed, curve="main"))
        for board in range(boards):
            above = f"main{board // BOARDS_PER_MAIN}{feed}"
            watts = 7500.0 * per_row * ROWS_PER_BOARD
            breakers.append(Breaker(name=f"board{board}{feed}", limit_watts=watts, feed=feed, upstream=above))
        for row in range(ROWS):
            above = f"board{row // ROWS_PER_BOARD}{feed}"
            breakers.append(Breaker(name=f"row{row}{feed}", limit_watts=7600.0 * per_row, feed=feed, upstream=above))
    for number in range(ROWS * RACKS_PER_ROW):
        row = number // RACKS_PER_ROW
        breakers += [
            Breaker(name=f"rack{number}{feed}", limit_watts=31_500, feed=feed, upstream=f"row{row}{feed}")
            for feed in ("a", "b")
        ]
        racks.append(Rack(name=f"rack{number}", row=f"row{row}", breakers=(f"rack{number}a", f"rack{number}b")))
    return Inventory(
        site=Site(budget_watts=0.99 * NODE_BUDGET_WATTS * nodes),
        breakers=tuple(breakers),
        racks=tuple(racks),
        nodes=tuple(
            Node(
                name=f"gpu{number:05d}",
                model="PowerEdge XE9680",
                rack=f"rack{number // NODES_PER_RACK}",
                gpus=GPUS,
                gpu_model="H100 SXM5 80GB",
                max_watts=10_500,
                rest_watts=REST_WATTS,
            )
            for number in range(nodes)
        ),
    )
