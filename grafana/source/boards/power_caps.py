"""Power and policies: the row of the caps."""

from grafana.source.board import Row
from grafana.source.charts import lines
from grafana.source.kit import About, Query, bars
from grafana.source.links import column, label, to_board, to_page
from grafana.source.looks import BLUE, MAGENTA, Word, above
from grafana.source.tables import Column, Key, rows

# A server's own cap has no GPU in its labels.
_OFF_TARGET = "abs(wattstat_cap_confirmed_watts - on (node, gpu) wattstat_cap_target_watts)"

CAPS = Row(
    title="Caps",
    panels=[
        lines(
            "Caps of GPUs, all together",
            Query('sum(wattstat_cap_target_watts{gpu!=""})', "wanted"),
            Query('sum(wattstat_cap_confirmed_watts{gpu!=""})', "read back"),
            Query('sum(wattstat_gpu_power_watts{window="1s",scope="gpu"})', "drawn"),
            about=About(
                what="Sum of the GPUs' caps as the controller wants them and as the devices say, and what GPUs draw.",
                normal="Wanted and read back lie on each other, but for seconds after a change; drawn lies below.",
            ),
            unit="watt",
            least=0,
            none="no caps",
            size=(8, 8),
        ),
        lines(
            "Caps by state",
            Query("sum by (state) (wattstat_cap_state)", "{{state}}"),
            about=About(
                what="Devices by the state of their cap: controlled, pending (written, not yet read back), uncontrolled, or "
                "foreign (somebody else's value).",
                normal="All controlled where the mode is enforce; pending for seconds.",
            ),
            unit="none",
            least=0,
            stacked=True,
            none="no caps",
            size=(8, 8),
        ),
        lines(
            "Caps written",
            Query("sum by (way, outcome) (increase(wattstat_cap_writes_total[$__rate_interval]))", "{{way}} {{outcome}}"),
            about=About(
                what="Caps that were written, by the way (nvml, attributes, hgx, standard) and what came of it.",
                normal="All confirmed. Refused ones have a reason in the audit trail.",
            ),
            unit="none",
            least=0,
            none="none written",
            size=(8, 8),
        ),
        bars(
            "Furthest from what is wanted",
            Query(f"sort_desc(topk(10, {_OFF_TARGET}))", "{{node}} {{gpu}}"),
            about=About(
                what="Difference between the cap that is wanted and the one that was read back; without a number it is the "
                "server's own cap.",
                normal="0 W, but for seconds after a change.",
            ),
            unit="watt",
            steps=above(5, plain=BLUE),
            none="no caps",
            links=[to_board("wattstat-node", "Node", node=label("node"))],
        ),
        bars(
            "Changed by others within a day",
            Query("sort_desc(topk(10, sum by (node) (increase(wattstat_cap_drift_total[1d]))))", "{{node}}"),
            about=About(
                what="How often caps of a server were found at another value than the one that was set.",
                normal="0. Somebody else sets limits, or a driver was loaded anew.",
            ),
            unit="none",
            decimals=0,
            steps=above(1, plain=BLUE),
            none="no caps",
            links=[to_board("wattstat-node", "Node", node=label("node"))],
        ),
        rows(
            "Caps that do not hold",
            [
                Key(label="node", name="Server", links=[to_page(f"/nodes/{column('Server')}", "Node page")]),
                Key(label="why", name="Why"),
            ],
            Column(name="State", expr="max by (node, why) (wattstat_cap_broken) == 1", words=(Word(1, "broken", MAGENTA),)),
            about=About(
                what="Servers that do not do as their cap says, with one word that docs/actuation.md explains.",
                normal="Empty.",
            ),
            none="all hold",
            sort="Server",
            ascending=True,
            size=(8, 8),
        ),
    ],
)
