"""What inference services did for their joules: counters from the history, joules from the books, by model.

The process that serves is part of the job, so what its counters show at the end of a run they have counted within it, however
late the first look at them came. Models of one run share its joules by their tokens: nobody else tells whose work the GPU did.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine, Hashable, Mapping
from dataclasses import dataclass, field, replace
from math import ceil
from typing import Any, Literal, TypeVar

import structlog

from wattstat.api.energy import (
    Balance,
    By,
    EnergyReports,
    Inference,
    JobDetail,
    JobPage,
    JobQuery,
    JobRow,
    Report,
)
from wattstat.catalogue.inference import INFERENCE_REQUESTS_TOTAL, INFERENCE_TOKENS_TOTAL
from wattstat.catalogue.job import JOB_ENERGY_JOULES_TOTAL
from wattstat.catalogue.metric import Metric
from wattstat.store.protocol import QueryError, Store

LIVE_SECONDS = 900.0
# A question to the history holds up a person's page; the answer is one table on it.
PATIENCE_SECONDS = 5.0

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Requests and tokens by model."""

    requests: Mapping[str, float]
    tokens: Mapping[str, float]

    @property
    def models(self) -> tuple[str, ...]:
        """All models that were served."""
        return tuple(sorted({*self.requests, *self.tokens}))


def rows(work: Work, joules: float) -> tuple[Inference, ...]:
    """One line for each model."""
    shares = shared(work.requests, work.tokens, joules)
    return tuple(
        Inference(
            model=model,
            requests=work.requests.get(model),
            tokens=work.tokens.get(model),
            energy_joules=shares[model],
            joules_per_request=per(shares[model], work.requests.get(model)),
            joules_per_1000_tokens=per(shares[model], work.tokens.get(model), 1000),
        )
        for model in work.models
    )


def shared(requests: Mapping[K, float], tokens: Mapping[K, float], joules: float) -> dict[K, float]:
    """Joules by model: by tokens where every model that was asked counts them, else by requests, else equally."""
    models = {**requests, **tokens}
    asked = [model for model in models if requests.get(model, 1)]
    by_tokens = bool(tokens) and all(model in tokens for model in asked)
    weights = tokens if by_tokens else requests
    total = sum(weights.values())
    if total <= 0:
        return {model: joules / len(models) for model in models}
    return {model: joules * weights.get(model, 0.0) / total for model in models}


async def inference(store: Store, run: JobRow) -> tuple[Inference, ...]:
    """What a run served since its start, as far as its energy is settled; nothing for a run that serves nothing.

    Raises `QueryError`.
    """
    end = run.settled_until if run.end is None else min(run.end, run.settled_until or run.end)
    if end is None or end <= run.start:
        return ()
    work = await _counted(store, run, end, end - run.start, since_start=True)
    found = rows(work, run.energy_joules)
    if run.end is not None or not found:
        return found
    span = min(LIVE_SECONDS, end - run.start)
    late, joules = await asyncio.gather(_counted(store, run, end, span, since_start=False), _joules(store, run, end, span))
    live = {each.model: each for each in rows(late, joules)} if joules is not None else {}
    return tuple(_with_live(each, live.get(each.model)) for each in found)


@dataclass(kw_only=True)
class InferenceReports:
    """The ledger's reports, with what jobs served on each job's own page.

    `loop` is the event loop of the store; `job` is called in other threads, as all reports are.
    """

    reports: EnergyReports
    store: Store
    loop: asyncio.AbstractEventLoop
    _silent: bool = field(default=False, init=False)

    def jobs(self, query: JobQuery) -> JobPage:
        return self.reports.jobs(query)

    def job(self, job_id: str, instance: str | None = None, scheduler: str = "") -> JobDetail | None:
        """A history that does not answer costs only the table of what was served."""
        found = self.reports.job(job_id, instance, scheduler)
        if found is None:
            return None
        try:
            served = self._ask(inference(self.store, found.job))
        except (QueryError, TimeoutError) as error:
            if not self._silent:
                log.warning("the history does not say what jobs served", why=str(error) or "no answer in time")
            self._silent = True
            return found
        self._silent = False
        return replace(found, inference=served)

    def report(self, by: By, start: float, end: float, *, limit: int | None = None, cursor: str = "") -> Report:
        return self.reports.report(by, start, end, limit=limit, cursor=cursor)

    def balance(self, start: float, end: float, *, node: str = "", by: Literal["node", "day"] = "node") -> Balance:
        return self.reports.balance(start, end, node=node, by=by)

    def _ask(self, question: Coroutine[Any, Any, T]) -> T:
        asked = asyncio.run_coroutine_threadsafe(question, self.loop)
        try:
            return asked.result(PATIENCE_SECONDS)
        finally:
            asked.cancel()


async def _counted(store: Store, run: JobRow, end: float, seconds: float, *, since_start: bool) -> Work:
    requests, tokens = await asyncio.gather(
        *(
            _by_model(store, counted(_of(metric, run), seconds) if since_start else grown(_of(metric, run), seconds), end)
            for metric in (INFERENCE_REQUESTS_TOTAL, INFERENCE_TOKENS_TOTAL)
        )
    )
    return Work(requests=requests, tokens=tokens)


async def _joules(store: Store, run: JobRow, end: float, seconds: float) -> float | None:
    """The run's energy in its last `seconds`; None where the history has none."""
    answer = await store.query(f"sum({grown(_of(JOB_ENERGY_JOULES_TOTAL, run), seconds)})", end)
    return next((float(series.values[0]) for series in answer.series), None)


async def _by_model(store: Store, expression: str, end: float) -> dict[str, float]:
    answer = await store.query(f"sum by (model) ({expression})", end)
    return {series.labels.get("model", ""): float(series.values[0]) for series in answer.series}


def counted(selector: str, seconds: float) -> str:
    """What counters that began within the span have counted in it: their last value, unless they fell back.

    Then it is their growth, and what they showed first; of that no more is known than the least that they ever showed.
    """
    window = f"{selector}[{ceil(seconds)}s]"
    return f"(max_over_time({window}) and resets({window}) == 0) or (increase({window}) + min_over_time({window}))"


def grown(selector: str, seconds: float) -> str:
    """By how much counters grew in the span."""
    return f"increase({selector}[{ceil(seconds)}s])"


def _of(metric: Metric, run: JobRow) -> str:
    # JSON's strings are PromQL's: the same escapes.
    return f"{metric.name}{{scheduler={json.dumps(run.scheduler)},job_id={json.dumps(run.job_id)}}}"


def _with_live(each: Inference, live: Inference | None) -> Inference:
    if live is None:
        return each
    return replace(
        each,
        live_joules_per_request=live.joules_per_request,
        live_joules_per_1000_tokens=live.joules_per_1000_tokens,
    )


def per(joules: float | None, count: float | None, unit: float = 1) -> float | None:
    """Joules for each (or for every `unit`) of what was counted; None where either is not known or nothing was counted."""
    return joules / count * unit if joules is not None and count else None
