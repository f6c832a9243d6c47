"""Runs a program for what it prints: bounded in time and size, and gone with everything it started when it exceeds them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Sequence

from collectors.frame.errors import BadPayload, Misconfigured, Unreachable

_MOST_COMPLAINT = 2000


async def printed(command: Sequence[str], *, timeout_seconds: float, most_bytes: int) -> bytes:
    """What the program prints. Raises `CollectError`s that name the program, and repeat the end of its complaints.

    It leads a process group of its own, so that a time-out ends what it started too. What it leaves running after a good end is
    its own affair.
    """
    name = command[0] if command else "(no command)"
    try:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=DEVNULL, stdout=PIPE, stderr=PIPE, start_new_session=True
        )
    except (OSError, ValueError, TypeError) as error:
        raise Misconfigured(f"{name}: cannot be started: {error}; check the path and that it may be executed") from error
    try:
        async with asyncio.timeout(timeout_seconds):
            text, complaint = await asyncio.gather(_read(process, most_bytes), _end(process.stderr))
            status = await process.wait()
    except TimeoutError:
        raise Unreachable(f"{name}: no end within {timeout_seconds:g} s; it was killed") from None
    finally:
        if process.returncode is None or not _is_read(process):
            _kill(process)
            await process.wait()
    if len(text) > most_bytes:
        raise BadPayload(f"{name}: prints more than {most_bytes} bytes; it was killed")
    if status != 0:
        how = f"signal {-status}" if status < 0 else f"status {status}"
        raise BadPayload(f"{name}: ended with {how}{': ' if complaint else ''}{complaint}")
    return text


async def _read(process: Process, most_bytes: int) -> bytes:
    """Everything until the end; or somewhat more than is allowed, and the program is killed."""
    text = bytearray()
    while process.stdout is not None and (block := await process.stdout.read(64 * 1024)):
        text += block
        if len(text) > most_bytes:
            _kill(process)
            break
    return bytes(text)


async def _end(stream: asyncio.StreamReader | None) -> str:
    """The last of what was complained; the rest is read and forgotten, so that nobody waits for us to read."""
    text = b""
    while stream is not None and (block := await stream.read(64 * 1024)):
        text = (text + block)[-_MOST_COMPLAINT:]
    return " ".join(text.decode(errors="replace").split())


def _is_read(process: Process) -> bool:
    """Whether all that the program and its children had to say was read: then none of them holds our pipes any more."""
    return all(stream is None or stream.at_eof() for stream in (process.stdout, process.stderr))


def _kill(process: Process) -> None:
    """End the whole group: the leader may have ended while a child of it lives on."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
