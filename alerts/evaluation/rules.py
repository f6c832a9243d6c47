"""Rules as they are evaluated, in groups."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from alerts.evaluation.templates import Template
from alerts.model import Conditions, Finder


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRule:
    """What raises an alert for each series of its answer."""

    name: str
    expression: str
    conditions: Conditions
    labels: Mapping[str, Template] = field(default_factory=dict)
    annotations: Mapping[str, Template] = field(default_factory=dict)
    key: str
    """Tells it from all others, also after a restart with changed files: file, group, name."""
    reads: frozenset[str] | None = frozenset()
    """Names of the metrics that it asks for; None where it may be any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingRule:
    """What writes its answer into the history under a name of its own."""

    name: str
    expression: str
    labels: Mapping[str, str] = field(default_factory=dict)
    key: str
    reads: frozenset[str] | None = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingRule:
    """A finding: asked instead of evaluated, and from there on like a rule that raises alerts."""

    finder: Finder

    @property
    def name(self) -> str:
        """Its `alertname`."""
        return self.finder.name

    @property
    def key(self) -> str:
        """As a rule's."""
        return f"findings/{self.finder.name}"

    @property
    def conditions(self) -> Conditions:
        """The finder's own."""
        return self.finder.conditions


Rule = AlertRule | RecordingRule | FindingRule


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Rules that are evaluated at the same moments, one behind the other."""

    name: str
    file: str = ""
    interval_seconds: float
    rules: tuple[Rule, ...]
    limit: int = 0
    """How many alerts or series one of its rules may give at most; 0 is any number."""

    @property
    def key(self) -> str:
        """As Prometheus names it: the file and the group."""
        return f"{self.file};{self.name}"


def group_of(finder: Finder) -> Group:
    """A finding alone: one that takes long delays no other."""
    return Group(
        name=f"findings/{finder.name}",
        file=finder.name,
        interval_seconds=finder.every_seconds,
        rules=(FindingRule(finder=finder),),
    )
