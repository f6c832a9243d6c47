"""`wattstat slurm-prolog`, `slurm-epilog` and `boundary`: tell the node's agent that a job starts or ends.

A prolog holds up its job, and one that fails drains the node. So this takes a few milliseconds on top of the interpreter's
start (no json, socket or typing: their imports alone take longer), prints nothing to standard output, ends with 0 whatever
happens, and leaves the boundary in the agent's spool where no agent answers in time.
"""

from __future__ import annotations

import os
import sys
import time
from _json import encode_basestring_ascii as quoted
from _socket import AF_INET, AF_INET6, SOCK_STREAM, socket

from wattstat.slurm import job_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import NoReturn

CONNECT_SECONDS = 0.02
ANSWER_SECONDS = 0.03
LISTEN = "127.0.0.1:9837"
SPOOL = "/var/lib/wattstat-agent/spool"
# What the agent's systemd unit reads its settings from.
AGENT_SETTINGS = "/etc/default/wattstat-agent"
USAGE = {
    "slurm-prolog": "wattstat slurm-prolog [--agent HOST:PORT] [--spool DIR] [--gpu-order minor|pci] [--scheduler NAME]",
    "slurm-epilog": "wattstat slurm-epilog [--agent HOST:PORT] [--spool DIR] [--gpu-order minor|pci] [--scheduler NAME]",
    "boundary": (
        "wattstat boundary start|end --scheduler NAME --job ID [--instance TEXT] [--gpus 0,1] [--gpu-order minor|pci]"
        " [--user NAME] [--account NAME] [--partition NAME] [--name TEXT] [--agent HOST:PORT] [--spool DIR]"
    ),
}
_OPTIONS = {
    "agent": "",
    "spool": "",
    "gpu-order": "gpu_order",
    "scheduler": "scheduler",
    "job": "job_id",
    "instance": "instance",
    "gpus": "gpus",
    "user": "user",
    "account": "account",
    "partition": "partition",
    "name": "name",
}


def main(arguments: Sequence[str]) -> NoReturn:
    """Tell, and end with 0."""
    try:
        run(arguments, os.environ)
    except (OSError, ValueError) as error:
        _complain(f"{arguments[0]}: {error}")
    finally:
        # Neither a fault of ours nor the interpreter's own end may cost the job anything.
        os._exit(0)


def run(arguments: Sequence[str], environment: Mapping[str, str]) -> None:
    """Tell the agent, else the spool. Raises `ValueError` for wrong use and `OSError` when nobody could be told."""
    command, options = arguments[0], dict(_options(arguments))
    told = {_OPTIONS[name]: text for name, text in options.items() if _OPTIONS[name]}
    body: dict[str, str | list[str]] = {
        "id": os.urandom(8).hex(),
        "gpu_order": "minor",
        **(_of(command, arguments, environment)),
    }
    body |= {name: text for name, text in told.items() if name != "gpus"}
    if "gpus" in told:
        body["gpus"] = numbers(told["gpus"])
    if not body.get("job_id") or not body.get("scheduler"):
        raise ValueError(f"no job is named; usage: {USAGE[command]}")
    settings = {**of_agent(AGENT_SETTINGS), **environment}
    listen = options.get("agent") or settings.get("WATTSTAT_AGENT__LISTEN") or LISTEN
    text = encoded(body)
    try:
        status = post(listen, text)
        why = "" if status == 200 else f"the agent at {listen} answers HTTP {status}"
    except OSError as error:
        status, why = 0, f"no agent at {listen} ({error})"
    if status in {200, 400}:
        if why:
            raise ValueError(why)
        return
    folder = options.get("spool") or settings.get("WATTSTAT_AGENT__SPOOL") or SPOOL
    try:
        spool(folder, str(body["id"]), text)
    except OSError as error:
        raise OSError(f"{why}, and {folder} cannot be written ({error.strerror}): this {body['edge']} is lost") from error


def of_agent(path: str) -> dict[str, str]:
    """The settings that the agent was started with: lines of the form NAME=value. None where there is no such file."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:  # noqa: PTH123 - pathlib alone takes longer to import than all of this
            lines = file.read(65536).splitlines()
    except OSError:
        return {}
    pairs = (line.strip().partition("=") for line in lines if line.startswith("WATTSTAT_"))
    return {name: value.strip("\"'") for name, _, value in pairs}


def slurm_job(environment: Mapping[str, str]) -> dict[str, str | list[str]]:
    """The job as Slurm's variables of a prolog or epilog have it."""
    get = environment.get
    visible = get("CUDA_VISIBLE_DEVICES", "")
    # Numbers of divided GPUs count all parts of the node; the parts' own UUIDs leave no doubt.
    gpus = visible if visible.startswith(("MIG-", "GPU-")) else get("SLURM_JOB_GPUS") or visible
    return {
        "scheduler": "slurm",
        "job_id": job_id(environment),
        "raw_id": get("SLURM_JOB_ID", ""),
        "instance": get("SLURM_JOB_RESTART_COUNT") or get("SLURM_RESTART_COUNT", ""),
        "user": get("SLURM_JOB_USER", ""),
        "account": get("SLURM_JOB_ACCOUNT", ""),
        "partition": get("SLURM_JOB_PARTITION", ""),
        "name": get("SLURM_JOB_NAME", ""),
        "sluid": get("SLURM_JOB_SLUID", ""),
        "gpus": numbers(gpus),
    }


def numbers(text: str) -> list[str]:
    """GPUs of a list such as `0,2-4` or `MIG-…,MIG-…`; `NoDevFiles` and the like are none."""
    found = []
    for part in text.split(","):
        name = part.strip()
        low, dash, high = name.partition("-")
        if low.isdecimal() and dash and high.isdecimal() and int(low) <= int(high) < int(low) + 128:
            found += [str(number) for number in range(int(low), int(high) + 1)]
        elif name.isdecimal() or name.startswith(("MIG-", "GPU-")):
            found.append(name)
    return found


def encoded(body: Mapping[str, str | float | list[str]]) -> str:
    """JSON of texts, numbers and lists of texts."""
    members = []
    for name, value in body.items():
        if isinstance(value, list):
            text = f"[{','.join(map(_quoted, value))}]"
        else:
            text = _quoted(value) if isinstance(value, str) else repr(value)
        members.append(f"{quoted(name)}:{text}")
    return "{" + ",".join(members) + "}"


def post(listen: str, body: str) -> int:
    """The HTTP status that the agent answers. Raises `OSError` when it does not, in time."""
    host, _, port = listen.rpartition(":")
    host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "localhost": "127.0.0.1", "::": "::1"}.get(  # noqa: S104 - not bound
        host.strip("[]"), host.strip("[]")
    )
    head = f"POST /boundary HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    agent = socket(AF_INET6 if ":" in host else AF_INET, SOCK_STREAM)
    try:
        agent.settimeout(CONNECT_SECONDS)
        agent.connect((host, int(port)))
        agent.settimeout(ANSWER_SECONDS)
        agent.sendall(f"{head}\r\nConnection: close\r\n\r\n{body}".encode("ascii"))
        answer = agent.recv(4096)
    finally:
        agent.close()
    status = answer[9:12]
    if not answer.startswith(b"HTTP/1.") or not status.isdigit():
        raise OSError("no HTTP")
    return int(status)


def spool(folder: str, boundary_id: str, body: str) -> None:
    """Leave the boundary for the agent, as it would itself, and readable for it."""
    try:
        os.mkdir(folder, 0o700)  # noqa: PTH102
        _give(folder, os.path.dirname(folder))  # noqa: PTH120
    except FileExistsError:  # also where several jobs begin at once
        folder = folder.rstrip("/")
    kernel_boot = ""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:  # noqa: PTH123
            kernel_boot = file.read().strip()
    except OSError:
        kernel_boot = ""
    when = encoded({"wall": time.time(), "monotonic": time.monotonic(), "kernel_boot": kernel_boot})
    hidden = f"{folder}/.{boundary_id}.json"
    descriptor = os.open(hidden, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        os.write(descriptor, f"{body[:-1]},{when[1:]}".encode("ascii"))
    finally:
        os.close(descriptor)
    _give(hidden, folder)
    os.rename(hidden, f"{folder}/{boundary_id}.json")  # noqa: PTH104


def _of(command: str, arguments: Sequence[str], environment: Mapping[str, str]) -> dict[str, str | list[str]]:
    """What the command itself says."""
    if command == "boundary":
        edge = arguments[1] if len(arguments) > 1 else ""
        if edge not in {"start", "end"}:
            raise ValueError(f"expected start or end; usage: {USAGE[command]}")
        return {"edge": edge}
    job = slurm_job(environment)
    if command == "slurm-prolog":
        return {"edge": "start", **job}
    # The epilog of a job that is requeued hears the restart count of the run to come (seen with 22.05).
    return {"edge": "end", **job, "instance": ""}


def _options(arguments: Sequence[str]) -> list[tuple[str, str]]:
    command = arguments[0]
    rest = list(arguments[2:] if command == "boundary" else arguments[1:])
    found = []
    while rest:
        name, equals, value = rest.pop(0).partition("=")
        if not name.startswith("--") or name[2:] not in _OPTIONS or not (equals or rest):
            raise ValueError(f"{name!r} is not understood; usage: {USAGE[command]}")
        found.append((name[2:], value if equals else rest.pop(0)))
    return found


def _quoted(text: str) -> str:
    """A JSON string; bytes that are no UTF-8 become question marks."""
    return quoted(text.encode("utf-8", "replace").decode("utf-8"))


def _give(path: str, like: str) -> None:
    """Root's file becomes that of the agent's user, whose folder it is in."""
    if os.geteuid() == 0:
        owner = os.stat(like)  # noqa: PTH116
        os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


def _complain(message: str) -> None:
    """Briefly, to the system's log and to standard error: what goes to standard output may end up in the job's environment."""
    import syslog  # noqa: PLC0415 - only when there is something to say

    syslog.openlog("wattstat", 0, syslog.LOG_DAEMON)
    syslog.syslog(syslog.LOG_WARNING, message)
    sys.stderr.write(f"wattstat {message}\n")
    sys.stderr.flush()
