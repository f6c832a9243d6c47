"""Racks: for the facility."""

from grafana.source import board
from grafana.source.board import Board, Page, Row, Variable
from grafana.source.charts import lines, states
from grafana.source.expressions import counted, kept, server_power, share_of_limit
from grafana.source.kit import About, Query, bars, number
from grafana.source.links import CELL, label, to_board, to_page
from grafana.source.looks import AMBER, BLUE, MAGENTA, Word, above, below, switch
from grafana.source.tables import Column, Key, rows

_HERE = 'rack=~"$rack"'
_RACKS = 'kind="rack",budget=~"$rack"'
_POWER = f'(wattstat_rack_power_watts{{source="pdu",{_HERE}}} or on (rack) wattstat_rack_power_watts{{source="sum",{_HERE}}})'
_IN_RACK = f"* on (node) group_left (rack) wattstat_node_info{{{_HERE}}}"
_INLET = f'wattstat_node_temperature_celsius{{role="inlet"}} {_IN_RACK}'
_EXHAUST = f'wattstat_node_temperature_celsius{{role="exhaust"}} {_IN_RACK}'
_CAUTION = 'wattstat_node_temperature_limit_celsius{kind="caution"}'
_TO_CAUTION = f'({_CAUTION} - on (node, sensor) group_left (role) wattstat_node_temperature_celsius{{role="inlet"}}) {_IN_RACK}'
# A strip that fell silent has lost its identity with its voice.
_OF_PDU = f"* on (pdu) group_left (rack, feed) last_over_time(wattstat_pdu_info{{{_HERE}}}[1d] @ end())"
_RANK = f'wattstat_rack_power_watts{{source="sum",{_HERE}}} @ end()'
_INLET_NOW = f'wattstat_node_temperature_celsius{{role="inlet"}} @ end() {_IN_RACK} @ end()'
_HEATED = (
    f'(max by (node) (wattstat_node_temperature_celsius{{role="exhaust"}})'
    f' - on (node) max by (node) (wattstat_node_temperature_celsius{{role="inlet"}})) {_IN_RACK}'
)
_STRIP_POWER = f"sum by (rack, feed, pdu) (wattstat_pdu_power_watts {_OF_PDU})"
_PHASE = f"wattstat_pdu_phase_current_amperes {_OF_PDU}"
_POWER_PAGE = to_page("/power", "Power page")


def _by_rack(budgets: str) -> str:
    """A rack's budget bears the rack's name."""
    return f'max by (rack) (label_replace({budgets}, "rack", "$1", "budget", "(.*)"))'


_NOW = Row(
    panels=[
        number(
            "Power of these racks",
            Query(f"sum({_POWER})"),
            about=About(
                what="Racks as their PDUs meter them; a rack without PDUs on all of its feeds by the sum of its devices.",
                normal="As the jobs go. Look at the column Measured below: what is not measured is missing here.",
            ),
            unit="watt",
            links=[_POWER_PAGE],
        ),
        number(
            "Fullest rack",
            Query(f"max({share_of_limit(_RACKS)})"),
            about=About(
                what="Power over the rack's own limit (rating, inventory and policies), of the rack where it is highest.",
                normal="Below 90 %.",
            ),
            unit="percentunit",
            decimals=0,
            steps=above(0.9, 1),
            none="no limits",
            links=[_POWER_PAGE],
        ),
        number(
            "Hottest inlet",
            Query(f"max({_INLET})"),
            about=About(
                what="The warmest air that goes into a server.",
                normal="18 to 27 °C (recommended by ASHRAE). Some GPU builds allow no more than 30 °C.",
            ),
            unit="celsius",
            decimals=0,
            steps=above(27, 32),
        ),
        number(
            "Nearest to its caution level",
            Query(f"min({_TO_CAUTION})"),
            about=About(
                what="How many degrees the warmest inlet has left to the caution level that its own BMC reports.",
                normal="Above 5 °C. Below 0 the BMC itself complains.",
            ),
            unit="celsius",
            decimals=0,
            steps=below(5, 0),
        ),
        number(
            "Servers without redundancy",
            Query(counted(f"(wattstat_psu_redundancy_ok == 0) {_IN_RACK}", f"wattstat_psu_redundancy_ok {_IN_RACK}")),
            about=About(
                what="Servers whose power supplies are not redundant: the next fault switches them off.",
                normal="None. Many at once in one rack: a feed is gone.",
            ),
            unit="none",
            steps=above(1, 3),
        ),
        number(
            "PDUs silent",
            Query(counted("wattstat_pdu_up == 0", "wattstat_pdu_up")),
            about=About(
                what="Power strips, of all racks, that did not answer their last collection.",
                normal="None. “no PDUs” where none is configured.",
            ),
            unit="none",
            steps=above(1),
            none="no PDUs",
        ),
        rows(
            "Racks",
            [Key(label="rack", name="Rack", links=[to_board("wattstat-racks", "Only this rack", rack=CELL)])],
            Column(name="Power", expr=f"max by (rack) {_POWER}", unit="watt", decimals=1),
            Column(
                name="Limit",
                expr=_by_rack(f"wattstat_budget_limit_watts{{{_RACKS}}}"),
                unit="watt",
                decimals=1,
            ),
            Column(
                name="Of its limit",
                expr=_by_rack(share_of_limit(_RACKS)),
                unit="percentunit",
                decimals=0,
                steps=above(0.9, 1, plain=BLUE),
                bar=(0, 1),
                width=190,
            ),
            Column(
                name="Measured",
                expr=f"max by (rack) (wattstat_rack_power_coverage_ratio{{{_HERE}}})",
                unit="percentunit",
                decimals=0,
                steps=below(1, 0.5),
            ),
            Column(name="Hottest inlet", expr=f"max by (rack) ({_INLET})", unit="celsius", decimals=0, steps=above(27, 32)),
            Column(
                name="Heated by",
                expr=f"avg by (rack) ({_EXHAUST}) - avg by (rack) ({_INLET})",
                unit="celsius",
                decimals=0,
                steps=below(5),
            ),
            Column(name="Servers", expr=f"count by (rack) (wattstat_node_info{{{_HERE}}})", unit="none"),
            Column(
                name="With a fault",
                expr=f"count by (rack) ((max by (node) (wattstat_node_health) > 0) {_IN_RACK})"
                f" or 0 * count by (rack) (wattstat_node_info{{{_HERE}}})",
                unit="none",
                steps=above(1, 3),
            ),
            about=About(
                what="Every rack: power against its limit, how much of what hangs there is measured, the air that goes in, by "
                "how much the servers heat it, and faults that BMCs report.",
                normal="Below 90 % of the limit, all measured, 18 to 27 °C in, heated by 10 to 20 °C under load. Less than "
                "5 °C under load is hot air that comes round, or a sensor that stands somewhere else.",
            ),
            sort="Of its limit",
            size=(24, 9),
        ),
        states(
            "Feeds and PDUs",
            Query(kept(20, "pdu", f"wattstat_pdu_up {_OF_PDU}", "wattstat_pdu_power_watts @ end()"), "{{rack}} feed {{feed}}"),
            about=About(
                what="When the power strips answered; of many those with the most power now.",
                normal="“answers” throughout. A strip that falls silent together with its rack's supplies has lost its feed.",
            ),
            words=switch("answers", "silent"),
            none="no PDUs",
            size=(12, 8),
        ),
        lines(
            "Power of the fullest racks",
            Query(kept(10, "rack", _POWER, _RANK), "{{rack}}"),
            about=About(
                what="The ten racks with the most power now.",
                normal="Each below its limit in the table.",
            ),
            unit="watt",
            least=0,
            legend="table",
            size=(12, 8),
        ),
    ],
)

_AIR = Row(
    title="Air",
    panels=[
        lines(
            "Inlets",
            Query(f"max({_INLET})", "hottest"),
            Query(f"quantile(0.95, {_INLET})", "hottest 5 %"),
            Query(f"quantile(0.5, {_INLET})", "median"),
            Query(f"min({_CAUTION} and on (node, sensor) {_INLET})", "lowest caution level", limit=True),
            about=About(
                what="Air that goes into the servers of these racks, and the lowest caution level that a BMC reports.",
                normal="18 to 27 °C, the hottest close to the median. Where it leaves it, air comes round at one place.",
            ),
            unit="celsius",
            size=(8, 8),
        ),
        lines(
            "Hottest racks",
            Query(kept(10, "rack", f"max by (rack) ({_INLET})", f"max by (rack) ({_INLET_NOW})"), "{{rack}}"),
            about=About(what="The warmest inlet of each of the ten racks that are hottest now.", normal="18 to 27 °C."),
            unit="celsius",
            legend="table",
            size=(8, 8),
        ),
        lines(
            "Heated by",
            Query(f"quantile(0.95, {_HEATED})", "most 5 %"),
            Query(f"quantile(0.5, {_HEATED})", "median"),
            Query(f"quantile(0.05, {_HEATED})", "least 5 %"),
            about=About(
                what="By how much servers heat their air: exhaust less inlet, over the servers of these racks.",
                normal="10 to 20 °C under load and steady; more at the same power is less air: fans, filters.",
            ),
            unit="celsius",
            size=(8, 8),
        ),
    ],
)

_STRIPS = Row(
    title="Power strips and servers",
    panels=[
        rows(
            "Power strips",
            [
                Key(label="rack", name="Rack", links=[to_board("wattstat-racks", "Only this rack", rack=CELL)]),
                Key(label="feed", name="Feed", width=70),
                Key(label="pdu", name="Power strip"),
            ],
            Column(name="Power", expr=f"topk(100, {_STRIP_POWER})", unit="watt", decimals=1),
            Column(name="Largest phase", expr=f"max by (rack, feed, pdu) ({_PHASE})", unit="amp", decimals=1),
            Column(
                name="Phases apart",
                expr=f"(max by (rack, feed, pdu) ({_PHASE}) - min by (rack, feed, pdu) ({_PHASE}))"
                f" / avg by (rack, feed, pdu) ({_PHASE})",
                unit="percentunit",
                decimals=0,
                steps=above(0.3, 0.6),
            ),
            about=About(
                what="Metered power strips: power, the current of the fullest phase, and how far the phases lie apart. "
                "The hundred with the most power.",
                normal="Both feeds of a rack alike, phases within 30 % of each other, none above 80 % of its breaker.",
            ),
            sort="Power",
            none="no PDUs",
            size=(14, 9),
        ),
        bars(
            "Servers that draw most",
            Query(f"sort_desc(topk(15, sum by (node, rack) (({server_power()}) {_IN_RACK})))", "{{node}}"),
            about=About(
                what="The fifteen servers of these racks that draw most now, by each server's best meter.",
                normal="GPU servers under load: 4 to 8 kW with eight GPUs.",
            ),
            unit="watt",
            steps=[(None, BLUE)],
            size=(10, 9),
            links=[to_board("wattstat-node", "Server", node=label("node")), to_page(f"/node/{label('node')}", "Server's page")],
        ),
        lines(
            "Energy of racks",
            Query(
                kept(
                    10,
                    "rack",
                    f'sum by (rack) (avg_over_time(wattstat_rack_power_watts{{source="sum",{_HERE}}}[1h]))',
                    _RANK,
                ),
                "{{rack}}",
            ),
            about=About(
                what="Watt-hours of each hour, of the ten racks with the most power now: the mean power of the hour before.",
                normal="As the jobs go; at night as by day where jobs wait.",
            ),
            unit="watth",
            least=0,
            least_step="5m",
            legend="table",
            size=(12, 8),
        ),
        states(
            "Rack limits over time",
            Query(
                kept(
                    20,
                    "budget",
                    f"({share_of_limit(_RACKS)} > bool 0.9) + on (budget, kind) ({share_of_limit(_RACKS)} > bool 1)",
                    f"wattstat_budget_power_watts{{{_RACKS}}} @ end()",
                ),
                "{{budget}}",
            ),
            about=About(
                what="When the racks with the most power were near their limits.",
                normal="“below 90 %” throughout.",
            ),
            words=(Word(0, "below 90 %"), Word(1, "above 90 %", AMBER), Word(2, "over", MAGENTA)),
            none="no limits",
            size=(12, 8),
        ),
    ],
)

BOARD = Board(
    uid="wattstat-racks",
    title="Racks",
    question="For the facility: is any rack too hot, too full or on one feed only?",
    rows=[_NOW, _AIR, _STRIPS],
    page=Page(title="Power page", path="/power"),
    variables=[Variable(name="rack", title="Rack", metric="wattstat_rack_power_watts", several=True)],
    annotations=[board.alerts(), board.emergencies()],
)
