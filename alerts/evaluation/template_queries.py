"""The queries in templates: asked for all alerts of a rule at once.

Ten thousand alerts whose text names each device's own limit are ten thousand queries of one shape, `limit{node='n1'}`. Where
many ask for one metric it is fetched once, and each gets its part.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence

from alerts.evaluation.aside import aside
from alerts.evaluation.templates import Failed, Sample
from wattstat.store.protocol import Answer, QueryError, Store

_AT_ONCE = 4
"""How many queries are under way at a time, so that people's queries have a turn."""

_MANY = 20
"""From so many selectors of one metric on it is fetched whole."""

_VALUE = r"""(?:'[^'\\\n]*'|"[^"\\\n]*")"""
_SELECTOR = re.compile(rf"\s*(?P<name>[a-zA-Z_:][\w:]*)\s*\{{(?P<labels>(?:\s*\w+\s*=\s*{_VALUE}\s*,?)*)\s*\}}\s*", re.ASCII)
_MATCHER = re.compile(rf"(?P<label>\w+)\s*=\s*(?P<value>{_VALUE})", re.ASCII)

Labels = Mapping[str, str]
Pairs = tuple[tuple[str, str], ...]


class RuleFailed(Exception):
    """A rule's answer cannot be used; the message says why."""


def samples_of(answer: Answer) -> list[tuple[Labels, float]]:
    """A query's answer as a rule takes it: a vector, or a number as a vector of one. Raises `RuleFailed`."""
    if answer.kind not in {"vector", "scalar"}:
        raise RuleFailed("rule result is not a vector or scalar")
    return [(series.labels, float(series.values[0])) for series in answer.series]


async def answered(store: Store, queries: Sequence[str], at: float) -> dict[str, list[Sample] | Failed]:
    """The answer to each query."""
    by_metric: dict[str, dict[str, Pairs]] = {}
    for query in queries if len(queries) >= _MANY else ():
        plain = plain_selector(query)
        if plain is not None:
            by_metric.setdefault(plain[0], {})[query] = plain[1]
    together = {name: wanted for name, wanted in by_metric.items() if len(wanted) >= _MANY}
    alike = {query for wanted in together.values() for query in wanted}
    turns = asyncio.Semaphore(_AT_ONCE)
    alone = [query for query in queries if query not in alike]
    answers = await asyncio.gather(
        *(_one(store, query, at, turns) for query in alone),
        *(_shared(store, name, wanted, at, turns) for name, wanted in together.items()),
    )
    return {query: found for answer in answers for query, found in answer.items()}


def plain_selector(query: str) -> tuple[str, Pairs] | None:
    """The metric and the labels of `name{a='b'}`; None for what is anything else."""
    whole = _SELECTOR.fullmatch(query)
    if whole is None:
        return None
    pairs = [(found["label"], found["value"][1:-1]) for found in _MATCHER.finditer(whole["labels"])]
    if len({label for label, _ in pairs}) < len(pairs) or any(label == "__name__" for label, _ in pairs):
        return None
    return whole["name"], tuple(sorted(pairs))


async def _one(store: Store, query: str, at: float, turns: asyncio.Semaphore) -> dict[str, list[Sample] | Failed]:
    async with turns:
        try:
            found = samples_of(await store.query(query, at))
        except (QueryError, RuleFailed) as err:
            return {query: Failed(str(err))}
    return {query: [Sample(labels, value) for labels, value in found]}


async def _shared(
    store: Store, name: str, wanted: Mapping[str, Pairs], at: float, turns: asyncio.Semaphore
) -> dict[str, list[Sample] | Failed]:
    async with turns:
        try:
            found = samples_of(await store.query(name, at))
        except (QueryError, RuleFailed) as err:
            return dict.fromkeys(wanted, Failed(str(err)))
    return await aside(len(found) + len(wanted), _parted, found, wanted)


def _parted(found: Sequence[tuple[Labels, float]], wanted: Mapping[str, Pairs]) -> dict[str, list[Sample] | Failed]:
    """Each query's part: an index for each set of labels that is asked for."""
    names = {tuple(label for label, _ in pairs) for pairs in wanted.values()}
    parts: dict[Pairs, list[Sample]] = {}
    for labels, value in found:
        for each in names:
            key = tuple((label, labels.get(label, "")) for label in each)  # a label that is not there is empty
            parts.setdefault(key, []).append(Sample(labels, value))
    return {query: parts.get(pairs, []) for query, pairs in wanted.items()}
