"""XID errors, as the driver reports them: a thread waits for events, so that none falls between two cycles.

What happened before the agent registered is not seen; the kernel log has it.
"""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

import structlog

from collectors.frame.errors import CollectError
from collectors.nvml.binding import GpuLost, LibraryGone, mapped
from collectors.nvml.library import Gpu, Library, Session

WAIT_MILLISECONDS = 500
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0
_XID = 0x8
_TIMEOUT = 10

# A counter that begins with its first event hides that event from `increase()`, so that the XIDs that matter stand at 0 from
# the start for every GPU. Others begin with the value 1 when they happen first.
WATCHED_XIDS = (13, 31, 43, 45, 48, 61, 62, 63, 64, 74, 79, 92, 94, 95, 119, 120, 136, 140, 143, 145, 149)

log = structlog.get_logger(__name__)


@dataclass(kw_only=True)
class XidWatch:
    """Calls `on_xid(uuid, xid)` from its own thread for every XID event, over all sessions of the library."""

    library: Library
    on_xid: Callable[[str, int], None]
    random: Random = field(default_factory=Random)
    registered: Session | None = None  # the session whose GPUs are watched now
    _wake: threading.Event = field(default_factory=threading.Event)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread, once."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="nvml-events", daemon=True)
            self._thread.start()

    def wake(self) -> None:
        """There is a new session: register now, without the rest of the pause."""
        self._wake.set()

    def stop(self) -> None:
        """Ask the thread to end and wait for it."""
        self._stop.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout=5)

    def _run(self) -> None:
        pause_seconds = FIRST_PAUSE_SECONDS
        while not self._stop.is_set():
            try:
                self._watch_session()
                pause_seconds = FIRST_PAUSE_SECONDS
            except CollectError as error:
                log.debug("xid events wait for NVML", error=str(error))
            if self._wake.wait(pause_seconds * self.random.uniform(0.8, 1.2)):
                self._wake.clear()
                pause_seconds = FIRST_PAUSE_SECONDS
            else:
                pause_seconds = min(pause_seconds * 2, LONGEST_PAUSE_SECONDS)

    def _watch_session(self) -> None:
        """Wait for events of one session. Between two waits the session may be ended by whoever wants a new one."""
        nvml = self.library.nvml
        with self.library.session() as session:
            events, uuids = self._register(session)
            self.registered = session
        try:
            while not self._stop.is_set():
                begin = time.monotonic()
                with self.library.session() as current:
                    if current is not session:
                        self._wake.set()
                        return
                    self._wait(events, uuids)
                if time.monotonic() - begin < WAIT_MILLISECONDS / 2000:
                    self._stop.wait(0.01)  # a driver that does not wait must not make us spin
        finally:
            self.registered = None
            try:
                nvml.nvmlEventSetFree(events)
            except nvml.NVMLError as error:
                log.debug("event set could not be freed", error=str(error))

    def _register(self, session: Session) -> tuple[Any, dict[Any, str]]:
        nvml = self.library.nvml
        try:
            events = nvml.nvmlEventSetCreate()
        except nvml.NVMLError as error:
            raise mapped(error, "nvmlEventSetCreate") from error
        uuids = {}
        for gpu in session.gpus:
            if self._register_gpu(gpu, events):
                uuids[_address(gpu.device.handle)] = gpu.uuid
        return events, uuids

    def _register_gpu(self, gpu: Gpu, events: Any) -> bool:
        nvml, handle = self.library.nvml, gpu.device.handle
        try:
            if not nvml.nvmlDeviceGetSupportedEventTypes(handle) & _XID:
                return False
            nvml.nvmlDeviceRegisterEvents(handle, _XID, events)
        except nvml.NVMLError as error:
            found = mapped(error, f"XID events of {gpu.device.name}")
            if isinstance(found, LibraryGone):
                raise found from error
            if not isinstance(found, GpuLost):
                log.warning("no XID events", gpu=gpu.device.index, error=str(found))
            return False
        return True

    def _wait(self, events: Any, uuids: dict[Any, str]) -> None:
        nvml = self.library.nvml
        try:
            event = nvml.nvmlEventSetWait_v2(events, WAIT_MILLISECONDS)
        except nvml.NVMLError as error:
            if error.value == _TIMEOUT:
                return
            found = mapped(error, "nvmlEventSetWait")
            if isinstance(found, GpuLost):  # told when a registered GPU falls off the bus; the others go on
                self._stop.wait(1)
                return
            raise found from error
        uuid = uuids.get(_address(event.device))
        if event.eventType == _XID and uuid is not None:
            self.on_xid(uuid, int(event.eventData))


def _address(handle: Any) -> Any:
    """What makes two ctypes pointers to one device equal."""
    return ctypes.cast(handle, ctypes.c_void_p).value
