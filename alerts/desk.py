"""The desk: what the API, the command line and the pages ask, answered from evaluation, delivery and health."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

from alerts import past, views
from alerts.delivery.delivery import Delivery
from alerts.evaluation.aside import aside
from alerts.evaluation.engine import Engine
from alerts.evidence import evidence
from alerts.health import scores
from alerts.memory import Episode, Memory
from alerts.model import Alert, Clock
from alerts.peer import Peer
from alerts.reach import Reach
from alerts.running import Running
from alerts.shipped import RUNBOOKS
from alerts.views import Around
from wattstat.api.alerts import AlertView, DeskStatus, EvidenceLine, HealthView, NoSuchAlert, RuleNoise, SilenceView
from wattstat.inventory import Inventory
from wattstat.promql import PromqlError
from wattstat.store.protocol import Store

Hall = Callable[[], Awaitable[Inventory]]


class Desk:
    """Implements `AlertDesk`. `peer` evaluates rules instead of us, where a site's Prometheus does."""

    def __init__(
        self,
        *,
        engine: Engine,
        memory: Memory,
        delivery: Delivery,
        store: Store,
        running: Running,
        inventory: Hall,
        reach: Callable[[], Reach] = Reach,
        peer: Peer | None = None,
        clock: Clock = time.time,
    ) -> None:
        self._engine = engine
        self._memory = memory
        self._delivery = delivery
        self._store = store
        self._running = running
        self._inventory = inventory
        self._reach = reach
        self._peer = peer
        self._clock = clock

    async def active(self) -> Sequence[AlertView]:
        """What is firing or pending now, worst first, then the oldest."""
        alerts = await self.alerts()
        around = await self._around(alerts)
        return await aside(len(alerts), views.active, alerts, around)

    async def alerts(self) -> list[Alert]:
        """Everything that is pending or firing, here and at the peer."""
        return [*self._engine.active(), *([] if self._peer is None else await self._peer.active())]

    async def history(self, start: float, end: float) -> Sequence[AlertView]:
        """What fired within a span of time, newest first; what still fires included."""
        episodes = await self._episodes(start, end)
        around = await self._around([each.alert for each in episodes])
        return await aside(len(episodes), lambda: [views.view(each.alert, around, ended_at=each.ended_at) for each in episodes])

    async def evidence(self, fingerprint: str) -> Sequence[EvidenceLine]:
        """What speaks for an alert, active or ended. Raises `NoSuchAlert`."""
        alert = next((each for each in await self.alerts() if each.fingerprint == fingerprint), None)
        if alert is None:
            remembered = await asyncio.to_thread(self._memory.episode, fingerprint)
            if remembered is None:
                raise NoSuchAlert(f"no alert has the fingerprint {fingerprint!r}; GET /api/alerts lists what is active")
            alert = remembered.alert
        return _lines(alert)

    async def noise(self, start: float, end: float) -> Sequence[RuleNoise]:
        """The noisiest rules of a span of time."""
        found = await self.history(start, end)
        messages = await self._delivery.messages(start, end)
        return views.noise(found, messages, start, min(end, self._clock()))

    async def silences(self) -> Sequence[SilenceView]:
        """All that are active or to come, and those that ended within a day."""
        return await self._delivery.silences()

    async def silence(
        self, matchers: Sequence[str], *, starts_at: float, ends_at: float, created_by: str, comment: str
    ) -> SilenceView:
        """Keep what matches quiet. Raises `AlertsRefused` for a matcher that cannot be read, or without comment or end."""
        return await self._delivery.silence(
            matchers, starts_at=starts_at, ends_at=ends_at, created_by=created_by, comment=comment
        )

    async def expire(self, silence_id: str, *, by: str) -> SilenceView:
        """End a silence now. Raises `NoSuchAlert`."""
        return await self._delivery.expire(silence_id, by=by)

    async def health(self) -> Sequence[HealthView]:
        """Every device of the inventory, worst first."""
        alerts, inventory = await asyncio.gather(self.alerts(), self._inventory())
        return await asyncio.to_thread(scores, alerts, inventory)

    async def rule_groups(self) -> list[dict[str, Any]]:
        """The groups as Prometheus' `/api/v1/rules` has them."""
        own = await asyncio.to_thread(self._engine.rule_groups)
        return [*own, *(dict(group) for group in (await self._peer.groups() if self._peer else ()))]

    async def prometheus_alerts(self) -> list[dict[str, Any]]:
        """The alerts as Prometheus' `/api/v1/alerts` has them."""
        own = await asyncio.to_thread(self._engine.prometheus_alerts)
        if self._peer is None:
            return own
        rules = (rule for group in await self._peer.groups() for rule in group.get("rules") or ())
        return [*own, *(dict(alert) for rule in rules for alert in rule.get("alerts") or ())]

    async def status(self) -> DeskStatus:
        """Whether rules are evaluated and messages go out."""
        delivery = self._delivery.status()
        disk = {"memory": self._delivery.disk_problem} if self._delivery.disk_problem else {}
        failing = {**disk, **self._engine.failing(), **({} if self._peer is None else await self._peer.failing())}
        return DeskStatus(
            evaluates=self._peer is None,
            last_evaluation=self._engine.last_evaluation,
            failing_rules=failing,
            queue=sum(delivery.queue.values()),
            failing_receivers=delivery.failing,
            heartbeat_at=delivery.heartbeat_at,
            has_receivers=delivery.has_receivers,
            silences_problem=delivery.silences_problem,
        )

    async def try_receiver(self, name: str, *, by: str) -> str:
        """Send a test message; what came of it, as a sentence. Raises `NoSuchAlert`."""
        return await self._delivery.try_receiver(name, by=by)

    def runbook(self, name: str) -> str:
        """A runbook in Markdown. Raises `NoSuchAlert`."""
        path = RUNBOOKS / f"{name}.md"
        if not name.isidentifier() or not path.is_file():
            raise NoSuchAlert(f"there is no runbook {name!r}; runbooks are named as their alerts")
        return path.read_text(encoding="utf-8")

    async def _episodes(self, start: float, end: float) -> list[Episode]:
        found = await asyncio.to_thread(self._engine.episodes, start, end)
        if self._peer is not None:
            found = [*found, *await past.of_peer(self._store, await self._peer.active(), start, min(end, self._clock()))]
        return sorted(found, key=lambda each: -(each.alert.fired_at or each.alert.active_at))

    async def _around(self, alerts: Iterable[Alert]) -> Around:
        listed = list(alerts)
        # What a Prometheus tells to an Alertmanager has no labels of ours.
        theirs = {alert.fingerprint for alert in listed if self._peer is not None and alert.source == "rule"}
        seen = self._delivery.labels
        labels = await aside(
            len(listed), lambda: {each.fingerprint: seen(each.labels, theirs=each.fingerprint in theirs) for each in listed}
        )
        quieted, told, jobs = await asyncio.gather(
            self._delivery.quieted(labels),
            self._delivery.told(list(labels)),
            self._running.by_node(),
        )
        return Around(
            silenced={fingerprint: tuple(ids) for fingerprint, (ids, _) in quieted.items() if ids},
            inhibited={fingerprint: tuple(causes) for fingerprint, (_, causes) in quieted.items() if causes},
            told=told,
            tells=self._delivery.tells(),
            jobs={node: tuple(job.job_id for job in found) for node, found in jobs.items()},
            labels=labels,
            reach=self._reach(),
        )


def _lines(alert: Alert) -> Sequence[EvidenceLine]:
    """What a finding saw, or what a rule compares."""
    if alert.evidence:
        return alert.evidence
    try:
        found = evidence(alert.expression, alert.labels) if alert.expression else ()
    except PromqlError:
        found = ()  # a peer's language may know more than ours
    return found or (EvidenceLine(text=alert.annotations.get("description") or alert.annotations.get("summary") or alert.name),)
