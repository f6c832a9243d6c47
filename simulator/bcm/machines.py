"""What a manager knows of the hall: servers and their GPUs, jobs, and the other devices that it has names for."""

from __future__ import annotations

from dataclasses import dataclass, field

from simulator.world import World


@dataclass(slots=True, kw_only=True)
class Machine:
    """A server. `gpus` are utilization (0 to 1) and watts of each GPU that the manager reaches."""

    name: str
    rack: str = ""
    unit: int | None = None
    category: str = "default"
    address: str = ""
    up: bool = True
    healthy: bool = True
    gpus: list[tuple[float, float]] = field(default_factory=list)
    gpu_count: int = 0


@dataclass(slots=True, kw_only=True)
class Shown:
    """The cluster at a moment. `others` are devices that are no servers: (name, kind)."""

    now: float
    machines: list[Machine] = field(default_factory=list)
    others: list[tuple[str, str]] = field(default_factory=list)
    running: int = 0
    queued: int = 0


def shown(world: World) -> Shown:
    """The simulated hall as a manager sees it: a server without power is down, and a GPU off the bus is not sampled."""
    physics = world.physics
    machines = []
    for server in world.hall.servers:
        rows = server.gpu_rows
        powered = bool(physics.powered[server.index])
        machines.append(
            Machine(
                name=server.name,
                rack=server.rack,
                unit=server.unit,
                category=server.model.key if server.serves_jobs else "management",
                address=server.host_address,
                up=powered,
                gpus=[
                    (float(physics.activity.busy[row]), float(physics.gpu_watts[row]))
                    for row in rows
                    if powered and physics.present[row]
                ],
                gpu_count=len(rows),
            )
        )
    others = [(switch.name, "Switch") for switch in world.plant.plant.switches]
    others += [(pdu.name, "PowerDistributionUnit") for pdu in world.plant.plant.pdus]
    return Shown(
        now=world.now,
        machines=machines,
        others=others,
        running=len(world.scheduler.running),
        queued=len(world.scheduler.waiting),
    )
