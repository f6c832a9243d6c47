"""Addresses: the query of the present one with something changed, and the way to a job."""

from __future__ import annotations

from urllib.parse import parse_qsl, quote, urlencode

# What belongs to the viewer and not to the page: it goes along to every other page.
VIEWER = ("refresh", "theme", "kiosk")
TIME = ("from", "to")


def given(search: str) -> dict[str, str]:
    """The parameters of an address's query; the last of equals counts."""
    return dict(parse_qsl(search.lstrip("?")))


def changed(search: str, **changes: str | None) -> str:
    """The query with other values; None takes a parameter out. A trailing underscore is dropped: `from_`."""
    query = given(search)
    for name, value in changes.items():
        query.pop(name.rstrip("_"), None)
        if value:
            query[name.rstrip("_")] = value
    return _written(query)


def kept(search: str, *names: str) -> str:
    """The query with only these parameters."""
    return _written({name: value for name, value in given(search).items() if name in names})


def _written(query: dict[str, str]) -> str:
    return "?" + urlencode(query, safe=":/,") if query else ""


def to_job(job_id: str, instance: str | None, search: str, scheduler: str = "slurm") -> str:
    """The page of a run. It shows the run's own time, so that the chosen time stays behind.

    The address names the scheduler unless it is the usual one: ids of several may be the same.
    """
    own = kept(search, *VIEWER)
    whose = None if scheduler == "slurm" else scheduler
    return f"/job/{quote(job_id, safe='/+')}{changed(own, instance=instance, scheduler=whose)}"


def to_node(node: str, search: str) -> str:
    """The page of a server."""
    return f"/node/{quote(node, safe='')}{kept(search, *VIEWER, *TIME)}"


def to_power(search: str, budget: str = "") -> str:
    """The page of power; `budget` is the `kind:name` that it charts."""
    return f"/power{changed(kept(search, *VIEWER, *TIME), budget=budget or None)}"


def stamp(at: float) -> str:
    """A moment as addresses have it: milliseconds."""
    return str(int(at * 1000))
