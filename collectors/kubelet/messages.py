"""The messages of the kubelet's pod-resources service, version v1, as far as Wattstat reads them.

Names and numbers of the fields are those of Kubernetes' `kubelet/pkg/apis/podresources/v1/api.proto`; fields that are not in
the table are skipped, as protobuf promises. The classes are made when the service is first asked: code that protoc makes
is bound to one version of its runtime, and the table shows at a glance what is read.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

SERVICE = "/v1.PodResourcesLister/"

# Message → field → number and type; a star says "repeated".
_MESSAGES: dict[str, dict[str, tuple[int, str]]] = {
    "ListPodResourcesRequest": {},
    "ListPodResourcesResponse": {"pod_resources": (1, "*PodResources")},
    "AllocatableResourcesRequest": {},
    "AllocatableResourcesResponse": {"devices": (1, "*ContainerDevices")},
    "PodResources": {"name": (1, "string"), "namespace": (2, "string"), "containers": (3, "*ContainerResources")},
    "ContainerResources": {
        "name": (1, "string"),
        "devices": (2, "*ContainerDevices"),
        "dynamic_resources": (5, "*DynamicResource"),
    },
    "ContainerDevices": {"resource_name": (1, "string"), "device_ids": (2, "*string")},
    "DynamicResource": {
        "claim_name": (2, "string"),
        "claim_namespace": (3, "string"),
        "claim_resources": (4, "*ClaimResource"),
    },
    # Since Kubernetes 1.34 with driver, pool and device; before that only with names of the container device interface.
    "ClaimResource": {"driver_name": (2, "string"), "pool_name": (3, "string"), "device_name": (4, "string")},
}


@cache
def message(name: str) -> type[Message]:
    """The class of a message."""
    return GetMessageClass(_pool().FindMessageTypeByName(f"v1.{name}"))


@cache
def _pool() -> DescriptorPool:
    file = FileDescriptorProto(name="wattstat/podresources_v1.proto", package="v1", syntax="proto3")
    for name, fields in _MESSAGES.items():
        described = file.message_type.add(name=name)
        for field_name, (number, kind) in fields.items():
            described.field.add(name=field_name, number=number, **_kind(kind))
    pool = DescriptorPool()
    pool.Add(file)
    return pool


def _kind(kind: str) -> dict[str, Any]:
    label = FieldDescriptorProto.LABEL_REPEATED if kind.startswith("*") else FieldDescriptorProto.LABEL_OPTIONAL
    name = kind.removeprefix("*")
    if name == "string":
        return {"label": label, "type": FieldDescriptorProto.TYPE_STRING}
    return {"label": label, "type": FieldDescriptorProto.TYPE_MESSAGE, "type_name": f".v1.{name}"}
