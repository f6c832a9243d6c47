"""Numbers and checkpoints that scripts and jobs post. Kept in memory: a number that nobody posts any more is not known."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from math import isfinite

from power.policies.records import Refused

MOST_NUMBERS = 1000
MOST_CHECKPOINT_SECONDS = 900.0
MOST_HELD_SECONDS = 7 * 86_400.0


class Posted:
    """What was posted, each with the time until which it counts. May be used from several threads."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._numbers: dict[str, tuple[float, float]] = {}
        self._checkpoints: dict[tuple[str, str], tuple[float, float]] = {}

    def post(self, name: str, value: float, *, seconds: float = 900.0) -> None:
        """Take a number; it counts for so many seconds. Raises `Refused`."""
        if not re.fullmatch(r"[a-z][a-z0-9_.-]{0,63}", name):
            raise Refused(
                f"{name[:70]!r} is no name of a signal; expected small letters, digits and dashes, such as grid-stress"
            )
        if not isfinite(value):
            raise Refused(f"{name}: {value} is no number; expected a finite one")
        if not 0 < seconds <= MOST_HELD_SECONDS:
            raise Refused(f"{name}: counts for {seconds:g} s; expected more than 0 and at most {MOST_HELD_SECONDS:.0f}")
        with self._lock:
            now = self._clock()
            self._numbers = {key: told for key, told in self._numbers.items() if told[1] > now}
            if name not in self._numbers and len(self._numbers) >= MOST_NUMBERS:
                raise Refused(f"{name}: {MOST_NUMBERS} signals are posted already; expected fewer; let some of them expire")
            self._numbers[name] = (value, now + seconds)

    def numbers(self, at: float) -> Mapping[str, float]:
        """The numbers that count at a moment."""
        with self._lock:
            return {name: value for name, (value, until) in self._numbers.items() if at < until}

    def checkpoint(self, scheduler: str, job_id: str, seconds: float) -> float:
        """A job writes a checkpoint from now on, for so long. Returns until when. Raises `Refused`.

        It has as much time without announcement after it, so that nobody escapes every cut by announcing again and again.
        """
        if not 0 < seconds <= MOST_CHECKPOINT_SECONDS:
            raise Refused(f"a checkpoint of {seconds:g} s; expected more than 0 and at most {MOST_CHECKPOINT_SECONDS:.0f} s")
        key, now = (scheduler, job_id), self._clock()
        with self._lock:
            begun, until = self._checkpoints.get(key, (now, now))
            rest = until + (until - begun)
            if until <= now < rest:
                raise Refused(
                    f"job {job_id} wrote a checkpoint until {now - until:.0f} s ago; expected a pause of {rest - until:.0f} s; "
                    f"announce the next one in {rest - now:.0f} s"
                )
            begun = begun if now < until else now
            until = min(now + seconds, begun + MOST_CHECKPOINT_SECONDS)
            self._checkpoints = {each: told for each, told in self._checkpoints.items() if 2 * told[1] - told[0] > now}
            self._checkpoints[key] = (begun, until)
            return until

    def announced(self, at: float) -> Mapping[tuple[str, str], float]:
        """Jobs that write a checkpoint at a moment, and until when."""
        with self._lock:
            return {key: until for key, (begun, until) in self._checkpoints.items() if begun <= at < until}
