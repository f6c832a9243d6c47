"""Slurm asked by its commands on this machine: JSON where they know it, else text."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from collectors.frame.errors import AuthFailed, BadPayload, CollectError, Misconfigured, Unreachable
from collectors.slurm import document, large
from collectors.slurm.reading import Answer

# What asks for all jobs with their GPUs, best first. `scontrol` knows --json since 23.02; `squeue` since 21.08, and tells GPUs
# with it in releases whose `scontrol` does not know it.
_JSON = {
    "scontrol --json": ("scontrol", "--all", "--details", "show", "jobs", "--json"),
    "squeue --json": ("squeue", "--all", "--states=all", "--json"),
}
_TEXT = "scontrol"
_JOBS = ("scontrol", "--all", "--details", "show", "jobs")
_NODES = ("scontrol", "--all", "--oneliner", "show", "nodes")


@dataclass(kw_only=True)
class Commands:
    """Slurm's commands. `folder` is where they are, if not on the PATH; `conf` the slurm.conf that they shall use."""

    timeout_seconds: float
    folder: Path | None = None
    conf: Path | None = None
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    way: str = ""
    """Which command is asked for jobs, once one has answered."""

    async def open(self) -> None:
        """Nothing stays open between askings."""

    async def close(self) -> None:
        """Nothing stays open between askings."""

    async def jobs(self) -> Answer:
        """All jobs, by the best command that answers. Raises a `CollectError`."""
        for way, command in _JSON.items():
            if self.way in {"", way}:
                try:
                    found = await self._json(command)
                except CollectError:
                    if self.way:
                        raise
                else:
                    self.way = way
                    return Answer(form="json", body=found)
        body = await self.run(*_JOBS)
        self.way = _TEXT
        return Answer(form="text", body=body)

    async def nodes(self) -> Answer:
        """All nodes; their text has been the same for many releases. Raises a `CollectError`."""
        return Answer(form="text", body=await self.run(*_NODES))

    async def run(self, program: str, *arguments: str) -> str:
        """What a command prints. It and what it started are killed when its time is up. Raises a `CollectError`."""
        path = self._path(program)
        try:
            process = await asyncio.create_subprocess_exec(
                path, *arguments, env=self._environment(), start_new_session=True,
                stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            )  # fmt: skip
        except OSError as error:
            raise Misconfigured(f"{path} cannot be started: {error.strerror}; check schedulers.slurm[].commands") from error
        try:
            async with asyncio.timeout(self.timeout_seconds):
                output, complaint = await process.communicate()
        except TimeoutError as error:
            raise Unreachable(f"{program}: no answer within {self.timeout_seconds:g} s: does slurmctld run?") from error
        finally:
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
        if process.returncode != 0:
            raise _failure(program, complaint.decode(errors="replace"), process.returncode)
        return output.decode(errors="replace")

    async def _json(self, command: tuple[str, ...]) -> object:
        printed = await self.run(*command)
        try:
            found = await asyncio.to_thread(large.loads, printed)
        except ValueError as error:
            raise BadPayload(f"{command[0]} --json printed no JSON ({error})") from error
        wrong = document.errors(found)
        if wrong:  # it exits 0 then, with an empty list of jobs
            raise Unreachable(f"{command[0]}: {wrong}")
        return found

    def _path(self, program: str) -> str:
        found = (
            str(self.folder / program) if self.folder is not None else shutil.which(program, path=self.environment.get("PATH"))
        )
        if found is None or not Path(found).exists():
            place = self.folder or "the PATH"
            raise Misconfigured(f"no {program} in {place}: install Slurm's client, set schedulers.slurm[].commands, or its url")
        return found

    def _environment(self) -> dict[str, str]:
        """This process' own, without what would change the output; times as Unix seconds."""
        kept = {
            name: value for name, value in self.environment.items() if not name.startswith(("SQUEUE_", "SCONTROL_", "SACCT_"))
        }
        conf = {"SLURM_CONF": str(self.conf)} if self.conf is not None else {}
        return kept | conf | {"SLURM_TIME_FORMAT": "%s", "TZ": "UTC", "LC_ALL": "C"}


def _failure(program: str, complaint: str, status: int | None) -> CollectError:
    lines = [line for line in complaint.strip().splitlines() if line]
    why = lines[-1] if lines else f"exit status {status}"
    if "uthentication" in complaint or "munge" in complaint.lower():
        return AuthFailed(f"{program}: {why}: does munged run with the cluster's key?")
    return Unreachable(f"{program}: {why}")
