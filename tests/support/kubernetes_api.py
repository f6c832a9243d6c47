"""A small API server over HTTP: lists with field selectors and pages, and a token that it wants to see."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

TOKEN = "a token"


@dataclass(kw_only=True)
class ApiServer:
    """What it has, by path. `page` is the most that it gives at once; `status` other than 200 is answered to everything."""

    lists: dict[str, list[Any]] = field(default_factory=dict)
    page: int = 500
    status: int = 200
    expire_once: bool = False
    asked: list[str] = field(default_factory=list)
    url: str = ""

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(request.path_qs)
        if self.status != 200:
            return web.json_response({"kind": "Status", "code": self.status}, status=self.status)
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return web.json_response({"kind": "Status", "code": 401}, status=401)
        if request.path not in self.lists:
            return web.json_response({"kind": "Status", "code": 404}, status=404)
        if self.expire_once and "continue" in request.query:
            self.expire_once = False
            return web.json_response({"kind": "Status", "code": 410, "reason": "Expired"}, status=410)
        found = [each for each in self.lists[request.path] if selected(each, request.query.get("fieldSelector", ""))]
        start = int(request.query.get("continue", "0"))
        end = start + min(self.page, int(request.query.get("limit", "500")))
        following = {"continue": str(end)} if end < len(found) else {}
        return web.json_response({"kind": "List", "metadata": following, "items": found[start:end]})


def selected(document: Any, selector: str) -> bool:
    """Whether the fields have the values of `spec.nodeName=gpu001,status.phase=Pending`."""
    for part in filter(None, selector.split(",")):
        path, _, wanted = part.partition("=")
        value = document
        for name in path.split("."):
            value = value.get(name, {})
        if (value or "") != wanted:
            return False
    return True


def node(name: str, gpus: int = 8, **labels: str) -> Any:
    """A node as the API server describes it."""
    capacity = {"cpu": "64", **({"nvidia.com/gpu": str(gpus)} if gpus else {})}
    return {"metadata": {"name": name, "labels": labels}, "status": {"capacity": capacity, "images": [{"names": ["x"]}]}}


def pod(name: str, *, namespace: str = "team-a", node: str = "gpu001", gpus: int = 1, **status: Any) -> Any:
    """A running pod of a Job as the API server describes it; `status` goes over its status."""
    return {
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": f"uid-{name}",
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "labels": {"app": "training", "team": "vision", "person": "someone"},
            "ownerReferences": [{"kind": "Job", "name": "train", "controller": True}],
        },
        "spec": {
            "nodeName": node,
            "priorityClassName": "batch",
            "containers": [
                {
                    "name": "main",
                    "resources": {
                        "limits": {"nvidia.com/gpu": str(gpus), "cpu": "12", "memory": "64Gi"} if gpus else {},
                        "requests": {"cpu": "7500m", "memory": "32Gi"},
                    },
                }
            ],
        },
        "status": {"phase": "Running", "qosClass": "Burstable", "startTime": "2026-01-01T00:00:10Z", **status},
    }


def ended(code: int = 0, reason: str = "Completed", at: str = "2026-01-01T01:00:00Z") -> list[Any]:
    """Statuses of one container that ended."""
    return [{"name": "main", "state": {"terminated": {"exitCode": code, "reason": reason, "finishedAt": at}}}]
