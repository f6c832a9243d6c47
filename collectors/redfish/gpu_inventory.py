"""Which GPUs a server has and which limits are set on them: the slow tier."""

from __future__ import annotations

from dataclasses import dataclass, replace

from collectors.redfish.gpu import environments, name_of, processors
from collectors.redfish.reader import Reader
from collectors.redfish.topic import Documents, Topic
from collectors.redfish.tree import Tree
from wattstat.catalogue import node as catalogue
from wattstat.catalogue.metric import Samples
from wattstat.members import Body, between, member, objects, text

_LIMITS = {"setpoint": "SetPoint", "min": "AllowableMin", "max": "AllowableMax", "default": "DefaultSetPoint"}


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuCard:
    """What identifies a GPU, and its power limits in watts by kind. Serial and UUID join it to NVML's view."""

    device: str
    model: str = ""
    serial: str = ""
    uuid: str = ""
    firmware: str = ""
    limits: tuple[tuple[str, float], ...] = ()


async def fetch(reader: Reader, tree: Tree) -> Documents:
    documents: Documents = {"processors": [], "environment": {}, "videos": []}
    for system in tree.systems:
        gpus = await processors(reader, system)
        documents["processors"] += gpus
        documents["environment"] |= await environments(reader, gpus)
        if gpus:
            documents["videos"] += await reader.collection(system.videos)
    return documents


def parse(_tree: Tree, documents: Documents) -> tuple[GpuCard, ...]:
    videos = {text(body.get("Id")): body for body in objects(documents.get("videos"))}
    cards = {}
    for body in objects(documents.get("processors")):
        name = name_of(body)
        card = _card(name, body, member(documents, "environment", name))
        cards[name] = _with_video(card, videos.get(name))
    return tuple(card for name, card in cards.items() if name)


def _card(name: str, body: Body, environment: Body | None) -> GpuCard:
    limits = member(environment, "PowerLimitWatts")
    read = {kind: between(1, member(limits, field_name), 1e5) for kind, field_name in _LIMITS.items()}
    return GpuCard(
        device=name,
        model=text(body.get("Model")),
        serial=text(body.get("SerialNumber")),
        uuid=text(body.get("UUID")),
        firmware=text(body.get("FirmwareVersion")),
        limits=tuple((kind, value) for kind, value in read.items() if value is not None),
    )


def _with_video(card: GpuCard, video: Body | None) -> GpuCard:
    """Dell tells more in DellVideo. Its GPUGUID has lost leading zeros and hyphens (31 digits were recorded)."""
    guid = text(member(video, "GPUGUID")).lower()
    if not video or not guid or len(guid) > 32 or not all(each in "0123456789abcdef" for each in guid):
        return card if not video else replace(card, firmware=card.firmware or text(video.get("FirmwareVersion")))
    full = guid.zfill(32)
    uuid = "-".join((full[:8], full[8:12], full[12:16], full[16:20], full[20:]))
    return replace(
        card,
        uuid=card.uuid or uuid,
        firmware=card.firmware or text(video.get("FirmwareVersion")),
        serial=card.serial or text(video.get("SerialNumber")),
    )


def samples(node: str, cards: tuple[GpuCard, ...]) -> Samples:
    out = Samples()
    for card in cards:
        out.add(catalogue.NODE_GPU_INFO, 1, node, card.device, card.model, card.serial, card.uuid, card.firmware)
        for kind, value in card.limits:
            out.add(catalogue.NODE_GPU_POWER_LIMIT_WATTS, value, node, card.device, kind)
    return out


GPU_INVENTORY = Topic(name="gpu inventory", tier="slow", fetch=fetch, parse=parse, samples=samples)
