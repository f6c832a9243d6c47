"""Killed at any moment, the history comes back with every scrape but the one in flight."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest

from wattstat.store.embedded import EmbeddedStore
from wattstat.store.protocol import StoreError

T0 = 1_700_006_400

# Writes scrapes as fast as it can, sorts every fifth, and says after each which is in.
WRITER = """
import asyncio, sys
from pathlib import Path
from wattstat.store.embedded import EmbeddedStore

async def main(path, first):
    store = EmbeddedStore(Path(path), clock=lambda: 1_700_006_400)
    number = first
    while True:
        lines = "".join(f'watts{{gpu="{gpu}"}} {number}\\n' for gpu in range(300)) + f'churn{{scrape="{number}"}} 1\\n'
        await store.ingest(lines, (1_700_006_400 + 10 * number) * 1000, 0.01)
        print(number, flush=True)
        number += 1
        if number % 5 == 0:
            await store.compact()

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


def killed_after(path, first: int, delay_lines: int, delay_seconds: float) -> int:
    """Run the writer and kill it in the midst of its work; the last scrape that it said was in."""
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(path), str(first)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        for _ in range(delay_lines):
            last = int(process.stdout.readline())
        # While it writes on, at a moment that has nothing to do with its lines.
        timer = threading.Timer(delay_seconds, os.kill, (process.pid, signal.SIGKILL))
        timer.start()
        for line in process.stdout:
            if line.endswith("\n"):
                last = int(line)
        timer.join()
        return last
    finally:
        process.kill()
        process.wait(30)
        process.stdout.close()


async def test_kill_9_loses_at_most_the_scrape_in_flight(tmp_path):
    path = tmp_path / "history.duckdb"
    first = 0
    for delay_lines, delay_seconds in ((3, 0.013), (7, 0.004), (4, 0.031), (11, 0.0)):
        last = killed_after(path, first, delay_lines, delay_seconds)
        store = EmbeddedStore(path, clock=lambda: T0)
        try:
            answer = await store.query_range("count(watts)", T0, T0 + 10 * (last + 1), 10)
            counts = dict(zip(answer.series[0].times, answer.series[0].values, strict=True))
            assert [time for time in range(T0, T0 + 10 * (last + 1), 10) if counts.get(time) != 300] == []
            values = await store.query_range('watts{gpu="7"}', T0, T0 + 10 * last, 10)
            assert list(values.series[0].values) == list(range(last + 1))
            # The one in flight is there wholly or not at all.
            beyond = await store.query(f"count(watts == {last + 1})", T0 + 10 * (last + 1))
            assert [list(series.values) for series in beyond.series] in ([], [[300.0]])
        finally:
            await store.close()
        first = last + 1


def test_two_processes_cannot_write_one_history(tmp_path):
    path = tmp_path / "history.duckdb"
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(path), "0"], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "0\n"
        with pytest.raises(StoreError, match="cannot be opened"):
            EmbeddedStore(path)
    finally:
        process.kill()
        process.wait(30)
        process.stdout.close()
