"""What is stored on a cluster and what happened to it: pools, quotas, snapshots, events. Pure and total."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from wattstat.members import Body, Json, between, count, flag, member, objects, text

# What OneFS calls the severities of its event groups; none of a severity is a count, too.
SEVERITIES = ("emergency", "critical", "warning", "information")
_LIMITS = ("hard", "soft", "advisory")
_MOST_BYTES = 1e19


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """A node pool. Used and free add up to the size where the pool tells both as its writers see them."""

    size_bytes: float | None
    used_bytes: float | None
    free_bytes: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """A directory quota. `limits` are its thresholds by kind."""

    path: str
    used_bytes: float
    limits: Mapping[str, float]

    @property
    def fullness(self) -> float:
        """The share of the tightest threshold that is used; 0 for one without any."""
        return max((self.used_bytes / limit for limit in self.limits.values() if limit), default=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshots:
    """All snapshots together."""

    count: float | None
    size_bytes: float | None


def pools(document: Json) -> dict[str, Pool]:
    """Node pools by name. Tiers are left out: they tell the bytes of their pools once more. Numbers are strings."""
    found: dict[str, Pool] = {}
    for each in objects(member(document, "storagepools")):
        name = text(each.get("name"))
        if name and text(each.get("type")) in {"nodepool", ""}:
            found.setdefault(name, _pool(each.get("usage")))
    return found


def _pool(usage: Json) -> Pool:
    read = {name: _bytes(member(usage, f"{name}_bytes")) for name in ("total", "usable", "used", "avail", "free")}
    # Usable and available leave the virtual hot spare out: what nobody can write is not free.
    spare = read["usable"] is not None and read["avail"] is not None
    return Pool(
        size_bytes=read["usable"] if spare else read["total"],
        used_bytes=read["used"],
        free_bytes=read["avail"] if spare else read["free"],
    )


def events(items: Iterable[Json]) -> dict[str, float]:
    """Event groups that nobody resolved or chose to ignore, by severity."""
    counted = Counter(
        text(each.get("severity")).lower() or "unknown"
        for each in items
        if isinstance(each, dict) and each.get("resolved") is not True and each.get("ignore") is not True
    )
    return {**dict.fromkeys(SEVERITIES, 0.0), **{severity: float(number) for severity, number in counted.items()}}


def quota_kinds(items: Iterable[Json]) -> dict[str, float]:
    """How many quotas of each kind there are."""
    counted = Counter(text(each.get("type")) for each in items if isinstance(each, dict))
    return {kind: float(number) for kind, number in counted.items() if kind}


def quotas(items: Iterable[Json], most: int) -> list[Quota]:
    """Directory quotas by their path, at most the `most` fullest ones."""
    found: dict[str, Quota] = {}
    for quota in filter(None, (_quota(each) for each in items if isinstance(each, dict))):
        known = found.get(quota.path)
        # A path can have two, with and without its snapshots: the one that will stop writers first counts.
        if known is None or quota.fullness > known.fullness:
            found[quota.path] = quota
    fullest = sorted(found.values(), key=lambda quota: (-quota.fullness, -quota.used_bytes, quota.path))
    return sorted(fullest[:most], key=lambda quota: quota.path)


def _quota(each: Body) -> Quota | None:
    path = text(each.get("path"))
    overhead = flag(each.get("thresholds_include_overhead")) or False
    names = ("physical", "fsphysical") if overhead else ("logical", "fslogical")  # the latter since version 8 of the interface
    used = next((value for name in names if (value := _bytes(member(each, "usage", name))) is not None), None)
    if text(each.get("type")) != "directory" or not path or used is None or each.get("ready") is False:
        return None
    limits = {kind: value for kind in _LIMITS if (value := _bytes(member(each, "thresholds", kind)))}
    return Quota(path=path, used_bytes=used, limits=limits)


def snapshots(document: Json) -> Snapshots:
    """`snapshot/snapshots-summary`."""
    summary = member(document, "summary")
    return Snapshots(count=count(member(summary, "count")), size_bytes=_bytes(member(summary, "size")))


def _bytes(value: Json) -> float | None:
    return between(0, value, _MOST_BYTES)
