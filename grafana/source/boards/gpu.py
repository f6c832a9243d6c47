"""GPU: for the engineer, and for the owner of a slow job."""

from grafana.source import board
from grafana.source.board import Board, Page, Row, Variable
from grafana.source.charts import lines, states
from grafana.source.expressions import GPU_UNUSABLE, gpu_power
from grafana.source.kit import About, Query, number
from grafana.source.links import CELL, column, to_board, to_page
from grafana.source.looks import AMBER, BLUE, MAGENTA, PLAIN, Word, above, below
from grafana.source.tables import Column, Key, rows

_GPU = 'node="$node",gpu=~"$gpu"'
_AT_WORK = f"wattstat_gpu_sm_active_ratio{{{_GPU}}} or on (node, gpu) wattstat_gpu_utilization_ratio{{{_GPU}}}"
_MEMORY = f"wattstat_gpu_memory_used_bytes{{{_GPU}}} / wattstat_gpu_memory_total_bytes{{{_GPU}}}"
_RECOVERY = (
    Word(0, "none"),
    Word(1, "reset", AMBER),
    Word(2, "reboot", MAGENTA),
    Word(3, "drain P2P", AMBER),
    Word(4, "drain, reset", MAGENTA),
    Word(5, "IMEX", AMBER),
    Word(6, "bus reset", MAGENTA),
    Word(7, "reboot system", MAGENTA),
)
_BY_GPU = "node, gpu"
_IDENTITY = [
    Key(
        label="node",
        name="Server",
        links=[to_board("wattstat-node", "Server", node=CELL), to_page(f"/node/{CELL}", "Server's page")],
    ),
    Key(label="gpu", name="GPU", width=60, links=[to_board("wattstat-gpu", "Only this GPU", node=column("Server"), gpu=CELL)]),
]


def _lost_share(reason: str) -> str:
    """Share of the time for which a reason held clocks down, by the driver's own count of it."""
    return f'max by (gpu) (rate(wattstat_gpu_throttle_seconds_total{{{_GPU},reason=~"{reason}"}}[$__rate_interval]))'


_NOW = Row(
    panels=[
        number(
            "Degrees until it slows down",
            Query(f"min(wattstat_gpu_temperature_margin_celsius{{{_GPU}}})"),
            about=About(
                what="What the hottest of these GPUs has left until it slows itself down, by its own margin.",
                normal="Above 10 °C.",
            ),
            unit="celsius",
            decimals=0,
            steps=below(10, 5),
            size=(3, 4),
        ),
        number(
            "Power of its limit",
            Query(
                f'max(({gpu_power(_GPU)}) / on (node, gpu) wattstat_gpu_power_limit_watts{{{_GPU},kind="enforced"}})',
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
            Query(f"max(wattstat_gpu_recovery_action{{{_GPU}}})"),
            about=About(what="What the driver wants done before the GPU can be relied on again.", normal="none."),
            unit="none",
            words=_RECOVERY,
            size=(3, 4),
        ),
        number(
            "XID errors in a day",
            Query(f"sum(increase(wattstat_gpu_xid_errors_total{{{_GPU}}}[1d]))"),
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
            Query(f'sum(increase(wattstat_gpu_ecc_errors_total{{{_GPU},kind="uncorrected"}}[1d]))'),
            about=About(what="ECC errors that could not be corrected, in the last 24 hours.", normal="None."),
            unit="none",
            decimals=0,
            steps=above(1, 1),
            size=(3, 4),
        ),
        number(
            "Rows of memory repaired",
            Query(f'sum(wattstat_gpu_remapped_rows{{{_GPU},kind="uncorrectable"}})', "uncorrectable"),
            Query(f"sum(wattstat_gpu_row_remap_pending{{{_GPU}}})", "waiting for a reset"),
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
                f'sum(wattstat_gpu_pcie_link_width{{{_GPU},kind="max"}}'
                f' - on (node, gpu) wattstat_gpu_pcie_link_width{{{_GPU},kind="current"}})'
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
                f'max by (gpu) (5 * wattstat_gpu_throttle_active{{{_GPU},reason=~"hw_slowdown|hw_thermal"}}'
                f' or 4 * wattstat_gpu_throttle_active{{{_GPU},reason="hw_power_brake"}}'
                f' or 3 * wattstat_gpu_throttle_active{{{_GPU},reason="sw_thermal"}}'
                f' or 2 * wattstat_gpu_throttle_active{{{_GPU},reason="sw_power_cap"}}'
                f' or wattstat_gpu_throttle_active{{{_GPU},reason="idle"}})',
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
            Query(f"2 * max by (gpu) (wattstat_gpu_lost{{{_GPU}}})", "GPU {{gpu}} there"),
            Query(f"max by (gpu) (wattstat_gpu_recovery_action{{{_GPU}}} > bool 0)", "GPU {{gpu}} recovery"),
            about=About(
                what="When a GPU was lost, and when the driver wanted a reset or reboot.",
                normal="ok throughout. Lost from one moment on is a GPU that fell off the bus (XID 79).",
            ),
            words=(Word(0, "ok"), Word(1, "wanted", AMBER), Word(2, "lost", MAGENTA)),
            size=(12, 7),
        ),
        lines(
            "Power and limit",
            Query(gpu_power(_GPU), "GPU {{gpu}}"),
            Query(f'min(wattstat_gpu_power_limit_watts{{{_GPU},kind="enforced"}})', "lowest limit", limit=True),
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
            Query(f'wattstat_gpu_clock_hertz{{{_GPU},domain="sm"}}', "GPU {{gpu}}"),
            Query(f'max(wattstat_gpu_clock_max_hertz{{{_GPU},domain="sm"}})', "highest", limit=True),
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
            Query(f"wattstat_gpu_temperature_margin_celsius{{{_GPU}}}", "GPU {{gpu}}"),
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

_WORK = Row(
    title="Work",
    panels=[
        lines(
            "Multiprocessors at work",
            Query(
                _AT_WORK,
                "GPU {{gpu}}",
            ),
            about=About(
                what="Share of cycles in which a multiprocessor had work; before Hopper, of the time in which a kernel ran.",
                normal="Above 70 % in training. Utilization alone is also 100 % while a GPU waits for the others.",
            ),
            unit="percentunit",
            least=0,
            most=1,
            size=(8, 8),
        ),
        lines(
            "Tensor cores and memory",
            Query(f"avg(wattstat_gpu_tensor_active_ratio{{{_GPU}}})", "tensor cores"),
            Query(f"avg(wattstat_gpu_dram_active_ratio{{{_GPU}}})", "memory's bandwidth"),
            Query(f"avg({_MEMORY})", "memory in use"),
            about=About(
                what="What the work is bound by, as the mean over these GPUs; the first two from Hopper on.",
                normal="Training lives on tensor cores, inference on the memory's bandwidth.",
            ),
            unit="percentunit",
            least=0,
            most=1,
            size=(8, 8),
        ),
        lines(
            "Traffic",
            Query(f"sum by (direction) (wattstat_gpu_nvlink_bytes_per_second{{{_GPU}}})", "NVLink {{direction}}"),
            Query(f"sum by (direction) (wattstat_gpu_pcie_bytes_per_second{{{_GPU}}})", "PCIe {{direction}}"),
            about=About(
                what="Payload over NVLink and PCIe of these GPUs together.",
                normal="Training within a server goes over NVLink; much over PCIe is data that comes in, or a missing NVLink.",
            ),
            unit="Bps",
            least=0,
            size=(8, 8),
        ),
    ],
)

_FAULTS = Row(
    title="Faults, and where in the hall to look",
    panels=[
        lines(
            "Errors",
            Query(f"sum by (xid) (increase(wattstat_gpu_xid_errors_total{{{_GPU}}}[1h])) > 0", "XID {{xid}}"),
            Query(f"sum by (kind) (increase(wattstat_gpu_nvlink_errors_total{{{_GPU}}}[1h])) > 0", "NVLink {{kind}}"),
            Query(f"sum(increase(wattstat_gpu_pcie_replays_total{{{_GPU}}}[1h])) > 0", "PCIe replays"),
            Query(f"sum by (kind) (increase(wattstat_gpu_ecc_errors_total{{{_GPU}}}[1h])) > 0", "ECC {{kind}}"),
            about=About(
                what="Errors of each kind within the hour before, where there were any.",
                normal="Empty. Single corrected ECC errors and PCIe replays are harmless; a rising line is not.",
            ),
            unit="none",
            least=0,
            none="no errors",
            size=(12, 8),
        ),
        lines(
            "Time lost",
            Query(_lost_share("sw_power_cap"), "GPU {{gpu}} power limit"),
            Query(f"{_lost_share('sw_thermal|hw_thermal|hw_power_brake')} > 0", "GPU {{gpu}} heat, brake"),
            about=About(
                what="Share of the time for which clocks were held down, by the driver's own count, which misses nothing.",
                normal="By the power limit as policies want it; by heat and brake never.",
            ),
            unit="percentunit",
            least=0,
            most=1,
            size=(12, 8),
        ),
        rows(
            "GPUs of the hall that need somebody",
            _IDENTITY,
            Column(
                name="Lost",
                expr=f"max by ({_BY_GPU}) (wattstat_gpu_lost) and on ({_BY_GPU}) ({GPU_UNUSABLE})",
                words=(Word(0, "no"), Word(1, "lost", MAGENTA)),
            ),
            Column(name="Driver asks for", expr=f"max by ({_BY_GPU}) (wattstat_gpu_recovery_action > 0)", words=_RECOVERY),
            Column(
                name="Repair",
                expr=f"max by ({_BY_GPU}) (2 * wattstat_gpu_row_remap_failed > 0 or wattstat_gpu_row_remap_pending > 0)",
                words=(Word(1, "waits for a reset", AMBER), Word(2, "failed: replace", MAGENTA)),
            ),
            about=About(
                what="Every GPU of the hall, whatever is chosen above, that is lost, wants a reset or repairs its memory.",
                normal="Empty.",
            ),
            none="none",
            size=(12, 8),
        ),
        rows(
            "Hottest of the hall",
            _IDENTITY,
            Column(
                name="Until it slows down",
                expr=f"bottomk(15, min by ({_BY_GPU}) (wattstat_gpu_temperature_margin_celsius))",
                unit="celsius",
                decimals=0,
                steps=below(10, 5),
            ),
            Column(
                name="Power",
                expr=f"sum by ({_BY_GPU}) ({gpu_power()})"
                f" and on ({_BY_GPU}) bottomk(15, min by ({_BY_GPU}) (wattstat_gpu_temperature_margin_celsius))",
                unit="watt",
            ),
            about=About(
                what="The fifteen GPUs of the hall that are nearest to slowing themselves down.",
                normal="Above 10 °C. All in one rack: its air; all with one index: the place in the chassis.",
            ),
            sort="Until it slows down",
            ascending=True,
            size=(12, 8),
        ),
    ],
)

BOARD = Board(
    uid="wattstat-gpu",
    title="GPU",
    question="For the engineer and the owner of a slow job: are these GPUs healthy, and what holds them back?",
    rows=[_NOW, _WORK, _FAULTS],
    page=Page(title="Server's page", path="/node/${node}"),
    variables=[
        Variable(name="node", title="Server", metric="wattstat_gpu_lost"),
        Variable(name="gpu", title="GPU", metric='wattstat_gpu_lost{node="$node"}', several=True),
    ],
    annotations=[board.alerts('node="$node"'), board.caps('node="$node"'), board.job_starts('node="$node",gpu=~"$gpu"')],
)
