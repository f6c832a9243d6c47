"""SNMP agents that tests ask: the in-repository responder, and net-snmp's snmpd."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from simulator.snmp import Responder, Table, Value
from tests.support.programs import required_program
from wattstat import inventory as stock
from wattstat.config import Config, Credentials

COMMUNITY = "read-me"
USER = "reader"
SIGNS_WITH = "signs-with-this"
ENCRYPTS_WITH = "encrypts-with-this"
_START_SECONDS = 20.0


@asynccontextmanager
async def responding(
    shown: Table | Mapping[str, Value] | Callable[[], Table | Mapping[str, Value]], *, longest: int = 1472
) -> AsyncIterator[Responder]:
    """A responder on a free port of the loopback."""
    responder = Responder(shown if callable(shown) else lambda: shown, community=COMMUNITY, longest=longest)
    await responder.start("127.0.0.1")
    try:
        yield responder
    finally:
        await responder.stop()


def reached(port: int, **more: str) -> stock.Snmp:
    """What an inventory says of an agent on the loopback."""
    return stock.Snmp.model_validate({"address": f"127.0.0.1:{port}", **more})


def secrets(folder: Path, **passwords: str) -> Config:
    """A configuration with credentials `snmp` (community), and others by name; `user` gives theirs a user."""
    entries = {}
    for name, password in {"snmp": COMMUNITY, **passwords}.items():
        file = folder / f"{name}.secret"
        file.write_text(password)
        entries[name] = Credentials(username=USER, password_file=file)
    return Config.model_construct(credentials=entries)


@contextmanager
def snmpd(folder: Path, port: int = 0, *, more: str = "") -> Iterator[int]:
    """net-snmp's agent for version 2c and 3 on a free port; `more` are further lines of its configuration."""
    program = required_program("snmpd", package="snmpd")
    port = port or _free_port()
    configuration = folder / "snmpd.conf"
    configuration.write_text(
        f"agentaddress udp:127.0.0.1:{port}\n"
        f"rocommunity {COMMUNITY} 127.0.0.1\n"
        f"createUser {USER} SHA {SIGNS_WITH} AES {ENCRYPTS_WITH}\n"
        f"rouser {USER} priv\n"
        f"sysServices 72\n{more}\n"
    )
    command = [program, "-f", "-Lo", "-C", "-c", str(configuration), "-p", str(folder / "snmpd.pid")]
    environment = {"SNMP_PERSISTENT_DIR": str(folder / "kept"), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    with (folder / "snmpd.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        try:
            _until_bound(process, port, folder / "snmpd.log")
            yield port
        finally:
            process.terminate()
            process.wait(20)


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def _until_bound(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """A UDP socket says nothing of itself: the kernel's list of them does."""
    wanted = f"0100007F:{port:04X}"
    deadline = time.monotonic() + _START_SECONDS
    while wanted not in {line.split()[1] for line in Path("/proc/net/udp").read_text().splitlines()}:
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"snmpd did not start: {log.read_text()[-2000:]}")
        time.sleep(0.05)
