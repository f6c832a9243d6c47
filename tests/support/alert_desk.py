"""An alert desk with a bad afternoon on it: a rack has lost a feed, a GPU has fallen off its bus, a link is failing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from alerts.model import fingerprint
from tests.support.told_alerts import ToldDesk
from wattstat.api.alerts import (
    AlertsRefused,
    AlertView,
    Deduction,
    DeskStatus,
    EvidenceLine,
    HealthView,
    NoSuchAlert,
    RuleNoise,
    SilenceView,
)

MINUTE = 60.0

RUNBOOK = """# GpuLost

## Meaning

The driver does not reach a GPU any more: `nvidia-smi` lists it as *lost*, XID 79 stands in the kernel log.

## Impact

Every job on the server stops at its next collective. The other seven GPUs are held for nothing.

## Diagnosis

```sh
wattstat targets --failing
nvidia-smi -q -d ECC,ROW_REMAPPER
```

| XID | means |
|-----|-------|
| 79  | fallen off the bus |

1. Look at the [errors that need a reset](GpuXidFatal.md) first.
2. <script>alert(1)</script>

## Mitigation

Drain the node, then reboot it. A GPU that is lost **again** goes to support.

## Safe to automate?

Draining: yes. Rebooting: no.

## Threshold

None: the driver's own word.
"""


def alert(
    name: str, subject: str, *, severity: str = "warning", component: str = "gpu", part: str = "", **given: Any
) -> AlertView:
    """One alert with what is usual."""
    kind, _, device = subject.partition(" ")
    labels = {"alertname": name, "severity": severity, "component": component, **given.pop("labels", {})}
    if device and kind not in labels:
        labels[kind] = device
    if part.startswith("GPU "):
        labels["gpu"] = part[4:]
    summary = given.pop("summary", f"{name} holds")
    annotations = {"summary": summary, "description": given.pop("description", f"{subject} {part}: {summary}.")}
    common: dict[str, Any] = {
        "fingerprint": fingerprint(labels), "name": name, "state": "firing", "severity": severity, "category": "components",
        "labels": labels, "annotations": annotations, "value": 1.0, "active_at": 0.0, "fired_at": None, "ended_at": None,
        "subject": subject, "part": part, "silenced_by": (), "inhibited_by": (), "notified_at": None, "receivers": (),
        "source": "rule", "group": f"wattstat-{component}", "expression": "", "runbook": name,
    }  # fmt: skip
    return AlertView(**(common | given))


def bad_afternoon(now: float) -> list[AlertView]:
    """What is active: one cause with its effects, alike ones, single ones, pending and silenced ones, and the watchdog."""

    def ago(minutes: float) -> dict[str, float]:
        return {"active_at": now - (minutes + 1) * MINUTE, "fired_at": now - minutes * MINUTE}

    told = {"notified_at": now - 9 * MINUTE, "receivers": ("pager",)}
    feed = alert(
        "RackFeedLost", "rack R02", severity="critical", component="power", **ago(10), **told, labels={"feed": "A"},
        summary="A rack has lost a feed", description="Rack R02 draws nothing from feed A, and 17.2 kW from feed B of 18.0 kW.",
    )  # fmt: skip
    supplies = [
        alert("PsuRedundancyLost", f"node gpu-{number:02d}", component="server", **ago(9), inhibited_by=(feed.fingerprint,),
              summary="A server runs without redundant power", jobs=("4201",) if number == 3 else ())
        for number in (1, 3, 4)
    ]  # fmt: skip
    lost = alert(
        "GpuLost", "node gpu-01", severity="critical", part="GPU 2", **ago(42), notified_at=now - 41 * MINUTE,
        receivers=("pager", "chat"), expression="wattstat_gpu_lost == 1", jobs=("4201",),
        summary="A GPU does not answer its driver",
        description="GPU 2 (GPU-0c1f2a) of gpu-01 has been lost for a minute. Drain the node, look for XID 79 in its kernel "
        "log, then reboot; a GPU that is lost again goes to support.",
    )  # fmt: skip
    hot = [
        alert("GpuNearSlowdown", f"node gpu-{number:02d}", part=f"GPU {gpu}", component="thermal", **ago(20 - number),
              summary="A GPU is about to slow itself down", labels={"rack": "R03"})
        for number, gpu in ((5, 0), (5, 1), (7, 3), (7, 6))
    ]  # fmt: skip
    single = [
        alert("LinkFailingSlowly", "switch ib-leaf-1", part="port 3/2", component="fabric", source="finding", **ago(180),
              summary="A link fails slowly", notified_at=now - 179 * MINUTE, receivers=("chat",)),
        alert("StorageNearlyFull", "storage scratch", component="storage", **ago(1500),
              summary="A storage cluster is nearly full", description="scratch is 86.2% full; from 90 % on writes are slow."),
        alert("PowerEmergency", "site", severity="info", component="power", **ago(3), runbook="",
              summary="Somebody pressed the emergency button"),
        alert("FanFailed", "node gpu-02", component="server", part="Fan 3A", state="pending", active_at=now - 90.0,
              summary="A fan does not turn"),
        alert("BmcCertificateEnds", "node mgmt-01", component="security", category="security", **ago(4000), silenced_by=("s0",),
              summary="A BMC's certificate ends soon"),
        alert("Watchdog", "site", severity="none", component="collectors", **ago(9000), summary="Alerts arrive"),
    ]  # fmt: skip
    return [feed, lost, *supplies, *hot, *single]


def over(now: float) -> list[AlertView]:
    """What has ended within six hours."""
    return [
        alert("GpuNearSlowdown", "node gpu-05", part="GPU 0", component="thermal", state="resolved",
              active_at=now - start * MINUTE, fired_at=now - (start - 2) * MINUTE, ended_at=now - (start - 12) * MINUTE,
              summary="A GPU is about to slow itself down")
        for start in (340, 290, 200, 100)
    ]  # fmt: skip


@dataclass(kw_only=True)
class BadAfternoon(ToldDesk):
    """Answers as the real desk does: history is what fired, a silence makes quiet, an end makes loud again."""

    now: float

    async def history(self, start: float, end: float) -> Sequence[AlertView]:
        fired = [one for one in (*self.alerts, *self.past) if one.fired_at is not None and one.fired_at <= end]
        lasted = [one for one in fired if one.ended_at is None or one.ended_at >= start]
        return sorted(lasted, key=lambda one: -(one.fired_at or 0))

    async def evidence(self, fingerprint: str) -> Sequence[EvidenceLine]:
        if fingerprint not in {one.fingerprint for one in (*self.alerts, *self.past)}:
            raise NoSuchAlert(f"there is no alert {fingerprint}")
        return self.lines.get(fingerprint, ())

    async def noise(self, start: float, end: float) -> Sequence[RuleNoise]:
        by_rule: dict[str, list[AlertView]] = {}
        for one in await self.history(start, end):
            by_rule.setdefault(one.name, []).append(one)
        found = [
            RuleNoise(
                name=name, severity=members[0].severity, fired=len(members),
                notified=sum(bool(one.receivers) for one in members),
                seconds_firing=sum((one.ended_at or end) - max(start, one.fired_at or end) for one in members),
                silenced=sum(bool(one.silenced_by) for one in members),
            )
            for name, members in by_rule.items()
        ]  # fmt: skip
        return sorted(found, key=lambda one: -one.fired)

    async def silence(
        self, matchers: Sequence[str], *, starts_at: float, ends_at: float, created_by: str, comment: str
    ) -> SilenceView:
        for matcher in matchers:
            if not re.fullmatch(r'\w+(=|!=|=~|!~)".*"', matcher):
                raise AlertsRefused(f'{matcher!r} is no matcher; expected one such as node="gpu-017"')
        if ends_at <= starts_at:
            raise AlertsRefused("a silence ends after it begins")
        made = await super().silence(
            matchers, starts_at=starts_at, ends_at=ends_at, created_by=created_by, comment=comment.strip()
        )
        self.alerts = [
            replace(one, silenced_by=(*one.silenced_by, made.id)) if _matches(one, matchers) else one for one in self.alerts
        ]
        return made

    async def expire(self, silence_id: str, *, by: str) -> SilenceView:
        ended = replace(await super().expire(silence_id, by=by), state="expired", ends_at=self.now)
        self.quiet.append(ended)
        self.alerts = [
            replace(one, silenced_by=tuple(each for each in one.silenced_by if each != silence_id)) for one in self.alerts
        ]
        return ended


def bad_desk(now: float) -> BadAfternoon:
    """With everything on it."""
    active = bad_afternoon(now)
    text = "Power of the GPU, watts: fires while above 650"
    line = EvidenceLine(text=text, expression="wattstat_gpu_power", limit_expression="650", unit="watts")
    state = DeskStatus(
        evaluates=True, last_evaluation=now - 4, failing_rules={}, queue=0, failing_receivers={}, heartbeat_at=now - 30,
        has_receivers=True,
    )  # fmt: skip
    return BadAfternoon(
        now=now, alerts=active, past=over(now), state=state, devices=health(active), runbooks={"GpuLost": RUNBOOK},
        quiet=[silence(now, "s0", 'alertname="BmcCertificateEnds"', comment="new ones are ordered")],
        lines={each.fingerprint: (line,) for each in active if each.name in {"GpuLost", "GpuNearSlowdown"}},
    )  # fmt: skip


def _matches(one: AlertView, matchers: Sequence[str]) -> bool:
    pairs = [matcher.partition("=") for matcher in matchers]
    return all(one.labels.get(name) == value.strip('"') for name, _, value in pairs)


def silence(now: float, name: str, *matchers: str, comment: str) -> SilenceView:
    """One that began an hour ago and ends in a day."""
    return SilenceView(
        id=name, matchers=matchers, starts_at=now - 60 * MINUTE, ends_at=now + 24 * 60 * MINUTE, created_by="ada",
        comment=comment, state="active", at="wattstat",
    )  # fmt: skip


def health(active: Sequence[AlertView]) -> list[HealthView]:
    """A device for each subject, and some that nothing is wrong with."""
    points = {"critical": 30, "warning": 10}
    by_subject: dict[str, list[AlertView]] = {}
    for one in active:
        if one.severity in points and one.state == "firing" and not one.inhibited_by:
            by_subject.setdefault(one.subject, []).append(one)
    found = []
    for subject, members in by_subject.items():
        kind, _, name = subject.partition(" ")
        lost = tuple(
            Deduction(
                fingerprint=one.fingerprint, name=one.name, severity=one.severity, points=points[one.severity],
                category="security" if one.category == "security" else "capacity" if kind == "storage" else "components",
                what=f"{one.part}: {one.annotations['summary']}".lstrip(": "), since=one.fired_at or one.active_at,
            )
            for one in members
        )  # fmt: skip
        by_category: dict[Any, int] = {}
        for each in lost:
            by_category[each.category] = by_category.get(each.category, 0) + each.points
        score = max(0, 100 - sum(by_category.values()))
        found.append(HealthView(kind=kind, name=name, score=score, by_category=by_category, deductions=lost))
    well = [("node", f"gpu-{number:02d}") for number in (6, 8, 9, 10)] + [("switch", "ib-leaf-2"), ("rack", "R01")]
    found += [HealthView(kind=kind, name=name, score=100, by_category={}, deductions=()) for kind, name in well]
    return sorted(found, key=lambda one: (one.score, one.kind, one.name))
