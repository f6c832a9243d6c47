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
CLUSTER_GPU_MEMORY_RATIO = gauge(
    "cluster_gpu_memory_ratio",
    "manager",
    "Mean use of the memory of all GPUs by the manager's count.",
    source="BCM TotalGPUMemoryUtilization",
)
CLUSTER_DEVICES = gauge(
    "cluster_devices", "manager state", "Devices by the state in which the manager sees them.", source="BCM /rest/v1/status"
)
CLUSTER_DEVICE_GPUS = gauge(
    "cluster_device_gpus", "manager device", "GPUs of a server that the manager samples.", source="BCM gpu_utilization"
)
CLUSTER_JOBS = gauge(
    "cluster_jobs",
    "manager partition state",
    "Jobs that are running or queued, by what the manager counts them for: a queue or a whole workload manager.",
    source="BCM RunningJobs, QueuedJobs",
)
CLUSTER_CHECK_OK = gauge(
    "cluster_check_ok",
    "manager device check",
    "1 when a device passed the manager's check; health is all of them together.",
    source="BCM /rest/v1/status, health checks",
)
CLUSTER_MISMATCH_ACTIVE = gauge(
    "cluster_mismatch_active",
    "manager node check",
    "1 while the manager and Wattstat see something else of a server, 0 where they agree: its GPUs, or its state.",
    source="BCM /rest/v1/status, gpu_utilization; agents, BMCs, inventory",
)
CLUSTER_UNLISTED_DEVICES = gauge(
    "cluster_unlisted_devices",
    "manager side",
    "Servers that only one of both lists has: the manager's or the inventory's.",
    source="BCM /rest/v1/device; inventory",
)
FABRIC_MANAGER_UP = gauge("fabric_manager_up", "manager", "1 when the manager answered.", source="whether it answered")
FABRIC_MANAGER_ALARMS = gauge(
    "fabric_manager_events_open", "manager severity", "Alarms that the fabric manager shows.", source="UFM app/alarms"
)
