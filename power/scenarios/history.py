"""The site's own past as columns: what servers and GPUs drew step by step, and who held which GPU."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from power.model import Device, DeviceCaps, Floats, Ints, Way
from power.policies.signals import JobFacts
from wattstat.store.protocol import Series, Store

CHUNK_SECONDS = 86400.0
"""A day at a time: a week of a large site does not fit into one answer."""
SOURCES = ("system", "psu_sum")


class NoHistory(Exception):
    """There is nothing to rehearse on; the message says what was looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A job had a GPU from step `first` to before step `end`."""

    job: JobFacts
    gpu: int
    first: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class History:
    """Tables of steps x GPUs or steps x servers; NaN where nothing was recorded. `times` are the ends of the steps."""

    step_seconds: float
    times: Floats
    nodes: tuple[str, ...]
    caps: tuple[DeviceCaps, ...]
    """The GPUs with the bounds that they told last."""
    gpu_mean: Floats
    gpu_peak: Floats
    gpu_limit: Floats
    """The limit in force then: what was drawn at it may have wanted more."""
    node_mean: Floats
    inlet_celsius: Floats
    holds: tuple[Hold, ...]


async def read(store: Store, *, until: float, days: float, step_seconds: float) -> History:
    """Read the last days before `until`. Raises `NoHistory` and the store's `QueryError`."""
    steps = int(days * 86400 / step_seconds)
    times = until - step_seconds * np.arange(steps - 1, -1, -1, dtype=np.float64)
    asker = _Asker(store, times, step_seconds)
    window = f"[{step_seconds:g}s]"
    mean = await asker.table(f'avg_over_time(wattstat_gpu_power_watts{{scope="gpu"}}{window})', ("node", "gpu", "uuid"))
    if not mean:
        raise NoHistory(
            f"no wattstat_gpu_power_watts in the {days:g} days before; rehearsals need the history of GPUs: check the store"
        )
    keys = sorted(mean, key=lambda key: (key[0], len(key[1]), key[1], key[2]))
    peak = await asker.table(f'max_over_time(wattstat_gpu_power_watts{{scope="gpu"}}{window})', ("node", "gpu", "uuid"))
    limit = await asker.table(
        f'max_over_time(wattstat_gpu_power_limit_watts{{kind="enforced"}}{window})', ("node", "gpu", "uuid")
    )
    power = {
        source: await asker.table(f'avg_over_time(wattstat_node_power_watts{{source="{source}"}}{window})', ("node",))
        for source in SOURCES
    }
    inlet = await asker.table(
        f'max by (node) (max_over_time(wattstat_node_temperature_celsius{{role="inlet"}}{window}))', ("node",)
    )
    nodes = tuple(sorted({key[0] for key in keys} | {key[0] for table in power.values() for key in table}))
    nothing = np.full(len(times), np.nan)
    caps = await _caps(store, keys, until, days)
    row = {(node, uuid): number for number, (node, _, uuid) in enumerate(keys)}
    return History(
        step_seconds=step_seconds,
        times=times,
        nodes=nodes,
        caps=caps,
        gpu_mean=_columns(mean, keys, nothing),
        gpu_peak=_columns(peak, keys, nothing),
        gpu_limit=_columns(limit, keys, nothing),
        node_mean=np.stack([power["system"].get((node,), power["psu_sum"].get((node,), nothing)) for node in nodes], axis=1),
        inlet_celsius=_columns(inlet, [(node,) for node in nodes], nothing),
        holds=tuple(await _holds(asker, row)),
    )


class _Asker:
    """Asks for a range in parts."""

    def __init__(self, store: Store, times: Floats, step: float) -> None:
        self._store, self.times, self._step = store, times, step

    async def table(self, expression: str, labels: tuple[str, ...]) -> dict[tuple[str, ...], Floats]:
        """Columns by label values; of two series with the same ones the later word counts."""
        found: dict[tuple[str, ...], Floats] = {}
        async for series in self.parts(expression):
            key = tuple(series.labels.get(label, "") for label in labels)
            column = found.setdefault(key, np.full(len(self.times), np.nan))
            column[self.steps(series)] = series.values
        return found

    async def parts(self, expression: str) -> AsyncIterator[Series]:
        """All series of all parts of the range."""
        size = max(int(CHUNK_SECONDS / self._step), 1)
        for first in range(0, len(self.times), size):
            part = self.times[first : first + size]
            answer = await self._store.query_range(expression, float(part[0]), float(part[-1]), self._step)
            for series in answer.series:
                yield series

    def steps(self, series: Series) -> Ints:
        """The steps at which a series has points."""
        found = np.rint((np.asarray(series.times) - self.times[0]) / self._step).astype(np.int64)
        within: Ints = np.clip(found, 0, len(self.times) - 1)
        return within


def _columns(table: Mapping[tuple[str, ...], Floats], keys: Sequence[tuple[str, ...]], nothing: Floats) -> Floats:
    return np.stack([table.get(key, nothing) for key in keys], axis=1)


async def _caps(store: Store, keys: Iterable[tuple[str, ...]], until: float, days: float) -> tuple[DeviceCaps, ...]:
    """The GPUs' bounds and models as told last."""
    window = f"[{max(days, 1):g}d]"
    bounds: dict[tuple[str, str, str], float] = {}
    answer = await store.query(f"last_over_time(wattstat_gpu_power_limit_watts{window})", until)
    for series in answer.series:
        labels = series.labels
        bounds[labels.get("node", ""), labels.get("uuid", ""), labels.get("kind", "")] = float(series.values[-1])
    models: dict[tuple[str, str], str] = {}
    for series in (await store.query(f"last_over_time(wattstat_gpu_info{window})", until)).series:
        models[series.labels.get("node", ""), series.labels.get("uuid", "")] = series.labels.get("model", "")
    return tuple(
        DeviceCaps(
            device=Device(node, uuid),
            way=Way.NVML,
            limit_watts=bounds.get((node, uuid, "enforced")),
            min_watts=bounds.get((node, uuid, "min")),
            max_watts=bounds.get((node, uuid, "max")),
            default_watts=bounds.get((node, uuid, "default")),
            index=index,
            model=models.get((node, uuid), ""),
        )
        for node, index, uuid in keys
    )


async def _holds(asker: _Asker, row: Mapping[tuple[str, str], int]) -> list[Hold]:
    """Spans without a gap of each job's hold on each GPU."""
    found: list[Hold] = []
    async for series in asker.parts("wattstat_job_gpu_info"):
        labels = series.labels
        gpu = row.get((labels.get("node", ""), labels.get("uuid", "")))
        if gpu is None:
            continue
        job = JobFacts(
            scheduler=labels.get("scheduler", "slurm"),
            job_id=labels.get("job_id", ""),
            user=labels.get("user", ""),
            account=labels.get("account", ""),
            partition=labels.get("partition", ""),
        )
        steps = asker.steps(series)
        gaps = np.flatnonzero(np.diff(steps) > 1)
        firsts, lasts = np.concatenate([steps[:1], steps[gaps + 1]]), np.concatenate([steps[gaps], steps[-1:]])
        found += [Hold(job=job, gpu=gpu, first=int(a), end=int(b) + 1) for a, b in zip(firsts, lasts, strict=True)]
    return found
