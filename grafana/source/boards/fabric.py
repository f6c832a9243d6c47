"""Fabric: for the network's people."""

from grafana.source import board
from grafana.source.board import Board, Page, Row, Variable
from grafana.source.boards.fabric_ports import CONGESTION, MODULES, rates
from grafana.source.charts import lines
from grafana.source.expressions import counted
from grafana.source.kit import About, Query, number
from grafana.source.links import column, to_board, to_page
from grafana.source.looks import AMBER, MAGENTA, Word, above, switch
from grafana.source.tables import Column, Key, rows

_CHOSEN = 'switch=~"$switch"'
# Several sources may know of one cable; it joins once.
_RAIL_OF_ADAPTER = 'group by (node, device, rail) (wattstat_fabric_link_info{rail!=""})'
_RATE = f"(wattstat_infiniband_port_rate_bits_per_second and on (node, device) {_RAIL_OF_ADAPTER})"
_DOWN = f"wattstat_infiniband_port_active == 0 and on (node, device) {_RAIL_OF_ADAPTER}"
_SLOW = f"{_RATE} < on (node) group_left () max by (node) ({_RATE})"
# Ports that carry a cable which somebody knows: a port left on without one is no trouble.
_PORT_DOWN = (
    f"wattstat_switch_port_up{{{_CHOSEN}}} == 0 and on (switch, port) wattstat_switch_port_on == 1 "
    "and on (switch, port) wattstat_fabric_link_info"
)
_ERRORS = f'max by (switch, port) (wattstat_switch_port_bit_error_ratio{{{_CHOSEN},kind=~"effective|symbol"}})'


def _of_switch(name: str, by: str = "max") -> str:
    return f"{by} by (switch) (wattstat_switch_{name}{{{_CHOSEN}}})"


_NOW = Row(
    panels=[
        number(
            "Switches silent",
            Query(counted(f"wattstat_switch_up{{{_CHOSEN}}} == 0", f"wattstat_switch_up{{{_CHOSEN}}}")),
            about=About(
                what="Switches that did not answer their last collection.",
                normal="None. A switch that is silent may still carry its links: the rails at the right say so.",
            ),
            unit="none",
            steps=above(None, 1),
            none="no switches",
        ),
        number(
            "Rails down",
            Query(counted(_DOWN, "wattstat_infiniband_port_active")),
            about=About(
                what="Adapters of servers that have a cable and no link, by the servers' own count.",
                normal="None. A job over all rails stops or falls to the speed of what is left.",
            ),
            unit="none",
            steps=above(None, 1),
            none="no rails",
            links=[to_page("/fabric", "Fabric page")],
        ),
        number(
            "Rails slow",
            Query(counted(_SLOW, "wattstat_infiniband_port_rate_bits_per_second")),
            about=About(
                what="Rails that are slower than the fastest rail of the same server.",
                normal="None. A link that trained at half its rate halves every collective.",
            ),
            unit="none",
            steps=above(1),
            none="no rails",
            links=[to_page("/fabric", "Fabric page")],
        ),
        number(
            "Ports down",
            Query(counted(_PORT_DOWN, f"wattstat_switch_port_up{{{_CHOSEN}}}")),
            about=About(
                what="Ports of switches that are on and cabled and carry no link.",
                normal="None; while a server is off, its ports.",
            ),
            unit="none",
            steps=above(1),
            none="no switches",
        ),
        number(
            "Worst bit errors",
            Query(f"max({_ERRORS})"),
            about=About(
                what="The highest share of wrong bits after correction.",
                normal="1e-15 or less. From 1e-14 on a link wears out; at 1e-12 fabric managers take it out of service.",
            ),
            unit="sci",
            steps=above(1e-14, 1e-12),
            none="not reported",
        ),
        number(
            "Links that came and went",
            Query(
                "count(sum by (switch, port) "
                f'(increase(wattstat_switch_port_link_faults_total{{{_CHOSEN},kind="down"}}[6h])) > 2)'
                f" or 0 * count(wattstat_switch_port_up{{{_CHOSEN}}})"
            ),
            about=About(
                what="Ports whose link went down more than twice within six hours.",
                normal="None. Once or twice is a server that was started anew.",
            ),
            unit="none",
            steps=above(None, 1),
            none="no switches",
        ),
        rows(
            "Switches",
            [Key(label="switch", name="Switch", links=[to_page("/fabric", "Fabric page")])],
            Column(name="Answers", expr=_of_switch("up", "min"), words=switch("yes", "no"), width=80),
            Column(name="Ports up", expr=_of_switch("port_up", "sum"), width=90),
            Column(
                name="Errors in 1 h",
                expr=f"sum by (switch) (increase(wattstat_switch_port_errors_total{{{_CHOSEN}}}[1h]))",
                decimals=0,
                steps=above(100),
            ),
            Column(
                name="Dropped in 1 h",
                expr=f"sum by (switch) (increase(wattstat_switch_port_discards_total{{{_CHOSEN}}}[1h]))",
                unit="short",
                decimals=0,
            ),
            Column(name="Hottest sensor", expr=_of_switch("temperature_celsius"), unit="celsius"),
            Column(name="Power", expr=_of_switch("power_watts"), unit="watt"),
            Column(name="Supplies", expr=_of_switch("psu_ok", "min"), words=switch("good", "failed"), width=90),
            Column(name="Fans", expr=_of_switch("fan_ok", "min"), words=switch("good", "failed"), width=80),
            Column(name="Since start", expr=_of_switch("uptime_seconds"), unit="dtdurations"),
            about=About(
                what="Every switch, as far as it says: ports with a link, errors, drops, heat, power, supplies and fans.",
                normal="Answers, with good supplies and fans, and next to no errors. InfiniBand drops nothing.",
            ),
            none="no switches",
            sort="Errors in 1 h",
            size=(24, 7),
        ),
        rows(
            "Rails that need a look",
            [
                Key(label="node", name="Server", links=[to_board("wattstat-node", "Node", node=column("Server"))]),
                Key(label="device", name="Adapter"),
            ],
            Column(
                name="Link",
                expr=f"min by (node, device) (wattstat_infiniband_port_active and on (node, device) ({_DOWN} or {_SLOW}))",
                words=(Word(0, "down", MAGENTA), Word(1, "slow", AMBER)),
            ),
            Column(name="Rate", expr=f"max by (node, device) ({_SLOW})", unit="bps"),
            about=About(
                what="Adapters that have a cable and no link, or a link that is slower than the server's other rails.",
                normal="Empty.",
            ),
            none="all rails are up",
            sort="Server",
            ascending=True,
            size=(8, 8),
        ),
        lines(
            "Traffic by rail",
            Query(
                "8 * sum by (rail) (rate(wattstat_infiniband_port_bytes_total[$__rate_interval])"
                f" * on (node, device) group_left (rail) {_RAIL_OF_ADAPTER})",
                "rail {{rail}}",
            ),
            about=About(
                what="What the servers' adapters send and receive, added up by rail.",
                normal="All rails alike. One that carries less is down somewhere; one that carries more is badly balanced.",
            ),
            unit="bps",
            least=0,
            none="no rails",
            size=(8, 8),
        ),
        lines(
            "Traffic by switch",
            Query(f"8 * ({rates('bytes_total')})", "{{switch}}"),
            about=About(
                what="What all ports of a switch send and receive together; the twelve busiest.",
                normal="Leaf switches of one kind alike.",
            ),
            unit="bps",
            least=0,
            none="no switches",
            size=(8, 8),
        ),
    ],
)

BOARD = Board(
    uid="wattstat-fabric",
    title="Fabric",
    question="For the network's people: does every rail carry what it should, and which link will fail next?",
    rows=[_NOW, CONGESTION, MODULES],
    page=Page(title="Fabric page", path="/fabric"),
    variables=[Variable(name="switch", title="Switch", metric="wattstat_switch_up", several=True)],
    annotations=[board.alerts('component="fabric"')],
)
