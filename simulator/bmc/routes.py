"""The resources of a controller: a table from path to the function that writes the document, one table a server model."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from simulator.models import MIX, ServerModel

if TYPE_CHECKING:
    from simulator.bmc.controller import Controller

Document = dict[str, Any]
Write = Callable[["Controller"], Document]
ROOT = "/redfish/v1"


class Routes(dict[str, Write]):
    """Paths under `/redfish/v1` and who writes them."""

    def add(self, path: str, kind: str, body: Write) -> None:
        """Serve what `body` returns at `path`, with the OData members that every resource has."""
        self[path] = partial(_resource, path=path, kind=kind, body=body)

    def collection(self, path: str, kind: str, members: Iterable[str], name: str = "") -> None:
        """Serve a collection of the resources at `members`."""
        links = [{"@odata.id": member} for member in members]
        document = {
            "@odata.context": f"{ROOT}/$metadata#{kind}.{kind}",
            "@odata.id": path,
            "@odata.type": f"#{kind}.{kind}",
            "Description": name or kind,
            "Members": links,
            "Members@odata.count": len(links),
            "Name": name or kind,
        }
        self[path] = partial(_constant, document=document)


def link(path: str) -> Document:
    """A reference to another resource."""
    return {"@odata.id": path}


def health(value: str = "OK", state: str = "Enabled") -> Document:
    """A Status object."""
    return {"Health": value, "HealthRollup": value, "State": state}


@cache
def routes_of(key: str) -> Routes:
    """The table of a server model, made once."""
    from simulator.bmc import chassis, hgx, legacy, manager, service, system  # noqa: PLC0415 - they register into this module's type

    model = next(model for model, _ in MIX if model.key == key)
    routes = Routes()
    for room in (service, system, chassis, legacy, manager, *((hgx,) if model.hgx else ())):
        room.register(routes, model)
    return routes


def gpu_numbers(model: ServerModel) -> range:
    """The numbers of the GPUs as baseboards count them, from 1."""
    return range(1, model.gpus + 1)


def _resource(controller: Controller, *, path: str, kind: str, body: Write) -> Document:
    family = kind.split(".", maxsplit=1)[0]
    return {
        "@odata.context": f"{ROOT}/$metadata#{family}.{family}",
        "@odata.id": path,
        "@odata.type": f"#{kind}",
        "Id": path.rsplit("/", 1)[-1],
        **body(controller),
    }


def _constant(_controller: Controller, *, document: Document) -> Document:
    return document
