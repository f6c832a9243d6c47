"""Rehearsals of policies in the web process, which has the history: one at a time, in a thread."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from power.control.tuning import Tuning
from power.policies.model import Policy
from power.policies.reader import from_json
from power.scenarios.history import NoHistory
from power.scenarios.rehearsal import rehearse
from wattstat.api.live import Live
from wattstat.api.problems import Problem
from wattstat.api.times import rfc3339
from wattstat.config import Config
from wattstat.document import InvalidDocument
from wattstat.inventory import Inventory
from wattstat.store import Store
from wattstat.store.protocol import QueryError


class Rehearsals:
    """Lets policies run on the site's past. Raises `Problem`, and `CoreUnavailable` where nobody tells the inventory."""

    def __init__(self, store: Store, live: Live, config: Config, *, clock: Callable[[], float] = time.time) -> None:
        self._store, self._live, self._config, self._clock = store, live, config, clock
        self._one = asyncio.Lock()

    async def __call__(self, policies: Sequence[Mapping[str, Any]], days: float) -> dict[str, Any]:
        """What they would have done in the last days."""
        wanted = [_read(given, position) for position, given in enumerate(policies)]
        if not wanted:
            raise Problem(422, "Not understood", "policies: is empty; expected at least one policy to rehearse")
        if self._one.locked():
            # A week of a large site takes a processor for a minute; the pages must go on.
            raise Problem(429, "A rehearsal is under way", "ask again when it is over", headers={"Retry-After": "15"})
        async with self._one:
            inventory = Inventory.model_validate(await self._live.inventory())
            try:
                found = await rehearse(
                    wanted,
                    self._store,
                    inventory,
                    until=self._clock(),
                    days=days,
                    tuning=Tuning.of(self._config.power),
                    trip_safe_ratio=self._config.power.trip_safe_ratio,
                )
            except NoHistory as err:
                raise Problem(409, "No history", str(err)) from err
            except QueryError as err:
                raise Problem(503, "The history does not answer", str(err)) from err
        return {**found.to_json(), "start": rfc3339(found.start), "end": rfc3339(found.end)}


def _read(given: Mapping[str, Any], position: int) -> Policy:
    try:
        return from_json(dict(given), source=f"policies[{position}]")
    except InvalidDocument as err:
        problems = [str(problem) for problem in err.problems]
        raise Problem(422, "Not understood", "; ".join(problems), more={"problems": problems}) from err
