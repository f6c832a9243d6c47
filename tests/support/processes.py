"""Real processes in tests: started, waited for with a deadline, stopped by process id."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar
from urllib.error import URLError
from urllib.request import urlopen

Found = TypeVar("Found")
ROOT = Path(__file__).parents[2]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(what: str, look: Callable[[], Found | None], *, seconds: float = 60, every: float = 0.05) -> Found:
    """What `look` finds as soon as it finds something; fails with `what` after the deadline."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(every)
    raise AssertionError(f"waited {seconds:g} s in vain for {what}")


def http_get(url: str, *, seconds: float = 5) -> str | None:
    """The body of a 200 answer, or None while there is none."""
    try:
        with urlopen(url, timeout=seconds) as answer:
            return answer.read().decode()
    except (URLError, OSError):
        return None


@contextmanager
def running(command: Sequence[str], log: Path, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is asked to end, and then made to, when the body is left. Its output goes to `log`."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT, env={**os.environ, **environment}
        )
        try:
            yield process
        finally:
            stop(process)


def stop(process: subprocess.Popen[bytes], *, seconds: float = 30) -> int:
    """Ask with SIGTERM, insist with SIGKILL; the exit status."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    return process.returncode


def python(*arguments: str) -> list[str]:
    """A command that runs a module of the tree under test."""
    return [sys.executable, "-m", *arguments]


def children(pid: int) -> list[int]:
    """Process ids of the direct children (Linux)."""
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def alive(pid: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
