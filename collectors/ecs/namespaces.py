"""Namespaces: what they hold and what they may hold. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from collectors.ecs.points import count
from wattstat.catalogue import storage as catalogue
from wattstat.catalogue.metric import Samples
from wattstat.members import as_body, member, objects, text

# KB, MB and GB are KiB, MiB and GiB to ECS: 10,000,000 bytes were told as 9765.625 KB.
UNITS = {"BYTE": 1.0, "KB": 1024.0, "KIB": 1024.0, "MB": 1024.0**2, "MIB": 1024.0**2, "GB": 1024.0**3, "GIB": 1024.0**3}
QUOTAS = {"hard": "blockSize", "soft": "notificationSize"}


def listed(document: Any) -> list[str]:
    """The identifiers of the namespaces on a page of `/object/namespaces` that are in use."""
    found = objects(as_body(document).get("namespace"))
    return [name for each in found if (name := text(each.get("id")) or text(each.get("name"))) and not _inactive(each)]


def following(document: Any) -> str:
    """Where the next page begins; empty on the last one."""
    return text(as_body(document).get("NextMarker"))


def usage_samples(storage: str, pages: Iterable[Any]) -> Samples:
    """Samples of answers of `/object/billing/namespace/info`."""
    out, seen = Samples(), set[str]()
    for each in (info for page in pages for info in objects(as_body(page).get("namespace_billing_infos"))):
        name = text(each.get("namespace"))
        if not name or name in seen or str(each.get("valid_namespace", "true")).lower() == "false":
            continue
        seen.add(name)
        size, unit = count(each.get("total_size")), UNITS.get(text(each.get("total_size_unit")).upper())
        used = size * unit if size is not None and unit is not None else None
        out.add(catalogue.STORAGE_NAMESPACE_USED_BYTES, used, storage, name)
        out.add(catalogue.STORAGE_NAMESPACE_OBJECTS, count(each.get("total_objects")), storage, name)
    return out


def quota_samples(storage: str, quotas: Mapping[str, Any]) -> Samples:
    """Samples of the namespaces' quotas, which are told in GB: -1 and 0 stand for none."""
    out = Samples()
    for name, document in quotas.items():
        told = as_body(member(document, "namespace_quota_details")) or as_body(document)
        for kind, field in QUOTAS.items():
            limit = count(told.get(field))
            out.add(catalogue.STORAGE_NAMESPACE_QUOTA_BYTES, limit * UNITS["GB"] if limit else None, storage, name, kind)
    return out


def _inactive(namespace: Mapping[str, Any]) -> bool:
    return str(namespace.get("inactive", "false")).lower() == "true"
