"""Documents of the OneFS API about a cluster, its nodes and what is stored on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from simulator.onefs.statistics import PROTOCOLS, available, device, share
from simulator.plant.model import Cluster, Drive, Member

Document = dict[str, Any]
_DRIVE_STATES = {"HEALTHY": "HEALTHY", "SMARTFAIL": "SMARTFAIL", "FAILED": "REPLACE"}
_METADATA = "namespace"
# How operations of files divide into classes, and how long each takes beside the mean, which is that of them all.
CLASSES = {"read": (0.45, 1.3), "write": (0.10, 2.0), "namespace_read": (0.35, 0.4), "namespace_write": (0.10, 0.75)}


def config(cluster: Cluster) -> Document:
    """`cluster/config`."""
    return {
        "description": "",
        "devices": [
            {"devid": device(member), "guid": f"{member.serial}-guid", "is_up": member.up, "lnn": member.number}
            for member in cluster.members
        ],
        "encoding": "utf-8",
        "guid": cluster.serial,
        "has_quorum": True,
        "is_compliance": False,
        "is_virtual": False,
        "is_vonefs": False,
        "join_mode": "manual",
        "local_devid": device(cluster.members[0]),
        "local_lnn": cluster.members[0].number,
        "local_serial": cluster.members[0].serial,
        "name": cluster.name,
        "onefs_version": {
            "build": f"B_{cluster.version.replace('.', '_')}",
            "release": f"v{cluster.version}",
            "revision": "650000000",
            "type": "Isilon OneFS",
            "version": f"Isilon OneFS v{cluster.version}",
        },
        "upgrade_type": None,
    }


def nodes(cluster: Cluster, section: str, *, power_sensor: bool) -> Document:
    """`cluster/nodes/all/<section>`: what the nodes that are up answer, and an error for each of the others."""
    make: Mapping[str, Callable[[Member], Document]] = {
        "sensors": lambda member: sensors(member, power=power_sensor),
        "status": status,
        "state": lambda _: state(),
        "drives": drives,
        "hardware": hardware,
    }
    return {
        "errors": [
            {
                "code": "AEC_SYSTEM_INTERNAL_ERROR",
                "field": None,
                "id": device(member),
                "lnn": member.number,
                "message": f"Node {member.number} did not answer",
                "status": 500,
            }
            for member in cluster.members
            if not member.up
        ],
        "nodes": [
            {"id": device(member), "lnn": member.number, "error": None, "status": 200, **make[section](member)}
            for member in cluster.members
            if member.up
        ],
        "total": sum(member.up for member in cluster.members),
    }


def sensors(member: Member, *, power: bool) -> Document:
    """Groups of sensors as hardware reports them: numbers are strings."""
    groups = [
        _group(
            "Temps",
            "C",
            {
                "Ambient_Temp": member.inlet_celsius,
                "CPU1_Temp": member.inlet_celsius + 20 + 30 * member.cpu_ratio,
                "CPU2_Temp": member.inlet_celsius + 21 + 30 * member.cpu_ratio,
                "Exhaust_Temp": member.inlet_celsius + member.watts / 50,
            },
        ),
        _group("Fans", "RPM", {f"Fan{number}": member.fan_rpm for number in range(1, 9)}),
        _group("Voltages", "V", {f"{supply.name}_Voltage": 230.0 * supply.ok for supply in member.supplies if supply.present}),
        _group(
            "Currents", "A", {f"{supply.name}_Current": supply.watts / 230.0 for supply in member.supplies if supply.present}
        ),
    ]
    if power:
        groups.append(_group("Power", "W", {"Pwr_Consumption": member.watts}))
    return {"sensors": groups}


def _group(name: str, units: str, values: dict[str, float]) -> Document:
    listed = [
        {"desc": sensor.replace("_", " "), "name": sensor, "units": units, "value": f"{value:.3f}"}
        for sensor, value in values.items()
    ]
    return {"count": len(listed), "name": name, "values": listed}


def status(member: Member) -> Document:
    """What hardware says of itself. Power supplies have health, no watts."""
    present = [supply for supply in member.supplies if supply.present]
    failed = sum(not supply.ok for supply in present)
    return {
        "capacity": [{"bytes": 8 * 10**12, "count": len(member.drives), "type": "SSD"}],
        "cpu": {"model": "Intel(R) Xeon(R)", "overtemp": "N/A", "proc": "Dual-proc", "speed_limit": "100%"},
        "powersupplies": {
            "count": len(present),
            "failures": failed,
            "has_cff": False,
            "status": f"{failed} Power Supplies failed" if failed else "Power Supplies OK",
            "supplies": [
                {
                    "chassis": 1,
                    "firmware": "00.1B.53",
                    "good": "Good" if supply.ok else "Bad",
                    "id": number,
                    "name": f"Power Supply {number} {'good' if supply.ok else 'failed'}",
                    "status": "Good" if supply.ok else "Failed",
                    "type": "AC",
                }
                for number, supply in enumerate(present, start=1)
            ],
            "supports_cff": False,
        },
        "release": "OneFS",
        "uptime": 864_000,
        "version": "Isilon OneFS",
    }


def state() -> Document:
    """What somebody decided about a node: nothing."""
    smartfail = {"dead": False, "down": False, "in_cluster": True, "readonly": False, "shutdown_readonly": False}
    return {
        "readonly": {"allowed": False, "enabled": False, "mode": False, "status": "", "valid": True, "value": 0},
        "servicelight": {"enabled": False, "present": True, "supported": True, "valid": True},
        "smartfail": {**smartfail, "smartfailed": False},
    }


def drives(member: Member) -> Document:
    """Bays, empty ones too."""
    listed = [_drive(each) for each in member.drives]
    bay = len(member.drives) + 1
    return {"drives": [*listed, {"baynum": bay, "chassis": 1, "present": False, "serial": "", "ui_state": "EMPTY"}]}


def _drive(drive: Drive) -> Document:
    return {
        "baynum": drive.bay,
        "blocks": 7_501_476_528,
        "chassis": 1,
        "devname": f"nvd{drive.bay}",
        "interface_type": "NVME",
        "lnum": drive.bay,
        "locnstr": f"Bay {drive.bay}",
        "media_type": "SSD",
        "model": "Dell Ent NVMe P5500 RI 3.84TB",
        "present": True,
        "serial": drive.serial,
        "ui_state": _DRIVE_STATES.get(drive.state, drive.state),
    }


def hardware(member: Member) -> Document:
    """What the node is."""
    return {
        "chassis": "1U",
        "class": "storage",
        "generation_code": "Gen6",
        "product": f"{member.model}-1U-Dual-384GB-2x1GE-2x100GE QSFP+-31TB NVMe SSD",
        "ram": 384 * 1024**3,
        "serial_number": member.serial,
        "series": "F",
        "storage_class": "storage",
    }


def storage_pools(cluster: Cluster) -> Document:
    """`storagepool/storagepools`: a node pool, and the tier that it is in, which tells the same bytes once more."""
    used, total, free = int(cluster.used_bytes), int(cluster.size_bytes), int(cluster.size_bytes - cluster.used_bytes)
    usage = {
        "avail_bytes": str(available(cluster)),
        "avail_hdd_bytes": "0",
        "avail_ssd_bytes": str(available(cluster)),
        "balanced": False,
        "free_bytes": str(free),
        "pct_used": f"{100 * used / total:.6f}",
        "total_bytes": str(total),
        "usable_bytes": str(used + available(cluster)),
        "used_bytes": str(used),
        "virtual_hot_spare_bytes": str(total - used - available(cluster)),
    }
    lnns = [member.number for member in cluster.members]
    common = {"lnns": lnns, "protection_policy": "+2d:1n", "usage": usage}
    pool = f"{cluster.model.lower()}_31tb-ssd_384gb"
    return {
        "storagepools": [
            {"children": [pool], "id": 2, "name": "performance", "type": "tier", **common},
            {"children": [], "id": 1, "l3": False, "manual": False, "name": pool, "type": "nodepool", **common},
        ],
        "total": 2,
    }


def events(cluster: Cluster) -> list[Document]:
    """Groups of events; OneFS calls an error critical."""
    return [
        {
            "causes": [["SIMULATED", each.text]],
            "channels": [],
            "event_count": 1,
            "eventgroup_instance": str(each.number),
            "id": str(each.number),
            "ignore": False,
            "ignore_time": 0,
            "last_event": int(each.since),
            "resolve_time": int(each.resolved_at or 0),
            "resolved": each.resolved_at is not None,
            "resolver": "",
            "sequence": each.number,
            "severity": "critical" if each.severity == "error" else each.severity,
            "specifier": {},
            "time_noticed": int(each.since),
        }
        for each in cluster.happenings
    ]


def quotas(cluster: Cluster) -> list[Document]:
    """Directory quotas of three groups, and one of a user, which counts what one of them counts already."""
    used, size = cluster.used_bytes, cluster.size_bytes
    shares = {"datasets": (0.5, 0.7), "checkpoints": (0.3, 0.4), "home": (0.1, 0.1)}
    found = [
        _quota(number, f"/ifs/{name}", "directory", used * held, size * limit)
        for number, (name, (held, limit)) in enumerate(shares.items(), start=1)
    ]
    return [*found, _quota(9, "/ifs/home", "user", used * 0.02, size * 0.05)]


def _quota(number: int, path: str, kind: str, used: float, hard: float) -> Document:
    thresholds = dict.fromkeys(("advisory", "soft", "soft_grace", "hard_last_exceeded", "soft_last_exceeded"))
    return {
        "container": False,
        "enforced": True,
        "id": f"quota-{number}",
        "include_snapshots": False,
        "linked": None,
        "notifications": "default",
        "path": path,
        "persona": {"id": "UID:2000", "name": "user1", "type": "user"} if kind == "user" else None,
        "ready": True,
        "thresholds": {
            **thresholds,
            "advisory_exceeded": False,
            "hard": int(hard),
            "hard_exceeded": used >= hard,
            "soft_exceeded": False,
        },
        "thresholds_include_overhead": False,
        "type": kind,
        "usage": {"inodes": int(used / 1e6), "logical": int(used), "physical": int(used * 1.25)},
    }


def snapshots(cluster: Cluster) -> Document:
    """`snapshot/snapshots-summary`."""
    size = int(cluster.used_bytes * 0.03)
    return {
        "summary": {
            "active_count": 24,
            "active_size": size,
            "aliases_count": 0,
            "count": 25,
            "deleting_count": 1,
            "deleting_size": 0,
            "shadow_bytes": 0,
            "size": size,
        }
    }


def protocol_summary(cluster: Cluster, now: float, usual: Mapping[str, float] | None = None) -> Document:
    """`statistics/summary/protocol?totalby=protocol,class`; protocols that do nothing have no rows.

    The classes' times have the protocol's own as their mean. Where `usual` tells the latencies of better days, operations on
    data take as long as then, and metadata takes all the time that is more.
    """
    rows = []
    for protocol, rate in cluster.operations.items():
        if not rate or protocol not in PROTOCOLS:
            continue
        latency = cluster.latency.get(protocol, 0.0)
        data = latency if usual is None else min(latency, usual.get(protocol, latency))
        waited = sum(part * time for name, (part, time) in CLASSES.items() if not name.startswith(_METADATA)) * data
        metadata = (latency - waited) / sum(part * time for name, (part, time) in CLASSES.items() if name.startswith(_METADATA))
        for name, (part, time) in CLASSES.items():
            micros = time * (metadata if name.startswith(_METADATA) else data) * 1e6
            rows.append(
                {
                    "class": name,
                    "in": cluster.write * share(cluster, protocol) if name == "write" else 0.0,
                    "operation_count": round(rate * part * 5),
                    "operation_rate": rate * part,
                    "out": cluster.read * share(cluster, protocol) if name == "read" else 0.0,
                    "protocol": protocol,
                    "time": int(now),
                    "time_avg": micros,
                    "time_max": micros * 9,
                    "time_min": micros / 9,
                }
            )
    return {"protocol": rows}
