"""An actuator over devices that are numbers, with what real ones do wrong."""

import asyncio
from dataclasses import dataclass, field

from power.model import ActuatorError, Device, DeviceCaps, Fence, NodeOrder, Outcome, Receipt, Way


@dataclass(kw_only=True)
class FakeActuator:
    """`limits` are the caps by UUID, empty for the server's own. `outcomes` come one after another, then all is confirmed."""

    node: str = "n1"
    way: Way = Way.NVML
    limits: dict[str, float | None] = field(default_factory=dict)
    outcomes: list[Outcome | str] = field(default_factory=list)
    least: float = 200.0
    most: float = 700.0
    gate: asyncio.Event | None = None
    """Where given, a write waits for it after it has begun."""
    began: asyncio.Event = field(default_factory=asyncio.Event)
    silent: bool = False
    orders: list[NodeOrder] = field(default_factory=list)
    reads: int = 0
    closed: bool = False

    async def read(self) -> tuple[DeviceCaps, ...]:
        self.reads += 1
        if self.silent:
            raise ActuatorError(f"{self.node}: no answer")
        return tuple(self._caps(uuid, limit) for uuid, limit in self.limits.items())

    async def write(self, order: NodeOrder, fence: Fence) -> tuple[Receipt, ...]:
        self.orders.append(order)
        self.began.set()
        if self.gate is not None:
            await self.gate.wait()
        if self.silent:
            raise ActuatorError(f"{self.node}: no answer")
        wanted = dict(order.gpu_watts) | ({"": order.node_cap_watts} if order.node_cap_watts is not None else {})
        outcome = self.outcomes.pop(0) if self.outcomes else Outcome.CONFIRMED
        if outcome == "lost":
            self.limits |= wanted
            raise ActuatorError(f"{self.node}: the answer was lost")
        if outcome is Outcome.CONFIRMED:
            self.limits |= wanted
        return tuple(
            Receipt(
                device=Device(self.node, uuid),
                way=self.way,
                wanted_watts=watts,
                read_back_watts=self.limits[uuid],
                outcome=Outcome(outcome),
                detail="as told",
            )
            for uuid, watts in wanted.items()
        )

    async def close(self) -> None:
        self.closed = True

    def _caps(self, uuid: str, limit: float | None) -> DeviceCaps:
        return DeviceCaps(
            device=Device(self.node, uuid),
            way=self.way,
            limit_watts=limit,
            own_watts=limit,
            min_watts=self.least,
            max_watts=self.most,
            default_watts=self.most,
        )
