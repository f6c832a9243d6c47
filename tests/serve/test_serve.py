"""`wattstat serve` as a site runs it: real processes over simulated controllers, with Debian's Prometheus beside it."""

import json
import os
import signal
import ssl
import subprocess
import urllib.parse
import urllib.request
from pathlib import Path

import pytest
import yaml

from tests.support.processes import alive, children, free_port, http_get, python, running, stop, wait_for
from tests.support.programs import required_program

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def hall(tmp_path_factory):
    """A directory with the configuration of a simulated hall of three servers that runs meanwhile."""
    directory = tmp_path_factory.mktemp("hall")
    command = python("simulator", "--dir", str(directory), "--nodes", "3", "--bmc-only", "--web", f"127.0.0.1:{free_port()}")
    with running(command, directory / "simulator.log"):
        wait_for("the simulated hall", (directory / "ready").exists)
        config = yaml.safe_load((directory / "wattstat.yaml").read_text())
        config["core"] = {"listen": f"127.0.0.1:{free_port()}"}
        config["collectors"] = {"redfish": {"fast_seconds": 1, "medium_seconds": 5}}
        config.setdefault("store", {})["embedded"] = {"scrape_seconds": 1}
        (directory / "wattstat.yaml").write_text(yaml.safe_dump(config))
        yield directory


class Serve:
    """`wattstat serve` and what it answers."""

    def __init__(self, process: subprocess.Popen, directory: Path) -> None:
        config = yaml.safe_load((directory / "wattstat.yaml").read_text())
        self.process = process
        self.directory = directory
        self.web = "http://" + config["web"]["listen"]
        self.core = "http://" + config["core"]["listen"]

    def powers(self) -> dict[str, float]:
        """Watts by node, as the exposition has them now."""
        lines = (http_get(self.core + "/metrics") or "").splitlines()
        wanted = [line for line in lines if line.startswith("wattstat_node_power_watts{") and 'source="system"' in line]
        return {line.split('node="')[1].split('"')[0]: float(line.rsplit(" ", 1)[1]) for line in wanted}

    def query(self, expression: str) -> list[dict]:
        body = http_get(f"{self.web}/api/v1/query?{urllib.parse.urlencode({'query': expression})}")
        return json.loads(body)["data"]["result"] if body else []

    def child(self, name: str) -> int | None:
        """The process id of core or web."""
        for pid in children(self.process.pid):
            if name in Path(f"/proc/{pid}/cmdline").read_text().split("\0"):
                return pid
        return None


@pytest.fixture
def serve(hall):
    command = python("wattstat", "serve", "--config", str(hall / "wattstat.yaml"))
    with running(command, hall / "serve.log") as process:
        made = Serve(process, hall)
        wait_for("power of all three servers", lambda: len(made.powers()) == 3, seconds=180)
        wait_for("the web process", lambda: http_get(made.web + "/-/healthy"), seconds=180)
        yield made


def sessions(directory: Path) -> dict[str, int]:
    """Open sessions by BMC, asked over Redfish with a session of our own that is not counted."""
    inventory = yaml.safe_load((directory / "inventory.yaml").read_text())
    password = (directory / "bmc-password").read_text().strip()
    trust = ssl.create_default_context(cafile=directory / "ca.pem")
    return {node["name"]: _sessions(node["bmc"]["url"], password, trust) for node in inventory["nodes"]}


def _sessions(url: str, password: str, trust: ssl.SSLContext) -> int:
    login = json.dumps({"UserName": "wattstat", "Password": password}).encode()
    path = f"{url}/redfish/v1/SessionService/Sessions"
    request = urllib.request.Request(path, login, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, context=trust, timeout=30) as answer:
        headers = {"X-Auth-Token": answer.headers["X-Auth-Token"]}
        location = answer.headers["Location"]
    with urllib.request.urlopen(urllib.request.Request(path, headers=headers), context=trust, timeout=30) as answer:
        count = len(json.load(answer)["Members"])
    gone = urllib.request.Request(urllib.parse.urljoin(url, location), headers=headers, method="DELETE")
    urllib.request.urlopen(gone, context=trust, timeout=30).close()
    return count - 1


def test_sigterm_ends_everything_and_gives_every_session_back(serve):
    assert set(sessions(serve.directory).values()) == {1}
    pids = children(serve.process.pid)

    assert stop(serve.process) == 0

    assert not any(map(alive, pids))
    assert set(sessions(serve.directory).values()) == {0}


def test_a_killed_core_comes_back_and_the_history_goes_on(serve):
    wait_for("a first scrape", lambda: serve.query("sum(wattstat_node_power_watts)"))
    before = serve.child("core")
    os.kill(before, signal.SIGKILL)

    wait_for(
        "a new core with readings", lambda: serve.child("core") not in (None, before) and len(serve.powers()) == 3, seconds=180
    )
    wait_for("scrapes again", lambda: serve.query("up{job='wattstat'} == 1"))
    assert serve.query("min_over_time(up{job='wattstat'}[5m])")[0]["value"][1] == "0"


def test_a_killed_web_leaves_core_alone(serve):
    core, web = serve.child("core"), serve.child("web")
    os.kill(web, signal.SIGKILL)

    wait_for("a new web", lambda: serve.child("web") not in (None, web) and http_get(serve.web + "/-/healthy"))
    assert serve.child("core") == core


def test_a_killed_supervisor_leaves_nobody_behind(serve):
    pids = children(serve.process.pid)
    assert len(pids) == 2
    serve.process.kill()

    wait_for("core and web to end", lambda: not any(map(alive, pids)))


def test_a_bmc_that_hangs_changes_only_its_own_rows(serve):
    names = sorted(serve.powers())
    control = (serve.directory / "control-url").read_text().strip()
    fault = json.dumps({"target": names[0], "kind": "bmc_refuse"}).encode()
    with urllib.request.urlopen(urllib.request.Request(control + "/faults", fault, {"Content-Type": "application/json"})):
        pass
    try:
        wait_for("its readings to end", lambda: sorted(serve.powers()) == names[1:])
        failing = json.loads(http_get(serve.web + "/api/collectors?failing=true"))["items"]
        assert {item["target"] for item in failing} == {names[0]}
    finally:
        urllib.request.urlopen(urllib.request.Request(control + "/faults", method="DELETE")).close()


@pytest.mark.debian
def test_promtool_finds_nothing_to_say_about_the_exposition(serve):
    promtool = required_program("promtool", package="prometheus")
    text = wait_for("the exposition", lambda: http_get(serve.core + "/metrics"))

    checked = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, text=True, check=False)

    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


@pytest.mark.debian
def test_debians_prometheus_scrapes_core_and_agrees_with_the_embedded_store(serve, tmp_path):
    prometheus = required_program("prometheus", package="prometheus")
    port = free_port()
    target = serve.core.removeprefix("http://")
    config = {
        "global": {"scrape_interval": "1s"},
        "scrape_configs": [{"job_name": "wattstat", "static_configs": [{"targets": [target]}]}],
    }
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(config))
    command = [
        prometheus,
        f"--config.file={tmp_path / 'prometheus.yml'}",
        f"--storage.tsdb.path={tmp_path / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    count = urllib.parse.urlencode({"query": "count by (node) (wattstat_psu_input_watts)"})

    def counted(base: str) -> dict[str, str]:
        body = http_get(f"{base}/api/v1/query?{count}")
        return {each["metric"]["node"]: each["value"][1] for each in json.loads(body)["data"]["result"]} if body else {}

    with running(command, tmp_path / "prometheus.log"):
        theirs = wait_for("power supplies of all servers", lambda: len(counted(f"http://127.0.0.1:{port}")) == 3)
        assert theirs
        ours = wait_for("the same in the embedded store", lambda: len(counted(serve.web)) == 3)
        assert ours
        assert counted(serve.web) == counted(f"http://127.0.0.1:{port}")
