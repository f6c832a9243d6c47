"""Fabric: the rows of errors, congestion, optical modules and the switches themselves."""

from grafana.source.board import Row
from grafana.source.charts import lines, states
from grafana.source.expressions import kept
from grafana.source.kit import About, Query, bars
from grafana.source.links import to_page
from grafana.source.looks import BLUE, above, below, switch

_CHOSEN = 'switch=~"$switch"'
_PORT = "switch, port"
_ERRORS = f'wattstat_switch_port_bit_error_ratio{{{_CHOSEN},kind="effective"}}'
_HOTTEST = f"max by (switch) (wattstat_switch_temperature_celsius{{{_CHOSEN}}})"
_LIGHT = f'wattstat_switch_transceiver_power_dbm{{{_CHOSEN},direction="receive"}}'


# A switch that does not answer says nothing of itself: its collectors do.
_ANSWERS = 'wattstat_collector_success{collector=~"switches|restconf|mlnxos|inband",target=~"$switch"}'


def rates(name: str, more: str = "") -> str:
    """What the ports of a switch count in a second, of the twelve switches that count most at the end."""
    selector = f"wattstat_switch_port_{name}{{{_CHOSEN}{more}}}"
    by_switch = "sum by (switch) (rate({}))"
    return kept(12, "switch", by_switch.format(f"{selector}[$__rate_interval]"), by_switch.format(f"{selector}[15m] @ end()"))


CONGESTION = Row(
    title="Errors and congestion",
    panels=[
        lines(
            "Bit errors after correction",
            Query(kept(12, _PORT, _ERRORS, f"{_ERRORS} @ end()"), "{{switch}} {{port}}"),
            about=About(
                what="Share of wrong bits after correction; the twelve ports that are worst at the end.",
                normal="1e-15. A line that climbs is a cable or a module that fails slowly.",
            ),
            unit="sci",
            steps=above(1e-14, 1e-12),
            none="not reported",
            size=(8, 8),
            links=[to_page("/fabric", "Fabric page")],
        ),
        bars(
            "Most symbol errors in 1 h",
            Query(
                f"sort_desc(topk(12, increase(wattstat_switch_port_symbol_errors_total{{{_CHOSEN}}}[1h])))",
                "{{switch}} {{port}}",
            ),
            about=About(
                what="Symbols that could not be corrected, of the ports with the most.",
                normal="Three in two hours are within a link's promise.",
            ),
            unit="short",
            decimals=0,
            steps=above(3, plain=BLUE),
            none="not reported",
            links=[to_page("/fabric", "Fabric page")],
        ),
        lines(
            "Packets with errors",
            Query(rates("errors_total"), "{{switch}} errors"),
            Query(rates("discards_total"), "{{switch}} dropped"),
            about=About(
                what="Broken packets, and those that were dropped for want of room, all ports of a switch together.",
                normal="No errors. Drops on Ethernet mean that flow control does not reach the sender.",
            ),
            unit="pps",
            least=0,
            none="no switches",
            size=(8, 8),
        ),
        lines(
            "Waiting for credits",
            Query(rates("wait_ticks_total"), "{{switch}}"),
            about=About(
                what="Ticks a second in which data waited because the other side had no room (InfiniBand PortXmitWait).",
                normal="Rises with the load. Far above the other leaves: somebody behind that switch cannot keep up.",
            ),
            unit="short",
            least=0,
            none="no InfiniBand",
            size=(8, 8),
        ),
        lines(
            "Pause frames",
            Query(rates("pfc_frames_total", ',direction="transmit"'), "{{switch}} sent"),
            Query(rates("pfc_frames_total", ',direction="receive"'), "{{switch}} received"),
            about=About(
                what="Pause frames by priority (PFC): whoever sends them cannot keep up.",
                normal="Few. A server that sends them all the time stops others.",
            ),
            unit="pps",
            least=0,
            none="no RoCE",
            size=(8, 8),
        ),
        lines(
            "Marked for congestion",
            Query(rates("ecn_packets_total"), "{{switch}}"),
            about=About(
                what="Packets that a switch marked (ECN), so that senders slow down before frames must pause.",
                normal="Some under load: it is what keeps pause frames away.",
            ),
            unit="pps",
            least=0,
            none="no RoCE",
            size=(8, 8),
        ),
    ],
)

MODULES = Row(
    title="Modules and switches",
    panels=[
        bars(
            "Hottest modules",
            Query(f"sort_desc(topk(12, wattstat_switch_transceiver_temperature_celsius{{{_CHOSEN}}}))", "{{switch}} {{port}}"),
            about=About(what="Optical modules by temperature.", normal="Below 70 °C; above, modules age and lose light."),
            unit="celsius",
            steps=above(65, 70, plain=BLUE),
            none="not reported",
        ),
        bars(
            "Weakest light",
            Query(f"sort(bottomk(12, min by (switch, port) ({_LIGHT})))", "{{switch}} {{port}}"),
            about=About(
                what="Light that a module receives, the weakest lane of a port.",
                normal="-3 to 3 dBm; the module's data sheet knows. Copper has none. Far below the others: clean the fibre.",
            ),
            unit="dBm",
            least=None,
            steps=below(-5, -8, plain=BLUE),
            none="not reported",
        ),
        lines(
            "Temperature of switches",
            Query(kept(12, "switch", _HOTTEST, f"{_HOTTEST[:-1]} @ end())"), "{{switch}}"),
            about=About(
                what="The hottest sensor of each switch; the twelve hottest.", normal="50 to 80 °C at the ASIC, with the room."
            ),
            unit="celsius",
            none="no switches",
            size=(8, 8),
        ),
        states(
            "When they answered",
            Query(
                kept(20, "target", f"max by (target) ({_ANSWERS})", f"1 - max by (target) ({_ANSWERS} @ end())"),
                "{{target}}",
            ),
            Query("min by (manager) (wattstat_fabric_manager_up)", "{{manager}}"),
            about=About(
                what="When switches and fabric managers answered; of many switches those that are silent first.",
                normal="“answers” throughout. A gap is nobody who asked.",
            ),
            words=switch("answers", "silent"),
            none="no switches",
            size=(24, 6),
        ),
    ],
)
