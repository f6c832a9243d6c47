"""A desk that tells what a test gave it, and remembers what it was asked to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from wattstat.api.alerts import (
    AlertsRefused,
    AlertView,
    DeskStatus,
    EvidenceLine,
    HealthView,
    NoSuchAlert,
    RuleNoise,
    SilenceView,
)


def view(name: str = "GpuLost", **more: Any) -> AlertView:
    """A firing alert on GPU 3 of gpu-017; `more` are members with other values."""
    return AlertView(
        **{
            "fingerprint": "00c0ffee00c0ffee",
            "name": name,
            "state": "firing",
            "severity": "critical",
            "category": "components",
            "labels": {"alertname": name, "node": "gpu-017", "gpu": "3", "severity": "critical"},
            "annotations": {"summary": "A GPU does not answer its driver", "description": "GPU 3 of gpu-017 is lost."},
            "value": 1.0,
            "active_at": 1_000.0,
            "fired_at": 1_060.0,
            "ended_at": None,
            "subject": "node gpu-017",
            "part": "GPU 3",
            "silenced_by": (),
            "inhibited_by": (),
            "notified_at": 1_090.0,
            "receivers": ("pager",),
            "source": "rule",
            "group": "wattstat-gpu",
            "expression": "wattstat_gpu_lost == 1",
            "runbook": name,
            "jobs": ("42",),
            **more,
        }
    )


@dataclass(kw_only=True)
class ToldDesk:
    """Implements `AlertDesk`."""

    alerts: list[AlertView] = field(default_factory=list)
    past: list[AlertView] = field(default_factory=list)
    lines: dict[str, tuple[EvidenceLine, ...]] = field(default_factory=dict)
    quiet: list[SilenceView] = field(default_factory=list)
    devices: list[HealthView] = field(default_factory=list)
    noisy: list[RuleNoise] = field(default_factory=list)
    groups: list[dict[str, Any]] = field(default_factory=list)
    runbooks: dict[str, str] = field(default_factory=dict)
    state: DeskStatus = field(
        default_factory=lambda: DeskStatus(
            evaluates=True,
            last_evaluation=1_100.0,
            failing_rules={},
            queue=0,
            failing_receivers={},
            heartbeat_at=None,
            has_receivers=True,
        )
    )

    async def active(self) -> Sequence[AlertView]:
        return self.alerts

    async def history(self, start: float, end: float) -> Sequence[AlertView]:
        return [each for each in self.past if each.active_at < end and (each.ended_at or end) >= start]

    async def evidence(self, fingerprint: str) -> Sequence[EvidenceLine]:
        if fingerprint not in self.lines:
            raise NoSuchAlert(f"no alert has the fingerprint {fingerprint}")
        return self.lines[fingerprint]

    async def noise(self, start: float, end: float) -> Sequence[RuleNoise]:
        return self.noisy

    async def silences(self) -> Sequence[SilenceView]:
        return self.quiet

    async def silence(
        self, matchers: Sequence[str], *, starts_at: float, ends_at: float, created_by: str, comment: str
    ) -> SilenceView:
        if not comment:
            raise AlertsRefused("a silence needs a comment")
        made = SilenceView(
            id=f"s{len(self.quiet) + 1}",
            matchers=tuple(matchers),
            starts_at=starts_at,
            ends_at=ends_at,
            created_by=created_by,
            comment=comment,
            state="active",
            at="wattstat",
        )
        self.quiet.append(made)
        return made

    async def expire(self, silence_id: str, *, by: str) -> SilenceView:
        for made in self.quiet:
            if made.id == silence_id:
                self.quiet.remove(made)
                return made
        raise NoSuchAlert(f"there is no silence {silence_id}")

    async def health(self) -> Sequence[HealthView]:
        return self.devices

    async def rule_groups(self) -> list[dict[str, Any]]:
        return self.groups

    async def prometheus_alerts(self) -> list[dict[str, Any]]:
        return [{"labels": dict(each.labels), "state": each.state} for each in self.alerts]

    async def status(self) -> DeskStatus:
        return self.state

    async def try_receiver(self, name: str, *, by: str) -> str:
        return f"{name} took it"

    def runbook(self, name: str) -> str:
        if name not in self.runbooks:
            raise NoSuchAlert(f"there is no runbook {name}")
        return self.runbooks[name]
