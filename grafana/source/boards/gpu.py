"""GPU: for the engineer, and for the owner of a slow job."""

from grafana.source import board
from grafana.source.board import Board, Page, Row, Variable
from grafana.source.boards import gpu_work
from grafana.source.boards.gpu_work import GPU, RECOVERY
from grafana.source.charts import lines, states
from grafana.source.expressions import gpu_power
from grafana.source.kit import About, Query, number
from grafana.source.links import to_board
from grafana.source.looks import AMBER, BLUE, MAGENTA, PLAIN, Word, above, below

_NOW = Row(
    panels=[
        number(
            "Degrees until it slows down",
            Query(f"min(wattstat_gpu_temperature_margin_celsius{{{GPU}}})"),
            about=About(
                what="What the hottest of these GPUs has left until it slows itself down, by its own margin.",
                normal="Above 10 °C. Some H100 report 0 or less all the time: there the temperature counts.",
            ),
            unit="celsius",
            decimals=0,
            steps=below(10, 5),
            size=(3, 4),
        ),
        number(
            "Power of its limit",
            Query(
                f'max(({gpu_power(GPU)}) / on (node, gpu) wattstat_gpu_power_limit_watts{{{GPU},kind="enforced"}})',
            ),
            about=About(
                what="Power over the limit in force, of the GPU where it is highest.",
                normal="90 to 100 % in training. At 100 % the limit decides how fast it runs; that is meant, not a fault.",
            ),
            unit="percentunit",
            decimals=0,
            size=(3, 4),
        ),
        number(
            "The driver asks for",
            Query(f"max(wattstat_gpu_recovery_action{{{GPU}}})"),
            about=About(what="What the driver wants done before the GPU can be relied on again.", normal="none."),
            unit="none",
            words=RECOVERY,
            size=(3, 4),
        ),
        number(
            "XID errors in a day",
            Query(f"sum(increase(wattstat_gpu_xid_errors_total{{{GPU}}}[1d]))"),
            about=About(
                what="Errors that the driver reported in the last 24 hours; the chart below has their numbers.",
                normal="None. 13, 31, 43 and 45 come from programs; 48, 62, 64, 74, 79, 95, 119, 120 from the hardware.",
            ),
            unit="none",
            decimals=0,
            steps=above(1, 10),
            size=(3, 4),
            links=[to_board("wattstat-alerts", "Alerts and SLOs")],
        ),
        number(
            "Uncorrected memory errors",
            Query(f'sum(increase(wattstat_gpu_ecc_errors_total{{{GPU},kind="uncorrected"}}[1d]))'),
            about=About(what="ECC errors that could not be corrected, in the last 24 hours.", normal="None."),
            unit="none",
            decimals=0,
            steps=above(1, 1),
            size=(3, 4),
        ),
        number(
            "Rows of memory repaired",
            Query(f'sum(wattstat_gpu_remapped_rows{{{GPU},kind="uncorrectable"}})', "uncorrectable"),
            Query(f"sum(wattstat_gpu_row_remap_pending{{{GPU}}})", "waiting for a reset"),
            about=About(
                what="Rows remapped after errors that could not be corrected, and GPUs whose repair waits for a reset.",
                normal="None. A few over years are usual; several in a month lead to a replacement.",
            ),
            unit="none",
            steps=above(1),
            size=(5, 4),
        ),
        number(
            "PCIe lanes missing",
            Query(
                f'sum(wattstat_gpu_pcie_link_width{{{GPU},kind="max"}}'
                f' - on (node, gpu) wattstat_gpu_pcie_link_width{{{GPU},kind="current"}})'
            ),
            about=About(
                what="Lanes that the link to the host could have and has not. The generation falls when idle and says nothing.",
                normal="None.",
            ),
            unit="none",
            steps=above(1),
            size=(4, 4),
        ),
        states(
            "What holds the clocks down",
            Query(
                f'max by (gpu) (5 * wattstat_gpu_throttle_active{{{GPU},reason=~"hw_slowdown|hw_thermal"}}'
                f' or 4 * wattstat_gpu_throttle_active{{{GPU},reason="hw_power_brake"}}'
                f' or 3 * wattstat_gpu_throttle_active{{{GPU},reason="sw_thermal"}}'
                f' or 2 * wattstat_gpu_throttle_active{{{GPU},reason="sw_power_cap"}}'
                f' or wattstat_gpu_throttle_active{{{GPU},reason="idle"}})',
                "GPU {{gpu}}",
            ),
            about=About(
                what="The worst reason for not running at full clock, at each time.",
                normal="“free” or “power limit” under load. A brake means that a power supply or the BMC pulled it.",
            ),
            words=(
                Word(0, "free"),
                Word(1, "idle", "#3b4654"),
                Word(2, "power limit", BLUE),
                Word(3, "heat", AMBER),
                Word(4, "power brake", MAGENTA),
                Word(5, "hardware slowdown", MAGENTA),
            ),
            size=(12, 7),
        ),
        states(
            "Whether it could be used",
            Query(f"2 * max by (gpu) (wattstat_gpu_lost{{{GPU}}})", "GPU {{gpu}} there"),
            Query(f"max by (gpu) (wattstat_gpu_recovery_action{{{GPU}}} > bool 0)", "GPU {{gpu}} recovery"),
            about=About(
                what="When a GPU was lost, and when the driver wanted a reset or reboot.",
                normal="ok throughout. Lost from one moment on is a GPU that fell off the bus (XID 79).",
            ),
            words=(Word(0, "ok"), Word(1, "wanted", AMBER), Word(2, "lost", MAGENTA)),
            size=(12, 7),
        ),
        lines(
            "Power and limit",
            Query(gpu_power(GPU), "GPU {{gpu}}"),
            Query(f'min(wattstat_gpu_power_limit_watts{{{GPU},kind="enforced"}})', "lowest limit", limit=True),
            about=About(
                what="Power of each GPU, and the lowest limit in force: of the driver, the BMC or a policy.",
                normal="GPUs of one job draw alike, up to the limit.",
            ),
            unit="watt",
            least=0,
            size=(8, 8),
        ),
        lines(
            "Clocks",
            Query(f'wattstat_gpu_clock_hertz{{{GPU},domain="sm"}}', "GPU {{gpu}}"),
            Query(f'max(wattstat_gpu_clock_max_hertz{{{GPU},domain="sm"}})', "highest", limit=True),
            about=About(
                what="Clock of the multiprocessors, and the highest that the GPU can have.",
                normal="Near the highest, or where the power limit leaves it. One lower than the others is the straggler.",
            ),
            unit="hertz",
            least=0,
            size=(8, 8),
        ),
        lines(
            "Distance to slowing down",
            Query(f"wattstat_gpu_temperature_margin_celsius{{{GPU}}}", "GPU {{gpu}}"),
            about=About(
                what="Degrees until the GPU slows itself down: the driver's margin, else its threshold less its temperature.",
                normal="Above 10 °C, GPUs of a server within 10 °C of each other.",
            ),
            unit="celsius",
            steps=below(10, 5, plain=PLAIN),
            size=(8, 8),
        ),
    ],
)

BOARD = Board(
    uid="wattstat-gpu",
    title="GPU",
    question="For the engineer and the owner of a slow job: are these GPUs healthy, and what holds them back?",
    rows=[_NOW, gpu_work.WORK, gpu_work.FAULTS],
    page=Page(title="Server's page", path="/node/${node}"),
    variables=[
        Variable(name="node", title="Server", metric="wattstat_gpu_lost"),
        Variable(name="gpu", title="GPU", metric='wattstat_gpu_lost{node="$node"}', several=True),
    ],
    annotations=[board.alerts('node="$node"'), board.caps('node="$node"'), board.job_starts('node="$node",gpu=~"$gpu"')],
)
