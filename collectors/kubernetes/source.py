"""A Kubernetes cluster: its pods by the API server, which GPUs they hold by the agents, together as runs for the ledger."""

from __future__ import annotations

import asyncio
import functools
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from collectors.frame.errors import CollectError, NotSupported, Unreachable
from collectors.frame.source import Collected, Fetched, Source, Tier
from collectors.frame.tls import Contexts
from collectors.frame.unusable import made
from collectors.inference.pages import Pages
from collectors.inference.source import Owner, PodServices, Service
from collectors.kubernetes import observed, pods
from collectors.kubernetes.api import SERVICE_ACCOUNT, Access, Api, access
from collectors.kubernetes.holds import Holds, PodName, holds, needs_slices, resource_slices
from collectors.kubernetes.observed import Nodes
from collectors.kubernetes.pods import Pod
from collectors.kubernetes.unnamed import Unnamed
from collectors.node_names import Names
from wattstat.catalogue.gpu import GPU_INFO
from wattstat.catalogue.job import SCHEDULER_JOBS
from wattstat.catalogue.metric import Samples
from wattstat.config import Config
from wattstat.config.schedulers import Kubernetes
from wattstat.hall import Snapshot
from wattstat.inventory import Inventory
from wattstat.jobs import ALIVE, GpuHold, JobSink, Observed, Run

# Up to so many nodes with GPUs are asked for their pods one by one (the API server has an index for it); of more, the whole
# list is read page by page.
MOST_NODES = 64
NODES_EVERY_SECONDS = 300.0
# How long after its start core waits for the agents' first word before it reports pods without their GPUs. The ledger waits a
# minute for the first word of a scheduler, and then takes it that there is none.
PATIENCE_SECONDS = 40.0
# A pod that ended is told of for so long: core may have been away when it did. Clusters keep such pods for ever.
ENDED_FOR_SECONDS = 2 * 86400.0
_SLICE_VERSIONS = ("v1", "v1beta2", "v1beta1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The runs of one moment, how many pods that want GPUs still wait for a node, and which of the runs show metrics."""

    runs: tuple[Run, ...]
    nodes: frozenset[str]
    pending: int | None = None
    services: tuple[Service, ...] = ()


@dataclass(kw_only=True)
class KubernetesSource(Source[Reading]):
    """One cluster. Without access to its API server the holds alone make runs."""

    collector: ClassVar[str] = "kubernetes"

    target: str
    settings: Kubernetes
    names: Names
    tiers: tuple[Tier, ...]
    sink: JobSink
    hall: Callable[[], Snapshot]
    api: Api | None = None
    clock: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    services: tuple[Service, ...] = ()
    _unnamed: Unnamed = field(init=False)
    _begun: float | None = None
    _nodes_at: float | None = None
    _node_documents: list[Any] = field(default_factory=list)
    _held: dict[str, tuple[GpuHold, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._unnamed = Unnamed(scheduler=self.target)

    async def close(self) -> None:
        if self.api is not None:
            await self.api.close()

    def renew(self, successor: Source[Any]) -> None:
        if isinstance(successor, KubernetesSource):  # else its settings cannot be used any more; it has read them, and goes on
            self.names = successor.names

    async def fetch(self, tier: str) -> Fetched:
        """Nodes, pods, and what was allocated by claim."""
        snapshot = self.hall()
        documents: dict[str, Any] = {"hall": snapshot, "at": self.clock()}
        if self.api is None:
            return Fetched(documents=documents)
        documents["nodes"] = await self._nodes(self.api)
        cluster = observed.nodes(documents["nodes"], self.names)
        documents["pods"] = await self._pods(self.api, _worth_asking(cluster, holds(snapshot, {}).heard))
        errors: dict[str, CollectError] = {}
        if needs_slices(snapshot):
            try:
                documents["slices"] = await _slices(self.api)
            except CollectError as error:
                errors["resourceslices"] = error
        return Fetched(documents=documents, errors=errors)

    async def collect(self, tier: str) -> Collected:
        """As every source; the runs go to the ledger."""
        at = self.clock()
        fetched = await self.fetch(tier)
        reading = self.parse(tier, fetched.documents)
        self.services = reading.services
        errors = dict(fetched.errors)
        unheard = self._unheard(reading)
        if unheard:
            errors["holds"] = Unreachable(
                f"which GPUs the pods of {', '.join(unheard)} hold is not known: does an agent run there, "
                "with access to the kubelet's pod-resources socket?"
            )
        if not (unheard and self._is_patient()):
            self.sink(Observed(scheduler=self.target, taken_at=at, runs=reading.runs, nodes=reading.nodes))
        return Collected(samples=self.samples(reading), errors=errors)

    def parse(self, tier: str, documents: Mapping[str, Any]) -> Reading:
        """Runs of the pods that hold or want GPUs."""
        snapshot: Snapshot = documents["hall"]
        found = holds(snapshot, resource_slices(documents.get("slices") or ()))
        now = float(documents["at"])
        if "pods" not in documents:
            return Reading(runs=self._unnamed.see(found, now), nodes=found.heard)
        cluster = observed.nodes(documents["nodes"], self.names)
        known = [each for document in documents["pods"] if (each := pods.pod(document, now)) is not None]
        self._remember(known, found, cluster, snapshot)
        made_runs = (
            observed.run(each, self._held.get(each.uid, ()), scheduler=self.target, settings=self.settings, cluster=cluster)
            for each in known
            if (each.gpus or each.uid in self._held) and (each.ended is None or now - each.ended < ENDED_FOR_SECONDS)
        )
        return Reading(
            runs=tuple(run for run in made_runs if run is not None),
            nodes=frozenset(cluster.names.values()),
            pending=sum(each.wants_gpus and not each.node and each.ended is None for each in known),
            services=tuple(self._services(known)),
        )

    def samples(self, reading: Reading) -> Samples:
        """How many pods with GPUs there are, by state."""
        out = Samples()
        states = Counter(str(run.state) for run in reading.runs if run.state in ALIVE)
        out.add(SCHEDULER_JOBS, states["running"], self.target, "running")
        out.add(SCHEDULER_JOBS, reading.pending, self.target, "pending")
        return out

    def _remember(self, known: Iterable[Pod], found: Holds, cluster: Nodes, snapshot: Snapshot) -> None:
        """What each pod holds, or held when it was last heard: the kubelet forgets a pod once it ends."""
        held: dict[str, tuple[GpuHold, ...]] = {}
        for each in known:
            node = cluster.names.get(each.node)
            if node is None:
                continue
            now = found.of(node, PodName(each.namespace, each.name)) if each.ended is None and each.started else ()
            gpus = now or self._held.get(each.uid) or (_all_gpus(each, node, snapshot) if each.ended is None else ())
            if gpus:
                held[each.uid] = gpus
        self._held = held

    def _services(self, known: Iterable[Pod]) -> Iterator[Service]:
        """The pods that hold GPUs and say where their metrics are."""
        for each in known:
            if each.metrics is not None and each.ended is None and each.uid in self._held:
                owner = Owner(self.target, f"{each.namespace}/{each.name}")
                yield Service(owner=owner, name=each.owner or each.name, url=each.metrics.url)

    def _unheard(self, reading: Reading) -> list[str]:
        lost = {
            placement.node for run in reading.runs if run.state in ALIVE for placement in run.placements if not placement.gpus
        }
        return sorted(lost)

    def _is_patient(self) -> bool:
        if self._begun is None:
            self._begun = self.monotonic()
        return self.monotonic() - self._begun < PATIENCE_SECONDS

    async def _nodes(self, api: Api) -> list[Any]:
        now = self.monotonic()
        if self._nodes_at is None or now - self._nodes_at >= NODES_EVERY_SECONDS:
            self._node_documents = [_slim(each) for each in await api.all_of("/api/v1/nodes")]
            self._nodes_at = now
        return self._node_documents

    async def _pods(self, api: Api, nodes: list[str]) -> list[Any]:
        if len(nodes) > MOST_NODES:
            return await api.all_of("/api/v1/pods")
        selectors = [f"spec.nodeName={name}" for name in nodes]
        waiting = "spec.nodeName=,status.phase=Pending"
        lists = await asyncio.gather(
            *(api.all_of("/api/v1/pods", {"fieldSelector": selector}) for selector in (*selectors, waiting))
        )
        return [document for documents in lists for document in documents]


def sources(
    config: Config,
    inventory: Inventory,
    *,
    sink: JobSink,
    hall: Callable[[], Snapshot],
    account: Path = SERVICE_ACCOUNT,
) -> list[Source[Any]]:
    """Two sources for each cluster of `schedulers.kubernetes`: its pods, and what those of them serve that serve models.

    One whose settings cannot be used fails with the reason.

    `sink` takes the runs; `hall` gives what the agents told; `account` is the folder of the pod's own service account.
    """
    contexts = Contexts()
    found: list[Source[Any]] = []
    for settings in config.schedulers.kubernetes:
        source = KubernetesSource(
            target=f"kubernetes:{settings.cluster}" if settings.cluster else "kubernetes",
            settings=settings,
            names=Names(given=settings.nodes, inventory=frozenset(node.name for node in inventory.nodes)),
            tiers=(Tier("fast", settings.every_seconds, max(settings.timeout_seconds * 3, settings.every_seconds)),),
            sink=sink,
            hall=hall,
        )
        reach = functools.partial(access, config, settings, contexts, account)
        make = functools.partial(_reached, source, reach)
        found.append(made(make, collector=source.collector, target=source.target, tier=source.tiers[0]))
        if settings.inference:
            found.append(_pods(source))
    return found


def _reached(source: KubernetesSource, reach: Callable[[], Access | None]) -> KubernetesSource:
    given = reach()
    source.api = Api(access=given, timeout_seconds=source.settings.timeout_seconds) if given is not None else None
    return source


def _pods(source: KubernetesSource) -> PodServices:
    """What serves models in the cluster's pods. Its certificates are nobody's: pods make them up for themselves."""
    seconds = source.settings.timeout_seconds
    return PodServices(
        target=source.target,
        tiers=(Tier("fast", source.settings.every_seconds, seconds + 2),),
        pages=Pages(timeout_seconds=seconds, tls=False),
        services=lambda: source.services,
    )


async def _slices(api: Api) -> list[Any]:
    """ResourceSlices in whichever version of the API the server has."""
    for version in _SLICE_VERSIONS:
        try:
            return await api.all_of(f"/apis/resource.k8s.io/{version}/resourceslices")
        except NotSupported:
            continue
    raise NotSupported(f"{api.access.url}: the API server has no ResourceSlices ({', '.join(_SLICE_VERSIONS)})")


def _worth_asking(cluster: Nodes, heard: frozenset[str]) -> list[str]:
    """Nodes that have GPUs to give, or whose kubelet we hear."""
    return sorted(name for name, ours in cluster.names.items() if name in cluster.with_gpus or ours in heard)


def _slim(node: Any) -> Any:
    """A node without the list of its images, which makes up most of its document."""
    document = pods.mapping(node)
    return {
        "metadata": {key: pods.mapping(document.get("metadata")).get(key) for key in ("name", "labels")},
        "status": {"capacity": pods.mapping(document.get("status")).get("capacity")},
    }


def _all_gpus(pod: Pod, node: str, snapshot: Snapshot) -> tuple[GpuHold, ...]:
    """All GPUs of the node, when the pod asked for as many as it has: then nobody needs to tell which."""
    uuids = [found.sample.labels[2] for found in snapshot.find(GPU_INFO, node=node)]
    return tuple(GpuHold(uuid=uuid) for uuid in uuids) if uuids and len(uuids) == pod.gpus else ()
