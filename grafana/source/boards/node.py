"""Node: for the engineer in front of a server."""

from grafana.source import board
from grafana.source.board import Board, Page, Row, Variable
from grafana.source.charts import lines, states
from grafana.source.expressions import GPU_UNUSABLE, counted, gpu_power, server_power
from grafana.source.kit import About, Query, number
from grafana.source.links import CELL, label, to_board, to_page
from grafana.source.looks import AMBER, GREY, HEALTH, MAGENTA, Word, above, below, switch
from grafana.source.tables import Column, Key, rows

_NODE = 'node="$node"'
_TARGET = 'target="$node"'
_TEMPERATURE = f"wattstat_node_temperature_celsius{{{_NODE}}}"
_LIMIT = f'wattstat_node_temperature_limit_celsius{{{_NODE},kind="caution"}}'
_CAP = f"wattstat_node_power_cap_watts{{{_NODE}}} and on (node) wattstat_node_power_cap_active == 1"
_RAILS = f"wattstat_infiniband_port_active{{{_NODE}}} and on (node, device) wattstat_fabric_link_info{{{_NODE}}}"
_ENTRIES = f'wattstat_node_log_events_total{{{_NODE},severity!="OK"}}'
_HELD = f"wattstat_job_gpu_info{{{_NODE}}}"
_GPU_PAGE = to_board("wattstat-gpu", "GPU", node="${node}", gpu=label("gpu"))

_NOW = Row(
    panels=[
        number(
            "State",
            Query(f"3 * (1 - max(wattstat_node_power_on{{{_NODE}}})) > 0 or max(wattstat_node_health{{{_NODE}}})"),
            about=About(
                what="The worst that the BMC says of any component, or that the host is off; the strips below say of which.",
                normal="ok.",
            ),
            unit="none",
            words=(*HEALTH, Word(3, "off", MAGENTA)),
        ),
        number(
            "Power supplies",
            Query(f"wattstat_psu_redundancy_ok{{{_NODE}}}"),
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
            Query(f"sum({server_power(_NODE)})"),
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
            Query(f'min({_LIMIT} - on (node, sensor) wattstat_node_temperature_celsius{{{_NODE},role="inlet"}})'),
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
            Query(counted(f"({GPU_UNUSABLE}) and on (node) wattstat_gpu_lost{{{_NODE}}}", f"wattstat_gpu_lost{{{_NODE}}}")),
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
            Query(f"max(wattstat_node_health{{{_NODE}}} > bool 0) + max(wattstat_node_health{{{_NODE}}} > bool 1)", "health"),
            Query(f"2 * (1 - wattstat_node_power_on{{{_NODE}}})", "power switch"),
            Query(f"2 * (1 - wattstat_psu_redundancy_ok{{{_NODE}}})", "power supplies"),
            Query(f"2 * max(wattstat_gpu_lost{{{_NODE}}})", "GPU lost"),
            Query(f"2 * (1 - min({_RAILS}))", "rails of the fabric"),
            Query(f"max(wattstat_cap_broken{{{_NODE}}} or 0 * wattstat_cap_target_watts{{{_NODE}}})", "caps"),
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
                f"wattstat_node_health{{{_NODE}}} and on (component)"
                f" (max_over_time(wattstat_node_health{{{_NODE}}}[$__range] @ end()) > 0 or wattstat_node_health{{{_NODE},"
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
            [Key(label="severity", name="Severity", width=90), Key(label="message", name="Message")],
            Column(
                name="Count",
                expr=f"count by (severity, message) (wattstat_node_fault_info{{{_NODE}}})",
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
            Query(f'sum(wattstat_node_power_watts{{{_NODE},source="system"}})', "BMC's meter"),
            Query(f'sum(wattstat_node_power_watts{{{_NODE},source="psu_sum"}})', "power supplies together"),
            Query(f"sum({gpu_power(_NODE)})", "GPUs together"),
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
            links=[_GPU_PAGE],
        ),
    ],
)

_GPUS = Row(
    title="GPUs and the jobs on them",
    panels=[
        lines(
            "Power of each GPU",
            Query(gpu_power(_NODE), "GPU {{gpu}}"),
            Query(f'min(wattstat_gpu_power_limit_watts{{{_NODE},kind="enforced"}})', "lowest limit", limit=True),
            about=About(
                what="What each GPU draws, as the mean over a second where the driver has it, and the lowest limit in force.",
                normal="GPUs of one job draw alike. One below the others holds the job back or has lost its process.",
            ),
            unit="watt",
            least=0,
            none="no GPUs",
            size=(8, 8),
            links=[_GPU_PAGE],
        ),
        lines(
            "Utilization of each GPU",
            Query(f"wattstat_gpu_utilization_ratio{{{_NODE}}}", "GPU {{gpu}}"),
            about=About(
                what="Share of the time in which a kernel ran.",
                normal="Near 100 % in training. Full utilization at low power is waiting in a collective.",
            ),
            unit="percentunit",
            least=0,
            most=1,
            none="no GPUs",
            size=(8, 8),
            links=[_GPU_PAGE],
        ),
        rows(
            "Jobs here now",
            [
                Key(label="job_id", name="Job", width=90, links=[to_page(f"/job/{CELL}", "Job's page")]),
                Key(label="user", name="User"),
                Key(label="account", name="Account"),
            ],
            Column(name="GPUs here", expr=f"count by (job_id, user, account) ({_HELD})", width=100),
            Column(
                name="Power of the job",
                expr=f"sum by (job_id, user, account) (wattstat_job_power_watts and on (scheduler, job_id) {_HELD})",
                unit="watt",
                decimals=1,
            ),
            about=About(
                what="Jobs that hold GPUs of this server, with the power of all of their GPUs wherever these are.",
                normal="As many GPUs as the scheduler gave away.",
            ),
            none="no jobs",
            sort="GPUs here",
            size=(8, 8),
        ),
    ],
)

_BODY = Row(
    title="Air, fans, supplies",
    panels=[
        lines(
            "Temperatures",
            Query(f'max by (role) (wattstat_node_temperature_celsius{{{_NODE},role!="other"}})', "{{role}}"),
            Query(f'max(wattstat_gpu_temperature_celsius{{{_NODE},sensor="gpu"}})', "hottest GPU"),
            about=About(
                what="The warmest sensor of each kind.",
                normal="Inlet 18 to 27 °C; the others follow the load and stay far from the limits at the right.",
            ),
            unit="celsius",
            size=(8, 8),
        ),
        lines(
            "Distance to caution levels",
            Query(f"min by (sensor) ({_LIMIT} - on (node, sensor) {_TEMPERATURE})", "{{sensor}}"),
            about=About(
                what="Degrees that each sensor has left to the caution level which the BMC itself has for it.",
                normal="Above 5 °C.",
            ),
            unit="celsius",
            steps=below(5, 0, plain=GREY),
            size=(8, 8),
        ),
        lines(
            "Fans",
            Query(f"max(wattstat_fan_speed_rpm{{{_NODE}}})", "fastest"),
            Query(f"quantile(0.5, wattstat_fan_speed_rpm{{{_NODE}}})", "median"),
            Query(f"min(wattstat_fan_speed_rpm{{{_NODE}}})", "slowest"),
            about=About(
                what="Speed of the fans.",
                normal="All follow the load together. One far below the others fails; all at their most: the air is too warm.",
            ),
            unit="rotrpm",
            least=0,
            size=(8, 8),
        ),
        lines(
            "Power supplies' input",
            Query(f"wattstat_psu_input_watts{{{_NODE}}}", "{{psu}}"),
            about=About(
                what="Input power of each supply.",
                normal="Alike. One at 0 has lost its feed or sleeps as a spare; half of them at 0 at once: a feed is gone.",
            ),
            unit="watt",
            least=0,
            size=(12, 8),
        ),
        lines(
            "Entries in the BMC's log",
            Query(
                f'sum by (severity) (increase(wattstat_node_log_events_total{{{_NODE},severity!="OK"}}[1h]))', "{{severity}}"
            ),
            Query(f"sum(increase(wattstat_gpu_xid_errors_total{{{_NODE}}}[1h]))", "XID errors of GPUs"),
            about=About(
                what="What came into the BMC's event log within the hour before, and XID errors that the driver reported.",
                normal="None.",
            ),
            unit="none",
            least=0,
            size=(12, 8),
            links=[to_page("/node/${node}", "Server's page")],
        ),
    ],
)

BOARD = Board(
    uid="wattstat-node",
    title="Node",
    question="For the engineer in front of a server: what is wrong with it, and since when?",
    rows=[_NOW, _GPUS, _BODY],
    page=Page(title="Server's page", path="/node/${node}"),
    variables=[Variable(name="node", title="Server", metric='{__name__=~"wattstat_node_info|wattstat_gpu_info"}')],
    annotations=[board.alerts('node="$node"'), board.caps('node="$node"'), board.job_starts('node="$node"')],
)
