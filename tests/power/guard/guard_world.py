"""A hall that plays tricks on the controller: writes come late, in part or never, devices lie, others write too.

What it draws at most is counted with the oracle's plain numbers from the caps that the devices really have.
"""

from __future__ import annotations

from dataclasses import replace
from math import isnan, nan
from random import Random

import numpy as np

from power.guard.admitted import Admitted
from power.guard.guard import admit
from power.guard.history import History
from power.guard.orders import Pace, orders
from power.model import ControlState, View
from tests.power.guard.guard_cases import FENCE, RULES, proposal
from tests.power.guard.guard_oracle import Case, bounds, counted, draws, loads
from tests.support import fleets


class Box:
    """One device: the cap that it has, what was read back last, and writes under way, oldest first."""

    def __init__(self, cap: float, least: float, most: float) -> None:
        self.cap = self.read_back = cap
        self.least, self.most = least, most
        self.under_way: list[float] = []
        self.written: list[float] = []
        """All that was written since it was read back: nobody knows what of it got through."""
        self.state = ControlState.CONTROLLED

    def write(self, target: float) -> None:
        self.under_way.append(target)
        self.written.append(target)
        if self.state is ControlState.CONTROLLED:
            self.state = ControlState.PENDING

    def arrive(self) -> None:
        """The oldest write under way reaches the device."""
        self.cap = self.under_way.pop(0)

    def lose(self) -> None:
        self.under_way.pop(0)

    def forget(self) -> None:
        """Nothing is under way any more."""
        self.under_way.clear()
        self.written.clear()

    def confirm(self) -> None:
        """Whoever wrote has read back."""
        self.forget()
        self.read_back = self.cap
        if self.state in {ControlState.PENDING, ControlState.UNKNOWN}:
            self.state = ControlState.CONTROLLED

    def shown(self) -> float:
        """What stands in the view: the higher of old and new while it is pending. No cap (NaN) is higher than any."""
        if isnan(self.read_back) or self.state is not ControlState.PENDING:
            return self.read_back
        return max([self.read_back, *self.written])


class Queue(Box):
    """One device behind an executor that forgets: an order waits unseen, and of all tries only the newest is known."""

    def __init__(self, cap: float, least: float, most: float) -> None:
        super().__init__(cap, least, most)
        self.waits: float | None = None
        self.tried: float | None = None

    def write(self, target: float) -> None:
        self.waits = target

    def begin(self) -> None:
        """The order that waits is tried; whoever carries it out marks the device now, and not before."""
        if self.waits is not None and self.state in {ControlState.CONTROLLED, ControlState.PENDING}:
            self.under_way.append(self.waits)
            self.tried, self.waits, self.state = self.waits, None, ControlState.PENDING

    def forget(self) -> None:
        super().forget()
        self.waits = self.tried = None

    def confirm(self) -> None:
        """It is read; what waits still waits."""
        waits, self.tried = self.waits, None
        super().confirm()
        self.waits = waits

    def shown(self) -> float:
        if isnan(self.read_back) or self.tried is None:
            return self.read_back
        return max(self.read_back, self.tried)


class World:
    """Servers below limits, and the controller's view of them."""

    box: type[Box] = Box

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        fleet = fleets.random_fleet(seed, nodes=self.random.randint(1, 6), depth=3)
        self.gpus = [self.box(float(self.random.randint(200, 400)), 200.0, 700.0) for _ in fleet.gpus]
        self.caps = [self.box(nan if self.random.random() < 0.5 else 5000.0, 3000.0, 9000.0) for _ in fleet.nodes]
        self.monotonic = 1000.0
        self.fleet = fleet
        now = loads(fleet, self.truth())
        limits = [load * self.random.uniform(1.0, 1.3) if self.random.random() < 0.8 else np.inf for load in now]
        self.fleet = replace(fleet, tree=replace(fleet.tree, trip_safe_watts=np.array(limits)))
        self.ceiling = [max(bound, load) for bound, load in zip(limits, now, strict=True)]
        """What each limit may carry at most: its bound, or what it was charged with when something went wrong."""

    @property
    def boxes(self) -> list[Box]:
        return [*self.gpus, *self.caps]

    def truth(self) -> list[float]:
        """What the servers can draw at most under the caps that they have."""
        return draws(self.fleet, [box.cap for box in self.gpus], [np.inf if isnan(box.cap) else box.cap for box in self.caps])

    def view(self) -> View:
        gpu_state = np.array([box.state for box in self.gpus], np.int64)
        shown = np.array([nan if box.state is ControlState.UNKNOWN else box.shown() for box in self.gpus], np.float64)
        return fleets.view(
            self.fleet,
            monotonic=self.monotonic,
            gpu_limit_watts=shown,
            gpu_state=gpu_state,
            gpu_watts=100.0,
            node_cap_watts=np.array([box.shown() for box in self.caps], np.float64),
            node_cap_min_watts=np.array([box.least for box in self.caps]),
            node_cap_max_watts=np.array([box.most for box in self.caps]),
            node_state=np.array([box.state for box in self.caps], np.int64),
        )

    def case(self) -> Case:
        """The controller asks for anything; mostly for more, and not for the same devices each time."""
        view = self.view()

        def ask(least: float, most: float) -> float:
            kind = self.random.random()
            if kind < 0.4:
                return nan
            return self.random.uniform(least, most) if kind < 0.55 else self.random.uniform(0.8 * most, 1.3 * most)

        wanted = proposal(
            self.fleet,
            gpu_watts=np.array([ask(150, 700) for _ in self.gpus], np.float64),
            node_cap_watts=np.array([ask(2500, 9000) for _ in self.caps], np.float64),
        )
        rules = replace(RULES, complete_ratio=0.0001)
        fence = replace(FENCE, valid_until=self.monotonic + 5)
        intent = fleets.intent(self.fleet, floor_watts=0.0)
        return Case(
            fleet=self.fleet, view=view, intent=intent, proposal=wanted, rules=rules, fence=fence, monotonic=self.monotonic
        )

    def cycle(self) -> Case:
        """The controller decides, and whatever is admitted is under way."""
        self.monotonic += 1.0
        case = self.case()
        # Whatever was too much once may only get less.
        self.ceiling = [min(before, now) for before, now in zip(self.ceiling, self._charged(case), strict=True)]
        answer = admit(case.fleet, case.view, case.intent, case.proposal, case.rules, case.fence, case.monotonic)
        self.write(answer)
        return case

    def write(self, answer: Admitted) -> None:
        """Everything at once, whatever waits from before."""
        targets = [*answer.gpu_watts.tolist(), *answer.node_cap_watts.tolist()]
        for box, target in zip(self.boxes, targets, strict=True):
            if answer.writes and not isnan(target):
                box.write(target)

    def disturb(self) -> None:
        """Something else happens to one device, or to all of them."""
        box = self.random.choice(self.boxes)
        kind = self.random.choice(["late", "late", "late", "lost", "lost", "confirmed", "confirmed", "wild", "tame", "restart"])
        if kind == "late" and box.under_way:
            box.arrive()
        elif kind == "lost" and box.under_way:
            box.lose()
        elif kind == "confirmed" and box.state in {ControlState.PENDING, ControlState.UNKNOWN}:
            box.confirm()
        elif kind == "wild" and self.random.random() < 0.03:
            self._run_wild(box)
        elif kind == "tame" and box.state in {ControlState.UNCONTROLLED, ControlState.FOREIGN}:
            box.state = ControlState.PENDING
            box.confirm()
        elif kind == "restart" and self.random.random() < 0.01:
            for each in self.boxes:
                # A new leader has a higher token: what the old one sent is refused where it arrives.
                each.forget()
                each.state = ControlState.UNKNOWN

    def _run_wild(self, box: Box) -> None:
        """It stops obeying, or somebody else sets its cap: from now on it has any."""
        box.state = self.random.choice([ControlState.UNCONTROLLED, ControlState.FOREIGN])
        box.forget()
        box.cap = box.read_back = self.random.uniform(box.least, box.most)
        # That is nobody's decision, and may be more than fits; from there it may only get better.
        self.excuse()

    def excuse(self) -> None:
        """What is charged now is what each limit may carry, if that is more than its bound."""
        self.ceiling = self._charged(self.case())

    def _charged(self, case: Case) -> list[float]:
        charged = loads(self.fleet, draws(self.fleet, *counted(case)))
        return [max(bound, load) for bound, load in zip(bounds(case), charged, strict=True)]

    def overloaded(self) -> list[str]:
        """Limits that could carry more than they may, with the caps that the devices have."""
        carried = loads(self.fleet, self.truth())
        return [
            f"{limit.name}: {carried[row]} W of {self.ceiling[row]} W"
            for row, limit in enumerate(self.fleet.tree.limits)
            if carried[row] > self.ceiling[row] + 1e-6
        ]


class Hall(World):
    """The same with orders as they are given, and the executor that forgets: what is open is in the orders' history only."""

    box = Queue

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.history = History.empty(self.fleet)

    def view(self) -> View:
        seen = super().view()
        self.history = self.history.settled(seen)
        return self.history.counted_in(seen)

    def write(self, answer: Admitted) -> None:
        due = orders(self.fleet, self.view(), answer, self.history, Pace(write_seconds=self.random.choice([0.0, 2.0])))
        self.history = self.history.after(self.fleet, due, self.monotonic)
        by_name = dict(zip(map(str, self.fleet.gpus), self.gpus, strict=True)) | dict(
            zip(self.fleet.nodes, self.caps, strict=True)
        )
        for order in due:
            for uuid, watts in order.gpu_watts.items():
                by_name[f"{order.node}/{uuid}"].write(watts)
            if order.node_cap_watts is not None:
                by_name[order.node].write(order.node_cap_watts)

    def disturb(self) -> None:
        box = self.random.choice(self.boxes)
        if isinstance(box, Queue) and self.random.random() < 0.3:
            box.begin()
        else:
            super().disturb()
