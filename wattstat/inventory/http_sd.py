"""Servers from an address in Prometheus' http_sd format, as a DCIM or a provisioning system gives it.

A target group's labels, with or without the prefix `__meta_wattstat_`: `node` (else the target's host), `role` (`bmc`, the
default, or `agent`), those of `FIELDS`, and `maintenance` (a reason) with `maintenance_until` (when planned work ends). A BMC
and an agent with the same `node` are one server.
Source of the format: Prometheus documentation, "Writing HTTP service discovery".
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from wattstat.document import Document, InvalidDocument, Place, Problem
from wattstat.inventory.models import Inventory, Rack
from wattstat.inventory.reader import checked

PREFIX = "__meta_wattstat_"
FIELDS = ("rack", "model", "unit", "height", "gpus", "gpu_model")
AGENT_PORT = 9837

_SCHEMES = {"bmc": "https", "agent": "http"}
_TLS = {"tls_verify": "verify", "tls_ca_file": "ca_file", "tls_fingerprint": "fingerprint"}


def parse(body: Any, *, source: str, base: Inventory | None = None, folder: Path | None = None) -> Inventory:
    """The servers of an http_sd answer beside those of `base`. Relative paths are seen from `folder`.

    Raises `InvalidDocument`.
    """
    base = base or Inventory()
    reader = _Reader(source)
    reader.read(body)
    if reader.problems:
        raise InvalidDocument(reader.problems)
    nodes = list(reader.nodes.values())
    known = {rack.name for rack in base.racks}
    found = dict.fromkeys(node["rack"] for node in nodes if node.get("rack") and node["rack"] not in known)
    data = {
        **base.model_dump(),
        "racks": [*(rack.model_dump() for rack in base.racks), *(Rack(name=name).model_dump() for name in found)],
        "nodes": [*(node.model_dump() for node in base.nodes), *nodes],
    }
    return checked(Document(source=source, data=data), folder or Path())


class _Reader:
    """Gathers servers from target groups, and what is wrong with these."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.nodes: dict[str, dict[str, Any]] = {}
        self.problems: list[Problem] = []

    def read(self, body: Any) -> None:
        if not isinstance(body, list):
            self._problem("", "is no list", expected='[{"targets": ["host:port"], "labels": {…}}, …]')
            return
        for position, group in enumerate(body):
            where = f"[{position}]"
            targets = group.get("targets") if isinstance(group, dict) else None
            labels = group.get("labels") or {} if isinstance(group, dict) else None
            if not isinstance(targets, list) or not isinstance(labels, dict):
                self._problem(where, "is no target group", expected='{"targets": ["host:port"], "labels": {…}}')
                continue
            plain = {str(name).removeprefix(PREFIX): str(value) for name, value in labels.items()}
            for target in targets:
                self._add(where, str(target), plain)

    def _add(self, where: str, target: str, labels: Mapping[str, str]) -> None:
        role = labels.get("role") or "bmc"
        if role not in _SCHEMES:
            self._problem(where, f"has the role {role!r}", expected="bmc or agent")
            return
        try:
            url = _url(target, role, labels)
            host = urlsplit(url).hostname or ""
        except ValueError:
            self._problem(where, f"{target!r} is no target", expected="host, host:port or a URL")
            return
        node = self.nodes.setdefault(labels.get("node") or host, {"name": labels.get("node") or host})
        if role in node:
            self._problem(
                where, f"is a second {role} of {node['name']}", expected="one each", advice="correct its label `node`"
            )
            return
        node[role] = {"url": url, **_device(labels)}
        told: dict[str, Any] = {name: labels.get(name) for name in FIELDS} | {"maintenance": _work(labels)}
        for name, value in told.items():
            if value and node.setdefault(name, value) != value:
                what = f"says {name} {value} of {node['name']}, an earlier group said {node[name]}"
                self._problem(where, what, expected="the same in both")

    def _problem(self, setting: str, what: str, *, expected: str, advice: str = "") -> None:
        self.problems.append(
            Problem(place=Place(self.source), setting=setting, what=what, expected=expected, advice=advice),
        )


def _work(labels: Mapping[str, str]) -> dict[str, str]:
    """Planned work; what is missing of it is told where the whole inventory is checked."""
    told = {"reason": labels.get("maintenance"), "until": labels.get("maintenance_until")}
    return {name: value for name, value in told.items() if value}


def _url(target: str, role: str, labels: Mapping[str, str]) -> str:
    if "://" in target:
        return target
    scheme = labels.get("scheme") or labels.get("__scheme__") or _SCHEMES[role]
    has_port = urlsplit(f"//{target}").port is not None
    return f"{scheme}://{target}" if has_port or role == "bmc" else f"{scheme}://{target}:{AGENT_PORT}"


def _device(labels: Mapping[str, str]) -> dict[str, Any]:
    tls = {ours: labels[theirs] for theirs, ours in _TLS.items() if labels.get(theirs)}
    credentials = {"credentials": labels["credentials"]} if labels.get("credentials") else {}
    return {**credentials, **({"tls": tls} if tls else {})}
