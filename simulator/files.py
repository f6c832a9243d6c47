"""The files that a hall in a directory is made of: inventory, Wattstat's and the agents' configuration, secrets, carbon."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from simulator.bmc.controller import stamp
from simulator.plant.entries import Served
from simulator.site import Layout, Server, inventory
from simulator.workload import daylight

USER = "wattstat"
PAGER_URL, HEARTBEAT_URL = "pager-url", "heartbeat-url"
CARBON_STEP_SECONDS = 1800
CARBON_DAYS_AHEAD = 7
# Bought from a wind farm, mostly.
MARKET_GRAMS_PER_KWH = 42.0
TARIFF = {
    "currency": "EUR",
    "price_per_kwh": 0.24,
    "periods": [
        {"start": "22:00", "end": "06:00", "price_per_kwh": 0.17},
        {"days": ["mon", "tue", "wed", "thu", "fri"], "start": "17:00", "end": "20:00", "price_per_kwh": 0.33},
    ],
}


def secret(path: Path, words: str) -> Path:
    """Write a secret for the owner's eyes only."""
    path.touch(mode=0o600)
    path.write_text(words, encoding="utf-8")
    return path


def write_inventory(
    directory: Path, hall: Layout, *, bmc_port: int, agent_port: int | None, served: Served | None = None
) -> None:
    """Write inventory.yaml."""
    ca_file = str(directory / "ca.pem")
    described = inventory(hall, bmc_port=bmc_port, agent_port=agent_port, ca_file=ca_file, served=served)
    as_yaml(directory / "inventory.yaml", described.model_dump(mode="json", exclude_defaults=True))


def write_config(
    directory: Path,
    hall: Layout,
    *,
    web: str,
    core_port: int,
    slurm_url: str,
    services: list[dict[str, str]],
    others: Mapping[str, Mapping[str, Any]],
) -> None:
    """Write wattstat.yaml. `others` are members of `credentials` and `collectors` of what stands beside the servers."""
    credentials = {
        "bmc": {"username": USER, "password_file": str(directory / "bmc-password")},
        **others.get("credentials", {}),
    }
    config: dict[str, object] = {
        "data_dir": str(directory / "data"),
        "inventory": {"file": str(directory / "inventory.yaml")},
        "credentials": credentials,
        "core": {"listen": f"127.0.0.1:{core_port}"},
        "web": {"listen": web},
    }
    if slurm_url:
        credentials["slurm"] = {"username": USER, "password_file": str(directory / "slurm-token")}
        config["schedulers"] = {"slurm": [{"url": slurm_url, "credentials": "slurm"}]}
        config["energy"] = {
            "tariff": TARIFF,
            "carbon": {"file": str(directory / "carbon.csv"), "market_grams_per_kwh": MARKET_GRAMS_PER_KWH},
            "pue": 1.24,
            **({"overhead_nodes": overhead} if (overhead := overhead_nodes(hall)) else {}),
        }
    if collectors := {**others.get("collectors", {}), **({"inference": services} if services else {})}:
        config["collectors"] = collectors
    # A newcomer shall lower a rack's budget and see it obey, without making a token first.
    config["power"] = {"mode": "enforce"}
    config["alerts"] = {
        "public_url": f"http://{web}",
        "receivers": {name: {"urls": [{"file": str(directory / PAGER_URL)}]} for name in ("pager", "tickets")},
        "heartbeat": {"url": {"file": str(directory / HEARTBEAT_URL)}, "every_seconds": 15},
    }
    config["access"] = {"local_role": "approver", "tokens": [second_person(directory)]}
    as_yaml(directory / "wattstat.yaml", config)


def write_pager(directory: Path, control_url: str) -> None:
    """Where messages go, and where one hears that all is well: the control API."""
    secret(directory / PAGER_URL, control_url.replace("http://", "json://", 1) + "/pager")
    secret(directory / HEARTBEAT_URL, control_url + "/heartbeat")


def second_person(directory: Path) -> dict[str, str]:
    """Somebody to approve what the first person asks for; the token lies in a file of the hall's folder."""
    token = secrets.token_urlsafe(24)
    path = directory / "second-person-token"
    path.touch(mode=0o600)
    path.write_text(token + "\n", encoding="utf-8")
    return {"name": "second person", "role": "approver", "sha256": hashlib.sha256(token.encode()).hexdigest()}


def overhead_nodes(hall: Layout) -> list[str]:
    """Servers that serve the site and no job."""
    return [server.name for server in hall.servers if not server.serves_jobs]


def write_agent(directory: Path, server: Server, port: int) -> None:
    """Write the configuration of a server's agent."""
    agent = {
        "listen": f"{server.host_address}:{port}",
        "node": server.name,
        "sysfs": str(directory / "sysfs" / server.name),
        "proc": str(directory / "proc" / server.name),
        "spool": str(directory / "spool" / server.name),
        "cap_state": str(directory / "caps" / server.name),
    }
    as_yaml(directory / "agents" / f"{server.name}.yaml", {"agent": agent})


def write_carbon(path: Path, since: float, until: float) -> None:
    """The grid's intensity, half hour by half hour: low at noon when the sun shines, high in the evening."""
    first = int(since // CARBON_STEP_SECONDS) * CARBON_STEP_SECONDS
    last = int(until) + CARBON_DAYS_AHEAD * 86400
    rows = [f"{stamp(at)},{grams_per_kwh(at):.0f}" for at in range(first, last, CARBON_STEP_SECONDS)]
    path.write_text("\n".join(["time,grams_per_kwh", *rows, ""]), encoding="utf-8")


def grams_per_kwh(at: float) -> float:
    """What a kilowatt-hour of the simulated grid stands for."""
    hour = datetime.fromtimestamp(at, UTC).hour + datetime.fromtimestamp(at, UTC).minute / 60
    sun = max(0.0, 1 - abs(hour - 12.5) / 5.5)
    evening = max(0.0, 1 - abs(hour - 19) / 3)
    return 310 + 90 * daylight(at) - 190 * sun + 80 * evening


def as_yaml(path: Path, document: object) -> None:
    """Write a YAML file."""
    path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
