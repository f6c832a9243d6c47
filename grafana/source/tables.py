"""Tables of the present moment: one row for each device, a column for each question."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from string import ascii_uppercase

from grafana_foundation_sdk.models import common, dashboard, table

from grafana.source.kit import NOT_READ, About, Query, field_of, panel, targets
from grafana.source.links import Link, field_links
from grafana.source.looks import PLAIN_STEPS, Steps, Word, mappings, thresholds


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column: an expression whose series bear the labels of the rows. `unit` as Grafana names it."""

    name: str
    expr: str
    unit: str = "none"
    steps: Steps = PLAIN_STEPS
    words: Sequence[Word] = ()
    decimals: int | None = None
    bar: tuple[float, float] | None = None
    """Draw the value as a bar between these two."""
    width: int | None = None
    hidden: bool = False
    """Only its labels are wanted: an info metric."""
    links: Sequence[Link] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A column that holds a label."""

    label: str
    name: str
    width: int | None = None
    links: Sequence[Link] = ()
    colours: Mapping[str, str] = field(default_factory=dict)
    """Of some of its values."""


def rows(
    title: str,
    keys: Sequence[Key],
    *columns: Column,
    about: About,
    none: str = NOT_READ,
    sort: str | None = None,
    ascending: bool = False,
    size: tuple[int, int] = (24, 8),
) -> dashboard.Panel:
    """A table, sorted by the column named `sort`. The expressions of all columns are joined by the labels that they share.

    Each expression must keep exactly the labels that are columns: write `sum by (node) (…)`, or `topk` of it.
    """
    asked = targets([Query(column.expr) for column in columns], instant=True, table=True)
    options = table.Options(
        cell_height=common.TableCellHeight.SM,
        sort_by=[common.TableSortByFieldState(display_name=sort, desc=not ascending)] if sort else None,
    )
    overrides = [*map(_of_key, keys), *(_of_column(column) for column in columns if not column.hidden)]
    return panel(
        "table",
        title,
        about,
        asked,
        size=size,
        options=options,
        field=field_of(
            unit="none",
            steps=PLAIN_STEPS,
            words=(),
            none=none,
            decimals=None,
            links=(),
            custom={"align": "auto", "filterable": False},
        ),
        overrides=overrides,
        transformations=_joined(keys, columns),
    )


def _joined(keys: Sequence[Key], columns: Sequence[Column]) -> list[dashboard.DataTransformerConfig]:
    """Join by what the answers have in common, then name and order the columns; Grafana calls the answers Value #A, #B, …"""
    # The answer to a single question is called Value.
    fields = [f"Value #{ref}" for ref in ascii_uppercase[: len(columns)]] if len(columns) > 1 else ["Value"]
    shown = [(name, column.name) for name, column in zip(fields, columns, strict=True) if not column.hidden]
    names = [(key.label, key.name) for key in keys] + shown
    return [
        dashboard.DataTransformerConfig(id_val="merge", options={}),
        dashboard.DataTransformerConfig(id_val="filterFieldsByName", options={"include": {"names": [*dict(names)]}}),
        dashboard.DataTransformerConfig(
            id_val="organize",
            options={
                "excludeByName": {},
                "indexByName": {each: index for index, (each, _) in enumerate(names)},
                "renameByName": dict(names),
            },
        ),
    ]


def _of_key(key: Key) -> dashboard.DashboardFieldConfigSourceOverrides:
    found = dict(_properties(key.width, key.links))
    if key.colours:
        options = {text: dashboard.ValueMappingResult(text=text, color=colour) for text, colour in key.colours.items()}
        found |= {"mappings": [dashboard.ValueMap(options=options)], "custom.cellOptions": {"type": "color-text"}}
    return _override(key.name, found)


def _of_column(column: Column) -> dashboard.DashboardFieldConfigSourceOverrides:
    found = dict(_properties(column.width, column.links))
    found["unit"] = column.unit
    if column.decimals is not None:
        found["decimals"] = column.decimals
    if column.words:
        found["mappings"] = mappings(column.words)
    if len(column.steps) > 1:
        found["thresholds"] = thresholds(column.steps)
    if column.bar:
        least, most = column.bar
        found |= {"min": least, "max": most}
        found["custom.cellOptions"] = {"type": "gauge", "mode": "basic", "valueDisplayMode": "text"}
    elif column.words or len(column.steps) > 1:
        found["custom.cellOptions"] = {"type": "color-text"}
    return _override(column.name, found)


def _properties(width: int | None, links: Sequence[Link]) -> Iterator[tuple[str, object]]:
    if width:
        yield "custom.width", width
    if links:
        yield "links", field_links(links)


def _override(name: str, properties: dict[str, object]) -> dashboard.DashboardFieldConfigSourceOverrides:
    return dashboard.DashboardFieldConfigSourceOverrides(
        matcher=dashboard.MatcherConfig(id_val="byName", options=name),
        properties=[dashboard.DynamicConfigValue(id_val=each, value=value) for each, value in properties.items()],
    )
