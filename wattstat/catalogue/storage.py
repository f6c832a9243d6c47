"""Storage clusters: PowerScale (OneFS), ECS and ObjectScale. `storage` is the cluster, `storage_node` one of its nodes."""

from wattstat.catalogue.metric import counter, gauge, info

GOOD_DRIVES = ("healthy", "good", "ok", "l3", "journal", "empty", "preparing", "new", "none", "used")
"""States of drives and bays that need nobody: at work, a cache, or nothing in them. All others are worth a look."""

STORAGE_UP = gauge("storage_up", "storage", "1 when the cluster answered its last collection.", source="whether it answered")
STORAGE_INFO = info(
    "storage_info",
    "storage kind model version serial",
    "A storage cluster and what identifies it; kind is powerscale, ecs or objectscale.",
    source="OneFS cluster/config, cluster/identity; ECS dashboard/zones/localzone, vdc/nodes",
)
STORAGE_HEALTH = gauge(
    "storage_health",
    "storage",
    "Health by the cluster's own word: 1 good, 0.5 needs attention, 0 down.",
    source="OneFS cluster.health (0, 1, 2), ECS healthStatus",
)
STORAGE_CAPACITY_BYTES = gauge(
    "storage_capacity_bytes",
    "storage kind",
    "Capacity; kind is used, free or reserved, which add up to storage_size_bytes.",
    source="OneFS ifs.bytes.*, ECS diskSpace*",
)
STORAGE_SIZE_BYTES = gauge(
    "storage_size_bytes",
    "storage",
    "Capacity of the cluster, all kinds together.",
    source="OneFS ifs.bytes.total, ECS diskSpaceTotal",
)
STORAGE_USED_PART_BYTES = gauge(
    "storage_used_part_bytes",
    "storage part",
    "What the used capacity holds, as far as the cluster says: the parts do not add up to all of it.",
    source="ECS diskSpaceAllocatedUserData, SystemMetadata, LocalProtection, GeoCopy, GeoCache",
)
STORAGE_OFFLINE_BYTES = gauge(
    "storage_offline_bytes",
    "storage",
    "Capacity of drives that are offline, which no other family counts.",
    source="ECS diskSpaceOfflineTotal",
)
STORAGE_POOL_CAPACITY_BYTES = gauge(
    "storage_pool_capacity_bytes",
    "storage pool kind",
    "Capacity of a pool; kind is used or free.",
    source="OneFS storagepools usage, ECS storagepools",
)
STORAGE_POOL_SIZE_BYTES = gauge(
    "storage_pool_size_bytes", "storage pool", "Capacity of a pool.", source="OneFS storagepools usage"
)
STORAGE_THROUGHPUT_BYTES_PER_SECOND = gauge(
    "storage_throughput_bytes_per_second",
    "storage direction",
    "What clients read and write; direction is read or write.",
    source="OneFS cluster.protostats out and in rates, ECS nodeReadBandwidth, Flux",
)
STORAGE_DESIGN_BYTES_PER_SECOND = gauge(
    "storage_design_bytes_per_second",
    "storage direction",
    "What the cluster was bought for; direction is read or write.",
    source="inventory: design_read_bytes_per_second, design_write_bytes_per_second",
)
STORAGE_OPERATIONS_PER_SECOND = gauge(
    "storage_operations_per_second", "storage protocol", "Operations of clients.", source="OneFS protostats op_rate, ECS TPS"
)
STORAGE_LATENCY_SECONDS = gauge(
    "storage_latency_seconds",
    "storage protocol",
    "Time of an operation: the mean, on ECS since 3.6 the median, of reads and writes apart.",
    source="OneFS protostats time_avg (microseconds), ECS latency (ms), Flux cq_performance_latency p50",
)
STORAGE_LATENCY_P99_SECONDS = gauge(
    "storage_latency_p99_seconds",
    "storage protocol",
    "Time in which 99 of 100 operations are done.",
    source="ECS Flux cq_performance_latency p99, statDataHead_performance_internal_latency",
)
STORAGE_ERRORS_PER_SECOND = gauge(
    "storage_errors_per_second",
    "storage category",
    "Operations that failed, by whose fault it was: the user's (404, 403) or the system's (5xx).",
    source="ECS Flux cq_performance_error",
)
STORAGE_REQUESTS_TOTAL = counter(
    "storage_requests_total",
    "storage outcome",
    "Requests that were answered, with success or with an error.",
    source="ECS transactionErrors.errorSuccessTotals (until 3.5)",
)
STORAGE_REQUEST_ERRORS_TOTAL = counter(
    "storage_request_errors_total",
    "storage code protocol category",
    "Requests that failed, by HTTP status and protocol.",
    source="ECS transactionErrors.types (until 3.5)",
)
STORAGE_CLASS_OPERATIONS_PER_SECOND = gauge(
    "storage_class_operations_per_second",
    "storage protocol class",
    "Operations of clients by what they do; class is the cluster's own word, such as read, write or namespace_read (metadata).",
    source="OneFS statistics/summary/protocol operation_rate",
)
STORAGE_CLASS_LATENCY_SECONDS = gauge(
    "storage_class_latency_seconds",
    "storage protocol class",
    "Mean time of an operation by what it does; class is as in storage_class_operations_per_second.",
    source="OneFS statistics/summary/protocol time_avg (microseconds)",
)
STORAGE_DISK_THROUGHPUT_BYTES_PER_SECOND = gauge(
    "storage_disk_throughput_bytes_per_second",
    "storage direction",
    "What goes to and from the drives, caches aside; direction is read or write.",
    source="OneFS cluster.disk.bytes out and in rates",
)
STORAGE_DISK_OPERATIONS_PER_SECOND = gauge(
    "storage_disk_operations_per_second",
    "storage direction",
    "Transfers to and from the drives; direction is read or write.",
    source="OneFS cluster.disk.xfers out and in rates",
)
STORAGE_CPU_RATIO = gauge(
    "storage_cpu_ratio",
    "storage mode",
    "Processors of the whole cluster; mode is user, system or idle.",
    source="OneFS cluster.cpu.*.avg (permil)",
)
STORAGE_CLIENTS = gauge(
    "storage_clients", "storage protocol state", "Clients: connected or active.", source="OneFS node.clientstats.*"
)
STORAGE_EVENTS_OPEN = gauge(
    "storage_events_open",
    "storage severity",
    "Events or alerts that nobody resolved.",
    source="OneFS eventgroup-occurrences, ECS vdc/alerts",
)
STORAGE_DRIVES = gauge(
    "storage_drives", "storage state", "Drives by state.", source="OneFS cluster/nodes drives, ECS dashboard disks"
)
STORAGE_REPLACEABLE_DRIVES = gauge(
    "storage_replaceable_drives",
    "storage",
    "Failed drives that may be pulled out now.",
    source="ECS numReadyToReplaceDisks",
)
STORAGE_GARBAGE_BYTES = gauge(
    "storage_garbage_bytes",
    "storage scope state",
    "What nobody needs and still fills the disks; scope is user or system, state pending or unreclaimable.",
    source="ECS gcUser*, gcSystem*",
)
STORAGE_GARBAGE_RECLAIMED_BYTES_TOTAL = counter(
    "storage_garbage_reclaimed_bytes_total",
    "storage scope",
    "What garbage collection gave back; scope is user or system.",
    source="ECS gcUserReclaimed, gcSystemReclaimed",
)
STORAGE_RECOVERY_PENDING_BYTES = gauge(
    "storage_recovery_pending_bytes",
    "storage",
    "Data that lost copies and waits to be made whole.",
    source="ECS recoveryBadChunksTotalSize",
)
STORAGE_CODED_RATIO = gauge(
    "storage_coded_ratio",
    "storage",
    "Share of the data to be erasure-coded that is; the rest fills the disks three times.",
    source="ECS chunksEcCodedRatio",
)
STORAGE_REPLICATION_LAG_SECONDS = gauge(
    "storage_replication_lag_seconds",
    "storage group",
    "How far the other sites are behind: what would be lost with this one.",
    source="ECS replicationRpoLag",
)
STORAGE_REPLICATION_PENDING_BYTES = gauge(
    "storage_replication_pending_bytes",
    "storage group kind",
    "What waits to be replicated; kind is repository, journal or xor.",
    source="ECS chunks*PendingReplicationTotalSize, chunksPendingXorTotalSize",
)
STORAGE_REPLICATION_LINKS_FAILED = gauge(
    "storage_replication_links_failed", "storage", "Links between sites that failed.", source="ECS rglinksFailed"
)
STORAGE_NAMESPACE_USED_BYTES = gauge(
    "storage_namespace_used_bytes", "storage namespace", "What a namespace holds.", source="ECS billing"
)
STORAGE_NAMESPACE_OBJECTS = gauge(
    "storage_namespace_objects", "storage namespace", "Objects in a namespace.", source="ECS billing"
)
STORAGE_NAMESPACE_QUOTA_BYTES = gauge(
    "storage_namespace_quota_bytes",
    "storage namespace kind",
    "What a namespace may hold; kind is hard (writes end) or soft (somebody is told).",
    source="ECS namespace quota",
)
STORAGE_QUOTAS = gauge(
    "storage_quotas", "storage kind", "Quotas; kind is directory, user, group and so on.", source="OneFS quota/quotas type"
)
STORAGE_QUOTA_USED_BYTES = gauge(
    "storage_quota_used_bytes",
    "storage path",
    "What a directory quota counts, as its thresholds count: with or without overhead of the file system.",
    source="OneFS quota/quotas usage",
)
STORAGE_QUOTA_LIMIT_BYTES = gauge(
    "storage_quota_limit_bytes",
    "storage path kind",
    "Thresholds of a directory quota; kind is hard, soft or advisory.",
    source="OneFS quota/quotas thresholds",
)
STORAGE_SNAPSHOTS = gauge("storage_snapshots", "storage", "Snapshots.", source="OneFS snapshots-summary count")
STORAGE_SNAPSHOT_BYTES = gauge(
    "storage_snapshot_bytes", "storage", "What snapshots keep.", source="OneFS snapshots-summary size"
)
STORAGE_NODE_INFO = info(
    "storage_node_info",
    "storage storage_node rack model serial version",
    "A node of a storage cluster.",
    source="OneFS cluster/nodes hardware, ECS vdc/nodes",
)
STORAGE_NODE_UP = gauge(
    "storage_node_up",
    "storage storage_node",
    "1 when the cluster says that the node is up.",
    source="OneFS devices[].is_up, ECS healthStatus",
)
STORAGE_NODE_HEALTH = gauge(
    "storage_node_health",
    "storage storage_node",
    "Health by the cluster's own word: 1 good, 0.5 needs attention, 0 down.",
    source="OneFS node.health, ECS healthStatus",
)
STORAGE_NODE_CPU_RATIO = gauge(
    "storage_node_cpu_ratio",
    "storage storage_node",
    "Processors at work.",
    source="OneFS node.cpu.idle.avg (permil), ECS nodeCpuUtilization, Flux cpu",
)
STORAGE_NODE_MEMORY_RATIO = gauge(
    "storage_node_memory_ratio",
    "storage storage_node",
    "Memory in use.",
    source="OneFS node.memory.used, node.memory.free, ECS nodeMemoryUtilization, Flux mem",
)
STORAGE_NODE_CAPACITY_BYTES = gauge(
    "storage_node_capacity_bytes",
    "storage storage_node kind",
    "Capacity of a node; kind is used or free, beside which some may be reserved.",
    source="ECS diskSpaceAllocated, diskSpaceFree",
)
STORAGE_NODE_SIZE_BYTES = gauge(
    "storage_node_size_bytes", "storage storage_node", "Capacity of a node.", source="ECS diskSpaceTotal"
)
STORAGE_NODE_REQUESTS_TOTAL = counter(
    "storage_node_requests_total",
    "storage storage_node outcome",
    "Requests of clients that a node answered, with success or with an error.",
    source="ECS Flux statDataHead_performance_internal_transactions",
)
STORAGE_NODE_BYTES_TOTAL = counter(
    "storage_node_bytes_total",
    "storage storage_node direction",
    "What clients read and wrote through a node; direction is read or write.",
    source="ECS Flux statDataHead_performance_internal_throughput",
)
STORAGE_NODE_STATE = gauge(
    "storage_node_state",
    "storage storage_node state",
    "1 where somebody or the cluster has put the node into the state; state is readonly or smartfailed.",
    source="OneFS cluster/nodes state",
)
STORAGE_NODE_DISK_BUSY_RATIO = gauge(
    "storage_node_disk_busy_ratio",
    "storage storage_node",
    "How busy the node's drives are on average.",
    source="OneFS node.disk.busy.avg (permil)",
)
STORAGE_NODE_NETWORK_BYTES_PER_SECOND = gauge(
    "storage_node_network_bytes_per_second",
    "storage storage_node direction",
    "External network; direction is receive or transmit.",
    source="OneFS node.net.ext.bytes.*.rate, ECS Flux net",
)
STORAGE_NODE_NETWORK_ERRORS_PER_SECOND = gauge(
    "storage_node_network_errors_per_second",
    "storage storage_node direction",
    "Packets with errors on the external network; direction is receive or transmit.",
    source="OneFS node.net.ext.errors.*.rate",
)
STORAGE_NODE_TEMPERATURE_CELSIUS = gauge(
    "storage_node_temperature_celsius",
    "storage storage_node sensor",
    "Temperature sensors.",
    source="OneFS cluster/nodes sensors",
)
STORAGE_NODE_FAN_SPEED_RPM = gauge(
    "storage_node_fan_speed_rpm", "storage storage_node fan", "Fans.", source="OneFS cluster/nodes sensors"
)
STORAGE_NODE_VOLTAGE_VOLTS = gauge(
    "storage_node_voltage_volts",
    "storage storage_node sensor",
    "Voltage sensors.",
    source="OneFS cluster/nodes sensors",
)
STORAGE_NODE_PSU_OK = gauge(
    "storage_node_psu_ok", "storage storage_node psu", "1 when the power supply is good.", source="OneFS status/powersupplies"
)
STORAGE_NODE_POWER_WATTS = gauge(
    "storage_node_power_watts",
    "storage storage_node source",
    "Input power of a node, where a sensor reports it; source is sensor.",
    source="OneFS cluster/nodes sensors by unit and name",
)
STORAGE_NODE_DRIVES = gauge(
    "storage_node_drives", "storage storage_node state", "Drives of a node by state.", source="OneFS cluster/nodes drives"
)
