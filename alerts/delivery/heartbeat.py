"""The dead-man's switch: an address that is called for as long as evaluation and delivery work, and not a moment longer."""

from __future__ import annotations

from dataclasses import dataclass

import aiohttp

from alerts.delivery.apprise_sender import NotSent
from alerts.delivery.receivers import secret
from wattstat.config.alerts import Heartbeat as Settings

EVALUATED_WITHIN_SECONDS = 180.0
"""The watchdog alert is told of at each evaluation of its group; so long without it, evaluation is stuck."""
DELIVERED_WITHIN_SECONDS = 900.0
"""A message that waits longer than this for a service that fails was not delivered."""
TIMEOUT_SECONDS = 15.0


@dataclass(slots=True)
class Pulse:
    """When evaluation was last heard of. Times are Unix seconds."""

    evaluated_at: float | None = None
    watchdog_at: float | None = None

    def heard(self, at: float, *, watchdog: bool) -> None:
        """One evaluation was told of."""
        self.evaluated_at = at
        if watchdog:
            self.watchdog_at = at

    def problem(
        self,
        now: float,
        *,
        oldest_failing: float | None,
        reason: str,
        disk_problem: str,
        bug: tuple[float, str] | None = None,
    ) -> str:
        """Why people could not be told of an alert now; empty where they could. `bug`: since when what fails for no reason."""
        seen = self.watchdog_at if self.watchdog_at is not None else self.evaluated_at
        if seen is None:
            return "rules have not been evaluated yet"
        if now - seen > EVALUATED_WITHIN_SECONDS:
            return f"rules have not been evaluated for {now - seen:.0f} s"
        if disk_problem:
            return f"alerts cannot be written to disk: {disk_problem}"
        if oldest_failing is not None and now - oldest_failing > DELIVERED_WITHIN_SECONDS:
            return f"a message waits for {now - oldest_failing:.0f} s: {reason}"
        if bug is not None and now - bug[0] > DELIVERED_WITHIN_SECONDS:
            return f"for {now - bug[0]:.0f} s {bug[1]}"
        return ""


async def beat(settings: Settings) -> None:
    """Call the address once. Raises `NotSent`; the address itself is a secret and stands in no message."""
    try:
        url = secret(settings.url)
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)) as session,
            session.get(url) as answer,
        ):
            if answer.status >= 400:
                raise NotSent(f"the heartbeat's address answered {answer.status}")
    except TimeoutError as err:
        raise NotSent(f"the heartbeat's address did not answer within {TIMEOUT_SECONDS:g} s") from err
    except (ValueError, OSError, aiohttp.ClientError) as err:
        raise NotSent(f"the heartbeat's address cannot be called: {type(err).__name__}") from err
