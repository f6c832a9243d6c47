"""Storage: for whoever must keep the data coming."""

from grafana.source import board
from grafana.source.board import Board, Page, Row, Variable
from grafana.source.boards.storage_nodes import NODES, OBJECTS
from grafana.source.charts import lines
from grafana.source.expressions import counted
from grafana.source.kit import About, Query, bars, number
from grafana.source.links import to_page
from grafana.source.looks import AMBER, BLUE, MAGENTA, Word, above
from grafana.source.tables import Column, Key, rows
from wattstat.catalogue.storage import GOOD_DRIVES

_CHOSEN = 'storage=~"$storage"'
_BAD_DRIVES = f'wattstat_storage_drives{{{_CHOSEN},state!~"(?i:{"|".join(GOOD_DRIVES)})"}}'
_USED = f'wattstat_storage_capacity_bytes{{{_CHOSEN},kind="used"}}'
_FULL = f"{_USED} / on (storage) group_left () wattstat_storage_size_bytes"
_LOAD = (
    f"wattstat_storage_throughput_bytes_per_second{{{_CHOSEN}}} / on (storage, direction) "
    "wattstat_storage_design_bytes_per_second"
)
_LATE = f"wattstat_storage_latency_seconds{{{_CHOSEN}}}"
_EVENTS = f'wattstat_storage_events_open{{{_CHOSEN},severity=~"warning|error|critical|emergency"}}'
_WORDS = (Word(1, "good"), Word(0.5, "needs attention", AMBER), Word(0, "down", MAGENTA))


def _through(direction: str) -> str:
    return f'wattstat_storage_throughput_bytes_per_second{{{_CHOSEN},direction="{direction}"}}'


_NOW = Row(
    panels=[
        number(
            "Not answering",
            Query(counted(f"wattstat_storage_up{{{_CHOSEN}}} == 0", f"wattstat_storage_up{{{_CHOSEN}}}")),
            about=About(what="Clusters that did not answer their last collection.", normal="None."),
            unit="none",
            steps=above(1),
            none="no storage",
            size=(5, 4),
        ),
        number(
            "Fullest",
            Query(f"max({_FULL})"),
            about=About(
                what="Used capacity over size, of the fullest cluster.",
                normal="Below 85 %. From 95 % on writes fail, and jobs that write checkpoints with them.",
            ),
            unit="percentunit",
            decimals=0,
            steps=above(0.85, 0.95),
            size=(5, 4),
        ),
        number(
            "Drives that do not work",
            Query(f"sum({_BAD_DRIVES})"),
            about=About(
                what="Drives in any state but a good one; what is empty or being prepared is good.",
                normal="None. Each is time in which the next failure may cost data.",
            ),
            unit="none",
            steps=above(1),
            size=(5, 4),
        ),
        number(
            "Open events",
            Query(f"sum({_EVENTS})"),
            about=About(
                what="Events of severity warning or worse that nobody resolved, by the clusters' own lists.",
                normal="None.",
            ),
            unit="none",
            steps=above(1),
            links=[to_page("/storage", "Storage page")],
            size=(5, 4),
        ),
        number(
            "Most loaded",
            Query(f"max({_LOAD})"),
            about=About(
                what="Throughput over what the cluster was bought for, by direction; the highest.",
                normal="Below 80 %. Above, jobs wait for data or for checkpoints.",
            ),
            unit="percentunit",
            decimals=0,
            steps=above(0.8, 1),
            none="no design figures",
        ),
        rows(
            "Clusters",
            [Key(label="storage", name="Cluster", links=[to_page("/storage", "Storage page")])],
            Column(name="Health", expr=f"min by (storage) (wattstat_storage_health{{{_CHOSEN}}})", words=_WORDS, width=130),
            Column(
                name="Used",
                expr=f"max by (storage) ({_FULL})",
                unit="percentunit",
                bar=(0, 1),
                decimals=0,
                steps=above(0.85, 0.95, plain=BLUE),
            ),
            Column(name="Size", expr=f"max by (storage) (wattstat_storage_size_bytes{{{_CHOSEN}}})", unit="decbytes"),
            Column(name="Reads", expr=f"max by (storage) ({_through('read')})", unit="Bps"),
            Column(name="Writes", expr=f"max by (storage) ({_through('write')})", unit="Bps"),
            Column(name="Slowest answer", expr=f"max by (storage) ({_LATE})", unit="s", steps=above(0.05)),
            Column(name="Bad drives", expr=f"sum by (storage) ({_BAD_DRIVES})", steps=above(1)),
            Column(name="Events", expr=f"sum by (storage) ({_EVENTS})", steps=above(1)),
            about=About(
                what="Every cluster: its health by its own word, how full, how busy, how late, and what is open.",
                normal="Good, below 85 % full, answers within 50 ms, without bad drives and events.",
            ),
            none="no storage",
            sort="Used",
            size=(24, 6),
        ),
        lines(
            "Throughput",
            Query(f"wattstat_storage_throughput_bytes_per_second{{{_CHOSEN}}}", "{{storage}} {{direction}}"),
            about=About(
                what="What clients read and write.",
                normal="Reads follow training; writes come in bursts with checkpoints.",
            ),
            unit="Bps",
            least=0,
            size=(8, 8),
        ),
        lines(
            "Over what was bought",
            Query(_LOAD, "{{storage}} {{direction}}"),
            about=About(
                what="Throughput over what the inventory says that the cluster was bought for.",
                normal="Below 80 %. A checkpoint may reach it for a minute.",
            ),
            unit="percentunit",
            decimals=0,
            steps=above(0.8, 1),
            least=0,
            none="no design figures",
            size=(8, 8),
        ),
        lines(
            "Time of an operation",
            Query(_LATE, "{{storage}} {{protocol}}"),
            about=About(
                what="How long an operation takes: the mean on OneFS, the median on ECS.",
                normal="Around a millisecond for NFS, tens for S3. From 50 ms on jobs feel it.",
            ),
            unit="s",
            steps=above(0.05),
            least=0,
            size=(8, 8),
        ),
    ],
)

_WORK = Row(
    title="What clients do, and who waits",
    panels=[
        lines(
            "Operations by protocol",
            Query(f"wattstat_storage_operations_per_second{{{_CHOSEN}}} > 0", "{{storage}} {{protocol}}"),
            about=About(what="Operations of clients.", normal="As the site knows it; a step is a job that starts."),
            unit="ops",
            least=0,
            size=(8, 8),
        ),
        lines(
            "Time by kind of operation",
            Query(f"max by (storage, class) (wattstat_storage_class_latency_seconds{{{_CHOSEN}}})", "{{storage}} {{class}}"),
            about=About(
                what="Mean time by what an operation does; namespace operations are metadata: looking up, opening, creating.",
                normal="Metadata is faster than data. When it is slower, one job opens too many small files.",
            ),
            unit="s",
            least=0,
            none="not reported",
            size=(8, 8),
        ),
        lines(
            "GPUs beside it",
            Query("avg(wattstat_gpu_utilization_ratio and on (node, gpu, uuid) wattstat_job_gpu_info)", "GPUs of jobs, mean"),
            Query(f"max({_LOAD})", "busiest cluster"),
            about=About(
                what="Utilization of the GPUs that jobs hold, and the load of the busiest cluster.",
                normal="Utilization stays up while the load rises. Where it falls as the load nears its top, GPUs wait.",
            ),
            unit="percentunit",
            least=0,
            size=(8, 8),
        ),
    ],
)

_CAPACITY = Row(
    title="Capacity",
    panels=[
        lines(
            "Used",
            Query(_FULL, "{{storage}}"),
            Query(
                f'predict_linear(wattstat_storage_capacity_bytes{{{_CHOSEN},kind="used"}}[6h], 4 * 86400)'
                " / on (storage) group_left () wattstat_storage_size_bytes",
                "{{storage}} in 4 days",
            ),
            about=About(
                what="Used capacity over size, and what it will be in four days if the last six hours go on.",
                normal="Both below 85 %.",
            ),
            unit="percentunit",
            decimals=0,
            steps=above(0.85, 0.95),
            least=0,
            size=(8, 8),
        ),
        bars(
            "Fullest pools",
            Query(
                f'sort_desc(topk(12, wattstat_storage_pool_capacity_bytes{{{_CHOSEN},kind="used"}}'
                " / on (storage, pool) group_left () wattstat_storage_pool_size_bytes))",
                "{{storage}} {{pool}}",
            ),
            about=About(
                what="Pools by how full they are.", normal="Below 85 %. A full pool fails writes while others have room."
            ),
            unit="percentunit",
            decimals=0,
            most=1,
            steps=above(0.85, 0.95, plain=BLUE),
        ),
        bars(
            "Fullest quotas",
            Query(
                f"sort_desc(topk(12, wattstat_storage_quota_used_bytes{{{_CHOSEN}}}"
                ' / on (storage, path) wattstat_storage_quota_limit_bytes{kind="hard"}))',
                "{{storage}} {{path}}",
            ),
            about=About(
                what="Directory quotas by how full they are; the hard threshold counts.",
                normal="Below 95 %. At 100 % the writes of whoever works there fail.",
            ),
            unit="percentunit",
            decimals=0,
            most=1,
            steps=above(0.85, 0.95, plain=BLUE),
            none="no quotas",
        ),
    ],
)

BOARD = Board(
    uid="wattstat-storage",
    title="Storage",
    question="For those who keep the data coming: do GPUs wait for storage, does it fill up, and has it lost parts?",
    rows=[_NOW, _WORK, _CAPACITY, NODES, OBJECTS],
    page=Page(title="Storage page", path="/storage"),
    variables=[Variable(name="storage", title="Cluster", metric="wattstat_storage_up", several=True)],
    annotations=[board.alerts('component="storage"')],
)
