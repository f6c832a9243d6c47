"""Node: for the engineer in front of a server."""

from grafana.source import board
from grafana.source.board import Board, Page, Row, Variable
from grafana.source.boards import node_parts
from grafana.source.boards.node_parts import GPU_PAGE, LIMIT, NODE
from grafana.source.charts import lines, states
from grafana.source.expressions import GPU_UNUSABLE, counted, gpu_power, server_power
from grafana.source.kit import About, Query, number
from grafana.source.links import to_board, to_page
from grafana.source.looks import AMBER, HEALTH, MAGENTA, SEVERITIES, Word, above, below, switch
from grafana.source.tables import Column, Key, rows

_TARGET = 'target="$node"'
_CAP = f"wattstat_node_power_cap_watts{{{NODE}}} and on (node) wattstat_node_power_cap_active == 1"
_RAILS = f"wattstat_infiniband_port_active{{{NODE}}} and on (node, device) wattstat_fabric_link_info{{{NODE}}}"

_NOW = Row(
    panels=[
        number(
            "State",
            Query(f"3 * (1 - max(wattstat_node_power_on{{{NODE}}})) > 0 or max(wattstat_node_health{{{NODE}}})"),
            about=About(
                what="The worst that the BMC says of any component, or that the host is off; the strips below say of which.",
                normal="ok.",
            ),
            unit="none",
            words=(*HEALTH, Word(3, "off", MAGENTA)),
        ),
        number(
            "Power supplies",
            Query(f"wattstat_psu_redundancy_ok{{{NODE}}}"),
            about=About(
                what="Whether the power supplies are redundant: whether the server survives the loss of a feed.",
                normal="redundant. “not said” where the BMC has no word for it.",
            ),
            unit="none",
            words=switch("redundant", "not redundant"),
            none="not said",
            size=(3, 4),
        ),
        number(
            "Power",
            Query(f"sum({server_power(NODE)})"),
            about=About(
                what="What the server draws, by its best meter: the BMC's own, else its supplies together, else an estimate.",
                normal="Eight H100 under load: 6 to 9 kW; idle: below 2 kW.",
            ),
            unit="watt",
            size=(3, 4),
            links=[to_page("/power", "Power page")],
        ),
        number(
            "Cap in force",
            Query(_CAP),
            about=About(
                what="The server's own power cap, where it is in force; caps of single GPUs are in the chart of the GPUs.",
                normal="As policies say. “none” without a cap, or where the BMC does not say whether it holds.",
            ),
            unit="watt",
            none="none",
            size=(3, 4),
            links=[to_page("/policies", "Policies page")],
        ),
        number(
            "Inlet, below caution by",
            Query(f'min({LIMIT} - on (node, sensor) wattstat_node_temperature_celsius{{{NODE},role="inlet"}})'),
            about=About(
                what="Degrees that the air which goes in has left to the caution level that this BMC reports.",
                normal="Above 5 °C.",
            ),
            unit="celsius",
            decimals=0,
            steps=below(5, 0),
        ),
        number(
            "GPUs not usable",
            Query(counted(f"({GPU_UNUSABLE}) and on (node) wattstat_gpu_lost{{{NODE}}}", f"wattstat_gpu_lost{{{NODE}}}")),
            about=About(
                what="GPUs of this server that are lost, want a reset or reboot, or cannot repair their memory.",
                normal="None. “no GPUs” on a server without.",
            ),
            unit="none",
            steps=above(1, 1),
            none="no GPUs",
            size=(3, 4),
            links=[to_board("wattstat-gpu", "GPUs", node="${node}")],
        ),
        number(
            "Oldest reading",
            Query(
                f'time() - min(max by (collector) (wattstat_collector_last_success_timestamp_seconds{{{_TARGET},tier="fast"}}))'
            ),
            about=About(
                what="Age of the newest reading of the source that has been silent longest: BMC or agent.",
                normal="Some seconds. Minutes: look at the strip below for who is silent.",
            ),
            unit="s",
            decimals=0,
            steps=above(60, 300),
            links=[to_board("wattstat-self", "Wattstat itself")],
        ),
        states(
            "What was wrong, and when",
            Query(f"max(wattstat_node_health{{{NODE}}} > bool 0) + max(wattstat_node_health{{{NODE}}} > bool 1)", "health"),
            Query(f"2 * (1 - wattstat_node_power_on{{{NODE}}})", "power switch"),
            Query(f"2 * (1 - wattstat_psu_redundancy_ok{{{NODE}}})", "power supplies"),
            Query(f"2 * max(wattstat_gpu_lost{{{NODE}}})", "GPU lost"),
            Query(f"2 * (1 - min({_RAILS}))", "rails of the fabric"),
            Query(f"max(wattstat_cap_broken{{{NODE}}} or 0 * wattstat_cap_target_watts{{{NODE}}})", "caps"),
            Query(f"1 - min by (collector) (wattstat_collector_success{{{_TARGET}}})", "{{collector}} readings"),
            about=About(
                what="Health, switch, supplies, GPUs, cables and caps over time, and who could not be read.",
                normal="ok throughout. What begins together has one cause.",
            ),
            words=(Word(0, "ok"), Word(1, "warning", AMBER), Word(2, "bad", MAGENTA)),
            size=(12, 9),
        ),
        states(
            "Components that were not ok",
            Query(
                f"wattstat_node_health{{{NODE}}} and on (component)"
                f" (max_over_time(wattstat_node_health{{{NODE}}}[$__range] @ end()) > 0 or wattstat_node_health{{{NODE},"
                'component="system"})',
                "{{component}}",
            ),
            about=About(
                what="Components that the BMC reported as not OK at any time shown, and the system as a whole.",
                normal="Only the system, and it is ok.",
            ),
            words=HEALTH,
            size=(6, 9),
        ),
        rows(
            "Faults that the BMC reports",
            [Key(label="severity", name="Severity", width=90, colours=SEVERITIES), Key(label="message", name="Message")],
            Column(
                name="Count",
                expr=f"count by (severity, message) (wattstat_node_fault_info{{{NODE}}})",
                width=70,
            ),
            about=About(what="The BMC's own list of current faults, in its own words.", normal="Empty."),
            none="no faults",
            sort="Severity",
            ascending=True,
            size=(6, 9),
        ),
        lines(
            "Power and caps",
            Query(f'sum(wattstat_node_power_watts{{{NODE},source="system"}})', "BMC's meter"),
            Query(f'sum(wattstat_node_power_watts{{{NODE},source="psu_sum"}})', "power supplies together"),
            Query(f"sum({gpu_power(NODE)})", "GPUs together"),
            Query(_CAP, "cap", limit=True),
            about=About(
                what="Power by each meter of the server, its GPUs together, and the cap while it is in force.",
                normal="The meters within a few per cent of each other, below the cap; GPUs 60 to 80 % of it under load.",
            ),
            unit="watt",
            least=0,
            size=(12, 8),
        ),
        states(
            "What holds the GPUs' clocks down",
            Query(
                'max by (gpu) (4 * wattstat_gpu_throttle_active{node="$node",reason=~"hw_.*"}'
                ' or 3 * wattstat_gpu_throttle_active{node="$node",reason="sw_thermal"}'
                ' or 2 * wattstat_gpu_throttle_active{node="$node",reason="sw_power_cap"}'
                ' or wattstat_gpu_throttle_active{node="$node",reason="idle"})',
                "GPU {{gpu}}",
            ),
            about=About(
                what="The worst reason of each GPU for not running at full clock.",
                normal="“free” or “power limit” under load, “idle” without. Heat and hardware slow whole jobs down.",
            ),
            words=(
                Word(0, "free"),
                Word(1, "idle", "#3b4654"),
                Word(2, "power limit", "#3d86d6"),
                Word(3, "heat", AMBER),
                Word(4, "hardware", MAGENTA),
            ),
            none="no GPUs",
            size=(12, 8),
            links=[GPU_PAGE],
        ),
    ],
)

BOARD = Board(
    uid="wattstat-node",
    title="Node",
    question="For the engineer in front of a server: what is wrong with it, and since when?",
    rows=[_NOW, node_parts.GPUS, node_parts.BODY],
    page=Page(title="Server's page", path="/node/${node}"),
    variables=[Variable(name="node", title="Server", metric='{__name__=~"wattstat_node_info|wattstat_gpu_info"}')],
    annotations=[board.alerts('node="$node"'), board.caps('node="$node"'), board.job_starts('node="$node"')],
)
