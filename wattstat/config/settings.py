"""Every setting, typed, with its default and what it means.

The sentence under a setting is its documentation: `wattstat init` and the configuration reference are made of them.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, model_validator

from wattstat.config.access import Access
from wattstat.config.alerts import Alerts
from wattstat.config.devices import BaseCommand, InBand, PduReader, StorageReader, SwitchReader, Ufm
from wattstat.config.energy import Energy
from wattstat.config.power import Power
from wattstat.config.schedulers import Schedulers, SchedulerTls
from wattstat.document import Strict
from wattstat.values import Listen, Seconds, Url, VariableName


class Credentials(Strict):
    """A user and where the password is. The password itself never stands in the configuration."""

    username: str = ""
    """The user. Empty where the password is a bearer token."""
    password_file: Path | None = None
    """File that holds the password and nothing else; only Wattstat's user should be able to read it."""
    password_env: VariableName | None = None
    """Name of the environment variable that holds the password."""

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if self.password_file is not None and self.password_env is not None:
            raise ValueError("names both password_file and password_env; expected one of the two")
        return self

    def password(self) -> SecretStr:
        """The password. Raises `ValueError` saying which file or variable is missing and what to do."""
        if self.password_file is not None:
            return _from_file(self.password_file)
        if self.password_env is not None:
            value = os.environ.get(self.password_env)
            if not value:
                raise ValueError(f"the environment variable {self.password_env} is not set; set it, or name a password_file")
            return SecretStr(value)
        raise ValueError("neither password_file nor password_env is given; name one of them")


def _from_file(path: Path) -> SecretStr:
    try:
        text = path.read_text(encoding="utf-8").strip()
    except OSError as err:
        raise ValueError(f"the password file {path} cannot be read: {err.strerror}; check the path and its owner") from err
    except UnicodeDecodeError:
        raise ValueError(f"the password file {path} is not UTF-8 text; write the password into it as text") from None
    if not text:
        raise ValueError(f"the password file {path} is empty; write the password into it")
    return SecretStr(text)


class InventorySource(Strict):
    """Where the inventory comes from: a file, an http_sd address, or both: the address then adds servers to the file's."""

    file: Path | None = Path("inventory.yaml")
    """The inventory file. May be absent where `http_sd` is given."""
    http_sd: Url | None = None
    """Address that lists servers in the format of Prometheus' http_sd."""
    bcm: str | None = None
    """Name of an entry of `collectors.bcm` whose servers are added to the file's."""
    refresh_seconds: Seconds = 60
    """How often file, address and manager are looked at again."""


class Core(Strict):
    """The process that talks to devices."""

    listen: Listen = "127.0.0.1:9838"
    """Where it serves machines: `/metrics`, `/probe`, `/sd`, health and the live calls."""
    key_file: Path | None = None
    """File with the key by which core knows its web process, both need the same; unless given, it is `core.key` in `data_dir`,
    made by whoever comes first."""


class Web(Strict):
    """The process that shows."""

    listen: Listen = "127.0.0.1:8050"
    """Where it serves people and scripts: the dashboard, the API, and what core serves, forwarded."""
    core_url: Url | None = None
    """Address of core, where it runs on another machine or was started by itself."""
    insecure: bool = False
    """Allows to listen beyond this machine without authentication."""


class EmbeddedStore(Strict):
    """The history in one DuckDB file, filled by scraping core."""

    path: Path | None = None
    """The file; `history.duckdb` in `data_dir` unless given."""
    scrape_seconds: Seconds = 10
    """How often core is scraped."""
    retention_days: Annotated[float, Field(gt=0)] = 30
    """How long every sample is kept."""
    downsampled_days: Annotated[float, Field(gt=0)] = 366
    """How long five-minute steps of every series are kept."""
    memory_limit: str = "1GiB"
    """How much memory DuckDB may use for its own work."""
    threads: Annotated[int, Field(ge=1)] = 2
    """How many threads DuckDB may use."""


class PrometheusStore(Strict):
    """A Prometheus-compatible server (Prometheus, Thanos, Mimir, VictoriaMetrics) that scrapes core."""

    url: Url
    """Its address, with the path before `/api/v1` if it has one."""
    credentials: str | None = None
    """Name of an entry of `credentials`, if it wants a login: basic where it has a user, else a bearer token."""
    timeout_seconds: Seconds = 30
    """How long a query may take."""


class Store(Strict):
    """The history: embedded unless `prometheus` names a server."""

    embedded: EmbeddedStore = EmbeddedStore()
    """The embedded store."""
    prometheus: PrometheusStore | None = Field(default=None, examples=[{"url": "http://127.0.0.1:9090"}])
    """A server to ask instead."""


class Redfish(Strict):
    """How servers' BMCs are read."""

    fast_seconds: Seconds = 10
    """How often power is read."""
    medium_seconds: Seconds = 60
    """How often temperatures, fans, supplies and health are read."""
    slow_seconds: Seconds = 900
    """How often identity, firmware, memory, drives and security are read."""
    timeout_seconds: Seconds = 20
    """How long one request may take."""
    requests_per_bmc: Annotated[int, Field(ge=1, le=8)] = 2
    """Requests that one BMC gets at a time."""
    metric_reports: bool = True
    """Read many values at once from metric reports where a BMC has them and its licence allows."""
    streaming: bool = False
    """Let BMCs that can push their metric reports (server-sent events)."""


class AgentReader(Strict):
    """How core reads the agents."""

    every_seconds: Seconds = 5
    """How often an agent's readings are fetched."""
    timeout_seconds: Seconds = 4
    """How long a fetch may take."""


class InferenceService(Strict):
    """An inference server (vLLM, Triton, NIM, SGLang) whose requests and tokens are joined with the joules of its job."""

    name: str
    """What reports call it; each has a name of its own."""
    url: Url
    """Where its metrics are, such as http://gpu001:8000/metrics; Triton has them on port 8002, NIM under /v1/metrics."""
    kind: Literal["vllm", "triton", "nim", "sglang"] | None = None
    """What it is; found from the names of its metrics unless given."""
    job_id: str = ""
    """The job that runs it. Unless given, the one job that holds `gpus` of `node`."""
    scheduler: str = ""
    """The scheduler of `job_id`, such as slurm; that of the newest such job unless given."""
    node: str = ""
    """Server on which it runs."""
    gpus: tuple[int, ...] = ()
    """Its GPUs there, in order of PCI addresses; all unless given."""
    models: tuple[str, ...] = ()
    """Models that count; all unless given. An ensemble of Triton counts each request at every step of it: name one of them."""
    credentials: str | None = None
    """Name of an entry of `credentials`, if it wants a login: basic where it has a user, else a bearer token."""
    tls: SchedulerTls = SchedulerTls()
    """How its certificate is checked."""
    every_seconds: Seconds = 10
    """How often it is read."""
    timeout_seconds: Seconds = 5
    """How long an answer may take."""


class Collectors(Strict):
    """The collectors and their bounds."""

    concurrency: Annotated[int, Field(ge=1)] = 128
    """Collections under way at a time, over all targets that answer; those that fail, and power, have as many of their own."""
    redfish: Redfish = Redfish()
    """Servers' BMCs."""
    agent: AgentReader = AgentReader()
    """Agents on the GPU nodes."""
    storage: StorageReader = StorageReader()
    """Storage clusters."""
    switches: SwitchReader = SwitchReader()
    """Switches."""
    pdus: PduReader = PduReader()
    """Metered power strips."""
    ufm: tuple[Ufm, ...] = Field(
        default=(), examples=[[{"name": "ufm", "url": "https://ufm.example.net", "credentials": "fabric"}]]
    )
    """Fabric managers of InfiniBand."""
    in_band: InBand | None = Field(
        default=None,
        examples=[
            {
                "switches": {"ib-leaf-1": "lid-7"},
                "program": "ibswinfo",
                "every_seconds": 120,
                "timeout_seconds": 30,
                "ports": True,
            }
        ],
    )
    """InfiniBand switches that nobody else tells about, asked in band."""
    bcm: tuple[BaseCommand, ...] = Field(
        default=(),
        examples=[[{"name": "bcm", "url": "https://head.example.net:8081", "certificate": "bcm.pem", "key": "bcm.key"}]],
    )
    """Base Command Managers."""
    inference: tuple[InferenceService, ...] = Field(
        default=(), examples=[[{"name": "chat", "url": "http://gpu001:8000/metrics"}]]
    )
    """Inference services."""


class Exporter(Strict):
    """What `/metrics` shows besides Wattstat's own names."""

    dcgm_names: bool = False
    """Also show the `DCGM_FI_…` names that dashboards and rules made for dcgm-exporter use: an agent those of its GPUs, core
    those of all. Where both are scraped, switch on only one of them."""
    dcgm_hostname_label: Literal["Hostname", "hostname", "both"] = "both"
    """How those spell the label with the node's name: dcgm-exporter changed it."""


class Agent(Strict):
    """`wattstat agent` on a GPU node."""

    listen: Listen = "127.0.0.1:9837"
    """Where it serves `/metrics` and core's `/readings`."""
    node: str | None = None
    """Name of the node in the inventory; the host's name unless given."""
    every_seconds: Seconds = 1
    """How often power, utilization, clocks and temperatures are read."""
    slow_every_seconds: Seconds = 60
    """How often what hardly changes is read: identity, limits, ECC, links."""
    sysfs: Path = Path("/sys")
    """Where the kernel's files are mounted; another place inside a container."""
    pod_resources: Path | None = None
    """Socket of the kubelet's pod-resources service, which tells which pod holds which GPU; unless given, it is
    /var/lib/kubelet/pod-resources/kubelet.sock where that folder exists."""
    proc: Path = Path("/proc")
    """Where the kernel's view of processes is mounted; the host's, at another place inside a container."""
    token_file: Path | None = None
    """File with the bearer token that readers must send."""
    insecure: bool = False
    """Allows to listen beyond this machine without a token."""
    spool: Path | None = None
    """Folder for the starts and ends of jobs that core has not read yet; `/var/lib/wattstat-agent/spool` where that may be
    written, else `spool` in `data_dir`, unless given."""
    infiniband: bool = True
    """Reads the InfiniBand and RoCE ports of the kernel (`/sys/class/infiniband`), which takes no privilege."""
    caps: bool = True
    """Lets core set power limits and clocks of the GPUs, if it has the token or runs on this machine as root or as the agent's
    user. Setting them takes root or CAP_SYS_ADMIN besides."""
    cap_state: Path | None = None
    """Folder for what must outlive the agent to keep caps safe: the highest fencing token, the operator's own limits, the safe
    caps; `/var/lib/wattstat-agent/caps` where that may be written, else `caps` in `data_dir`, unless given."""


class Config(Strict):
    """All of `wattstat.yaml`. Relative paths are seen from the folder of the file."""

    data_dir: Path = Path("wattstat-data")
    """Folder for what Wattstat keeps: the history and its own state."""
    inventory: InventorySource = InventorySource()
    """Where the inventory comes from."""
    credentials: dict[str, Credentials] = Field(
        default_factory=dict, examples=[{"bmc": {"username": "root", "password_file": "bmc-password"}}]
    )
    """Users under names of your choice, to which the inventory's `bmc` and `agent` entries refer."""
    core: Core = Core()
    """The process that talks to devices."""
    web: Web = Web()
    """The process that shows."""
    store: Store = Store()
    """The history."""
    collectors: Collectors = Collectors()
    """The collectors and their bounds."""
    exporter: Exporter = Exporter()
    """What `/metrics` shows besides Wattstat's own names."""
    agent: Agent = Agent()
    """The agent on a GPU node."""
    energy: Energy = Energy()
    """The ledger of joules by job."""
    schedulers: Schedulers = Schedulers()
    """Who says which job runs where."""
    power: Power = Power()
    """Budgets, caps and the controller."""
    alerts: Alerts = Alerts()
    """Alert rules, findings and who is told."""
    access: Access = Access()
    """Who may do what."""
