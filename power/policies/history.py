"""What a site has seen of caps: the same work, done again under another cap."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from power.policies.efficiency import History, Seen
from power.policies.scope import words

UNCAPPED_SHARE = 0.975
"""From this share of the highest limit on, a run counts as one without a cap."""
STEP = 0.05
"""Limits are taken together by steps of this share."""


class CappedRun(Protocol):
    """A finished run under a cap; `work` is the same for runs that do the same."""

    @property
    def work(self) -> str: ...
    @property
    def gpu_model(self) -> str: ...
    @property
    def limit_watts(self) -> float: ...
    @property
    def joules(self) -> float: ...
    @property
    def seconds(self) -> float: ...


def history_of(runs: Callable[[], Iterable[CappedRun]]) -> History:
    """A history that asks for the runs whenever it is asked."""

    def seen(gpu_model: str) -> list[Seen]:
        asked = words(gpu_model) if gpu_model != "any" else frozenset()
        by_model: defaultdict[str, list[CappedRun]] = defaultdict(list)
        for run in runs():
            if asked <= words(run.gpu_model) and run.limit_watts > 0 and run.joules > 0 and run.seconds > 0:
                by_model[run.gpu_model].append(run)
        found: defaultdict[float, list[tuple[float, float]]] = defaultdict(list)
        for alike in by_model.values():
            for share, energy, speed in _against_no_cap(alike):
                found[share].append((energy, speed))
        return [
            Seen(
                share=share,
                energy=statistics.median(energy for energy, _ in pairs),
                speed=statistics.median(speed for _, speed in pairs),
            )
            for share, pairs in sorted(found.items())
        ]

    return seen


def _against_no_cap(runs: list[CappedRun]) -> Iterator[tuple[float, float, float]]:
    """For each work that was done without a cap too: shares of the limit, with energy and speed against that."""
    highest = max(run.limit_watts for run in runs)
    by_work: defaultdict[str, defaultdict[float, list[CappedRun]]] = defaultdict(lambda: defaultdict(list))
    for run in runs:
        share = run.limit_watts / highest
        by_work[run.work][1.0 if share >= UNCAPPED_SHARE else round(round(share / STEP) * STEP, 2)].append(run)
    for by_share in by_work.values():
        if 1.0 not in by_share:
            continue
        joules, seconds = _typical(by_share[1.0])
        for share, alike in by_share.items():
            energy, took = _typical(alike)
            yield share, energy / joules, seconds / took


def _typical(runs: list[CappedRun]) -> tuple[float, float]:
    return statistics.median(run.joules for run in runs), statistics.median(run.seconds for run in runs)
