"""The supervisor, with real child processes."""

import asyncio
import os
import signal
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.support.processes import free_port
from wattstat.serve import stuck, supervisor
from wattstat.serve.process import Address
from wattstat.serve.supervisor import LONGEST_PAUSE_SECONDS, Program, keep, pause_seconds


@dataclass(frozen=True, kw_only=True)
class Script(Program):
    """A program of any Python text."""

    text: str

    @property
    def command(self):
        return [sys.executable, "-c", self.text]


def script(text):
    return Script(name="script", arguments=(), text=text)


async def lines(path: Path, count: int) -> list[str]:
    async with asyncio.timeout(60):
        while not path.exists() or len(path.read_text().splitlines()) < count:
            await asyncio.sleep(0.02)
    return path.read_text().splitlines()


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.fixture
def log_file(tmp_path):
    return tmp_path / "pids"


def says_its_pid(path, then):
    return script(f"import os, signal, time\nwith open({str(path)!r}, 'a') as out: print(os.getpid(), file=out)\n{then}")


async def test_what_dies_is_started_again(log_file, monkeypatch):
    monkeypatch.setattr(supervisor, "FIRST_PAUSE_SECONDS", 0.01)
    stop = asyncio.Event()
    keeping = asyncio.ensure_future(keep(says_its_pid(log_file, "raise SystemExit(3)"), stop))

    pids = await lines(log_file, 3)
    stop.set()
    await asyncio.wait_for(keeping, 30)

    assert len(set(pids)) >= 3


LISTENS = """
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
    def log_message(self, *_):
        with open("{asked}", "a") as out: print("asked", file=out)
http.server.HTTPServer(("127.0.0.1", {port}), Handler).serve_forever()
"""


async def test_a_process_that_answered_and_is_stuck_is_killed_and_replaced(log_file, monkeypatch):
    monkeypatch.setattr(supervisor, "FIRST_PAUSE_SECONDS", 0.01)
    for name, seconds in (("LOOK_SECONDS", 0.05), ("ANSWER_SECONDS", 0.3), ("STUCK_SECONDS", 0.5)):
        monkeypatch.setattr(stuck, name, seconds)
    port = free_port()
    asked = log_file.with_name("asked")
    listens = LISTENS.replace("{port}", str(port)).replace("{asked}", str(asked))
    program = replace(says_its_pid(log_file, listens), address=Address("127.0.0.1", port))
    stop = asyncio.Event()
    keeping = asyncio.ensure_future(keep(program, stop))
    (first,) = await lines(log_file, 1)
    await lines(asked, 2)

    os.kill(int(first), signal.SIGSTOP)
    second = (await lines(log_file, 2))[1]
    stop.set()
    await asyncio.wait_for(keeping, 30)

    assert gone(int(first))
    assert gone(int(second))


async def test_a_process_that_has_not_answered_yet_is_left_alone(monkeypatch):
    for name, seconds in (("LOOK_SECONDS", 0.01), ("ANSWER_SECONDS", 0.1), ("STUCK_SECONDS", 0.0)):
        monkeypatch.setattr(stuck, name, seconds)

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(stuck.stuck(Address("127.0.0.1", free_port())), 0.5)


async def test_a_killed_process_is_replaced_and_the_new_one_stops_on_sigterm(log_file, monkeypatch):
    monkeypatch.setattr(supervisor, "FIRST_PAUSE_SECONDS", 0.01)
    stop = asyncio.Event()
    keeping = asyncio.ensure_future(keep(says_its_pid(log_file, "time.sleep(60)"), stop))
    (first,) = await lines(log_file, 1)

    os.kill(int(first), signal.SIGKILL)
    second = (await lines(log_file, 2))[1]
    stop.set()
    await asyncio.wait_for(keeping, 30)

    assert gone(int(second))


async def test_what_ignores_sigterm_is_killed(log_file, monkeypatch):
    monkeypatch.setattr(supervisor, "STOP_SECONDS", 0.2)
    stop = asyncio.Event()
    stubborn = says_its_pid(
        log_file, "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nwith open(__import__('os').devnull): pass"
    )
    stubborn = script("import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + stubborn.text + "\ntime.sleep(60)")
    keeping = asyncio.ensure_future(keep(stubborn, stop))
    (pid,) = await lines(log_file, 1)

    stop.set()
    await asyncio.wait_for(keeping, 30)

    assert gone(int(pid))


def test_the_pause_grows_and_has_an_end():
    pauses = [pause_seconds(deaths) for deaths in range(1, 12)]

    assert pauses == sorted(pauses)
    assert pauses[0] < 1
    assert pauses[-1] == LONGEST_PAUSE_SECONDS
