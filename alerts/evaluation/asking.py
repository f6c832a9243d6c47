"""From a rule to what it raises: its query, and its templates with the queries in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from alerts.evaluation.aside import aside
from alerts.evaluation.rules import AlertRule, RecordingRule
from alerts.evaluation.template_queries import RuleFailed, answered, samples_of
from alerts.evaluation.templates import Answers, Asks, Data, Failed, Sample, Template
from alerts.model import Raised, fingerprint
from wattstat.store.protocol import Store

_ROUNDS = 8
"""How deep queries of a template may depend on the answers to others."""

Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What templates know beside the series."""

    external_labels: Mapping[str, str] = field(default_factory=dict)
    external_url: str = ""


async def raised(rule: AlertRule, store: Store, at: float, around: Surroundings) -> dict[str, Raised]:
    """What a rule raises at a moment, by fingerprint. Raises `QueryError`, `RuleFailed`."""
    found = samples_of(await store.query(rule.expression, at))
    if not found:
        return {}
    answers: dict[str, list[Sample] | Failed] = {}
    for _ in range(_ROUNDS):
        result, wanted = await aside(len(found), _rendered, rule, found, around, answers)
        if not wanted:
            return result
        answers.update(await answered(store, sorted(wanted), at))
    raise RuleFailed("the queries in its templates depend on each other without end")


def _rendered(
    rule: AlertRule, found: Sequence[tuple[Labels, float]], around: Surroundings, answers: Answers
) -> tuple[dict[str, Raised], set[str]]:
    """What is raised, and which queries need an answer first. Raises `RuleFailed`."""
    result: dict[str, Raised] = {}
    wanted: set[str] = set()
    for series, value in found:
        data = Data(labels=series, value=value, external_labels=around.external_labels, external_url=around.external_url)
        given = {**series, **_texts(rule.labels, data, answers, wanted), "__name__": "", "alertname": rule.name}
        labels = {name: text for name, text in given.items() if text}  # an empty label is no label
        annotations = _texts(rule.annotations, data, answers, wanted)
        key = fingerprint(labels)
        if key in result and not wanted:
            raise RuleFailed("vector contains metrics with the same labelset after applying alert labels")
        result[key] = Raised(labels=labels, annotations=annotations, value=value)
    return result, wanted


def _texts(templates: Mapping[str, Template], data: Data, answers: Answers, wanted: set[str]) -> dict[str, str]:
    texts: dict[str, str] = {}
    for name, template in templates.items():
        try:
            texts[name] = template.render(data, answers)
        except Asks as asks:
            wanted.add(asks.text)
            texts[name] = ""
    return texts


async def recorded(rule: RecordingRule, store: Store, at: float) -> list[tuple[Labels, float]]:
    """The series that a recording rule writes. Raises `QueryError`, `RuleFailed`."""
    found = samples_of(await store.query(rule.expression, at))
    named = [_named(labels, rule) for labels, _ in found]
    if len({tuple(sorted(labels.items())) for labels in named}) < len(named):
        raise RuleFailed("vector contains metrics with the same labelset after applying rule labels")
    return [(labels, value) for labels, (_, value) in zip(named, found, strict=True)]


def _named(labels: Labels, rule: RecordingRule) -> dict[str, str]:
    return {name: text for name, text in {**labels, **rule.labels, "__name__": rule.name}.items() if text}
