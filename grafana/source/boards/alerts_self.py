"""Alerts and SLOs: the rows of health and of delivery."""

from grafana.source.board import Row
from grafana.source.charts import lines
from grafana.source.kit import About, Query, bars
from grafana.source.links import to_page
from grafana.source.looks import AMBER, above, below
from grafana.source.tables import Column, Key, rows

HEALTH = Row(
    title="Health",
    panels=[
        bars(
            "Least healthy",
            Query("sort(bottomk(12, max by (kind, device) (wattstat_health_score)))", "{{kind}} {{device}}"),
            about=About(
                what="Devices by their health from 0 to 100, the worst first. docs/health.md says what takes how many points.",
                normal="100. The Health page says what took points off.",
            ),
            unit="none",
            most=100,
            decimals=0,
            steps=below(90, 70, plain="#3d86d6"),
            none="not scored",
            links=[to_page("/health", "Health page")],
        ),
        lines(
            "Points lost",
            Query("sum by (category) (wattstat_health_points_lost)", "{{category}}"),
            about=About(
                what="Points that all devices have lost: components, configuration, capacity, performance, security.",
                normal="Low and flat. A slow climb is what daily work does not see.",
            ),
            unit="none",
            least=0,
            stacked=True,
            none="nothing lost",
            size=(16, 8),
        ),
    ],
)

DELIVERY = Row(
    title="Evaluation and delivery, where Wattstat does them",
    panels=[
        rows(
            "Groups of rules",
            [Key(label="group", name="Group")],
            Column(
                name="Evaluated",
                expr="time() - max by (group) (wattstat_alert_group_last_timestamp_seconds)",
                unit="s",
                decimals=0,
                steps=above(120, 300),
            ),
            Column(name="Every", expr="max by (group) (wattstat_alert_group_interval_seconds)", unit="s"),
            Column(name="Takes", expr="max by (group) (wattstat_alert_group_duration_seconds)", unit="s", steps=above(5)),
            about=About(
                what="When each group of rules was last evaluated, how often it is, and how long that takes.",
                normal="Evaluated within its interval, in less than a second. Empty where a Prometheus evaluates.",
            ),
            none="not evaluated here",
            sort="Takes",
            size=(10, 9),
        ),
        lines(
            "Messages",
            Query(
                "sum by (receiver, outcome) (increase(wattstat_alert_messages_total[$__rate_interval]))",
                "{{receiver}} {{outcome}}",
            ),
            about=About(
                what="Messages to receivers, and what came of them: sent, failed (and tried again), dropped (quiet by then).",
                normal="All sent. What a silence or a cause made needless while it waited is dropped.",
            ),
            unit="none",
            least=0,
            none="nobody is told here",
            size=(7, 9),
        ),
        lines(
            "Waiting messages",
            Query("sum by (receiver) (wattstat_alert_queue_messages)", "{{receiver}}"),
            about=About(
                what="Messages that wait for a receiver that does not take them.",
                normal="0; for seconds a few.",
            ),
            unit="none",
            least=0,
            steps=((None, "text"), (1, AMBER)),
            none="nobody is told here",
            size=(7, 9),
        ),
    ],
)
