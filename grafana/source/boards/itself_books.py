"""Wattstat itself: the rows of the ledger, of evaluation, and of what runs."""

from grafana.source.board import Row
from grafana.source.charts import lines
from grafana.source.expressions import kept
from grafana.source.kit import About, Query, bars
from grafana.source.looks import BLUE, above
from grafana.source.tables import Column, Key, rows

_RESIDUAL = "abs(wattstat_ledger_residual_ratio)"

BOOKS = Row(
    title="Books, rules and versions",
    panels=[
        lines(
            "Behind with posting",
            Query(
                kept(
                    12,
                    "node",
                    "time() - wattstat_ledger_settled_timestamp_seconds",
                    "-1 * wattstat_ledger_settled_timestamp_seconds @ end()",
                ),
                "{{node}}",
            ),
            about=About(
                what="How long ago the energy of a server is posted up to; the twelve servers that are furthest behind.",
                normal="Below three minutes, as saw teeth.",
            ),
            unit="s",
            steps=above(300, 900),
            least=0,
            none="no ledger",
            size=(8, 8),
        ),
        bars(
            "Furthest from balance",
            Query(f"sort_desc(topk(10, {_RESIDUAL}))", "{{node}}"),
            about=About(
                what="What a server's meter counted and nobody was posted, over what it counted, within a day.",
                normal="0. Above 0.1 % a meter or a counter began anew where nobody saw it.",
            ),
            unit="percentunit",
            decimals=2,
            steps=above(0.001, 0.01, plain=BLUE),
            none="no ledger",
        ),
        lines(
            "Energy posted",
            Query("sum by (posted_to) (rate(wattstat_ledger_posted_joules_total[15m]))", "{{posted_to}}"),
            about=About(
                what="Energy that is posted to jobs, to idle servers and to overhead, as power.",
                normal="Together what the servers draw. Much idle is what a scheduler could give away.",
            ),
            unit="watt",
            least=0,
            stacked=True,
            none="no ledger",
            size=(8, 8),
        ),
        lines(
            "Evaluation of rules",
            Query("max by (group) (wattstat_alert_group_duration_seconds)", "{{group}}"),
            about=About(
                what="How long the newest evaluation of each group of rules took, where Wattstat evaluates.",
                normal="Below a second.",
            ),
            unit="s",
            least=0,
            none="not evaluated here",
            size=(8, 8),
        ),
        lines(
            "Series over time",
            Query("max(wattstat_hall_series)", "core"),
            about=About(
                what="Series in core's live hall.",
                normal="Constant. Steps are devices that came or went; a slope is a label that should not be one.",
            ),
            unit="short",
            least=0,
            size=(8, 8),
        ),
        rows(
            "Versions",
            [
                Key(label="component", name="Process"),
                Key(label="version", name="Version"),
                Key(label="python", name="Python"),
            ],
            Column(name="Running", expr="count by (component, version, python) (wattstat_build_info)"),
            about=About(
                what="Versions of Wattstat's processes. Agents stand here where Prometheus scrapes them.",
                normal="One version, but for the hours of an update.",
            ),
            sort="Running",
            size=(8, 8),
        ),
    ],
)
