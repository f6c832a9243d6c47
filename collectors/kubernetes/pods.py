"""Pods as the API server describes them (core/v1), as far as they say who held GPUs. Pure; a missing member gives nothing."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any

from collectors.kubelet.devices import RESOURCES
from wattstat.jobs import State

_QUANTITY = re.compile(r"([+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?)(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?")
_FACTORS = {"m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18} | {
    f"{letter}i": 1024.0**power for power, letter in enumerate("KMGTPE", start=1)
}

# Why a pod failed: the pod's own reason, then the reason of its condition DisruptionTarget.
_REASONS = {
    "DeadlineExceeded": State.TIMEOUT,
    "Evicted": State.PREEMPTED,
    "Preempting": State.PREEMPTED,
    "NodeLost": State.NODE_FAIL,
    "NodeShutdown": State.NODE_FAIL,
    "Shutdown": State.NODE_FAIL,
    "Terminated": State.NODE_FAIL,  # what kubelets since 1.22 say of pods that a shutdown of the node ended
    "PreemptionByScheduler": State.PREEMPTED,
    "EvictionByEvictionAPI": State.PREEMPTED,
    "DeletionByTaintManager": State.NODE_FAIL,
    "DeletionByPodGC": State.NODE_FAIL,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a pod says, by the usual annotations, that its metrics are."""

    scheme: str
    address: str
    port: int
    path: str

    @property
    def url(self) -> str:
        """Its address."""
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"{self.scheme}://{host}:{self.port}{self.path if self.path.startswith('/') else f'/{self.path}'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """A pod. Times are Unix seconds; `ended` is None while it is alive; `gpus` counts what it asked a device plugin for."""

    uid: str
    namespace: str
    name: str
    node: str = ""
    owner_kind: str = ""
    owner: str = ""
    priority_class: str = ""
    qos_class: str = ""
    labels: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    created: float | None = None
    started: float | None = None
    ended: float | None = None
    state: State = State.RUNNING
    exit_code: int | None = None
    gpus: int = 0
    claims: bool = False
    cpus: int | None = None
    memory_bytes: int | None = None
    metrics: Endpoint | None = None

    @property
    def wants_gpus(self) -> bool:
        """Whether it asked for GPUs, or for devices by claim, which may be GPUs."""
        return self.gpus > 0 or self.claims


def pod(document: Any, now: float) -> Pod | None:
    """A pod of its document; None for one without name and UID. `now` is when one ended that does not say when."""
    meta, spec, status = (mapping(mapping(document).get(part)) for part in ("metadata", "spec", "status"))
    uid, namespace, name = text(meta.get("uid")), text(meta.get("namespace")), text(meta.get("name"))
    if not uid or not namespace or not name:
        return None
    ended, state, exit_code = _end(meta, status, now)
    kind, owner = _owner(meta)
    containers = [mapping(each) for each in items(spec.get("containers"))]
    return Pod(
        uid=uid,
        namespace=namespace,
        name=name,
        node=text(spec.get("nodeName")),
        owner_kind=kind,
        owner=owner,
        priority_class=text(spec.get("priorityClassName")),
        qos_class=text(status.get("qosClass")),
        labels=MappingProxyType({key: value for key, value in mapping(meta.get("labels")).items() if _is_label(key, value)}),
        created=time(meta.get("creationTimestamp")),
        started=time(status.get("startTime")),
        ended=ended,
        state=state,
        exit_code=exit_code,
        gpus=_gpus(containers),
        claims=bool(items(spec.get("resourceClaims"))),
        cpus=_sum(containers, "cpu"),
        memory_bytes=_sum(containers, "memory"),
        metrics=_metrics(meta, status),
    )


def quantity(value: Any) -> float | None:
    """The number that a quantity such as 500m, 2 or 16Gi stands for."""
    match = _QUANTITY.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) else None
    try:
        number = float(match[1]) * _FACTORS.get(match[2], 1.0)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def time(value: Any) -> float | None:
    """Unix seconds of an RFC 3339 time; None for anything else."""
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
        return found.timestamp() if found is not None and found.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def mapping(value: Any) -> Mapping[str, Any]:
    """The value if it is an object, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def items(value: Any) -> list[Any]:
    """The value if it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def text(value: Any) -> str:
    """The value if it is text, else none."""
    return value if isinstance(value, str) else ""


def _is_label(key: Any, value: Any) -> bool:
    return isinstance(key, str) and isinstance(value, str)


def _owner(meta: Mapping[str, Any]) -> tuple[str, str]:
    """Kind and name of what made the pod: the Deployment behind a ReplicaSet, else the controller itself."""
    owners = [mapping(each) for each in items(meta.get("ownerReferences"))]
    controller = next((each for each in owners if each.get("controller") is True), owners[0] if owners else {})
    kind, name = text(controller.get("kind")), text(controller.get("name"))
    template = text(mapping(meta.get("labels")).get("pod-template-hash"))
    if kind == "ReplicaSet" and template and name.endswith(f"-{template}"):
        return "Deployment", name.removesuffix(f"-{template}")
    return kind, name


def _end(meta: Mapping[str, Any], status: Mapping[str, Any], now: float) -> tuple[float | None, State, int | None]:
    """When it ended, how, and with which exit code. Devices are held until the last container is gone."""
    phase = status.get("phase")
    if phase not in ("Succeeded", "Failed"):
        return None, State.RUNNING, None
    ends = [each for each in _terminated(status) if each]
    finished = [when for each in ends if (when := time(each.get("finishedAt"))) is not None and when > 0]
    codes = [code for each in ends if isinstance(code := each.get("exitCode"), int) and not isinstance(code, bool)]
    ended = max(finished, default=None) or _disruption(status)[1] or time(meta.get("deletionTimestamp")) or now
    return ended, _state(phase, status, ends), max(codes, default=None)


def _state(phase: str, status: Mapping[str, Any], ends: list[Mapping[str, Any]]) -> State:
    if phase == "Succeeded":
        return State.COMPLETED
    if any(each.get("reason") == "OOMKilled" for each in ends):
        return State.OUT_OF_MEMORY
    reason = _disruption(status)[0]
    return _REASONS.get(text(status.get("reason"))) or _REASONS.get(reason) or State.FAILED


def _terminated(status: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for each in items(status.get("containerStatuses")):
        yield mapping(mapping(mapping(each).get("state")).get("terminated"))


def _disruption(status: Mapping[str, Any]) -> tuple[str, float | None]:
    for each in items(status.get("conditions")):
        condition = mapping(each)
        if condition.get("type") == "DisruptionTarget" and condition.get("status") == "True":
            return text(condition.get("reason")), time(condition.get("lastTransitionTime"))
    return "", None


def _gpus(containers: list[Mapping[str, Any]]) -> int:
    count = 0.0
    for container in containers:
        resources = mapping(container.get("resources"))
        # An extended resource's request is its limit; who writes only one of the two means both.
        asked = {**mapping(resources.get("requests")), **mapping(resources.get("limits"))}
        count += sum(quantity(value) or 0 for name, value in asked.items() if text(name).startswith(RESOURCES))
    return max(int(count), 0)


def _sum(containers: list[Mapping[str, Any]], resource: str) -> int | None:
    """What the containers ask for together, rounded up; None when none asks."""
    found = []
    for container in containers:
        resources = mapping(container.get("resources"))
        asked = {**mapping(resources.get("limits")), **mapping(resources.get("requests"))}
        found.append(quantity(asked.get(resource)))
    known = [each for each in found if each is not None and each >= 0]
    return math.ceil(sum(known)) if known else None


def _metrics(meta: Mapping[str, Any], status: Mapping[str, Any]) -> Endpoint | None:
    """The endpoint that `prometheus.io/port` announces, unless `prometheus.io/scrape` says no."""
    notes, address = mapping(meta.get("annotations")), text(status.get("podIP"))
    port = text(notes.get("prometheus.io/port"))
    if not address or not (port.isascii() and port.isdecimal()) or notes.get("prometheus.io/scrape", "true") != "true":
        return None
    path = text(notes.get("prometheus.io/path")) or "/metrics"
    scheme = text(notes.get("prometheus.io/scheme")) or "http"
    is_good = scheme in ("http", "https") and 0 < int(port) < 65536
    return Endpoint(scheme=scheme, address=address, port=int(port), path=path) if is_good else None
