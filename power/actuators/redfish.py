"""The ways to a server's caps through its BMC: Dell's attributes, the standard's set points, the HGX baseboard's."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass

from power.actuators import cap
from power.actuators.bmc import Bmc, Line, Sleep
from power.actuators.cap import Done, Place, Reading
from power.actuators.complaints import Complaints
from power.actuators.discovery import Gpu, Offers, discover
from power.model import Actuator, ActuatorError, Device, DeviceCaps, Fence, NodeOrder, Receipt, Way

# A firmware update or another board may bring other resources.
LOOK_AGAIN_SECONDS = 6 * 3600.0


@dataclass(kw_only=True, eq=False)
class Found:
    """What one BMC offers, found once and shared by the ways to it."""

    line: Line
    monotonic: Callable[[], float] = time.monotonic
    _offers: Offers | None = None
    _at: float = 0.0
    _search: asyncio.Task[Offers] | None = None

    async def offers(self) -> Offers:
        """What it offers. Raises `ActuatorError`.

        A search is dozens of requests, each of seconds on a BMC that is busy: it goes on when whoever asked gives up waiting,
        or it would begin from the start each time and never come to an end.
        """
        if self._offers is not None and self.monotonic() - self._at <= LOOK_AGAIN_SECONDS:
            return self._offers
        search = self._search
        if search is None:
            search = self._search = asyncio.create_task(self._look())
            search.add_done_callback(self._looked)
        try:
            return await asyncio.shield(search)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if search.cancelled() and task is not None and not task.cancelling():
                raise ActuatorError(f"{self.line.node}: nobody asks this BMC any more") from None
            raise

    async def close(self) -> None:
        """End a search that is under way."""
        if self._search is not None:
            self._search.cancel()
            await asyncio.wait([self._search])

    async def _look(self) -> Offers:
        self._offers, self._at = await discover(self.line), self.monotonic()
        return self._offers

    def _looked(self, search: asyncio.Task[Offers]) -> None:
        self._search = None
        if not search.cancelled():
            search.exception()  # whoever waits has it; nobody may

    def forget(self) -> None:
        """Something was not where it had been."""
        self._offers = None


@dataclass(kw_only=True, eq=False)
class NodeCap:
    """A server's own cap: Dell's attributes, or what the standard has where there are none."""

    found: Found
    way: Way
    complaints: Complaints | None = None

    @property
    def node(self) -> str:
        return self.found.line.node

    @property
    def complaint(self) -> tuple[float, str] | None:
        """The BMC's word that it cannot hold the cap, the last that was heard."""
        return self.complaints.newest if self.complaints else None

    async def read(self) -> tuple[DeviceCaps, ...]:
        """The cap; nothing where the BMC has no such way. Now and then the BMC's logs are looked at too."""
        place = await self._place()
        if place is None:
            return ()
        reading = await cap.read(self.found.line, place)
        if reading is None:
            self.found.forget()
            return ()
        if self.complaints is not None:
            await self._listen()
        return (caps_of(Device(self.node), self.way, reading),)

    async def write(self, order: NodeOrder, fence: Fence) -> tuple[Receipt, ...]:
        place = await self._place() if order.node_cap_watts is not None else None
        if place is None or order.node_cap_watts is None:
            return ()
        done = await cap.write(self.found.line, place, order.node_cap_watts)
        if done.gone:
            self.found.forget()
        return (receipt_of(Device(self.node), self.way, order.node_cap_watts, done),)

    async def close(self) -> None:
        """The session belongs to who made it."""
        await self.found.close()

    async def _listen(self) -> None:
        """A log that cannot be read hides no cap."""
        offers = await self.found.offers()
        if self.complaints is not None:
            with contextlib.suppress(ActuatorError):
                await self.complaints.look(offers.logs)

    async def _place(self) -> Place | None:
        offers = await self.found.offers()
        return offers.attributes if self.way is Way.ATTRIBUTES else offers.standard


@dataclass(kw_only=True, eq=False)
class Baseboard:
    """The set points of an HGX baseboard's GPUs. They hold beside those in band: a GPU keeps the lower one.

    `uuid_of` finds the UUID of a serial number, for baseboards that do not tell UUIDs; a GPU that stays without one is not
    capped this way, for nobody could say which of NVML's it is.
    """

    found: Found
    uuid_of: Callable[[str], str] = lambda _serial: ""
    way: Way = Way.HGX

    @property
    def node(self) -> str:
        return self.found.line.node

    async def read(self) -> tuple[DeviceCaps, ...]:
        gpus = await self._gpus()
        total = (await self.found.offers()).total if gpus else None
        shared = await cap.read(self.found.line, total.place) if total else None
        readings = await asyncio.gather(*(cap.read(self.found.line, gpu.place) for gpu in gpus.values()))
        if any(reading is None for reading in readings):
            self.found.forget()
        return tuple(
            caps_of(Device(self.node, uuid), self.way, reading, index=gpu.name, model=gpu.model, detail=_shared(shared))
            for (uuid, gpu), reading in zip(gpus.items(), readings, strict=True)
            if reading is not None
        )

    async def write(self, order: NodeOrder, fence: Fence) -> tuple[Receipt, ...]:
        gpus = await self._gpus() if order.gpu_watts else {}
        wanted = {uuid: watts for uuid, watts in order.gpu_watts.items() if uuid in gpus}
        done = await asyncio.gather(*(cap.write(self.found.line, gpus[uuid].place, watts) for uuid, watts in wanted.items()))
        if any(each.gone for each in done):
            self.found.forget()
        return tuple(
            receipt_of(Device(self.node, uuid), self.way, watts, each)
            for (uuid, watts), each in zip(wanted.items(), done, strict=True)
        )

    async def close(self) -> None:
        """The session belongs to who made it."""
        await self.found.close()

    async def _gpus(self) -> dict[str, Gpu]:
        offers = await self.found.offers()
        named = {(gpu.uuid or self.uuid_of(gpu.serial)): gpu for gpu in offers.gpus}
        return {uuid: gpu for uuid, gpu in named.items() if uuid}


def actuators(
    node: str,
    bmc: Bmc,
    *,
    connections: int = 2,
    uuid_of: Callable[[str], str] = lambda _serial: "",
    monotonic: Callable[[], float] = time.monotonic,
    sleep: Sleep = asyncio.sleep,
) -> tuple[Actuator, ...]:
    """All ways to a server's caps through its BMC; what it does not offer, they find out and leave alone."""
    line = Line(node=node, bmc=bmc, connections=connections, sleep=sleep)
    found = Found(line=line, monotonic=monotonic)
    complaints = Complaints(line=line, monotonic=monotonic)
    return (
        NodeCap(found=found, way=Way.ATTRIBUTES, complaints=complaints),
        NodeCap(found=found, way=Way.STANDARD, complaints=complaints),
        Baseboard(found=found, uuid_of=uuid_of),
    )


def caps_of(device: Device, way: Way, reading: Reading, *, index: str = "", model: str = "", detail: str = "") -> DeviceCaps:
    """A reading in the room's words."""
    return DeviceCaps(
        device=device,
        way=way,
        limit_watts=reading.in_force,
        own_watts=reading.watts if reading.enabled else None,
        min_watts=reading.min_watts,
        max_watts=reading.max_watts,
        default_watts=reading.default_watts,
        power_watts=reading.power_watts,
        index=index,
        model=model,
        detail=detail or _why_none(reading),
    )


def receipt_of(device: Device, way: Way, wanted: float, done: Done) -> Receipt:
    """A write's outcome in the room's words."""
    read_back = done.reading.in_force if done.reading is not None else None
    wanted_watts = None if wanted == cap.NO_CAP else wanted
    return Receipt(
        device=device, way=way, wanted_watts=wanted_watts, read_back_watts=read_back, outcome=done.outcome, detail=done.detail
    )


def _why_none(reading: Reading) -> str:
    """Why a number that is there is no cap."""
    if reading.in_force is not None or reading.watts is None:
        return ""
    if reading.enabled is False:
        return f"{reading.watts:.0f} W, switched off"
    if reading.enabled is None:
        return f"{reading.watts:.0f} W, and nothing says whether it is on"
    return f"{reading.watts:.0f} W, outside what the device can hold"


def _shared(total: Reading | None) -> str:
    """All GPUs of a baseboard may share a limit. It is told and never written: the sum of theirs is what counts."""
    if total is None or total.in_force is None or total.in_force == total.max_watts:
        return ""
    return f"with the other GPUs of the baseboard {total.in_force:.0f} W"
