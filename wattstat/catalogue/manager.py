"""What a cluster manager (NVIDIA Base Command Manager) and a fabric manager (UFM) say about the cluster."""

from wattstat.catalogue.metric import gauge, info

CLUSTER_MANAGER_UP = gauge("cluster_manager_up", "manager", "1 when the manager answered.", source="whether it answered")
CLUSTER_DEVICE_INFO = info(
    "cluster_device_info",
    "manager device category rack kind",
    "A device as the manager knows it; kind is its own word for what it is.",
    source="BCM /rest/v1/device",
)
CLUSTER_DEVICE_STATE = gauge(
    "cluster_device_state",
    "manager device state",
    "1 for the state in which the manager sees the device.",
    source="BCM /rest/v1/status",
)
CLUSTER_GPUS = gauge("cluster_gpus", "manager state", "GPUs of the cluster: total, up.", source="BCM GPUsTotal, GPUsUp")
CLUSTER_GPU_POWER_WATTS = gauge(
    "cluster_gpu_power_watts", "manager", "Power of all GPUs by the manager's count.", source="BCM TotalGPUPowerUsage"
)
CLUSTER_GPU_UTILIZATION_RATIO = gauge(
    "cluster_gpu_utilization_ratio",
    "manager",
    "Mean utilization of all GPUs by the manager's count.",
    source="BCM TotalGPUUtilization",
)
FABRIC_MANAGER_UP = gauge("fabric_manager_up", "manager", "1 when the manager answered.", source="whether it answered")
FABRIC_MANAGER_ALARMS = gauge(
    "fabric_manager_events_open", "manager severity", "Alarms that the fabric manager shows.", source="UFM app/alarms"
)
