"""Programs that are run for what they print end in time, and with everything that they started."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from collectors.frame.errors import BadPayload, Misconfigured, Unreachable
from collectors.frame.program import printed


async def run(script, *, timeout_seconds=20.0, most_bytes=1000):
    return await printed([sys.executable, "-c", script], timeout_seconds=timeout_seconds, most_bytes=most_bytes)


async def gone(pid):
    """Whether a process ends soon; one that nobody waits for counts as ended when it is a zombie."""
    for _ in range(200):
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except FileNotFoundError:
            return True
        await asyncio.sleep(0.05)
    return False


async def test_what_is_printed_comes_back():
    assert await run("print('hello')") == b"hello\n"


async def test_complaints_stand_beside_a_bad_end():
    with pytest.raises(BadPayload, match="status 3: no licence"):
        await run("import sys; print('no licence', file=sys.stderr); sys.exit(3)")


async def test_an_end_by_a_signal_is_told():
    with pytest.raises(BadPayload, match="signal 9"):
        await run("import os; os.kill(os.getpid(), 9)")


async def test_a_program_that_is_not_there_is_a_matter_of_configuration():
    with pytest.raises(Misconfigured, match="no/such/qstat: cannot be started"):
        await printed(["no/such/qstat"], timeout_seconds=1, most_bytes=10)
    with pytest.raises(Misconfigured):
        await printed([], timeout_seconds=1, most_bytes=10)


async def test_a_child_that_outlives_the_program_dies_with_the_time_out(tmp_path):
    child = f"import time; open({str(tmp_path / 'pid')!r}, 'w').write(str(__import__('os').getpid())); time.sleep(600)"
    script = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {child!r}])"
    with pytest.raises(Unreachable, match="killed"):
        await run(script, timeout_seconds=3)

    assert await gone(int((tmp_path / "pid").read_text()))


async def test_a_program_that_prints_without_end_is_killed():
    script = "import os, sys\nprint(os.getpid(), file=sys.stderr)\nwhile True: print('x' * 1000)"
    with pytest.raises(BadPayload, match="more than 1000 bytes"):
        await run(script)


async def test_much_complaining_blocks_nobody():
    assert await run("import sys; sys.stderr.write('x' * 1_000_000); print('done')") == b"done\n"


async def test_who_stops_waiting_leaves_nothing_behind(tmp_path):
    fifo = tmp_path / "started"
    os.mkfifo(fifo)
    script = f"import os, time; open({str(fifo)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    task = asyncio.create_task(run(script))
    pid = int(await asyncio.to_thread(fifo.read_text))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert await gone(pid)
