"""NVML as a whole: initialised, used by several threads, started anew when the driver went away or GPUs came."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from collectors.frame.errors import CollectError
from collectors.nvml import identity
from collectors.nvml.binding import LibraryGone, mapped
from collectors.nvml.device import Device
from collectors.nvml.gpm import Gpm
from collectors.nvml.identity import Identity
from collectors.nvml.numbers import text

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0
PATIENCE_SECONDS = 5.0  # how long a new start waits for threads that are inside NVML


@dataclass(kw_only=True, eq=False)
class Gpu:
    """A GPU in a session. `lost` says why it does not answer, or is None."""

    device: Device
    identity: Identity
    gpm: Gpm
    lost: CollectError | None = None

    @property
    def uuid(self) -> str:
        return self.identity.uuid


@dataclass(frozen=True, kw_only=True, eq=False)
class Session:
    """NVML from one nvmlInit to its nvmlShutdown. Handles are good only here."""

    driver: str
    gpus: tuple[Gpu, ...]
    unreadable: Mapping[str, CollectError]  # GPUs that could not even be identified
    pci_devices: frozenset[str] | None  # what the kernel module listed when the session began


@dataclass(kw_only=True)
class Library:
    """Opens a session when one is needed, with a growing pause after failures."""

    nvml: Any
    proc: Path = Path("/proc")
    monotonic: Callable[[], float] = time.monotonic
    was_open: bool = False
    _session: Session | None = None
    _users: int = 0
    _closing: bool = False
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _pause_seconds: float = FIRST_PAUSE_SECONDS
    _next_attempt: float = float("-inf")
    _why: str = ""

    @contextmanager
    def session(self) -> Iterator[Session]:
        """The open session, which stays open inside the block. Raises `LibraryGone` when there is none."""
        with self._changed:
            if self._session is None or self._closing:
                raise LibraryGone(self._why or "NVML is not initialised")
            self._users += 1
            session = self._session
        try:
            yield session
        finally:
            with self._changed:
                self._users -= 1
                self._changed.notify_all()

    def ensure_open(self) -> bool:
        """Open a session if there is none; True when it did. Raises `LibraryGone`; then it waits before it tries again."""
        if self._session is not None:
            return False
        if self.monotonic() < self._next_attempt:
            raise LibraryGone(f"{self._why}; trying again in at most {self._pause_seconds:g} s")
        try:
            session = self._open()
        except LibraryGone as error:
            self._why = str(error)
            self._next_attempt = self.monotonic() + self._pause_seconds
            self._pause_seconds = min(self._pause_seconds * 2, LONGEST_PAUSE_SECONDS)
            raise
        self._pause_seconds, self._next_attempt, self._why = FIRST_PAUSE_SECONDS, float("-inf"), ""
        with self._changed:
            self._session, self.was_open = session, True
        return True

    def close(self, why: str = "closed") -> bool:
        """End the session once nobody is inside it. False when somebody stayed for too long; then nothing has changed."""
        with self._changed:
            if self._session is None:
                return True
            self._closing = True
            left = self._changed.wait_for(lambda: self._users == 0, timeout=PATIENCE_SECONDS)
            self._closing = False
            if not left:
                return False
            session, self._session, self._why = self._session, None, why
        try:
            for gpu in session.gpus:
                gpu.gpm.free()
            self.nvml.nvmlShutdown()
        except self.nvml.NVMLError:
            return True  # the driver is gone already: nothing is left to be shut down
        return True

    def hardware_changed(self, session: Session) -> bool:
        """Whether GPUs came or went since the session began. NVML itself looks only when it is initialised."""
        try:
            count = self.nvml.nvmlDeviceGetCount()
        except self.nvml.NVMLError as error:
            raise mapped(error, "nvmlDeviceGetCount") from error
        return bool(count != len(session.gpus) + len(session.unreadable)) or self._pci_devices() != session.pci_devices

    def _pci_devices(self) -> frozenset[str] | None:
        folder = self.proc / "driver/nvidia/gpus"
        try:
            return frozenset(entry.name for entry in folder.iterdir())
        except OSError:
            return None

    def _open(self) -> Session:
        pci_devices = self._pci_devices()
        try:
            self.nvml.nvmlInit()
        except self.nvml.NVMLError as error:
            found = mapped(error, "nvmlInit")
            raise found if isinstance(found, LibraryGone) else LibraryGone(str(found)) from error
        try:
            driver = text(self.nvml.nvmlSystemGetDriverVersion())
            count = self.nvml.nvmlDeviceGetCount()
            gpus, unreadable = self._enumerate(count, driver)
        except self.nvml.NVMLError as error:
            self.nvml.nvmlShutdown()
            raise LibraryGone(str(mapped(error, "start of NVML"))) from error
        except LibraryGone:
            self.nvml.nvmlShutdown()
            raise
        return Session(driver=driver, gpus=gpus, unreadable=unreadable, pci_devices=pci_devices)

    def _enumerate(self, count: int, driver: str) -> tuple[tuple[Gpu, ...], dict[str, CollectError]]:
        gpus: list[Gpu] = []
        unreadable: dict[str, CollectError] = {}
        for index in range(count):
            try:
                gpus.append(self._gpu(index, driver))
            except LibraryGone:
                raise
            except CollectError as error:
                unreadable[f"gpu{index}"] = error
        return tuple(gpus), unreadable

    def _gpu(self, index: int, driver: str) -> Gpu:
        try:
            handle = self.nvml.nvmlDeviceGetHandleByIndex(index)
            uuid = text(self.nvml.nvmlDeviceGetUUID(handle))
        except self.nvml.NVMLError as error:
            raise mapped(error, f"gpu{index}") from error
        device = Device(nvml=self.nvml, handle=handle, index=index, uuid=uuid)
        found = identity.parse(identity.fetch(device, driver))
        return Gpu(device=device, identity=found, gpm=Gpm(device=device, monotonic=self.monotonic))
