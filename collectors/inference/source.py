"""Inference services as configured, and those in pods: what they served, under the name of their job."""

from __future__ import annotations

import asyncio
import base64
import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from collectors.frame.errors import BadPayload, CollectError
from collectors.frame.source import Fetched, Source, Tier
from collectors.frame.tls import Contexts
from collectors.frame.unusable import made
from collectors.inference import servers
from collectors.inference.pages import Pages
from collectors.inference.servers import Answer
from wattstat.catalogue.inference import INFERENCE_REQUEST_SECONDS_TOTAL, INFERENCE_REQUESTS_TOTAL, INFERENCE_TOKENS_TOTAL
from wattstat.catalogue.job import JOB_GPU_INFO, JOB_INFO
from wattstat.catalogue.metric import Samples
from wattstat.config import Config, InferenceService
from wattstat.hall import Snapshot
from wattstat.inventory import Tls


class Owner(NamedTuple):
    """The job that runs a service; empty where it is not known."""

    scheduler: str = ""
    job_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A service of one job, and where its metrics are."""

    owner: Owner
    name: str
    url: str


class Heard(NamedTuple):
    """What a service answered."""

    owner: Owner
    name: str
    answer: Answer


@dataclass(kw_only=True)
class InferenceSource(Source[Heard]):
    """One configured service."""

    collector: ClassVar[str] = "inference"

    target: str
    settings: InferenceService
    tiers: tuple[Tier, ...]
    pages: Pages
    hall: Callable[[], Snapshot]

    async def close(self) -> None:
        await self.pages.close()

    async def fetch(self, tier: str) -> Fetched:
        """The page, and who runs the service at this moment."""
        page = await self.pages.get(self.settings.url)
        owner, doubt = whose(self.settings, self.hall())
        return Fetched(documents={"page": page, "owner": owner}, errors={} if not doubt else {"job": BadPayload(doubt)})

    def parse(self, tier: str, documents: Mapping[str, Any]) -> Heard:
        """What was served. Raises `BadPayload` for a page that is none of a known server."""
        answer = read(documents["page"], self.settings.url, self.settings.kind or "")
        if not answer.models:
            kinds = ", ".join(servers.SERVERS)
            raise BadPayload(f"{self.settings.url}: no metrics of a known inference server; expected one of {kinds}")
        return Heard(documents["owner"], self.target, answer)

    def samples(self, reading: Heard) -> Samples:
        """Counters by model."""
        return served(reading, self.settings.models)


@dataclass(kw_only=True)
class PodServices(Source[tuple[Heard, ...]]):
    """The services in the pods of a cluster: pods that hold GPUs and say where their metrics are.

    A pod that is no inference server, or does not answer, costs the others nothing.
    """

    collector: ClassVar[str] = "inference"

    target: str
    tiers: tuple[Tier, ...]
    pages: Pages
    services: Callable[[], Sequence[Service]]

    async def close(self) -> None:
        await self.pages.close()

    async def fetch(self, tier: str) -> Fetched:
        """All pages, at the same time."""
        services = self.services()
        pages = await asyncio.gather(*(self._page(service) for service in services))
        documents = {service: page for service, page in zip(services, pages, strict=True) if isinstance(page, str)}
        errors = {
            service.owner.job_id: page for service, page in zip(services, pages, strict=True) if isinstance(page, CollectError)
        }
        return Fetched(documents={"pages": documents}, errors=errors)

    def parse(self, tier: str, documents: Mapping[str, Any]) -> tuple[Heard, ...]:
        """What was served by those that are inference servers."""
        return tuple(self._heard(documents["pages"]))

    def samples(self, reading: tuple[Heard, ...]) -> Samples:
        """Counters by pod and model."""
        return Samples(sample for heard in reading for sample in served(heard))

    async def _page(self, service: Service) -> str | CollectError:
        try:
            return await self.pages.get(service.url)
        except CollectError as error:
            return error

    def _heard(self, pages: Mapping[Service, str]) -> Iterator[Heard]:
        for service, page in pages.items():
            try:
                answer = read(page, service.url)
            except BadPayload:  # some other program's idea of a metrics page
                continue
            yield Heard(service.owner, service.name, answer)


def sources(config: Config, *, hall: Callable[[], Snapshot]) -> list[Source[Any]]:
    """One source for each configured service. One whose settings cannot be used fails with the reason."""
    contexts = Contexts()
    return [
        made(
            functools.partial(_source, config, settings, contexts, hall),
            collector=InferenceSource.collector,
            target=settings.name,
            tier=_tier(settings),
        )
        for settings in config.collectors.inference
    ]


def whose(settings: InferenceService, hall: Snapshot) -> tuple[Owner, str]:
    """The job that runs a service, and why it is not known."""
    if settings.job_id:
        schedulers = [found.sample.labels[0] for found in hall.find(JOB_INFO, job_id=settings.job_id)]
        return Owner(settings.scheduler or next(iter(schedulers), ""), settings.job_id), ""
    if not settings.node:
        return Owner(), "neither job_id nor node is configured: its requests are joined with no job's energy"
    wanted = {str(index) for index in settings.gpus}
    holders = {
        Owner(*found.sample.labels[:2])
        for found in hall.find(JOB_GPU_INFO, node=settings.node)
        if not wanted or found.sample.labels[JOB_GPU_INFO.labels.index("gpu")] in wanted
    }
    if len(holders) == 1:
        return holders.pop(), ""
    where = f"GPUs {', '.join(sorted(wanted))} of {settings.node}" if wanted else settings.node
    return Owner(), f"{len(holders) or 'no'} jobs hold {where}; expected one: name its `job_id`, or its `gpus`"


def read(page: str, url: str, kind: str = "") -> Answer:
    """What a page tells. Raises `BadPayload`."""
    try:
        return servers.parse(page, kind)
    except ValueError as error:
        raise BadPayload(f"{url}: no metrics in Prometheus' text format ({error})") from error


def served(heard: Heard, models: Iterable[str] = ()) -> Samples:
    """Counters of a service by model; of the given models only, if any are."""
    out = Samples()
    wanted = frozenset(models)
    for model, each in heard.answer.models.items():
        if wanted and model not in wanted:
            continue
        labels = (*heard.owner, heard.name, model)
        out.add(INFERENCE_REQUESTS_TOTAL, each.requests, *labels)
        out.add(INFERENCE_TOKENS_TOTAL, each.prompt_tokens, *labels, "prompt")
        out.add(INFERENCE_TOKENS_TOTAL, each.generated_tokens, *labels, "generated")
        out.add(INFERENCE_REQUEST_SECONDS_TOTAL, each.seconds, *labels)
    return out


def _source(config: Config, settings: InferenceService, contexts: Contexts, hall: Callable[[], Snapshot]) -> InferenceSource:
    headers: dict[str, str] = {}
    if settings.credentials is not None:
        entry = config.credentials.get(settings.credentials)
        if entry is None:
            raise ValueError(f"inference {settings.name}: no credentials named {settings.credentials!r} in wattstat.yaml")
        secret = entry.password().get_secret_value()
        basic = base64.b64encode(f"{entry.username}:{secret}".encode()).decode()
        headers["Authorization"] = f"Basic {basic}" if entry.username else f"Bearer {secret}"
    tls = settings.tls
    trust = contexts.of(Tls(verify=tls.verify, ca_file=tls.ca_file, fingerprint=tls.fingerprint))
    pages = Pages(
        timeout_seconds=settings.timeout_seconds,
        headers=headers,
        tls=trust if settings.url.startswith("https:") else True,
    )
    return InferenceSource(target=settings.name, settings=settings, tiers=(_tier(settings),), pages=pages, hall=hall)


def _tier(settings: InferenceService) -> Tier:
    return Tier("fast", settings.every_seconds, settings.timeout_seconds + 2)
