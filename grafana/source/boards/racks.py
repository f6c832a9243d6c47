"""Racks: for the facility."""

from grafana.source import board
from grafana.source.board import Board, Page, Row, Variable
from grafana.source.boards import racks_air
from grafana.source.boards.racks_air import CAUTION, HERE, IN_RACK, INLET, OF_PDU, RACKS, RANK
from grafana.source.charts import lines, states
from grafana.source.expressions import counted, kept, share_of_limit
from grafana.source.kit import About, Query, number
from grafana.source.links import CELL, to_board, to_page
from grafana.source.looks import BLUE, above, below, switch
from grafana.source.tables import Column, Key, rows

_POWER = f'(wattstat_rack_power_watts{{source="pdu",{HERE}}} or on (rack) wattstat_rack_power_watts{{source="sum",{HERE}}})'
_EXHAUST = f'wattstat_node_temperature_celsius{{role="exhaust"}} {IN_RACK}'
_TO_CAUTION = f'({CAUTION} - on (node, sensor) group_left (role) wattstat_node_temperature_celsius{{role="inlet"}}) {IN_RACK}'
# A strip that does not answer says nothing of itself: its collector does.
_ANSWERS = 'wattstat_collector_success{collector="pdu",tier="power"}'
_OF_STRIP = 'min by (pdu) (label_replace({}, "pdu", "$1", "target", "(.*)"))'
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
            Query(f"max({share_of_limit(RACKS)})"),
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
            Query(f"max({INLET})"),
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
            Query(counted(f"(wattstat_psu_redundancy_ok == 0) {IN_RACK}", f"wattstat_psu_redundancy_ok {IN_RACK}")),
            about=About(
                what="Servers whose power supplies are not redundant: the next fault switches them off.",
                normal="None. Many at once in one rack: a feed is gone.",
            ),
            unit="none",
            steps=above(1, 3),
        ),
        number(
            "PDUs silent",
            Query(counted(f"min by (target) ({_ANSWERS}) == 0", _ANSWERS)),
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
                expr=_by_rack(f"wattstat_budget_limit_watts{{{RACKS}}}"),
                unit="watt",
                decimals=1,
            ),
            Column(
                name="Of its limit",
                expr=_by_rack(share_of_limit(RACKS)),
                unit="percentunit",
                decimals=0,
                steps=above(0.9, 1, plain=BLUE),
                bar=(0, 1),
                width=190,
            ),
            Column(
                name="Measured",
                expr=f"max by (rack) (wattstat_rack_power_coverage_ratio{{{HERE}}})",
                unit="percentunit",
                decimals=0,
                steps=below(1, 0.5),
            ),
            Column(name="Hottest inlet", expr=f"max by (rack) ({INLET})", unit="celsius", decimals=0, steps=above(27, 32)),
            Column(
                name="Heated by",
                expr=f"avg by (rack) ({_EXHAUST}) - avg by (rack) ({INLET})",
                unit="celsius",
                decimals=0,
                steps=below(5),
            ),
            Column(name="Servers", expr=f"count by (rack) (wattstat_node_info{{{HERE}}})", unit="none"),
            Column(
                name="With a fault",
                expr=f"count by (rack) ((max by (node) (wattstat_node_health) > 0) {IN_RACK})"
                f" or 0 * count by (rack) (wattstat_node_info{{{HERE}}})",
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
            Query(
                kept(20, "pdu", f"{_OF_STRIP.format(_ANSWERS)} {OF_PDU}", f"1 - {_OF_STRIP.format(_ANSWERS + ' @ end()')}"),
                "{{rack}} feed {{feed}}",
            ),
            about=About(
                what="When the power strips answered; of many the silent ones first.",
                normal="“answers” throughout. A strip that falls silent together with its rack's supplies has lost its feed.",
            ),
            words=switch("answers", "silent"),
            none="no PDUs",
            size=(12, 8),
        ),
        lines(
            "Power of the fullest racks",
            Query(kept(10, "rack", _POWER, RANK), "{{rack}}"),
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

BOARD = Board(
    uid="wattstat-racks",
    title="Racks",
    question="For the facility: is any rack too hot, too full or on one feed only?",
    rows=[_NOW, racks_air.AIR, racks_air.STRIPS],
    page=Page(title="Power page", path="/power"),
    variables=[Variable(name="rack", title="Rack", metric="wattstat_rack_power_watts", several=True)],
    annotations=[board.alerts(), board.emergencies(), board.caps()],
)
