"""A kubelet's pod-resources service on a unix socket, spoken by grpcio: another implementation than the one that is tested."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import grpc
from google.protobuf.message import Message

from collectors.kubelet.messages import message


@contextmanager
def kubelet(socket: Path, pods: Message | bytes, allocatable: Message | bytes | None = None) -> Iterator[None]:
    """Answers List with `pods`; GetAllocatableResources with `allocatable`, or as a kubelet that does not have it yet."""
    answers = {"List": pods, **({} if allocatable is None else {"GetAllocatableResources": allocatable})}
    server = grpc.server(ThreadPoolExecutor(1), options=[("grpc.max_send_message_length", -1)])
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("v1.PodResourcesLister", handlers(answers)),))
    server.add_insecure_port(f"unix://{socket}")
    server.start()
    try:
        yield
    finally:
        server.stop(grace=None).wait()


def handlers(answers: dict[str, Message | bytes]) -> dict[str, grpc.RpcMethodHandler]:
    return {
        method: grpc.unary_unary_rpc_method_handler(
            lambda _request, _context, answer=answer: answer,
            request_deserializer=bytes,
            response_serializer=lambda answer: answer if isinstance(answer, bytes) else answer.SerializeToString(),
        )
        for method, answer in answers.items()
    }


def pods(*entries: tuple[str, str, str, str, list[str]]) -> Message:
    """An answer to List: namespace, pod, container, resource, device ids."""
    answer = message("ListPodResourcesResponse")()
    for namespace, name, container, resource, ids in entries:
        pod = answer.pod_resources.add(namespace=namespace, name=name)
        pod.containers.add(name=container).devices.add(resource_name=resource, device_ids=ids)
    return answer


def allocatable(resource: str, ids: list[str]) -> Message:
    """An answer to GetAllocatableResources."""
    answer = message("AllocatableResourcesResponse")()
    answer.devices.add(resource_name=resource, device_ids=ids)
    return answer
