"""Racks, below the first screen: air, power strips and the servers on them."""

from grafana.source.board import Row
from grafana.source.charts import lines, states
from grafana.source.expressions import kept, limit_state, server_power
from grafana.source.kit import About, Query, bars
from grafana.source.links import CELL, label, to_board, to_page
from grafana.source.looks import BLUE, LIMIT, above
from grafana.source.tables import Column, Key, rows

HERE = 'rack=~"$rack"'
RACKS = 'kind="rack",budget=~"$rack"'
# Grouped, because a new BIOS or BMC makes a new series beside the old one for a while.
IN_RACK = f"* on (node) group_left (rack) max by (node, rack) (wattstat_node_info{{{HERE}}})"
INLET = f'wattstat_node_temperature_celsius{{role="inlet"}} {IN_RACK}'
CAUTION = 'wattstat_node_temperature_limit_celsius{kind="caution"}'
# A strip that fell silent has lost its identity with its voice.
_STRIPS_HERE = f"max by (pdu, rack, feed) (last_over_time(wattstat_pdu_info{{{HERE}}}[1d] @ end()))"
OF_PDU = f"* on (pdu) group_left (rack, feed) {_STRIPS_HERE}"
RANK = f'wattstat_rack_power_watts{{source="sum",{HERE}}} @ end()'
_INLET_NOW = (
    'wattstat_node_temperature_celsius{role="inlet"} @ end()'
    f" * on (node) group_left (rack) max by (node, rack) (wattstat_node_info{{{HERE}}} @ end())"
)
_HEATED = (
    f'(max by (node) (wattstat_node_temperature_celsius{{role="exhaust"}})'
    f' - on (node) max by (node) (wattstat_node_temperature_celsius{{role="inlet"}})) {IN_RACK}'
)
_STRIP_POWER = f"sum by (rack, feed, pdu) (wattstat_pdu_power_watts {OF_PDU})"
# A breaker's rating, shared by its phases.
_RATING = "(max by (pdu) (wattstat_pdu_limit_watts) / on (pdu) count by (pdu) (wattstat_pdu_phase_power_watts))"
_PHASE = f"wattstat_pdu_phase_current_amperes {OF_PDU}"


AIR = Row(
    title="Air",
    panels=[
        lines(
            "Inlets",
            Query(f"max({INLET})", "hottest"),
            Query(f"quantile(0.95, {INLET})", "hottest 5 %"),
            Query(f"quantile(0.5, {INLET})", "median"),
            Query(f"min({CAUTION} and on (node, sensor) {INLET})", "lowest caution level", limit=True),
            about=About(
                what="Air that goes into the servers of these racks, and the lowest caution level that a BMC reports.",
                normal="18 to 27 °C, the hottest close to the median. Where it leaves it, air comes round at one place.",
            ),
            unit="celsius",
            size=(8, 8),
        ),
        lines(
            "Hottest racks",
            Query(kept(10, "rack", f"max by (rack) ({INLET})", f"max by (rack) ({_INLET_NOW})"), "{{rack}}"),
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

STRIPS = Row(
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
            Column(
                name="Of its rating",
                expr=f"max by (rack, feed, pdu) ((wattstat_pdu_phase_power_watts / on (pdu) group_left () {_RATING}) {OF_PDU})",
                unit="percentunit",
                decimals=0,
                steps=above(0.7, 0.8, plain=BLUE),
                bar=(0, 1),
            ),
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
                what="Metered power strips: power, the fullest phase of the breaker's rating, and how far phases lie apart. "
                "The hundred with the most power.",
                normal="Both feeds of a rack alike, phases within 30 % of each other, none above 80 % of its rating.",
            ),
            sort="Power",
            none="no PDUs",
            size=(14, 9),
        ),
        bars(
            "Servers that draw most",
            Query(f"sort_desc(topk(15, sum by (node, rack) (({server_power()}) {IN_RACK})))", "{{node}}"),
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
                    f'sum by (rack) (avg_over_time(wattstat_rack_power_watts{{source="sum",{HERE}}}[1h]))',
                    RANK,
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
                    limit_state(RACKS),
                    f"wattstat_budget_power_watts{{{RACKS}}} @ end()",
                ),
                "{{budget}}",
            ),
            about=About(
                what="When the racks with the most power were near their limits.",
                normal="“below 90 %” throughout.",
            ),
            words=LIMIT,
            none="no limits",
            size=(12, 8),
        ),
    ],
)
