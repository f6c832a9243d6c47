"""The kubelet's pod-resources service, asked over its socket on this node."""

from __future__ import annotations

import importlib.util
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from collectors.frame.errors import AuthFailed, BadPayload, CollectError, NotSupported, Unreachable
from collectors.frame.source import Fetched, Source, Tier
from collectors.frame.unusable import Unusable
from collectors.kubelet.devices import DRIVERS, RESOURCES, Device, device, dynamic_device
from wattstat.catalogue.job import POD_GPU_INFO
from wattstat.catalogue.metric import Samples
from wattstat.config import Config

if TYPE_CHECKING:
    from google.protobuf.message import Message
    from grpclib.client import Channel

SOCKET = Path("/var/lib/kubelet/pod-resources/kubelet.sock")
EVERY_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A container's hold on a device. `replicas` counts the device's replicas where it is sliced by time and that is known."""

    namespace: str
    pod: str
    container: str
    resource: str
    identifier: str
    device: Device
    replicas: int | None = None


@dataclass(kw_only=True)
class KubeletSource(Source[tuple[Held, ...]]):
    """The pods of this node that hold GPUs.

    grpclib speaks gRPC on the agent's own event loop and costs 4 MB with protobuf; grpcio brings threads of its own and costs
    17. It sets no bound of 4 MB to an answer either, which a node with many pods goes beyond.
    """

    collector: ClassVar[str] = "kubelet"

    target: str
    socket: Path
    tiers: tuple[Tier, ...]
    _channel: Channel | None = None

    async def close(self) -> None:
        if self._channel is not None:
            self._channel.close()

    async def fetch(self, tier: str) -> Fetched:
        """All pods with what they hold, and what there is to hold."""
        timeout = next(each.timeout_seconds for each in self.tiers if each.name == tier)
        documents = {"pods": await self._call("List", "ListPodResources", timeout)}
        errors: dict[str, CollectError] = {}
        try:
            documents["allocatable"] = await self._call("GetAllocatableResources", "AllocatableResources", timeout)
        except (NotSupported, BadPayload) as error:  # before Kubernetes 1.23, or switched off
            errors["allocatable"] = error
        return Fetched(documents=documents, errors=errors)

    def parse(self, tier: str, documents: Mapping[str, Any]) -> tuple[Held, ...]:
        """Who holds what."""
        return tuple(holds(documents["pods"], replicas(documents.get("allocatable"))))

    def samples(self, reading: tuple[Held, ...]) -> Samples:
        """One sample for each hold."""
        out = Samples()
        for held in dict.fromkeys(reading):
            out.add(POD_GPU_INFO, 1, *_labels(self.target, held))
        return out

    async def _call(self, method: str, stem: str, timeout_seconds: float) -> Message:
        from google.protobuf.message import DecodeError  # noqa: PLC0415 - only nodes of a Kubernetes cluster need these
        from grpclib.client import UnaryUnaryMethod  # noqa: PLC0415
        from grpclib.const import Status  # noqa: PLC0415
        from grpclib.exceptions import GRPCError, ProtocolError, StreamTerminatedError  # noqa: PLC0415

        from collectors.kubelet import messages  # noqa: PLC0415

        channel = self._open_channel()
        call: UnaryUnaryMethod[Message, Message] = UnaryUnaryMethod(
            channel,
            messages.SERVICE + method,
            messages.message(f"{stem}Request"),
            messages.message(f"{stem}Response"),
        )
        try:
            return await call(messages.message(f"{stem}Request")(), timeout=timeout_seconds)
        except GRPCError as error:
            where = f"{self.socket}: {method}: {error.status.name} {error.message or ''}".rstrip()
            if error.status is Status.UNIMPLEMENTED:
                raise NotSupported(f"{where}: this kubelet is too old, or the feature is switched off") from error
            raise BadPayload(where) from error
        except DecodeError as error:
            raise BadPayload(f"{self.socket}: {method}: {error}") from error
        except PermissionError as error:
            raise AuthFailed(
                f"{self.socket} may be opened by root only: run the agent as root, or with CAP_DAC_OVERRIDE"
            ) from error
        except (OSError, TimeoutError, ProtocolError, StreamTerminatedError) as error:
            self._drop_channel()
            raise Unreachable(f"{self.socket}: {method}: {error or 'no answer in time'}") from error

    def _open_channel(self) -> Channel:
        from grpclib.client import Channel  # noqa: PLC0415 - as above

        if self._channel is None:
            self._channel = Channel(path=str(self.socket))
        return self._channel

    def _drop_channel(self) -> None:
        channel, self._channel = self._channel, None
        if channel is not None:
            channel.close()


def sources(config: Config, node: str) -> list[Source[Any]]:
    """The kubelet of this node, where its socket was said to be, or where kubelets have their folder for it.

    The socket itself may still be missing: at boot the agent may come before the kubelet.
    """
    socket = config.agent.pod_resources or SOCKET
    if config.agent.pod_resources is None and not _is_there(socket.parent):
        return []
    tier = Tier("fast", EVERY_SECONDS, 4.0)
    if importlib.util.find_spec("grpclib") is None or importlib.util.find_spec("google.protobuf") is None:
        reason = f"{socket}: reading it needs gRPC, which is not installed: pip install 'wattstat[kubernetes]'"
        return [Unusable(collector=KubeletSource.collector, target=node, tier=tier, reason=reason)]
    return [KubeletSource(target=node, socket=socket, tiers=(tier,))]


def replicas(answer: Any) -> Counter[tuple[str, str, str]]:
    """How many replicas each device that is sliced by time has, of all that the kubelet has to give."""
    found: Counter[tuple[str, str, str]] = Counter()
    for devices in answer.devices if answer is not None else ():
        if not devices.resource_name.startswith(RESOURCES):
            continue
        parsed = (device(identifier) for identifier in devices.device_ids)
        found.update(each.whole for each in parsed if each is not None and each.replica)
    return found


def holds(answer: Any, known: Mapping[tuple[str, str, str], int]) -> Iterator[Held]:
    """Who holds which GPU, of an answer to List. Devices that are no GPUs are left out."""
    for pod in answer.pod_resources:
        for container in pod.containers:
            for resource, identifier, found in _devices(container):
                yield Held(
                    namespace=pod.namespace,
                    pod=pod.name,
                    container=container.name,
                    resource=resource,
                    identifier=identifier,
                    device=found,
                    replicas=known.get(found.whole) if found.replica else None,
                )


def _devices(container: Any) -> Iterator[tuple[str, str, Device]]:
    for devices in container.devices:
        if devices.resource_name.startswith(RESOURCES):
            for identifier in devices.device_ids:
                if (found := device(identifier)) is not None:
                    yield devices.resource_name, identifier, found
    for claim in container.dynamic_resources:
        for given in claim.claim_resources:
            found = dynamic_device(given.device_name) if given.driver_name in DRIVERS else None
            if found is not None:
                yield given.driver_name, f"{given.driver_name}/{given.pool_name}/{given.device_name}", found


def _labels(node: str, held: Held) -> tuple[str, ...]:
    part = held.device
    many = "" if held.replicas is None else str(held.replicas)
    return (
        node,
        held.namespace,
        held.pod,
        held.container,
        held.resource,
        held.identifier,
        part.uuid,
        part.minor,
        part.gpu_instance,
        part.replica,
        many,
    )


def _is_there(folder: Path) -> bool:
    try:
        return folder.is_dir()
    except OSError:  # a folder on the way that only root may enter
        return False
