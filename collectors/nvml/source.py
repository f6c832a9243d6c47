"""The GPUs of this node as one source: fast, medium and slow."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from collectors.frame.errors import CollectError, NotSupported, Unreachable
from collectors.frame.source import Fetched, Source, Tier
from collectors.nvml import fast, medium, samples, slow
from collectors.nvml.binding import GpuLost, LibraryGone, LibraryMissing
from collectors.nvml.counters import Kept
from collectors.nvml.events import XidWatch
from collectors.nvml.identity import Identity
from collectors.nvml.journal import Counted, NodeMeter
from collectors.nvml.library import Gpu, Library, Session
from collectors.nvml.medium import MediumReader
from collectors.nvml.sharing import SharedReader
from collectors.nvml.worker import Worker
from wattstat.catalogue.metric import Samples

MEDIUM_SECONDS = 5.0
# A lost GPU may come back after a reset, with a new handle: that takes a new start, which must not come too often.
RESTART_FOR_LOST_SECONDS = 300.0

Reading = fast.FastReading | medium.MediumReading | slow.SlowReading
_PARSERS: dict[str, Callable[[Identity, Mapping[str, Any]], Reading]] = {
    "fast": fast.parse,
    "medium": medium.parse,
    "slow": slow.parse,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """One tier of all GPUs that answered."""

    tier: str
    gpus: tuple[Reading, ...]


@dataclass(kw_only=True)
class NvmlSource(Source[Readings]):
    """All GPUs that NVML shows. One GPU that does not answer costs only itself; a driver that went away is started anew."""

    collector: ClassVar[str] = "nvml"

    target: str
    nvml: Any
    tiers: tuple[Tier, ...]
    proc: Path = Path("/proc")
    monotonic: Callable[[], float] = time.monotonic
    # A driver reload takes seconds; the control of power waits for us.
    longest_backoff_seconds: float = 30.0
    kept: dict[str, Kept] = field(default_factory=dict)
    journal: NodeMeter | None = None  # what the node's journal is fed by, where one is kept
    library: Library = field(init=False)
    _watch: XidWatch = field(init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _readers: dict[Gpu, MediumReader] = field(default_factory=dict)
    _shared_readers: dict[Gpu, SharedReader] = field(default_factory=dict)
    _started_for_lost: float = field(init=False)
    _workers: dict[str, Worker] = field(init=False)
    _boundary_worker: Worker = field(init=False)
    _power: dict[str, tuple[float | None, float | None]] = field(default_factory=dict)
    _restart_wanted: str = ""

    def __post_init__(self) -> None:
        self.library = Library(nvml=self.nvml, proc=self.proc, monotonic=self.monotonic)
        self._watch = XidWatch(library=self.library, on_xid=self._on_xid)
        self._started_for_lost = self.monotonic()
        rest = Worker("nvml-rest")
        self._workers = {"fast": Worker("nvml-fast"), "medium": rest, "slow": rest}
        self._boundary_worker = Worker("nvml-boundary")

    async def close(self) -> None:
        """Stop the threads and end the session."""
        self._watch.stop()
        for worker in (*self._workers.values(), self._boundary_worker):
            worker.stop()
        self.library.close()

    async def fetch(self, tier: str) -> Fetched:
        """Ask all GPUs, in a thread. Raises `Unreachable` when NVML as a whole does not answer."""
        function = {"fast": self._fetch_fast, "medium": self._fetch_medium, "slow": self._fetch_slow}[tier]
        return await self._workers[tier].run(function)

    async def counters(self, uuids: Collection[str]) -> dict[str, Counted]:
        """These GPUs' energy counters, read at once beside all tiers. Raises `Unreachable` when NVML does not answer."""
        return await self._boundary_worker.run(lambda: self._counters(uuids))

    def power_of(self, uuid: str) -> tuple[float | None, float | None]:
        """A GPU's power in watts as the fast tier read it last, and when by the monotonic clock; None where it never did."""
        return self._power.get(uuid, (None, None))

    def parse(self, tier: str, documents: Mapping[str, Any]) -> Readings:
        """Typed readings; documents are (identity, document) by UUID."""
        parser = _PARSERS[tier]
        return Readings(tier=tier, gpus=tuple(parser(identity, document) for identity, document in documents.values()))

    def samples(self, reading: Readings) -> Samples:
        """Samples of all GPUs, and of those that are lost."""
        out = Samples()
        with self._lock:
            for each in reading.gpus:
                out.extend(self._of_gpu(each))
            self._tell_journal(reading)
            if reading.tier == "fast":
                out.extend(samples.lost(self.target, self.kept, (each.identity.uuid for each in reading.gpus)))
            elif reading.tier == "medium":
                out.extend(samples.xids(self.target, self.kept))
        return out

    def _of_gpu(self, reading: Reading) -> Samples:
        if isinstance(reading, fast.FastReading):
            kept = self.kept[reading.identity.uuid]
            kept.energy.see(reading.energy_joules, self.monotonic() if reading.at is None else reading.at)
            kept.pcie.see(reading.gpm_window)
            power = reading.power_watts
            self._power[reading.identity.uuid] = power.get(("1s", "gpu"), power.get(("instant", "gpu"))), reading.at
            return samples.fast(self.target, reading, kept)
        if isinstance(reading, medium.MediumReading):
            return samples.medium(self.target, reading)
        return samples.slow(self.target, reading)

    def _tell_journal(self, reading: Readings) -> None:
        if self.journal is None:
            return
        if reading.tier == "fast":
            fast_readings = [each for each in reading.gpus if isinstance(each, fast.FastReading)]
            self.journal.see(fast_readings, {uuid: kept.energy.resets for uuid, kept in self.kept.items()})
        elif reading.tier == "medium":
            self.journal.see_holders(each for each in reading.gpus if isinstance(each, medium.MediumReading))

    def _counters(self, uuids: Collection[str]) -> dict[str, Counted]:
        found = {}
        with self.library.session() as session:
            for gpu in session.gpus:
                if gpu.uuid in uuids and gpu.lost is None and (counted := self._counted(gpu)) is not None:
                    found[gpu.uuid] = counted
        return found

    def _counted(self, gpu: Gpu) -> Counted | None:
        asked = self.monotonic()
        try:
            joules = fast.energy_joules(gpu.device)
        except GpuLost:  # the fast cycle finds out too, and says so
            return None
        if joules is None:
            return None
        at = (asked + self.monotonic()) / 2
        with self._lock:
            energy = self.kept.setdefault(gpu.uuid, Kept(index=gpu.identity.index)).energy
            energy.see(joules, at)
            return Counted(at=at, joules=joules, resets=energy.resets)

    def _fetch_fast(self) -> Fetched:
        """The fast cycle owns the session: it opens it, and ends it when there is reason to."""
        if self._restart_wanted and self.library.close(self._restart_wanted):
            self._restart_wanted = ""
            self._readers.clear()
            self._shared_readers.clear()
        try:
            if self.library.ensure_open():
                self._watch.start()
                self._watch.wake()
            with self.library.session() as session:
                self._keep(session)
                return self._each(session, self._ask_fast)
        except LibraryGone as error:
            if isinstance(error, LibraryMissing) and not self.library.was_open:
                raise NotSupported(f"no NVIDIA driver on this machine: {error}") from error
            self._restart_wanted = str(error)
            raise

    def _ask_fast(self, gpu: Gpu) -> dict[str, Any]:
        document = fast.fetch(gpu.device, gpu.gpm)
        if self.journal is not None:
            reader = self._shared_readers.get(gpu)
            if reader is None:
                reader = self._shared_readers[gpu] = SharedReader(device=gpu.device, monotonic=self.monotonic)
            document["shared"] = reader.fetch(self.journal.plan(gpu.uuid))
        return document

    def _fetch_medium(self) -> Fetched:
        with self.library.session() as session:
            return self._each(session, lambda gpu: self._reader(gpu).fetch())

    def _fetch_slow(self) -> Fetched:
        with self.library.session() as session:
            self._look_for_changes(session)
            return self._each(session, lambda gpu: slow.fetch(gpu.device))

    def _each(self, session: Session, ask: Callable[[Gpu], dict[str, Any]]) -> Fetched:
        documents: dict[str, Any] = {}
        errors: dict[str, CollectError] = dict(session.unreadable)
        for gpu in session.gpus:
            if gpu.lost is not None:
                errors[gpu.device.name] = gpu.lost
                continue
            try:
                documents[gpu.uuid] = (gpu.identity, ask(gpu))
            except GpuLost as error:
                gpu.lost = errors[gpu.device.name] = error
            errors.update(gpu.device.take_errors())
        if errors and not session.gpus:
            raise Unreachable("; ".join(str(error) for error in errors.values()))
        return Fetched(documents=documents, errors=errors)

    def _look_for_changes(self, session: Session) -> None:
        """Try lost GPUs again, and ask for a new start when GPUs came or went, or stay lost."""
        for gpu in session.gpus:
            if gpu.lost is not None and self._answers(gpu):
                gpu.lost = None
        is_any_lost = bool(session.unreadable) or any(gpu.lost for gpu in session.gpus)
        if self.library.hardware_changed(session):
            self._restart_wanted = "GPUs came or went"
        elif is_any_lost and self.monotonic() - self._started_for_lost >= RESTART_FOR_LOST_SECONDS:
            self._started_for_lost = self.monotonic()
            self._restart_wanted = "looking for lost GPUs"

    def _answers(self, gpu: Gpu) -> bool:
        try:
            return bool(gpu.device.fields((fast.ENERGY, *fast.POWER)))
        except GpuLost:
            return False

    def _reader(self, gpu: Gpu) -> MediumReader:
        reader = self._readers.get(gpu)
        if reader is None:
            reader = self._readers[gpu] = MediumReader(device=gpu.device, monotonic=self.monotonic)
        return reader

    def _keep(self, session: Session) -> None:
        with self._lock:
            for gpu in session.gpus:
                self.kept.setdefault(gpu.uuid, Kept(index=gpu.identity.index)).index = gpu.identity.index

    def _on_xid(self, uuid: str, xid: int) -> None:
        with self._lock:
            if uuid in self.kept:
                self.kept[uuid].xids[xid] += 1
                self.kept[uuid].last_xid = xid
