"""Panels, as every dashboard of Wattstat has them: each says what it shows, from where, and what is normal.

Numbers, bars and tables ask for the present moment only: a value that is not read any more is not shown as if it were. Where
values come from is taken from the catalogue by the metrics of the queries, so that a name which does not exist is an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from string import ascii_uppercase

from grafana_foundation_sdk.models import bargauge, common, dashboard, prometheus, stat

from grafana.source.links import Link, field_links
from grafana.source.looks import PLAIN_STEPS, Steps, Word, mappings, thresholds
from wattstat.catalogue import ALL

DATASOURCE = common.DataSourceRef(type_val="prometheus", uid="${datasource}")
NOT_READ = "not read"
ALERTS_SOURCE = "the evaluation of the alert rules, by Wattstat or by Prometheus"
_METRIC = re.compile(r"\bwattstat_[a-z0-9_]+\b")

NO_LEGEND = common.VizLegendOptions(
    display_mode=common.LegendDisplayMode.HIDDEN, placement=common.LegendPlacement.BOTTOM, show_legend=False, calcs=[]
)
_NEWEST = common.ReduceDataOptions(values=False, calcs=["lastNotNull"])


@dataclass(frozen=True, slots=True)
class Query:
    """One expression. `legend` is the name of its series, with labels as `{{node}}`; a limit is drawn dashed, in amber."""

    expr: str
    legend: str = ""
    limit: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What a reader wants to know of a panel before believing it."""

    what: str
    normal: str

    def text(self, expressions: Iterable[str]) -> str:
        """The description, with the sources of the metrics in the expressions."""
        return f"{self.what}\n\n**From** {'; '.join(_sources(expressions))}.\n\n**Normal:** {self.normal}"


def metrics(expression: str) -> list[str]:
    """Names of our metrics in an expression, each once. Raises `KeyError` where the catalogue has none of that name."""
    names = dict.fromkeys(_METRIC.findall(expression))
    for name in names:
        if name not in ALL:
            raise KeyError(f"{name} is no metric of the catalogue; `wattstat metrics` lists them. It stands in: {expression}")
    return [*names]


def _sources(expressions: Iterable[str]) -> Iterator[str]:
    """Each metric with the source that the catalogue names; info metrics only join and are left out where there is another."""
    joined = " ".join(expressions)
    names = metrics(joined)
    measured = [name for name in names if not name.endswith("_info")]
    for name in measured or names:
        source = ALL[name].source.replace("*", "\\*")  # descriptions are Markdown
        yield f"`{name}` ({source})"
    if re.search(r"\bALERTS\b", joined):
        yield f"`ALERTS` ({ALERTS_SOURCE})"


def panel(
    kind: str,
    title: str,
    about: About,
    targets: Sequence[prometheus.Dataquery],
    *,
    size: tuple[int, int],
    options: object,
    field: dashboard.FieldConfig,
    overrides: Sequence[dashboard.DashboardFieldConfigSourceOverrides] = (),
    transformations: Sequence[dashboard.DataTransformerConfig] = (),
    least_step: str | None = None,
    points: int | None = None,
) -> dashboard.Panel:
    """A panel of any kind; `size` is its width (of 24) and height in Grafana's units."""
    width, height = size
    return dashboard.Panel(
        type_val=kind,
        title=title,
        description=about.text(target.expr for target in targets),
        targets=[*targets],
        datasource=DATASOURCE,
        grid_pos=dashboard.GridPos(w=width, h=height),
        interval=least_step,
        max_data_points=points,
        options=options,
        transformations=[*transformations] or None,
        field_config=dashboard.FieldConfigSource(defaults=field, overrides=[*overrides]),
    )


def targets(queries: Sequence[Query], *, instant: bool, table: bool = False) -> list[prometheus.Dataquery]:
    """The queries as Grafana has them, named A, B, C …"""
    return [
        prometheus.Dataquery(
            datasource=DATASOURCE,
            expr=query.expr,
            legend_format=query.legend or "__auto",
            instant=instant,
            range_val=not instant,
            format_val=prometheus.PromQueryFormat.TABLE if table else prometheus.PromQueryFormat.TIME_SERIES,
            editor_mode=prometheus.QueryEditorMode.CODE,
            ref_id=ref,
        )
        for ref, query in zip(ascii_uppercase, queries, strict=False)
    ]


def field_of(
    *,
    unit: str,
    steps: Steps,
    words: Sequence[Word],
    none: str,
    decimals: int | None,
    links: Sequence[Link],
    custom: object = None,
    least: float | None = None,
    most: float | None = None,
    colour: dashboard.FieldColorModeId = dashboard.FieldColorModeId.THRESHOLDS,
) -> dashboard.FieldConfig:
    """How the values of a panel are shown."""
    return dashboard.FieldConfig(
        unit=unit,
        decimals=decimals,
        min_val=least,
        max_val=most,
        no_value=none,
        thresholds=thresholds(steps),
        mappings=mappings(words),
        color=dashboard.FieldColor(mode=colour),
        links=field_links(links),
        custom=custom,
    )


def number(
    title: str,
    *queries: Query,
    about: About,
    unit: str,
    steps: Steps = PLAIN_STEPS,
    words: Sequence[Word] = (),
    none: str = NOT_READ,
    decimals: int | None = None,
    size: tuple[int, int] = (4, 4),
    links: Sequence[Link] = (),
) -> dashboard.Panel:
    """One big number, or a few with their names."""
    text = common.BigValueTextMode.VALUE_AND_NAME if queries[0].legend else common.BigValueTextMode.VALUE
    options = stat.Options(
        graph_mode=common.BigValueGraphMode.NONE,
        text_mode=text,
        reduce_options=_NEWEST,
        justify_mode=common.BigValueJustifyMode.AUTO,
    )
    field = field_of(unit=unit, steps=steps, words=words, none=none, decimals=decimals, links=links)
    return panel("stat", title, about, targets(queries, instant=True), size=size, options=options, field=field)


def bars(
    title: str,
    *queries: Query,
    about: About,
    unit: str,
    steps: Steps,
    none: str = NOT_READ,
    decimals: int | None = None,
    least: float | None = 0,
    most: float | None = None,
    size: tuple[int, int] = (8, 8),
    links: Sequence[Link] = (),
) -> dashboard.Panel:
    """A bar for each series, in the order of the answer: write `sort_desc(topk(10, …))`."""
    options = bargauge.Options(
        display_mode=common.BarGaugeDisplayMode.BASIC,
        orientation=common.VizOrientation.HORIZONTAL,
        reduce_options=_NEWEST,
        legend=NO_LEGEND,
        value_mode=common.BarGaugeValueMode.TEXT,
        name_placement=common.BarGaugeNamePlacement.LEFT,
        min_viz_height=16,
    )
    field = field_of(unit=unit, steps=steps, words=(), none=none, decimals=decimals, links=links, least=least, most=most)
    return panel("bargauge", title, about, targets(queries, instant=True), size=size, options=options, field=field)
