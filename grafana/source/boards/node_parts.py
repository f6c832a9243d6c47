"""Node, below the first screen: GPUs and their jobs, air, fans and supplies."""

from grafana.source.board import Row
from grafana.source.charts import lines
from grafana.source.expressions import gpu_power, kept
from grafana.source.kit import About, Query
from grafana.source.links import CELL, label, to_board, to_page
from grafana.source.looks import GREY, below
from grafana.source.tables import Column, Key, rows

NODE = 'node="$node"'
_TEMPERATURE = f"wattstat_node_temperature_celsius{{{NODE}}}"
LIMIT = f'wattstat_node_temperature_limit_celsius{{{NODE},kind="caution"}}'
_HELD = f"wattstat_job_gpu_info{{{NODE}}}"
GPU_PAGE = to_board("wattstat-gpu", "GPU", node="${node}", gpu=label("gpu"))

GPUS = Row(
    title="GPUs and the jobs on them",
    panels=[
        lines(
            "Power of each GPU",
            Query(gpu_power(NODE), "GPU {{gpu}}"),
            Query(f'min(wattstat_gpu_power_limit_watts{{{NODE},kind="enforced"}})', "lowest limit", limit=True),
            about=About(
                what="What each GPU draws, as the mean over a second where the driver has it, and the lowest limit in force.",
                normal="GPUs of one job draw alike. One below the others holds the job back or has lost its process.",
            ),
            unit="watt",
            least=0,
            none="no GPUs",
            size=(8, 8),
            links=[GPU_PAGE],
        ),
        lines(
            "Utilization of each GPU",
            Query(f"wattstat_gpu_utilization_ratio{{{NODE}}}", "GPU {{gpu}}"),
            about=About(
                what="Share of the time in which a kernel ran.",
                normal="Near 100 % in training. Full utilization at low power is waiting in a collective.",
            ),
            unit="percentunit",
            least=0,
            most=1,
            none="no GPUs",
            size=(8, 8),
            links=[GPU_PAGE],
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

BODY = Row(
    title="Air, fans, supplies",
    panels=[
        lines(
            "Temperatures",
            Query(f'max by (role) (wattstat_node_temperature_celsius{{{NODE},role!="other"}})', "{{role}}"),
            Query(f'max(wattstat_gpu_temperature_celsius{{{NODE},sensor="gpu"}})', "hottest GPU"),
            about=About(
                what="The warmest sensor of each kind.",
                normal="Inlet 18 to 27 °C; the others follow the load and stay far from the limits at the right.",
            ),
            unit="celsius",
            size=(8, 8),
        ),
        lines(
            "Distance to caution levels",
            Query(
                kept(
                    10,
                    "sensor",
                    f"min by (sensor) ({LIMIT} - on (node, sensor) {_TEMPERATURE})",
                    f"max by (sensor) ({_TEMPERATURE} @ end() - on (node, sensor) {LIMIT} @ end())",
                ),
                "{{sensor}}",
            ),
            about=About(
                what="Degrees that sensors have left to the caution level which the BMC itself has for each; the ten nearest.",
                normal="Above 5 °C.",
            ),
            unit="celsius",
            steps=below(5, 0, plain=GREY),
            size=(8, 8),
        ),
        lines(
            "Fans",
            Query(f"max(wattstat_fan_speed_rpm{{{NODE}}})", "fastest"),
            Query(f"quantile(0.5, wattstat_fan_speed_rpm{{{NODE}}})", "median"),
            Query(f"min(wattstat_fan_speed_rpm{{{NODE}}})", "slowest"),
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
            Query(f"wattstat_psu_input_watts{{{NODE}}}", "{{psu}}"),
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
            Query(f'sum by (severity) (increase(wattstat_node_log_events_total{{{NODE},severity!="OK"}}[1h]))', "{{severity}}"),
            Query(f"sum(increase(wattstat_gpu_xid_errors_total{{{NODE}}}[1h]))", "XID errors of GPUs"),
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
