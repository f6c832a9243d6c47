"""What every long-running process of Wattstat needs: where it listens, how it logs, when it stops."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import importlib.util
import ipaddress
import logging
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final, NamedTuple, TextIO, cast

import structlog

_PR_SET_PDEATHSIG: Final = 1
SUPERVISOR_PID: Final = "WATTSTAT_SUPERVISOR_PID"


class CannotStart(Exception):
    """A process that cannot run here; the message says why, and what to do."""


class ListenError(CannotStart):
    """An address that cannot be listened on; the message says which, why, and what to do."""


class Address(NamedTuple):
    """Where a process listens."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """The address for a client on the same machine."""
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self.host, self.host)  # noqa: S104 - it is read, not bound
        return f"http://{host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether nobody but this machine can reach it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host.strip("[]")).is_loopback
        except ValueError:
            return False


def parse_listen(listen: str) -> Address:
    """`host:port` as an address; an empty host is every interface. Raises `ListenError`."""
    host, colon, port = listen.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:
        raise ListenError(f"listen: {listen!r} is not host:port, for example 127.0.0.1:8050")
    return Address(host or "0.0.0.0", int(port))  # noqa: S104 - what an empty host means; loopback rules are checked elsewhere


def require_loopback(address: Address, *, setting: str, insecure: bool, guarded: bool = False) -> None:
    """Refuse to listen beyond loopback without authentication (`guarded`), unless somebody wrote that it may be so."""
    if address.is_loopback or insecure or guarded:
        return
    how = (
        "make a token (`wattstat token NAME --role ROLE`) and list it under access.tokens, or name a proxy under access.proxy"
        if setting.startswith("web")
        else "listen on 127.0.0.1 behind a reverse proxy"
    )
    raise ListenError(
        f"{setting}: {address.host}:{address.port} can be reached from other machines and nobody would have to log in; "
        f"{how}, or say `insecure: true` if the network is trusted"
    )


def require_free(address: Address, *, setting: str) -> None:
    """Refuse early and clearly when the port is taken."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address.host.strip("[]"), address.port))
        except OSError as error:
            raise ListenError(
                f"{setting}: cannot listen on {address.host}:{address.port} ({error.strerror}); "
                "is Wattstat running already? Choose another port, or stop what uses it"
            ) from error


def require_extra(extra: str, *modules: str) -> None:
    """Refuse where the base install alone is there: `modules` are some that only `extra` brings."""
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing:
        raise CannotStart(
            f"this command needs more than a GPU node's install ({', '.join(missing)} not found); "
            f"pip install 'wattstat[{extra}]', or pip install '.[{extra}]' in a clone"
        )


class _Patient:
    """A stream whose disk may be full: what cannot be logged must not stop what is done, a dead-man least of all."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with suppress(OSError):
            return self._stream.write(text)
        return 0

    def flush(self) -> None:
        with suppress(OSError):
            self._stream.flush()


def set_up_logging() -> None:
    """Key-value lines on standard error: for people at a terminal, as JSON for everything else."""
    renderer: structlog.types.Processor
    renderer = structlog.dev.ConsoleRenderer() if sys.stderr.isatty() else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", _Patient(sys.stderr))),
    )
    # Libraries speak through the standard module; their chatter below warnings is not ours to repeat.
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    # A collection that is skipped because the one before still runs is counted and shown by the frame; once is enough.
    logging.getLogger("apscheduler").setLevel(logging.ERROR)


def collect_seldom() -> None:
    """Look for cycles in memory seldom: with 100,000 samples a look takes a quarter of a second, and nothing else runs.

    Nearly all of what a reading leaves behind goes by its count of references, without any look.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def stop_event() -> asyncio.Event:
    """An event that SIGTERM or SIGINT sets. Needs a running event loop."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


def die_with_parent() -> None:
    """Under a supervisor, ask the kernel for SIGTERM when it dies: even killed, it leaves nothing behind (Linux)."""
    supervisor = os.environ.get(SUPERVISOR_PID)
    if supervisor is None or sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != int(supervisor):  # it died before we asked
        os.kill(os.getpid(), signal.SIGTERM)


@contextmanager
def listening(address: Address) -> Iterator[socket.socket]:
    """A bound socket, closed at the end."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((address.host.strip("[]"), address.port))
        yield bound
