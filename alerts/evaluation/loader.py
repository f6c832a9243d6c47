"""Rule files in Prometheus' format, read with every mistake told: file, line, what was expected."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from glob import glob
from pathlib import Path
from typing import Annotated, Any

import promql_parser
from pydantic import BeforeValidator, Field

from alerts.evaluation.durations import parse_duration
from alerts.evaluation.rules import AlertRule, Group, RecordingRule, Rule
from alerts.evaluation.templates import Template, TemplateError, parse
from alerts.model import Conditions
from wattstat import document
from wattstat.document import Document, InvalidDocument, Loc, Problem, Strict, dotted
from wattstat.explain import collect, model_of

WRITTEN_URL = "http://localhost:8050"
"""What stands in rule files for the address of this dashboard."""

INTERVAL_SECONDS = 60.0
"""How often a group is evaluated that does not say so: Prometheus' default."""

_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_METRIC = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")


def shipped_rules() -> tuple[Path, ...]:
    """The rule files that come with Wattstat."""
    return tuple(sorted((Path(__file__).parents[1] / "rules").glob("*.yml")))


def rule_files(patterns: Iterable[str], base: Path = Path()) -> tuple[Path, ...]:
    """The files that patterns name, seen from `base`. Raises `InvalidDocument` where one names none."""
    found: list[Path] = []
    for pattern in patterns:
        whole = str(base / Path(pattern).expanduser())
        files = sorted(Path(name) for name in glob(whole, recursive=True))  # noqa: PTH207 - an absolute pattern
        if not files:
            what = f"no file fits {pattern!r}"
            raise InvalidDocument(
                [Problem(place=document.Place(whole), setting="alerts.rules", what=what, advice="check the path")]
            )
        found.extend(file for file in files if file not in found)
    return tuple(found)


def _text(value: Any) -> Any:
    """YAML reads `1` and `true` as other than text; in Prometheus they are text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else value


def _duration(value: Any) -> float:
    return parse_duration(str(_text(value)))


_Text = Annotated[str, BeforeValidator(_text)]
_Duration = Annotated[float, BeforeValidator(_duration)]


class _Rule(Strict):
    record: str | None = None
    alert: str | None = None
    expr: _Text
    for_: _Duration = Field(default=0.0, alias="for")
    keep_firing_for: _Duration = 0.0
    labels: dict[str, _Text] = Field(default_factory=dict)
    annotations: dict[str, _Text] = Field(default_factory=dict)


class _Group(Strict):
    name: str
    interval: _Duration = INTERVAL_SECONDS
    limit: int = 0
    rules: tuple[_Rule, ...] = ()


class _File(Strict):
    groups: tuple[_Group, ...] = ()


def load_rules(paths: Iterable[Path], public_url: str = WRITTEN_URL) -> tuple[Group, ...]:
    """The groups of rule files; links to the dashboard begin with `public_url`. Raises `InvalidDocument` with all problems."""
    groups: list[Group] = []
    problems: list[Problem] = []
    for path in paths:
        found, wrong = _read(document.read(path), public_url)
        groups += found
        problems += wrong
    if problems:
        raise InvalidDocument(collect(problems))
    return tuple(groups)


def _read(file: Document, public_url: str) -> tuple[list[Group], list[Problem]]:
    model, problems = model_of(_File, file)
    if model is None:
        return [], [_spelled(problem) for problem in problems]
    reader = _Reader(file, public_url)
    names = Counter(group.name for group in model.groups)
    for place, group in enumerate(model.groups):
        if not group.name:
            reader.problem(("groups", place, "name"), "is empty", "a name")
        elif names[group.name] > 1:
            reader.problem(("groups", place, "name"), f"the group {group.name!r} stands twice", "one group a name")
    found = [reader.group(("groups", place), group) for place, group in enumerate(model.groups)]
    return found, [*problems, *reader.problems]


def _spelled(problem: Problem) -> Problem:
    """Pydantic knows the field `for` under a name that Python allows."""
    return replace(problem, expected=problem.expected.replace("for_", "for"), advice=problem.advice.replace("for_", "for"))


class _Reader:
    """Makes the groups of one file, and collects what is wrong."""

    def __init__(self, file: Document, public_url: str) -> None:
        self._file = file
        self._public_url = public_url.rstrip("/")
        self.problems: list[Problem] = []

    def problem(self, loc: Loc, what: str, expected: str = "", advice: str = "") -> None:
        """Note what is wrong at a place."""
        place, setting = self._file.place(loc), dotted(loc, self._file.data)
        self.problems.append(Problem(place=place, setting=setting, what=what, expected=expected, advice=advice))

    def group(self, loc: Loc, given: _Group) -> Group:
        """One group; where a rule is wrong, without it."""
        if given.interval <= 0:
            self.problem((*loc, "interval"), "is 0", "a duration such as 30s")
        names: Counter[str] = Counter()
        rules: list[Rule] = []
        for place, each in enumerate(given.rules):
            name = each.alert or each.record or ""
            names[name] += 1
            key = f"{Path(self._file.source).name}/{given.name}/{name}" + (f"#{names[name]}" if names[name] > 1 else "")
            rule = self._rule((*loc, "rules", place), each, key)
            if rule is not None:
                rules.append(rule)
        return Group(
            name=given.name, file=self._file.source, interval_seconds=given.interval, rules=tuple(rules), limit=given.limit
        )

    def _rule(self, loc: Loc, given: _Rule, key: str) -> Rule | None:
        if (given.alert is None) == (given.record is None):
            self.problem(loc, "is neither an alert nor a recording rule" if given.alert is None else "is both", "`alert: NAME`")
            return None
        reads = self._reads((*loc, "expr"), given.expr)
        for name in given.labels:
            if not _LABEL.fullmatch(name) or name == "__name__" or (name == "alertname" and given.alert is not None):
                self.problem((*loc, "labels", name), f"a label cannot be called {name!r}", "letters, digits and _")
        if given.record is not None:
            return self._recording(loc, given, key, reads)
        for name in given.annotations:
            if not _LABEL.fullmatch(name):
                self.problem((*loc, "annotations", name), f"an annotation cannot be called {name!r}", "letters, digits and _")
        return AlertRule(
            name=given.alert or "",
            expression=given.expr.strip(),
            conditions=Conditions(for_seconds=given.for_, keep_firing_seconds=given.keep_firing_for),
            labels=self._templates((*loc, "labels"), given.labels),
            annotations=self._templates((*loc, "annotations"), given.annotations),
            key=key,
            reads=reads,
        )

    def _recording(self, loc: Loc, given: _Rule, key: str, reads: frozenset[str] | None) -> RecordingRule:
        name = given.record or ""
        if not _METRIC.fullmatch(name):
            self.problem((*loc, "record"), f"{name!r} is no name of a metric", "letters, digits, _ and :")
        for field in ("annotations", "for_", "keep_firing_for"):
            if getattr(given, field):
                self.problem((*loc, field.rstrip("_")), "a recording rule has no such thing", advice="remove the line")
        return RecordingRule(name=name, expression=given.expr.strip(), labels=dict(given.labels), key=key, reads=reads)

    def _reads(self, loc: Loc, expression: str) -> frozenset[str] | None:
        """The metrics that an expression asks for; None where it may be any."""
        try:
            tree = promql_parser.parse(expression)
        except ValueError as err:
            self.problem(loc, f"is no PromQL: {err}", advice="`promtool check rules` says the same of it")
            return None
        return metrics_of(tree)

    def _templates(self, loc: Loc, texts: Mapping[str, str]) -> dict[str, Template]:
        found: dict[str, Template] = {}
        for name, text in texts.items():
            try:
                found[name] = parse(text.replace(WRITTEN_URL, self._public_url))
            except TemplateError as err:
                self.problem((*loc, name), f"is no template: {err}", advice="docs/alerting.md lists what templates may use")
        return found


def metrics_of(tree: promql_parser.Expr) -> frozenset[str] | None:
    """The metrics that an expression asks for; None where it may be any."""
    selectors: list[promql_parser.VectorSelector] = []

    def note(expr: promql_parser.Expr) -> None:
        if isinstance(expr, promql_parser.MatrixSelector):
            selectors.append(expr.vector_selector)
        elif isinstance(expr, promql_parser.VectorSelector):
            selectors.append(expr)

    promql_parser.walk(tree, note)
    names = [_name(selector) for selector in selectors]
    return None if None in names else frozenset(name for name in names if name is not None)


def _name(selector: promql_parser.VectorSelector) -> str | None:
    if selector.name is not None:
        return str(selector.name)
    exact = [m.value for m in selector.matchers.matchers if m.name == "__name__" and str(m.op) == "MatchOp.Equal"]
    return exact[0] if exact else None
