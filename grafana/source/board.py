"""A dashboard: its question, variables, annotations and links, and panels laid out in rows from left to right."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.models import dashboard

from grafana.source.kit import DATASOURCE
from grafana.source.links import Uid
from grafana.source.looks import AMBER, BLUE, MAGENTA

WATTSTAT_URL = "http://localhost:8050"
"""Where the pages of Wattstat are; a site replaces it by its own address, as in the rule files."""
TAGS = ["wattstat", "generated"]
_COLUMNS = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """A choice of values of a label, by a metric that has it. With `several`, all of them unless somebody chooses."""

    name: str
    title: str
    metric: str
    """Selector: `wattstat_node_info{rack=~"$rack"}`."""
    label: str = ""
    """The label; as the variable unless given."""
    several: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Panels under a heading. The first row of a dashboard has none: it is the first screen."""

    title: str = ""
    panels: Sequence[dashboard.Panel]
    collapsed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page of Wattstat that a dashboard leads to; the path may hold variables."""

    title: str
    path: str
    query: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """A dashboard. `uid` is its name for ever: links of other people lead to it."""

    uid: Uid
    title: str
    question: str
    """What its reader wants to know, and who that is."""
    rows: Sequence[Row]
    page: Page
    variables: Sequence[Variable] = ()
    annotations: Sequence[dashboard.AnnotationQuery] = ()
    since: str = "now-6h"

    def model(self) -> dashboard.Dashboard:
        """As Grafana has it."""
        return dashboard.Dashboard(
            uid=self.uid,
            title=f"Wattstat / {self.title}",
            description=self.question,
            tags=TAGS,
            editable=False,
            graph_tooltip=dashboard.DashboardCursorSync.CROSSHAIR,
            time=dashboard.DashboardDashboardTime(from_val=self.since, to="now"),
            timepicker=dashboard.TimePickerConfig(refresh_intervals=["10s", "30s", "1m", "5m", "15m"]),
            refresh="30s",
            version=1,
            panels=[*_placed(self.rows)],
            templating=dashboard.DashboardDashboardTemplating(list_val=[*self._variables()]),
            annotations=dashboard.AnnotationContainer(list_val=[*self.annotations]),
            links=[*self._links()],
        )

    def _variables(self) -> Iterator[dashboard.VariableModel]:
        yield dashboard.VariableModel(
            type_val=dashboard.VariableType.DATASOURCE,
            name="datasource",
            label="Data source",
            query="prometheus",
            refresh=dashboard.VariableRefresh.ON_DASHBOARD_LOAD,
        )
        yield from map(_variable, self.variables)
        yield dashboard.VariableModel(
            type_val=dashboard.VariableType.TEXTBOX,
            name="wattstat_url",
            label="Wattstat",
            description="Address of Wattstat's own pages, for links.",
            query=WATTSTAT_URL,
            current=dashboard.VariableOption(text=WATTSTAT_URL, value=WATTSTAT_URL, selected=True),
            hide=dashboard.VariableHide.HIDE_VARIABLE,
        )

    def _links(self) -> Iterator[dashboard.DashboardLink]:
        yield _Link(
            title="Wattstat dashboards",
            type_val=dashboard.DashboardLinkType.DASHBOARDS,
            icon="external link",
            tags=["wattstat"],
            as_dropdown=True,
            include_vars=True,
            keep_time=True,
        )
        yield _Link(
            title=self.page.title,
            type_val=dashboard.DashboardLinkType.LINK,
            icon="external link",
            tooltip="The page of Wattstat, at the same time range",
            url=f"${{wattstat_url}}{self.page.path}" + (f"?{self.page.query}" if self.page.query else ""),
            target_blank=True,
            keep_time=True,
        )


class _Link(dashboard.DashboardLink):
    """A link above the panels: the SDK would put every link into a menu."""

    def to_json(self) -> dict[str, object]:
        payload = super().to_json()
        del payload["placement"]
        return payload


class _Annotation(dashboard.AnnotationQuery):
    """An annotation whose switch stands above the panels, not in a menu."""

    def to_json(self) -> dict[str, object]:
        payload = super().to_json()
        del payload["placement"]
        return payload


def _variable(variable: Variable) -> dashboard.VariableModel:
    query = f"label_values({variable.metric}, {variable.label or variable.name})"
    return dashboard.VariableModel(
        type_val=dashboard.VariableType.QUERY,
        name=variable.name,
        label=variable.title,
        datasource=DATASOURCE,
        definition=query,
        query={"query": query, "qryType": 1, "refId": "PrometheusVariableQueryEditor-VariableQuery"},
        refresh=dashboard.VariableRefresh.ON_TIME_RANGE_CHANGED,
        sort=dashboard.VariableSort.NATURAL_ASC,
        multi=variable.several,
        include_all=variable.several,
        all_value=".*" if variable.several else None,
        current=dashboard.VariableOption(text="All", value="$__all", selected=True) if variable.several else None,
    )


def _placed(rows: Sequence[Row]) -> Iterator[dashboard.Panel | dashboard.RowPanel]:
    """Panels with ids and places: from left to right, a new line where one does not fit; a row's heading is one unit high."""
    y, number = 0, 1
    for row in rows:
        heading = None
        if row.title:
            heading = dashboard.RowPanel(
                title=row.title,
                collapsed=row.collapsed,
                id_val=number,
                panels=[],
                grid_pos=dashboard.GridPos(x=0, y=y, w=_COLUMNS, h=1),
            )
            yield heading
            y, number = y + 1, number + 1
        x = line = 0
        inside = []
        for panel in row.panels:
            place = panel.grid_pos or dashboard.GridPos()
            if x + place.w > _COLUMNS:
                x, y, line = 0, y + line, 0
            panel.grid_pos = dashboard.GridPos(x=x, y=y, w=place.w, h=place.h)
            panel.id_val = number
            x, line, number = x + place.w, max(line, place.h), number + 1
            inside.append(panel)
        if heading and row.collapsed:
            heading.panels = inside
        else:
            yield from inside
            y += line


def alerts(matchers: str = "") -> dashboard.AnnotationQuery:
    """Where alerts fired that wake somebody; with matchers those of a device: `node=~"$node"`."""
    more = f",{matchers}" if matchers else ""
    expr = f'group by (alertname, severity, node) (ALERTS{{alertstate="firing",severity="critical"{more}}})'
    return _annotation("Critical alerts", expr, MAGENTA, title="{{alertname}}", text="{{node}}", tags="severity")


def caps(matchers: str = "") -> dashboard.AnnotationQuery:
    """When the controller moved caps of a server: `node="$node"`. Of a hall there are too many to show unasked."""
    changed = f"changes(wattstat_cap_target_watts{{{matchers}}}[2m])"
    expr = f"count by (node) ({changed} > 0)"
    return _annotation("Caps moved", expr, AMBER, title="Caps of {{node}} moved", text="{{node}}", shown=bool(matchers))


def emergencies() -> dashboard.AnnotationQuery:
    """While an emergency holds power down."""
    expr = "wattstat_controller_emergency == 1"
    return _annotation("Emergencies", expr, MAGENTA, title="Emergency", text="{{scope}}")


def job_starts(matchers: str, *, shown: bool = True) -> dashboard.AnnotationQuery:
    """When jobs began that hold GPUs with these labels: `node=~"$node"`. Where they may be many they wait to be switched on."""
    held = f"group by (scheduler, job_id, user) (wattstat_job_gpu_info{{{matchers}}})"
    expr = f"wattstat_job_start_timestamp_seconds * 1000 * on (scheduler, job_id) group_left (user) {held}"
    return _annotation(
        "Job starts", expr, BLUE, title="Job {{job_id}} starts", text="{{user}}", value_is_time=True, shown=shown
    )


def _annotation(
    name: str, expr: str, colour: str, *, title: str, text: str, tags: str = "", value_is_time: bool = False, shown: bool = True
) -> dashboard.AnnotationQuery:
    return _Annotation(
        name=name,
        datasource=DATASOURCE,
        enable=shown,
        icon_color=colour,
        expr=expr,
        title_format=title,
        text_format=text,
        tag_keys=tags,
        step="1m",
        use_value_for_time=value_is_time,
    )
