"""Pods and holds made into runs. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from collectors.kubelet.devices import RESOURCES
from collectors.kubernetes.pods import Pod, mapping, text
from collectors.node_names import Names
from wattstat.config.schedulers import Kubernetes
from wattstat.jobs import GpuHold, Placement, Run, RunKey

# How providers and autoscalers label a node with the pool that it belongs to; the first that a node has counts.
POOLS = (
    "karpenter.sh/nodepool",
    "cloud.google.com/gke-nodepool",
    "eks.amazonaws.com/nodegroup",
    "kubernetes.azure.com/agentpool",
    "oke.oraclecloud.com/pool.name",
    "node.cluster.x-k8s.io/pool",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Nodes:
    """The cluster's nodes, by Kubernetes' name: the inventory's name, the pool, and which of them have GPUs to give."""

    names: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    pools: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    with_gpus: frozenset[str] = frozenset()


def nodes(documents: Iterable[Any], names: Names) -> Nodes:
    """The cluster's nodes that the inventory has too."""
    known: dict[str, str] = {}
    pools: dict[str, str] = {}
    with_gpus: set[str] = set()
    for document in documents:
        meta = mapping(mapping(document).get("metadata"))
        name = text(meta.get("name"))
        ours = names.of(name)
        if ours is None:
            continue
        known[name] = ours
        labels = mapping(meta.get("labels"))
        pools[name] = next((text(labels[label]) for label in POOLS if labels.get(label)), "")
        capacity = mapping(mapping(mapping(document).get("status")).get("capacity"))
        if any(text(resource).startswith(RESOURCES) for resource in capacity):
            with_gpus.add(name)
    return Nodes(names=MappingProxyType(known), pools=MappingProxyType(pools), with_gpus=frozenset(with_gpus))


def run(pod: Pod, gpus: tuple[GpuHold, ...], *, scheduler: str, settings: Kubernetes, cluster: Nodes) -> Run | None:
    """The run that a pod is; None for one on a node of others, or that no kubelet took up."""
    node = cluster.names.get(pod.node)
    if node is None or pod.started is None:
        return None
    labels = dict(pod.labels)
    user = labels.get(settings.user_label) if settings.user_label else None
    account = labels.get(settings.account_label) if settings.account_label else None
    return Run(
        key=RunKey(scheduler, f"{pod.namespace}/{pod.name}", pod.uid),
        name=pod.owner or pod.name,
        user=user or pod.owner or pod.name,
        account=account or pod.namespace,
        partition=cluster.pools.get(pod.node) or pod.namespace,
        qos=pod.priority_class or pod.qos_class,
        state=pod.state,
        submitted=pod.created,
        # Devices are given to a pod when the kubelet admits it: its GPUs are held while its images are still being pulled.
        started=pod.started,
        ended=max(pod.ended, pod.started) if pod.ended is not None else None,
        placements=(Placement(node=node, gpus=gpus, cpus=pod.cpus, memory_bytes=pod.memory_bytes),),
        exit_code=pod.exit_code,
        labels=MappingProxyType({**labels, **({"owner_kind": pod.owner_kind} if pod.owner_kind else {})}),
    )
