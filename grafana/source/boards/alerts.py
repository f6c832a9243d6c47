"""Alerts and SLOs: for who is on duty, and for who answers for the duty."""

from grafana.source.board import Board, Page, Row
from grafana.source.boards.alerts_self import DELIVERY, HEALTH
from grafana.source.charts import lines, states
from grafana.source.expressions import alerts_firing
from grafana.source.kit import About, Query, bars, number
from grafana.source.links import CELL, column, to_board, to_page
from grafana.source.looks import AMBER, BLUE, MAGENTA, Word, above, below
from grafana.source.tables import Column, Key, rows

_WORST = 'alertstate="firing",severity=~"critical|warning"'
_PAGES = 'alertstate="firing",severity="critical"'
_ROW = "severity, alertname, component, node, switch, storage, rack"
_EVALUATED = '0 * count(ALERTS{alertname="Watchdog"})'


def _began(matchers: str, days: str = "7d") -> str:
    """Every moment of the last days at which an alert fires that did not half a minute before: it began."""
    return f"count_over_time((ALERTS{{{matchers}}} unless ALERTS{{{matchers}}} offset 30s)[{days}:30s])"


_NOW = Row(
    panels=[
        number(
            "Fires now",
            Query(alerts_firing("critical"), "critical"),
            Query(alerts_firing("warning"), "warning"),
            Query(alerts_firing("info"), "info"),
            about=About(
                what="Alerts by severity. Critical ones wake somebody, warnings wait for working hours, infos are shown only.",
                normal="No critical ones. “not evaluated” means that nobody looks: the Watchdog does not fire either.",
            ),
            unit="none",
            steps=above(1),
            none="not evaluated",
            size=(8, 4),
            links=[to_page("/alerts", "Alerts page")],
        ),
        number(
            "About to fire",
            Query(f'count(ALERTS{{alertstate="pending"}}) or {_EVALUATED}'),
            about=About(
                what="Alerts whose condition holds, but not for long enough yet.",
                normal="A few come and go. Many at once are something large that begins.",
            ),
            unit="none",
            none="not evaluated",
        ),
        number(
            "Watchdog",
            Query('count(ALERTS{alertname="Watchdog",alertstate="firing"})'),
            about=About(
                what="An alert that always fires, and shows by that that rules are evaluated.",
                normal="Fires.",
            ),
            unit="none",
            words=(Word(1, "fires"),),
            none="silent: nobody evaluates",
        ),
        number(
            "Silences",
            Query('sum(wattstat_alert_silences{state="active"})'),
            about=About(
                what="Silences that keep something quiet now, where Wattstat tells people itself.",
                normal="Few, each with an end.",
            ),
            unit="none",
            none="kept by Alertmanager",
            links=[to_page("/alerts", "Alerts page")],
        ),
        number(
            "Worst health",
            Query("min(wattstat_health_score)"),
            about=About(
                what="The lowest health of any device, from 0 to 100; each point lost has an alert or a finding as its reason.",
                normal="Above 90.",
            ),
            unit="none",
            steps=below(90, 70),
            none="not scored",
            links=[to_page("/health", "Health page")],
        ),
        rows(
            "What fires",
            [
                Key(label="severity", name="Severity", width=90),
                Key(label="alertname", name="Alert", links=[to_page(f"/runbooks/{CELL}", "Runbook")]),
                Key(label="component", name="Part", width=110),
                Key(label="node", name="Server", links=[to_board("wattstat-node", "Node", node=column("Server"))]),
                Key(label="switch", name="Switch"),
                Key(label="storage", name="Storage"),
                Key(label="rack", name="Rack"),
            ],
            Column(name="How many", expr=f"topk(200, count by ({_ROW}) (ALERTS{{{_WORST}}}))", width=100),
            Column(
                name="For",
                expr=f"topk(200, time() - min by ({_ROW}) (ALERTS_FOR_STATE and ignoring (alertstate) ALERTS{{{_WORST}}}))",
                unit="dtdurations",
                width=160,
            ),
            about=About(
                what="Critical alerts and warnings by rule and device, and since when the oldest of them holds.",
                normal="Empty. The name leads to the runbook, the server to its dashboard.",
            ),
            none="nothing fires",
            sort="Severity",
            ascending=True,
            size=(24, 9),
        ),
        states(
            "What fired when",
            Query(
                f"max by (alertname) (ALERTS{{{_WORST}}}) and on (alertname) "
                f"topk(20, sum by (alertname) (count_over_time(ALERTS{{{_WORST}}}[$__range] @ end())))",
                "{{alertname}}",
            ),
            about=About(
                what="When rules fired, those twenty that fired longest within the time shown.",
                normal="Empty. Strips that come and go in a row are one cause: look at the one that began first.",
            ),
            words=(Word(1, "fires", AMBER),),
            none="nothing fired",
        ),
        lines(
            "Alerts by severity",
            Query('count by (severity) (ALERTS{alertstate="firing",severity!="none"})', "{{severity}}"),
            about=About(what="How many alerts fire.", normal="None. A wall is a storm: one cause with many victims."),
            unit="none",
            least=0,
            none="nothing fired",
        ),
    ],
)

_SLO = Row(
    title="How well we watch",
    panels=[
        number(
            "Coverage",
            Query("avg(avg_over_time(wattstat_collector_success[$__range]))"),
            about=About(
                what="Share of all collections within the time shown that brought readings, every target alike.",
                normal="99.9 % or more. Below 99 % the numbers of this hall have holes that somebody will ask about.",
            ),
            unit="percentunit",
            decimals=2,
            steps=below(0.999, 0.99),
            size=(5, 4),
            links=[to_board("wattstat-self", "Wattstat itself")],
        ),
        number(
            "Fresh",
            Query(
                "avg(time() - wattstat_collector_last_success_timestamp_seconds"
                " <= bool (60 + 3 * wattstat_collector_interval_seconds))"
            ),
            about=About(
                what="Share of what is collected whose newest reading is younger than three of its intervals and a minute.",
                normal="100 %. What is older has left the hall, and every sum with it.",
            ),
            unit="percentunit",
            decimals=2,
            steps=below(0.999, 0.99),
            size=(5, 4),
        ),
        number(
            "Pages in a week",
            Query(f"sum({_began(_PAGES)}) or {_EVALUATED}"),
            about=About(
                what="Critical alerts that began to fire within seven days: somebody was woken, or should have been.",
                normal="At most 2 a shift for 1,000 GPUs. More, and people stop to believe them.",
            ),
            unit="none",
            decimals=0,
            steps=above(14, 42),
            none="not evaluated",
            size=(5, 4),
        ),
        number(
            "Time until it is over",
            Query(f"30 * sum(count_over_time(ALERTS{{{_PAGES}}}[7d:30s])) / sum({_began(_PAGES)})"),
            about=About(
                what="For how long a critical alert fires on average, over seven days.",
                normal="Below an hour. Those that fire on for days are known and should be silenced, with a reason.",
            ),
            unit="dtdurations",
            steps=above(3600, 14400),
            none="none fired",
            size=(5, 4),
        ),
        number(
            "Time over limits",
            Query('sum(increase(wattstat_power_breach_seconds_total{kind="site"}[7d]))'),
            about=About(
                what="For how long the site drew more than its limit within seven days.",
                normal="Seconds: the time that it takes to shed.",
            ),
            unit="s",
            decimals=0,
            steps=above(60, 600),
            none="no budgets",
            size=(4, 4),
            links=[to_board("wattstat-power", "Power and policies")],
        ),
        lines(
            "Coverage by collector",
            Query("avg by (collector) (avg_over_time(wattstat_collector_success[5m]))", "{{collector}}"),
            about=About(
                what="Share of the collections of the last five minutes that brought readings, by collector.",
                normal="100 %. One line that falls alone is one kind of device; all of them are the network or core.",
            ),
            unit="percentunit",
            most=1,
            legend="table",
        ),
        bars(
            "Noisiest rules in a week",
            Query(f"sort_desc(topk(12, sum by (alertname, severity) ({_began(_WORST)})))", "{{alertname}} ({{severity}})"),
            about=About(
                what="How often alerts of a rule began to fire within seven days.",
                normal="A handful each. A rule at the top week after week is wrong, or what it tells is nobody's.",
            ),
            unit="none",
            decimals=0,
            steps=[(None, BLUE), (50, AMBER), (500, MAGENTA)],
            none="none fired",
            size=(12, 8),
        ),
    ],
)

BOARD = Board(
    uid="wattstat-alerts",
    title="Alerts and SLOs",
    question="For those on duty: what fires, and since when? For those who answer for it: do we see enough, and cry too often?",
    rows=[_NOW, _SLO, HEALTH, DELIVERY],
    page=Page(title="Alerts page", path="/alerts"),
    since="now-24h",
)
