"""Charts over time: lines, and strips of states."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from grafana_foundation_sdk.models import common, dashboard, statetimeline, timeseries

from grafana.source.kit import NO_LEGEND, NOT_READ, About, Query, field_of, panel, targets
from grafana.source.links import Link
from grafana.source.looks import AMBER, GREY, PLAIN, PLAIN_STEPS, Steps, Word

# What an eye can tell apart in a chart; a hall of a thousand servers answers in the same time.
_LINE_POINTS, _STATE_POINTS = 600, 300
_ALL_LINES = common.VizTooltipOptions(mode=common.TooltipDisplayMode.MULTI, sort=common.SortOrder.DESCENDING)


def lines(
    title: str,
    *queries: Query,
    about: About,
    unit: str,
    steps: Steps = PLAIN_STEPS,
    none: str = NOT_READ,
    decimals: int | None = None,
    least: float | None = None,
    most: float | None = None,
    stacked: bool = False,
    legend: Literal["list", "table", "none"] = "list",
    size: tuple[int, int] = (12, 8),
    links: Sequence[Link] = (),
    least_step: str | None = None,
) -> dashboard.Panel:
    """Lines over time; gaps stay gaps. Thresholds other than plain are drawn as dashed lines."""
    custom = common.GraphFieldConfig(
        draw_style=common.GraphDrawStyle.LINE,
        line_width=1,
        fill_opacity=40 if stacked else 0,
        show_points=common.VisibilityMode.NEVER,
        span_nulls=False,
        stacking=common.StackingConfig(mode=common.StackingMode.NORMAL if stacked else common.StackingMode.NONE, group="A"),
        thresholds_style=common.GraphThresholdsStyleConfig(
            mode=common.GraphThresholdsStyleMode.DASHED if len(steps) > 1 else common.GraphThresholdsStyleMode.OFF
        ),
    )
    field = field_of(
        unit=unit,
        steps=steps,
        words=(),
        none=none,
        decimals=decimals,
        links=links,
        custom=custom,
        least=least,
        most=most,
        colour=dashboard.FieldColorModeId.PALETTE_CLASSIC_BY_NAME,
    )
    asked = targets(queries, instant=False)
    limits = [_dashed(target.ref_id or "") for target, query in zip(asked, queries, strict=True) if query.limit]
    options = timeseries.Options(legend=_legend(legend), tooltip=_ALL_LINES)
    return panel(
        "timeseries",
        title,
        about,
        asked,
        size=size,
        options=options,
        field=field,
        overrides=limits,
        least_step=least_step,
        points=_LINE_POINTS,
    )


def _legend(kind: Literal["list", "table", "none"]) -> common.VizLegendOptions:
    if kind == "none":
        return NO_LEGEND
    table = kind == "table"
    return common.VizLegendOptions(
        display_mode=common.LegendDisplayMode.TABLE if table else common.LegendDisplayMode.LIST,
        placement=common.LegendPlacement.RIGHT if table else common.LegendPlacement.BOTTOM,
        show_legend=True,
        calcs=["lastNotNull", "max"] if table else [],
        sort_by="Last *" if table else None,
        sort_desc=True if table else None,
    )


def _dashed(ref: str) -> dashboard.DashboardFieldConfigSourceOverrides:
    """A limit: dashed, amber, neither filled nor stacked."""
    values = {
        "color": {"mode": "fixed", "fixedColor": AMBER},
        "custom.lineStyle": {"fill": "dash", "dash": [10, 6]},
        "custom.fillOpacity": 0,
        "custom.stacking": {"mode": "none", "group": "limits"},
    }
    return dashboard.DashboardFieldConfigSourceOverrides(
        matcher=dashboard.MatcherConfig(id_val="byFrameRefID", options=ref),
        properties=[dashboard.DynamicConfigValue(id_val=name, value=value) for name, value in values.items()],
    )


def states(
    title: str,
    *queries: Query,
    about: About,
    words: Sequence[Word],
    none: str = NOT_READ,
    size: tuple[int, int] = (12, 8),
    links: Sequence[Link] = (),
    least_step: str | None = None,
) -> dashboard.Panel:
    """A strip of states for each series: when something was how. A gap is a time without readings."""
    options = statetimeline.Options(
        show_value=common.VisibilityMode.AUTO, row_height=0.8, merge_values=True, legend=NO_LEGEND, tooltip=_ALL_LINES
    )
    # A strip in the colour of text would be black or white; what is normal is grey.
    drawn = [replace(word, colour=GREY) if word.colour == PLAIN else word for word in words]
    field = field_of(
        unit="none",
        steps=PLAIN_STEPS,
        words=drawn,
        none=none,
        decimals=None,
        links=links,
        custom=statetimeline.FieldConfig(line_width=0, fill_opacity=80),
    )
    return panel(
        "state-timeline",
        title,
        about,
        targets(queries, instant=False),
        size=size,
        options=options,
        field=field,
        least_step=least_step,
        points=_STATE_POINTS,
    )
