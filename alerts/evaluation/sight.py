"""Whether there is anything to judge by: while core gives no data, what is not found may hold all the same."""

from __future__ import annotations

from alerts.evaluation.rules import AlertRule, FindingRule
from wattstat.catalogue import ALL, alerting
from wattstat.catalogue.metric import Metric
from wattstat.store.protocol import Store

_SETTLE = "1m"
"""So long after core is back, its collectors begin anew: what is not there yet may come."""
_SEEN = f'max(min_over_time(up{{job="wattstat"}}[{_SETTLE}]) or up{{job="wattstat"}})'
"""1 where a core was scraped without a failure for the last minute; with several, one is enough."""
_EVER = 'count(present_over_time(up{job="wattstat"}[1d]))'
"""Where nobody scrapes at all there is no `up` either: then it counts whether there was one."""

_OF_SCRAPES = frozenset({"up", "ALERTS", "ALERTS_FOR_STATE"})
_OF_WEB = frozenset(each.name for each in vars(alerting).values() if isinstance(each, Metric))


class Sight:
    """Asks history. `is_all_cores`: history holds what core and web say, and nobody else's series."""

    def __init__(self, store: Store, *, is_all_cores: bool) -> None:
        self._store = store
        self._is_all_cores = is_all_cores

    async def is_lost(self, rule: AlertRule | FindingRule, at: float) -> bool:
        """Whether a rule looks at data of core, which gives none. Raises `QueryError`."""
        if not self._looks_at_core(rule):
            return False
        seen = (await self._store.query(_SEEN, at)).series
        if seen:
            return float(seen[0].values[0]) < 1
        return bool((await self._store.query(_EVER, at)).series)

    def _looks_at_core(self, rule: AlertRule | FindingRule) -> bool:
        """What web writes goes on without core; so does what tells that core is down."""
        if isinstance(rule, FindingRule) or rule.reads is None:
            return True
        return any(self._is_cores(name) for name in rule.reads - _OF_SCRAPES - _OF_WEB)

    def _is_cores(self, name: str) -> bool:
        return self._is_all_cores or name in ALL or ":" in name  # a recording rule's, made from what core says
