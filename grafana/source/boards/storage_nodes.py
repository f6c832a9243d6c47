"""Storage: the rows of the clusters' nodes, and of what object stores keep to themselves."""

from grafana.source.board import Row
from grafana.source.charts import lines
from grafana.source.expressions import kept
from grafana.source.kit import About, Query
from grafana.source.looks import AMBER, BLUE, MAGENTA, Word, above, switch
from grafana.source.tables import Column, Key, rows

_CHOSEN = 'storage=~"$storage"'
_NODE = "storage, storage_node"


def _of_node(name: str, *, by: str = "max") -> str:
    return f"{by} by ({_NODE}) (wattstat_storage_node_{name})"


def _chosen(name: str, more: str = "") -> str:
    return f"{name}{{{_CHOSEN}{more}}}"


NODES = Row(
    title="Nodes",
    panels=[
        rows(
            "Nodes",
            [Key(label="storage", name="Cluster", width=120), Key(label="storage_node", name="Node")],
            Column(name="Up", expr=_of_node(_chosen("up"), by="min"), words=switch("up", "down"), width=70),
            Column(
                name="Health",
                expr=_of_node(_chosen("health"), by="min"),
                words=(Word(1, "good"), Word(0.5, "needs attention", AMBER), Word(0, "down", MAGENTA)),
                width=130,
            ),
            Column(name="Supplies", expr=_of_node(_chosen("psu_ok"), by="min"), words=switch("good", "failed", colour=AMBER)),
            Column(name="Processors", expr=_of_node(_chosen("cpu_ratio")), unit="percentunit", decimals=0),
            Column(
                name="Drives busy",
                expr=_of_node(_chosen("disk_busy_ratio")),
                unit="percentunit",
                decimals=0,
                bar=(0, 1),
                steps=above(0.8, plain=BLUE),
            ),
            Column(name="Sends", expr=_of_node(_chosen("network_bytes_per_second", ',direction="transmit"')), unit="Bps"),
            Column(name="Power", expr=_of_node(_chosen("power_watts"), by="max"), unit="watt"),
            about=About(
                what="Every node of the chosen clusters. What a product does not report stays empty: ECS has no busy drives.",
                normal="Up, good, with all supplies, and alike: one node that is busier than the others slows everybody.",
            ),
            none="no storage",
            sort="Drives busy",
            size=(16, 9),
        ),
        lines(
            "Busiest drives",
            Query(
                kept(
                    12,
                    _NODE,
                    _chosen("wattstat_storage_node_disk_busy_ratio"),
                    f"{_chosen('wattstat_storage_node_disk_busy_ratio')} @ end()",
                ),
                "{{storage_node}}",
            ),
            about=About(
                what="How busy a node's drives are on average; the twelve nodes that are busiest at the end.",
                normal="Below 80 %, and all nodes of a cluster alike.",
            ),
            unit="percentunit",
            decimals=0,
            steps=above(0.8),
            least=0,
            none="not reported",
            size=(8, 9),
        ),
    ],
)

OBJECTS = Row(
    title="Object stores: what waits in the background",
    panels=[
        lines(
            "Behind the other site",
            Query(f"max by (storage, group) ({_chosen('wattstat_storage_replication_lag_seconds')})", "{{storage}} {{group}}"),
            about=About(
                what="How far the other sites are behind: the last minutes of writes, which would be lost with this one.",
                normal="Seconds; the site's own goal otherwise.",
            ),
            unit="s",
            least=0,
            none="no replication",
            size=(8, 7),
        ),
        lines(
            "Data that waits",
            Query(f"sum by (storage) ({_chosen('wattstat_storage_recovery_pending_bytes')})", "{{storage}} to be made whole"),
            Query(
                f"sum by (storage) ({_chosen('wattstat_storage_replication_pending_bytes')})", "{{storage}} to be replicated"
            ),
            Query(
                "sum by (storage) (" + _chosen("wattstat_storage_garbage_bytes", ',state="pending"') + ")",
                "{{storage}} to be reclaimed",
            ),
            about=About(
                what="Data that lost copies, that the other site lacks, and that nobody needs and still fills the disks.",
                normal="Nothing to be made whole; the others rise and fall.",
            ),
            unit="decbytes",
            least=0,
            none="not reported",
            size=(8, 7),
        ),
        lines(
            "Requests that fail",
            Query(_chosen("wattstat_storage_errors_per_second"), "{{storage}} {{category}}"),
            about=About(
                what="Operations that failed, by whose fault it was: the user's (404, 403) or the system's (5xx).",
                normal="The system's near 0; the user's as programs are written.",
            ),
            unit="ops",
            least=0,
            none="not reported",
            size=(8, 7),
        ),
    ],
)
