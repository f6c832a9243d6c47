"""GPU, below the first screen: work, faults, and where in the hall to look."""

from grafana.source.board import Row
from grafana.source.charts import lines
from grafana.source.expressions import GPU_UNUSABLE, gpu_power
from grafana.source.kit import About, Query
from grafana.source.links import CELL, column, to_board, to_page
from grafana.source.looks import AMBER, MAGENTA, Word, below
from grafana.source.tables import Column, Key, rows

GPU = 'node="$node",gpu=~"$gpu"'
_AT_WORK = f"wattstat_gpu_sm_active_ratio{{{GPU}}} or on (node, gpu) wattstat_gpu_utilization_ratio{{{GPU}}}"
_MEMORY = f"wattstat_gpu_memory_used_bytes{{{GPU}}} / wattstat_gpu_memory_total_bytes{{{GPU}}}"
RECOVERY = (
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
    return f'max by (gpu) (rate(wattstat_gpu_throttle_seconds_total{{{GPU},reason=~"{reason}"}}[$__rate_interval]))'


WORK = Row(
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
            Query(f"avg(wattstat_gpu_tensor_active_ratio{{{GPU}}})", "tensor cores"),
            Query(f"avg(wattstat_gpu_dram_active_ratio{{{GPU}}})", "memory's bandwidth"),
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
            Query(f"sum by (direction) (wattstat_gpu_nvlink_bytes_per_second{{{GPU}}})", "NVLink {{direction}}"),
            Query(f"sum by (direction) (wattstat_gpu_pcie_bytes_per_second{{{GPU}}})", "PCIe {{direction}}"),
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

FAULTS = Row(
    title="Faults, and where in the hall to look",
    panels=[
        lines(
            "Errors",
            Query(f"sum by (xid) (increase(wattstat_gpu_xid_errors_total{{{GPU}}}[1h])) > 0", "XID {{xid}}"),
            Query(f"sum by (kind) (increase(wattstat_gpu_nvlink_errors_total{{{GPU}}}[1h])) > 0", "NVLink {{kind}}"),
            Query(f"sum(increase(wattstat_gpu_pcie_replays_total{{{GPU}}}[1h])) > 0", "PCIe replays"),
            Query(f"sum by (kind) (increase(wattstat_gpu_ecc_errors_total{{{GPU}}}[1h])) > 0", "ECC {{kind}}"),
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
            Column(name="Driver asks for", expr=f"max by ({_BY_GPU}) (wattstat_gpu_recovery_action > 0)", words=RECOVERY),
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
