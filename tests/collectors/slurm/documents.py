"""One job in the shape of each version of Slurm's JSON.

v0.0.38 is as Slurm 22.05 answered. The others are written by hand after the published schemas (parsers.c of the data parsers)
and hold the members that matter here, with a few beside them that do not.
"""

from __future__ import annotations

from typing import Any

SUBMITTED, STARTED, ENDS, SUSPENDED = 1_799_999_890, 1_799_999_900, 1_800_003_500, 1_799_999_950


def number(value: int | None) -> dict[str, Any]:
    """A number since v0.0.39."""
    return {"set": value is not None, "infinite": False, "number": value or 0}


def signal(value: int | None) -> dict[str, Any]:
    return {"id": number(value), "name": ""}


def old() -> dict[str, Any]:
    """v0.0.38 (21.08, 22.05): plain numbers, null for those that are not set, one word for a state."""
    cores = {"sockets": {"0": {"cores": {"0": "allocated", "1": "allocated"}}}, "cpus_used": 0, "memory_used": 0}
    return {
        "account": "physics", "admin_comment": "JS1:abc", "array_job_id": 1200, "array_task_id": 7, "cpus": 8,
        "end_time": ENDS, "exit_code": 768, "flags": ["JOB_WAS_RUNNING"],
        "gres_detail": ["gpu:h100:2(IDX:0-1)", "gpu:h100:2(IDX:4,6)"],
        "het_job_id": 0, "het_job_offset": 0, "job_id": 1234, "job_state": "SUSPENDED",
        "job_resources": {
            "nodes": "gpu[01-02]", "allocated_cores": 4, "allocated_hosts": 2,
            "allocated_nodes": [
                {**cores, "nodename": "gpu01", "memory_allocated": 1000},
                {**cores, "nodename": "gpu02", "memory_allocated": 1000},
            ],
        },
        "name": "train", "nodes": "gpu[01-02]", "partition": "gpu", "pre_sus_time": 50, "preempt_time": 0, "qos": "normal",
        "restart_cnt": 2, "start_time": STARTED, "submit_time": SUBMITTED, "suspend_time": SUSPENDED, "time_limit": None,
        "user_id": 1000, "user_name": "ada",
    }  # fmt: skip


def v39() -> dict[str, Any]:
    """v0.0.39 (23.02): numbers in objects, but for times."""
    return old() | {
        "array_job_id": number(1200), "array_task_id": number(7), "cpus": number(8), "exit_code": number(768),
        "het_job_id": number(0), "het_job_offset": number(0), "time_limit": {"set": False, "infinite": True, "number": 0},
    }  # fmt: skip


def v40() -> dict[str, Any]:
    """v0.0.40 (23.11): times in objects as well, states as a list, an exit code in parts."""
    times = {"end_time": ENDS, "start_time": STARTED, "submit_time": SUBMITTED, "suspend_time": SUSPENDED,
             "pre_sus_time": 50, "preempt_time": None}  # fmt: skip
    return v39() | {name: number(value) for name, value in times.items()} | {
        "job_state": ["SUSPENDED"],
        "exit_code": {"status": ["ERROR"], "return_code": number(3), "signal": signal(None)},
    }  # fmt: skip


def v41() -> dict[str, Any]:
    """v0.0.41 (24.05) and after: what is held on nodes stands under `nodes.allocation`."""

    def held(index: int, name: str) -> dict[str, Any]:
        cores = [{"index": core, "status": ["ALLOCATED"]} for core in range(2)]
        return {"index": index, "name": name, "cpus": {"count": 4, "used": 0}, "memory": {"used": 0, "allocated": 1000},
                "sockets": [{"index": 0, "cores": cores}]}  # fmt: skip

    return v40() | {
        "job_resources": {
            "select_type": ["CPU", "CORE", "MEMORY"],
            "nodes": {
                "count": 2, "select_type": ["AVAILABLE"], "list": "gpu[01-02]", "whole": False,
                "allocation": [held(0, "gpu01"), held(1, "gpu02")],
            },
            "cpus": 8, "threads_per_core": number(None),
        },
        "licenses_allocated": "", "priority_by_partition": [],
    }  # fmt: skip


def v45() -> dict[str, Any]:
    """v0.0.45 (26.05): a job has a SLUID, its step id is an object."""
    step = {"sluid": "sEKNKTV3WPV500", "job_id": 1234, "step_het_component": number(None), "step_id": "TBD"}
    return v41() | {"step_id": step, "segment_size": 0, "stdout_expanded": "/home/ada/slurm-1234.out"}


RECORDS = {"v0.0.38": old, "v0.0.39": v39, "v0.0.40": v40, "v0.0.41": v41, "v0.0.43": v41, "v0.0.45": v45}

TEXT = f"""JobId=1234 ArrayJobId=1200 ArrayTaskId=7 ArrayTaskThrottle=2 JobName=train
   UserId=ada(1000) GroupId=ada(1000) MCS_label=N/A
   Priority=1 Nice=0 Account=physics QOS=normal
   JobState=SUSPENDED Reason=None Dependency=(null)
   Requeue=1 Restarts=2 BatchFlag=1 Reboot=0 ExitCode=3:0
   DerivedExitCode=0:0
   RunTime=00:00:50 TimeLimit=UNLIMITED TimeMin=N/A
   SubmitTime={SUBMITTED} EligibleTime={SUBMITTED}
   AccrueTime={SUBMITTED}
   StartTime={STARTED} EndTime={ENDS} Deadline=N/A
   PreemptEligibleTime={STARTED} PreemptTime=None
   SuspendTime={SUSPENDED} SecsPreSuspend=50 LastSchedEval={STARTED} Scheduler=Main
   Partition=gpu AllocNode:Sid=login1:695
   ReqNodeList=(null) ExcNodeList=(null)
   NodeList=gpu[01-02]
   BatchHost=gpu01
   NumNodes=2 NumCPUs=8 NumTasks=2 CPUs/Task=4 ReqB:S:C:T=0:0:*:*
   TRES=cpu=8,mem=2000M,node=2,billing=8
   Socks/Node=* NtasksPerN:B:S:C=0:0:*:* CoreSpec=*
   JOB_GRES=gpu:h100:4
     Nodes=gpu01 CPU_IDs=0-3 Mem=1000 GRES=gpu:h100:2(IDX:0-1)
     Nodes=gpu02 CPU_IDs=0-1,4-5 Mem=1000 GRES=gpu:h100:2(IDX:4,6)
   MinCPUsNode=4 MinMemoryNode=1000M MinTmpDiskNode=0
   Features=(null) DelayBoot=00:00:00
   OverSubscribe=OK Contiguous=0 Licenses=(null) Network=(null)
   Command=/home/ada/train.sh
   WorkDir=/home/ada
   AdminComment=JS1:abc
   StdErr=/dev/null
   StdIn=/dev/null
   StdOut=/dev/null
   TresPerNode=gres:gpu:2
"""


def jobs(*records: dict[str, Any], errors: tuple[str, ...] = ()) -> dict[str, Any]:
    """A whole document."""
    return {"jobs": list(records), "errors": [{"description": each, "error_number": 1} for each in errors], "warnings": []}


NODES = {
    "nodes": [
        {"name": "gpu01", "gres": "gpu:h100:8(S:0-1)", "state": ["MIXED"]},
        {"name": "gpu02", "gres": "gpu:h100:8(S:0-1)", "state": "mixed"},
    ],
    "errors": [],
}
