"""Jobs and their energy: who ran where by the schedulers, how much they drew by the ledger."""

from wattstat.catalogue.metric import counter, gauge, info

_JOB = "scheduler job_id"

JOB_INFO = info(
    "job_info",
    f"{_JOB} name user account partition qos state",
    "A job that is alive; state is running or suspended.",
    source="the scheduler",
)
JOB_GPU_INFO = info(
    "job_gpu_info",
    f"{_JOB} user account partition node gpu uuid gpu_instance",
    "A job's hold on a GPU; gpu_instance is empty unless it holds a part. Joins the series of GPUs by uuid.",
    source="the scheduler, and the node's journal for what identifies the GPU",
)
POD_GPU_INFO = info(
    "pod_gpu_info",
    "node namespace pod container resource device uuid minor gpu_instance replica replicas",
    "A container's hold on a GPU or a part of it; device is the id as the kubelet has it, the labels after it what it tells.",
    source="the kubelet's pod-resources service",
)
JOB_START_TIMESTAMP_SECONDS = gauge(
    "job_start_timestamp_seconds", _JOB, "When the job's present run began, as Unix time.", source="the scheduler"
)
JOB_GPUS = gauge("job_gpus", _JOB, "GPUs, or parts of GPUs, that the job holds.", source="the scheduler")
JOB_POWER_WATTS = gauge(
    "job_power_watts",
    f"{_JOB} user account partition",
    "Power of the job's GPUs now, shared ones by their part.",
    source="NVML",
)
JOB_ENERGY_JOULES_TOTAL = counter(
    "job_energy_joules_total",
    f"{_JOB} part",
    "Energy of a job that is alive, as far as settled; part is gpu, cpu, rest or allocated_idle.",
    source="the ledger",
)
ACCOUNT_ENERGY_JOULES_TOTAL = counter(
    "account_energy_joules_total",
    "account",
    "Energy posted to the jobs of an account since core started; idle and overhead have the names (idle) and (overhead).",
    source="the ledger",
)
SCHEDULER_JOBS = gauge(
    "scheduler_jobs", "scheduler state", "Jobs by state: running, suspended or pending.", source="the scheduler"
)
SCHEDULER_NODES = gauge(
    "scheduler_nodes",
    "scheduler state",
    "Nodes by what they are good for: idle, allocated, drained, down, maintenance or powered_down.",
    source="Slurm: scontrol show nodes, /slurm/*/nodes",
)
LEDGER_RESIDUAL_RATIO = gauge(
    "ledger_residual_ratio",
    "node",
    "What a node's meter counted and nobody was posted, over what it counted, in the last 24 hours or since core started.",
    source="the ledger",
)
LEDGER_SETTLED_TIMESTAMP_SECONDS = gauge(
    "ledger_settled_timestamp_seconds", "node", "Until when a node's energy is posted, as Unix time.", source="the ledger"
)
LEDGER_POSTED_JOULES_TOTAL = counter(
    "ledger_posted_joules_total",
    "posted_to method",
    "Energy posted since core started; posted_to is job, idle or overhead; method is exact or estimated.",
    source="the ledger",
)
LEDGER_HOLE_SECONDS_TOTAL = counter(
    "ledger_hole_seconds_total",
    "node",
    "Time without readings of the node's meter that the ledger had to fill.",
    source="the ledger",
)
ENERGY_DISAGREEMENT_RATIO = gauge(
    "energy_disagreement_ratio",
    "node gpu",
    "How far a GPU's energy counter and its integrated power lie apart over the last ten minutes, over the counter.",
    source="NVML field 83 beside the integral of field 185 (or 186)",
)
NODE_DEVICE_DISAGREEMENT_RATIO = gauge(
    "node_device_disagreement_ratio",
    "node",
    "How far a node's devices together drew more than the node's own meter, over the meter; 0 while the meter is above them.",
    source="the ledger",
)
