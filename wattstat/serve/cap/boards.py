"""The node's GPUs as the endpoint sees and sets them, through the session that the agent has with NVML anyway."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from collectors.frame.errors import CollectError, Unreachable
from collectors.nvml import NvmlSource, limits
from collectors.nvml.binding import GpuLost
from collectors.nvml.library import Gpu
from collectors.nvml.limits import Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One GPU at this moment. `problem` says why its limits could not be read."""

    uuid: str
    index: int
    model: str = ""
    limits: Limits = field(default_factory=Limits)
    power_watts: float | None = None
    power_age_seconds: float | None = None
    problem: str = ""

    @property
    def own_watts(self) -> float | None:
        """What was set in band."""
        return self.limits.enforced if self.limits.requested is None else self.limits.requested


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """All GPUs at one moment. `session` is another object after the driver was loaded anew; `why` says why there is none."""

    session: object | None = None
    gpus: Mapping[str, Seen] = field(default_factory=dict)
    why: str = ""


@dataclass(kw_only=True)
class Boards:
    """Asks and sets them, from one thread. `source` is None as long as the node has shown no driver."""

    source: NvmlSource | None = None
    monotonic: Callable[[], float] = time.monotonic

    def look(self) -> Sight:
        """Limits as they are now, power as it was read last."""
        if self.source is None:
            return Sight(why="this node has shown no NVIDIA driver")
        try:
            with self.source.library.session() as session:
                return Sight(session=session, gpus={gpu.uuid: self._seen(self.source, gpu) for gpu in session.gpus})
        except CollectError as error:
            return Sight(why=str(error))

    def set_watts(self, uuid: str, watts: float) -> None:
        """Set a limit. Raises `CollectError`."""
        with self._gpu(uuid) as gpu:
            limits.set_watts(gpu.device, watts)

    def lock_clock(self, uuid: str, megahertz: float | None) -> None:
        """Bind the clock's top, or let it go. Raises `CollectError`."""
        with self._gpu(uuid) as gpu:
            limits.lock_clock(gpu.device, megahertz)

    def _seen(self, source: NvmlSource, gpu: Gpu) -> Seen:
        identity = gpu.identity
        known = Limits(**{_NAMES[kind]: watts for kind, watts in identity.limits.items()})
        seen = Seen(uuid=gpu.uuid, index=identity.index, model=identity.model, limits=known)
        if gpu.lost is not None:
            return replace(seen, problem=str(gpu.lost))
        try:
            found = limits.read(gpu.device)
        except GpuLost as error:
            return replace(seen, problem=str(error))
        watts, at = source.power_of(gpu.uuid)
        age = None if at is None else max(self.monotonic() - at, 0.0)
        return replace(seen, limits=found, power_watts=watts, power_age_seconds=age)

    @contextmanager
    def _gpu(self, uuid: str) -> Iterator[Gpu]:
        if self.source is None:
            raise Unreachable("this node has shown no NVIDIA driver")
        with self.source.library.session() as session:
            found = next((gpu for gpu in session.gpus if gpu.uuid == uuid), None)
            if found is None:
                raise Unreachable(f"{uuid} is not on this node")
            if found.lost is not None:
                raise found.lost
            yield found


_NAMES = {"min": "low", "max": "high", "default": "default"}
