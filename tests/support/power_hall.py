"""A simulated hall under power control, all of it real processes: BMCs over HTTPS, agents over the C NVML library, core."""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from simulator.nvml import StateFile
from tests.support.processes import ROOT, free_port, http_get, python, running, stop, wait_for

# Short times, so that a test sees in seconds what a site sees in minutes.
POWER = {
    "mode": "enforce",
    "window_seconds": 6,
    "write_seconds": 1,
    "verify_seconds": 10,
    "dead_man_seconds": 15,
    "lease_seconds": 8,
    "most_fights": 3,
    "raise_seconds": 2,
}
# A machine at a fraction of its speed answers late; that is no fault of the hall.
ANSWER_SECONDS = 30.0


class PowerHall:
    """Folder, addresses and what the hall really does."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.config = directory / "wattstat.yaml"
        self.control = (directory / "control-url").read_text()
        self.core_process: subprocess.Popen[bytes] | None = None
        self._stack = ExitStack()
        # Neither changes while a hall stands; who looks ten times a second must not parse YAML each time.
        self._racks = {node["name"]: node["rack"] for node in self.inventory["nodes"]}
        self._agents = {node["name"]: node.get("agent", {}).get("url") for node in self.inventory["nodes"]}

    # What happens.

    def start_core(self) -> None:
        """Start core alone: nobody restarts it."""
        self.core_process = self._run_core(self.config, "core")

    def start_second(self) -> subprocess.Popen[bytes]:
        """Start another core over the same devices and the same lease, with files of its own."""
        config = yaml.safe_load(self.config.read_text())
        config["power"] |= {"database": f"sqlite:///{self.directory}/data/power.db"}
        config |= {"data_dir": str(self.directory / "second"), "core": {"listen": f"127.0.0.1:{free_port()}"}}
        path = self.directory / "second.yaml"
        path.write_text(yaml.safe_dump(config))
        return self._run_core(path, "second")

    def _run_core(self, config: Path, name: str) -> subprocess.Popen[bytes]:
        command = python("wattstat", "core", "--config", str(config))
        return self._stack.enter_context(running(command, self.directory / "logs" / f"{name}.log"))

    def close(self) -> None:
        self._stack.close()

    def fault(self, target: str, kind: str, **options: Any) -> int:
        """Switch a fault on; its number."""
        return int(self._ask(f"{self.control}/faults", {"target": target, "kind": kind, **options})["id"])

    def heal(self) -> None:
        """Switch all faults off."""
        self._ask(f"{self.control}/faults", method="DELETE")

    def train(self, node: str, gpus: int) -> None:
        """A job on all GPUs of a server, which draws what they can."""
        self._ask(
            f"{self.control}/jobs", {"job_id": f"job-{node}", "node": node, "gpus": list(range(gpus)), "kind": "training"}
        )

    def set_budget(self, rack: str, watts: float) -> None:
        """Write the budget of a rack, or of the site where that is empty, into the inventory, as an operator would."""
        path = self.directory / "inventory.yaml"
        inventory = yaml.safe_load(path.read_text())
        (next(each for each in inventory["racks"] if each["name"] == rack) if rack else inventory["site"])["budget_watts"] = (
            watts
        )
        fresh = path.with_suffix(".new")
        fresh.write_text(yaml.safe_dump(inventory, sort_keys=False))
        fresh.replace(path)

    # What is so.

    @property
    def inventory(self) -> dict[str, Any]:
        return yaml.safe_load((self.directory / "inventory.yaml").read_text())

    def nodes_of(self, rack: str) -> list[str]:
        return [name for name, its_rack in self._racks.items() if its_rack == rack]

    def truth(self) -> dict[str, Any]:
        return self._ask(f"{self.control}/truth")

    def watts(self, rack: str) -> float:
        """What the servers of a rack really draw at this moment."""
        nodes = self.truth()["nodes"]
        return float(sum(nodes[name]["input_watts"] for name in self.nodes_of(rack)))

    def limits(self, node: str) -> list[float]:
        """The limits that were set through NVML on a server, in watts."""
        with StateFile(self.directory / "state" / f"{node}.nvml") as state:
            return [float(each) / 1000 for each in state.columns["limit_requested_mw"]]

    def status(self, config: str = "wattstat.yaml") -> dict[str, Any] | None:
        """What core says of power, once it says anything."""
        body = http_get(f"http://{_listen(self.directory / config)}/power/status", seconds=ANSWER_SECONDS)
        return json.loads(body) if body else None

    def leads(self, config: str = "wattstat.yaml") -> bool:
        """Whether a core leads."""
        status = self.status(config)
        return bool(status and status["leader"]["leads"])

    def decided(self) -> dict[str, Any] | None:
        """The same, once caps have been read and decided upon."""
        status = self.status()
        return status if status and status.get("ready") else None

    def findings(self, node: str) -> dict[str, str]:
        """What core finds wrong with caps of a server: words by kind."""
        status = self.status()
        return {each["why"]: each["detail"] for each in status["findings"] if each["node"] == node} if status else {}

    def budget(self, name: str, kind: str) -> dict[str, Any]:
        status = self.status()
        assert status is not None
        return next(each for each in status["budgets"] if (each["name"], each["kind"]) == (name, kind))

    def agent(self, node: str) -> dict[str, Any]:
        """What a server's agent shows of caps."""
        return self._ask(f"{self._agents[node]}/cap")

    def trail(self) -> list[dict[str, Any]]:
        """All records of the audit trail, oldest first."""
        files = sorted((self.directory / "data" / "audit").glob("*.jsonl"))
        return [json.loads(line) for file in files for line in file.read_text().splitlines()]

    def _ask(self, url: str, body: Any = None, method: str | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
        with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:
            return json.loads(answer.read())


@cache
def _listen(config: Path) -> str:
    return str(yaml.safe_load(config.read_text())["core"]["listen"])


@contextmanager
def power_hall(directory: Path, nodes: int = 16) -> Iterator[PowerHall]:
    """A hall with agents, without jobs and without core."""
    (directory / "logs").mkdir(parents=True)
    simulator = python(
        "simulator",
        "--dir",
        str(directory),
        "--nodes",
        str(nodes),
        "--history-hours",
        "0",
        "--no-jobs",
        "--web",
        f"127.0.0.1:{free_port()}",
        "--core-port",
        str(free_port()),
    )
    with running(simulator, directory / "logs" / "simulator.log"):
        wait_for("the simulated hall", (directory / "ready").exists)
        config = yaml.safe_load((directory / "wattstat.yaml").read_text())
        config |= {"power": POWER, "energy": {"enabled": False}}
        config["inventory"]["refresh_seconds"] = 1
        config["collectors"] = {"redfish": {"fast_seconds": 5}}
        (directory / "wattstat.yaml").write_text(yaml.safe_dump(config))
        hall = PowerHall(directory)
        with agents(directory):
            try:
                yield hall
            finally:
                hall.close()


@contextmanager
def agents(directory: Path) -> Iterator[None]:
    """The agents of a hall, one real process a server."""
    with (directory / "logs" / "agents.log").open("wb") as log:
        process = subprocess.Popen(
            python("tests.support.hall_agents", str(directory)), cwd=ROOT, stdin=subprocess.PIPE, stdout=log, stderr=log
        )
    try:
        yield
    finally:
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            stop(process)


def seconds_until(what: str, look: Any, *, seconds: float) -> float:
    """How long it took until `look` found something; fails with `what` after so many seconds."""
    began = time.monotonic()
    wait_for(what, look, seconds=seconds)
    return time.monotonic() - began
