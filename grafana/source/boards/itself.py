"""Wattstat itself: for whoever runs it."""

from grafana.source.board import Board, Page, Row
from grafana.source.boards.itself_books import BOOKS
from grafana.source.charts import lines, states
from grafana.source.expressions import counted
from grafana.source.kit import About, Query, number
from grafana.source.links import column, to_board
from grafana.source.looks import BLUE, MAGENTA, above, below, switch
from grafana.source.tables import Column, Key, rows

_AGE = "time() - wattstat_collector_last_success_timestamp_seconds"
_FAILS = "min by (collector, target) (wattstat_collector_success) == 0"
# What is read at least once a minute: the age of what is read once in a quarter of an hour says nothing.
_OFTEN = "wattstat_collector_interval_seconds <= 60"

_NOW = Row(
    panels=[
        number(
            "Targets that fail",
            Query(counted(_FAILS, "wattstat_collector_success")),
            about=About(
                what="Targets of which the newest collection failed, or one of its tiers.",
                normal="None. A device that restarts fails for some minutes.",
            ),
            unit="none",
            steps=above(1),
        ),
        number(
            "Left alone",
            Query("sum(wattstat_collector_circuit_open)"),
            about=About(
                what="Targets that are left alone for a while after they failed again and again.",
                normal="None. They are asked again by themselves, after a minute at most.",
            ),
            unit="none",
            steps=above(1),
        ),
        number(
            "Oldest reading",
            Query(f"max({_AGE} and wattstat_collector_success == 1 and {_OFTEN})"),
            about=About(
                what="Age of the oldest reading of what does not fail and is read at least once a minute.",
                normal="Below a minute and a bit. Older: core does not keep up.",
            ),
            unit="s",
            decimals=0,
            steps=above(120, 240),
        ),
        number(
            "Busiest interval",
            Query("max(wattstat_collector_duration_seconds / wattstat_collector_interval_seconds)"),
            about=About(
                what="How much of its interval a collection takes, the longest of all.",
                normal="Below 80 %. From 100 % on collections are skipped.",
            ),
            unit="percentunit",
            decimals=0,
            steps=above(0.8, 1),
        ),
        number(
            "Series",
            Query("max(wattstat_hall_series)"),
            about=About(
                what="Series in core's live hall: all that is known of all devices at this moment.",
                normal="About 350 for each GPU server with its share of switches and storage, constant.",
            ),
            unit="short",
        ),
        number(
            "Ledger behind",
            Query("max(time() - wattstat_ledger_settled_timestamp_seconds)"),
            about=About(
                what="Until how long ago the energy of the slowest server is posted to jobs.",
                normal="Below three minutes.",
            ),
            unit="s",
            decimals=0,
            steps=above(300, 900),
            none="no ledger",
        ),
        rows(
            "What cannot be read",
            [
                Key(label="collector", name="Collector", width=120),
                Key(label="target", name="Target", links=[to_board("wattstat-node", "Node", node=column("Target"))]),
            ],
            Column(name="State", expr=_FAILS, words=switch("read", "fails"), width=80),
            Column(name="Read last", expr=f"min by (collector, target) ({_AGE}) and on (collector, target) {_FAILS}", unit="s"),
            about=About(
                what="Targets that fail, and how long ago they were read last. `wattstat targets --failing` says why.",
                normal="Empty.",
            ),
            none="all are read",
            sort="Read last",
            size=(10, 9),
        ),
        rows(
            "Collectors",
            [Key(label="collector", name="Collector")],
            Column(name="Targets", expr="count by (collector) (count by (collector, target) (wattstat_collector_success))"),
            Column(
                name="Read",
                expr="avg by (collector) (wattstat_collector_success)",
                unit="percentunit",
                bar=(0, 1),
                decimals=0,
                steps=below(1, 0.5, plain=BLUE),
            ),
            Column(name="Slowest", expr="max by (collector) (wattstat_collector_duration_seconds)", unit="s"),
            Column(
                name="Of interval",
                expr="max by (collector) (wattstat_collector_duration_seconds / wattstat_collector_interval_seconds)",
                unit="percentunit",
                decimals=0,
                steps=above(0.8, 1),
            ),
            about=About(
                what="Every collector: how many targets, which share of them was read, and how long the slowest took.",
                normal="100 % read, below 80 % of the interval.",
            ),
            sort="Slowest",
            size=(14, 9),
        ),
        states(
            "Collectors over time",
            Query("min by (collector) (wattstat_collector_success)", "{{collector}}"),
            about=About(
                what="When all targets of a collector were read, and when at least one was not.",
                normal="“all read” throughout. A gap is core that did not run, or a scrape that failed.",
            ),
            words=switch("all read", "some fail", colour=MAGENTA),
            size=(12, 9),
        ),
        lines(
            "Time of a collection",
            Query("max by (collector) (wattstat_collector_duration_seconds)", "{{collector}}"),
            about=About(
                what="How long the slowest collection of each collector takes.",
                normal="Flat. A step is a device, a network or a firmware that changed.",
            ),
            unit="s",
            least=0,
            legend="table",
            size=(12, 9),
        ),
    ],
)

_TROUBLE = Row(
    title="What goes wrong while reading",
    panels=[
        lines(
            "Collections that fail",
            Query(
                "sum by (collector, kind) (rate(wattstat_collector_errors_total[$__rate_interval])) > 0",
                "{{collector}} {{kind}}",
            ),
            about=About(
                what="Failed collections a second, by the kind of error.",
                normal="None. Kinds tell them apart: a network, a password, a payload that nobody understands.",
            ),
            unit="ops",
            none="none fail",
            size=(8, 8),
        ),
        lines(
            "Resources that fail",
            Query(
                "sum by (collector, resource) (rate(wattstat_collector_resource_errors_total[$__rate_interval])) > 0",
                "{{collector}} {{resource}}",
            ),
            about=About(
                what="Parts of a target that could not be read while the rest could, by resource.",
                normal="None. One resource on all servers of a model is a firmware; on one server, a broken part.",
            ),
            unit="ops",
            none="none fail",
            size=(8, 8),
        ),
        lines(
            "Collections skipped",
            Query("sum by (collector) (rate(wattstat_collector_skipped_total[$__rate_interval]))", "{{collector}}"),
            about=About(
                what="Collections that did not start, because the one before had not ended or the target is left alone.",
                normal="None, but for targets that are left alone.",
            ),
            unit="ops",
            least=0,
            none="none skipped",
            size=(8, 8),
        ),
    ],
)

BOARD = Board(
    uid="wattstat-self",
    title="Wattstat itself",
    question="For those who run Wattstat: is everything read in time, do the books keep up, and what does it cost?",
    rows=[_NOW, _TROUBLE, BOOKS],
    page=Page(title="Overview page", path="/"),
)
