"""`wattstat.yaml`: every setting, typed, with its default. Secrets come from files or from the environment only."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, model_validator

from wattstat.document import Strict
from wattstat.values import Listen, Seconds, Url, VariableName


class Credentials(Strict):
    """A user and where the password is. The password itself never stands in the configuration."""

    username: str = ""
    password_file: Path | None = None
    password_env: VariableName | None = None

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if self.password_file is not None and self.password_env is not None:
            raise ValueError("names both password_file and password_env; keep one of the two")
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
    """Where the inventory comes from: a file, or an http_sd address that is asked again every `refresh_seconds`."""

    file: Path | None = Path("inventory.yaml")
    http_sd: Url | None = None
    refresh_seconds: Seconds = 60


class Core(Strict):
    """The process that talks to devices."""

    listen: Listen = "127.0.0.1:9838"


class Web(Strict):
    """The process that shows. `insecure` allows to listen beyond loopback without authentication."""

    listen: Listen = "127.0.0.1:8050"
    core_url: Url | None = None
    insecure: bool = False


class EmbeddedStore(Strict):
    """The history in one DuckDB file, filled by scraping core."""

    path: Path | None = None
    scrape_seconds: Seconds = 10
    retention_days: Annotated[float, Field(gt=0)] = 30


class PrometheusStore(Strict):
    """A Prometheus-compatible server (Prometheus, Thanos, Mimir, VictoriaMetrics) that scrapes core."""

    url: Url
    credentials: str | None = None
    timeout_seconds: Seconds = 30


class Store(Strict):
    """The history: embedded unless `prometheus` names a server."""

    embedded: EmbeddedStore = EmbeddedStore()
    prometheus: PrometheusStore | None = None


class Redfish(Strict):
    """How servers' BMCs are read."""

    fast_seconds: Seconds = 10
    medium_seconds: Seconds = 60
    slow_seconds: Seconds = 900
    timeout_seconds: Seconds = 20
    requests_per_bmc: Annotated[int, Field(ge=1, le=8)] = 2
    metric_reports: bool = True
    streaming: bool = False


class AgentReader(Strict):
    """How core reads the agents."""

    every_seconds: Seconds = 5
    timeout_seconds: Seconds = 4


class Collectors(Strict):
    """The collectors and their bounds."""

    concurrency: Annotated[int, Field(ge=1)] = 128
    redfish: Redfish = Redfish()
    agent: AgentReader = AgentReader()


class Exporter(Strict):
    """What `/metrics` shows besides Wattstat's own names."""

    dcgm_names: bool = False
    dcgm_hostname_label: Literal["Hostname", "hostname", "both"] = "both"


class Agent(Strict):
    """`wattstat agent` on a GPU node. `node` defaults to the host's name."""

    listen: Listen = "127.0.0.1:9837"
    node: str | None = None
    every_seconds: Seconds = 1
    slow_every_seconds: Seconds = 60
    sysfs: Path = Path("/sys")
    token_file: Path | None = None
    insecure: bool = False


class Config(Strict):
    """All of `wattstat.yaml`."""

    data_dir: Path = Path("wattstat-data")
    inventory: InventorySource = InventorySource()
    credentials: dict[str, Credentials] = Field(default_factory=dict)
    core: Core = Core()
    web: Web = Web()
    store: Store = Store()
    collectors: Collectors = Collectors()
    exporter: Exporter = Exporter()
    agent: Agent = Agent()
