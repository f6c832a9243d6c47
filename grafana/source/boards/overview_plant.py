"""Overview, below the first screen: health of devices, storage, fabric."""

from grafana.source.board import Row
from grafana.source.expressions import counted
from grafana.source.kit import About, Query, bars, number
from grafana.source.links import to_board, to_page
from grafana.source.looks import BLUE, above, below

_SWITCHES = 'wattstat_collector_success{collector=~"switches|restconf|mlnxos|inband"}'
_CABLED = "wattstat_infiniband_port_active and on (node, device) wattstat_fabric_link_info"

PLANT = Row(
    title="Health, storage, fabric",
    panels=[
        bars(
            "Devices that need care",
            Query("sort(bottomk(12, wattstat_health_score))", "{{kind}} {{device}}"),
            about=About(
                what="The twelve devices with the lowest health score, of 100; alerts and findings take points off.",
                normal="100, or above 90. The page of health says what took the points.",
            ),
            unit="none",
            steps=below(90, 60, plain=BLUE),
            most=100,
            none="not evaluated",
            size=(12, 8),
            links=[to_page("/health", "Health page")],
        ),
        number(
            "Cables without a link",
            Query(counted(f"({_CABLED}) == 0", _CABLED)),
            about=About(
                what="Adapters of servers that are cabled and have no link.",
                normal="None. Each is a rail that a job must do without.",
            ),
            unit="none",
            steps=above(1, 3),
            none="no cables known",
            size=(3, 4),
            links=[to_board("wattstat-fabric", "Fabric")],
        ),
        number(
            "Switches silent",
            Query(counted(f"max by (target) ({_SWITCHES}) == 0", _SWITCHES)),
            about=About(
                what="Switches that answer nobody who asks them.",
                normal="None. A leaf takes a whole unit of servers with it.",
            ),
            unit="none",
            steps=above(1, 1),
            none="no switches",
            size=(3, 4),
            links=[to_board("wattstat-fabric", "Fabric")],
        ),
        number(
            "Fullest storage",
            Query('max(wattstat_storage_capacity_bytes{kind="used"} / on (storage) wattstat_storage_size_bytes)'),
            about=About(
                what="Used capacity of the storage cluster that is fullest.",
                normal="Below 85 %; scale-out file systems slow down well before they are full.",
            ),
            unit="percentunit",
            decimals=0,
            steps=above(0.85, 0.95),
            none="no storage",
            size=(3, 4),
            links=[to_board("wattstat-storage", "Storage")],
        ),
        number(
            "Slowest storage",
            Query("max(wattstat_storage_latency_seconds)"),
            about=About(
                what="Time of an operation of clients, of the protocol and cluster where it is longest.",
                normal="Below 10 ms; above 50 ms GPUs wait for data.",
            ),
            unit="s",
            decimals=1,
            steps=above(0.05),
            none="no storage",
            size=(3, 4),
            links=[to_board("wattstat-storage", "Storage")],
        ),
    ],
)
