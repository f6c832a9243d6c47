"""Links: to other dashboards and to the pages of Wattstat, always with the same time range."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from grafana_foundation_sdk.models import dashboard

Uid = Literal[
    "wattstat-overview",
    "wattstat-racks",
    "wattstat-node",
    "wattstat-gpu",
    "wattstat-jobs",
    "wattstat-power",
    "wattstat-storage",
    "wattstat-fabric",
    "wattstat-alerts",
    "wattstat-self",
]
"""All dashboards, in the order in which one reads them."""
TIME = "from=${__from}&to=${__to}"
"""In data links: the time range of the dashboard, in milliseconds, as Grafana and Wattstat both read it."""
KEPT = "${__url_time_range}&var-datasource=${datasource}&var-wattstat_url=${wattstat_url}"


@dataclass(frozen=True, slots=True)
class Link:
    """A link of a value: its title and where it leads."""

    title: str
    url: str
    new_tab: bool = False


class _DataLink(dashboard.DashboardLink):
    """A link of a field has three members only."""

    def to_json(self) -> dict[str, object]:
        return {"title": self.title, "url": self.url or "", "targetBlank": self.target_blank}


def field_links(links: Sequence[Link]) -> list[dashboard.DashboardLink]:
    """As Grafana has them."""
    return [_DataLink(title=link.title, url=link.url, target_blank=link.new_tab) for link in links]


def label(name: str) -> str:
    """The value of a label of the series that was clicked, for the address of a link."""
    return f"${{__field.labels.{name}}}"


CELL = "${__value.text}"
"""The text of the cell that was clicked."""


def column(name: str) -> str:
    """Another column of the row that was clicked, by its heading."""
    return f'${{__data.fields["{name}"]}}'


def to_board(uid: Uid, title: str, **variables: str) -> Link:
    """To another dashboard, with values for its variables; one without a value keeps what is chosen here."""
    chosen = "".join(f"&var-{name}={value}" for name, value in variables.items())
    return Link(title, f"/d/{uid}?{KEPT}{chosen}")


def to_page(path: str, title: str, **parameters: str) -> Link:
    """To a page of Wattstat, such as `/node/…`."""
    more = "".join(f"&{name}={value}" for name, value in parameters.items())
    return Link(title, f"${{wattstat_url}}{path}?{TIME}{more}", new_tab=True)
