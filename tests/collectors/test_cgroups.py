"""Whose a process is, by the name of its control group."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.cgroups import Group, Holders, group_of, slurm_job_of

UID = "2fc932ce-fdcc-454b-97bd-aadfdeb4c340"
SLUID = "sEKNKTV3WPV500"


@pytest.mark.parametrize(
    ("text", "group"),
    [
        ("4:memory:/slurm/uid_1000/job_12/step_0\n", Group("job", "12")),
        ("4:memory:/slurm_node1/uid_1000/job_12/step_batch/task_0\n", Group("job", "12")),
        ("12:pids:/user.slice\n4:cpuset:/slurm/uid_0/job_7/step_extern\n", Group("job", "7")),
        ("0::/system.slice/slurmstepd.scope/job_12/step_0/user/task_0\n", Group("job", "12")),
        ("0::/system.slice/node1_slurmstepd.scope/job_12/step_0/user/task_0\n", Group("job", "12")),
        (f"0::/system.slice/slurmstepd.scope/{SLUID}/step_0/user/task_0\n", Group("sluid", SLUID)),
        (f"0::/system.slice/node1_slurmstepd.scope/{SLUID}\n", Group("sluid", SLUID)),
        (f"0::/kubepods/besteffort/pod{UID}/4eb2\n", Group("pod", UID)),
        (
            f"0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{UID.replace('-', '_')}.slice/cri-4eb2.scope\n",
            Group("pod", UID),
        ),
        (f"0::/kubepods/pod{UID.replace('-', '')}/4eb2\n", Group("pod", UID.replace("-", ""))),
        ("0::/system.slice/slurmd.service\n", None),
        ("0::/system.slice/slurmstepd.scope/system\n", None),
        ("0::/user.slice/user-1000.slice/session-2.scope/job_9\n", None),
        ("0::/\n", None),
        ("", None),
    ],
)
def test_groups_have_names(text, group):
    assert group_of(text) == group


@given(st.text())
def test_any_text_is_a_group_or_none(text):
    assert group_of(text) is None or group_of(text).kind in {"job", "sluid", "pod"}


@given(st.binary())
def test_any_environment_is_a_job_or_none(environment):
    assert isinstance(slurm_job_of(environment), str)


@pytest.mark.parametrize(
    ("environment", "job"),
    [
        (b"HOME=/root\0SLURM_JOB_ID=40\0SLURM_ARRAY_JOB_ID=38\0SLURM_ARRAY_TASK_ID=2\0", "38_2"),
        (b"SLURM_JOB_ID=41\0SLURM_HET_JOB_ID=40\0SLURM_HET_JOB_OFFSET=1\0", "40+1"),
        (b"SLURM_JOB_ID=40\0", "40"),
        (b"HOME=/root\0", ""),
    ],
)
def test_the_environment_tells_the_id_that_the_user_knows(environment, job):
    assert slurm_job_of(environment) == job


def process(proc, pid, group, environment=None):
    folder = proc / str(pid)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cgroup").write_text(f"0::{group}\n")
    if environment is not None:
        (folder / "environ").write_bytes(environment)


def test_the_prologs_word_comes_before_the_environment_and_that_before_slurms_number(tmp_path):
    told = {SLUID: "38_2", "40": "38_2"}
    holders = Holders(proc=tmp_path, job_of=lambda name: told.get(name, ""))
    scope = "/system.slice/slurmstepd.scope"
    process(tmp_path, 1, f"{scope}/{SLUID}/step_0")
    process(tmp_path, 2, f"{scope}/job_40/step_0", b"SLURM_JOB_ID=40\0")
    process(tmp_path, 3, f"{scope}/sAAAAAAAAAAAAA/step_0", b"SLURM_JOB_ID=41\0SLURM_ARRAY_JOB_ID=41\0SLURM_ARRAY_TASK_ID=1\0")
    process(tmp_path, 4, f"{scope}/job_42/step_0")
    process(tmp_path, 5, f"{scope}/sBBBBBBBBBBBBB/step_0")
    process(tmp_path, 6, "/user.slice")
    process(tmp_path, 7, f"/kubepods/pod{UID}/c")
    found = [holders.of(pid) for pid in range(1, 9)]
    assert found == ["job:38_2", "job:38_2", "job:41_1", "job:42", None, None, f"pod:{UID}", None]


def test_a_number_that_is_given_out_again_is_looked_at_again(tmp_path):
    holders = Holders(proc=tmp_path, job_of=lambda _: "")
    process(tmp_path, 1, "/slurm/uid_0/job_1/step_0")
    assert holders.of(1) == "job:1"
    process(tmp_path, 1, "/slurm/uid_0/job_2/step_0")
    assert holders.of(1) == "job:1"
    holders.keep([])
    assert holders.of(1) == "job:2"
