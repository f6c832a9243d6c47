"""Records of jobs: every version's JSON and the text say the same."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.slurm import document, text
from collectors.slurm.history import History
from collectors.slurm.hostlist import expand
from collectors.slurm.job import Allocation, Job, Phase
from tests.collectors.slurm.conftest import CLUSTER, NOW
from tests.collectors.slurm.documents import (
    ENDS,
    NODES,
    RECORDS,
    STARTED,
    SUBMITTED,
    SUSPENDED,
    TEXT,
    jobs,
    number,
    signal,
    v41,
)

EXPECTED = Job(
    id=1234, array_id=1200, array_task=7, name="train", user="ada", account="physics", partition="gpu", qos="normal",
    states=frozenset({"SUSPENDED"}), submitted=SUBMITTED, started=STARTED, ended=ENDS, suspend_time=SUSPENDED,
    ran_before_suspend_seconds=50.0, restarts=2, exit_code=3, nodes=("gpu01", "gpu02"), admin_comment="JS1:abc",
    het_offset=0,
    allocations=(
        Allocation(node="gpu01", cpus=4, memory_bytes=1000 * 1024**2, gres="gpu:h100:2(IDX:0-1)"),
        Allocation(node="gpu02", cpus=4, memory_bytes=1000 * 1024**2, gres="gpu:h100:2(IDX:4,6)"),
    ),
)  # fmt: skip


@pytest.mark.parametrize("version", RECORDS)
def test_every_version_says_the_same(version):
    assert document.jobs(jobs(RECORDS[version]())) == ((EXPECTED,), 0)


def test_the_text_says_the_same():
    [job], unknown = text.jobs(TEXT)
    assert (job.name_of_id, unknown) == (EXPECTED.name_of_id, 0)
    assert {name: getattr(job, name) for name in Job.__slots__ if name != "het_offset"} == {
        name: getattr(EXPECTED, name) for name in Job.__slots__ if name != "het_offset"
    }


def test_an_array_task_and_a_component_have_the_names_that_users_know():
    assert EXPECTED.name_of_id == "1200_7"
    assert Job(id=8, het_id=7, het_offset=1).name_of_id == "7+1"
    assert Job(id=8, array_id=8).name_of_id == "8"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (768, 3), (9, 137), (number(256), 1), (None, None), ("x", None),
        ({"status": ["SIGNALED"], "return_code": number(0), "signal": signal(15)}, 143),
        ({"status": ["SUCCESS"], "return_code": number(0), "signal": signal(None)}, 0),
        ({"status": "SIGNALED", "return_code": 0, "signal": {"signal_id": 9, "name": "Killed"}}, 137),
    ],
)  # fmt: skip
def test_an_exit_code_is_what_a_shell_would_say(code, expected):
    [job], _ = document.jobs(jobs(v41() | {"exit_code": code}))
    assert job.exit_code == expected


@pytest.mark.parametrize("member", ["job_id", "job_state"])
def test_a_record_without_what_it_is_about_is_counted_and_left_out(member):
    record = v41()
    del record[member]
    assert document.jobs(jobs(record, v41())) == ((EXPECTED,), 1)


@pytest.mark.parametrize("what", [None, [], {}, {"jobs": None}, {"jobs": {}}, "jobs"])
def test_what_is_no_list_of_jobs_is_told(what):
    assert document.jobs(what) == ((), 1)


def test_an_unset_and_an_infinite_number_are_no_numbers():
    record = v41() | {"start_time": number(None), "end_time": {"set": True, "infinite": True, "number": 5}, "restart_cnt": None}
    [job], _ = document.jobs(jobs(record))
    assert (job.started, job.ended, job.restarts) == (None, None, 0)


def test_a_user_without_a_name_is_told_by_number():
    [job], _ = document.jobs(jobs(v41() | {"user_name": ""}))
    assert job.user == "1000"


def test_gpus_are_not_laid_at_nodes_that_they_may_not_belong_to():
    """Slurm tells a completing job's remaining nodes, and may tell the GPUs of all."""
    resources = v41()["job_resources"] | {"nodes": {"list": "gpu02"}}
    [job], _ = document.jobs(jobs(v41() | {"nodes": "gpu02", "job_resources": resources}))
    assert job.allocations == (Allocation(node="gpu02"),)


def test_a_documents_own_errors_are_told_in_words():
    assert document.errors(jobs()) == ""
    assert document.errors(jobs(errors=("Unable to contact slurm controller",))) == "Unable to contact slurm controller"
    assert document.errors({"errors": [{}]}) == "an error without a description"


def test_nodes_are_read_from_json_and_from_text():
    lines = "NodeName=gpu01 Arch=x86_64 Gres=gpu:h100:8(S:0-1) NodeAddr=a\nNodeName=cpu1 Gres=(null) NodeAddr=b\n"
    assert [(node.name, node.gres) for node in document.nodes(NODES)[0]] == [
        (n, "gpu:h100:8(S:0-1)") for n in ("gpu01", "gpu02")
    ]
    assert [(node.name, node.gres) for node in text.nodes(lines)[0]] == [("gpu01", "gpu:h100:8(S:0-1)"), ("cpu1", "")]


@pytest.mark.parametrize(
    ("words", "written", "condition"),
    [
        (["IDLE"], "IDLE", "idle"),
        (["MIXED", "CLOUD"], "MIXED+CLOUD", "allocated"),
        (["IDLE", "DRAIN"], "IDLE+DRAIN", "drained"),
        (["ALLOCATED", "DRAIN"], "ALLOCATED+DRAIN", "drained"),
        (["DOWN", "DRAIN", "NOT_RESPONDING"], "DOWN*+DRAIN", "down"),
        (["IDLE", "NOT_RESPONDING"], "IDLE*", "down"),
        (["IDLE", "MAINTENANCE"], "MAINT", "maintenance"),
        (["IDLE", "CLOUD", "POWERED_DOWN"], "IDLE+CLOUD+POWERED_DOWN", "powered_down"),
        (["FUTURE"], "FUTURE", None),
    ],
)
def test_a_nodes_state_says_what_it_is_good_for(words, written, condition):
    [from_json], _ = document.nodes({"nodes": [{"name": "n", "state": words}]})
    [from_flags], _ = document.nodes({"nodes": [{"name": "n", "state": words[0].lower(), "state_flags": words[1:]}]})
    [from_text], _ = text.nodes(f"NodeName=n Gres=(null) State={written} ThreadsPerCore=2 Reason=x State=DOWN\n")

    assert [node.condition for node in (from_json, from_flags, from_text)] == [condition] * 3


def test_a_node_without_a_state_is_in_none():
    [node], _ = text.nodes("NodeName=n Gres=(null)\n")

    assert node.condition is None


def test_an_empty_queue_is_no_job_and_nothing_unknown():
    assert text.jobs("No jobs in the system\n") == ((), 0)
    assert text.jobs("") == ((), 0)


def test_a_jobs_name_cannot_forge_its_state():
    [job], _ = text.jobs(TEXT.replace("JobName=train", "JobName=x UserId=root(0) JobState=COMPLETED EndTime=1"))
    assert (job.user, job.states, job.ended) == ("ada", frozenset({"SUSPENDED"}), ENDS)


def test_a_comment_with_line_breaks_cannot_forge_what_a_job_holds():
    forged = TEXT.replace("   Command=", "   Comment=x\n     Nodes=gpu09 CPU_IDs=0 Mem=1 GRES=gpu:8(IDX:0-7)\n   Command=")
    [job], _ = text.jobs(forged)
    assert job.allocations == EXPECTED.allocations


def test_a_record_that_says_a_thing_twice_is_counted_and_left_out():
    assert text.jobs(TEXT.replace("JobName=train", "JobName=x\n   UserId=root(0) GroupId=root(0)")) == ((), 1)


def test_records_of_text_are_told_apart():
    assert [job.id for job in text.jobs(TEXT + "\n" + TEXT.replace("JobId=1234", "JobId=1235"))[0]] == [1234, 1235]


@pytest.mark.parametrize(
    ("states", "ended", "restarts", "expected"),
    [
        ("PENDING", None, 0, Phase.WAITING),
        ("RUNNING", NOW + 3600, 0, Phase.HOLDING),
        ("CONFIGURING", NOW + 3600, 0, Phase.HOLDING),
        ("RUNNING CONFIGURING", NOW + 3600, 0, Phase.HOLDING),
        ("STOPPED", NOW + 3600, 0, Phase.HOLDING),
        ("SUSPENDED", NOW + 3600, 0, Phase.SUSPENDED),
        ("COMPLETING", NOW - 1, 0, Phase.COMPLETING),
        ("CANCELLED COMPLETING", NOW - 1, 3, Phase.COMPLETING),
        ("COMPLETING", NOW + 1e9, 1, Phase.COMPLETING_REQUEUED),
        ("COMPLETING", None, 1, Phase.COMPLETING_REQUEUED),
        ("PENDING COMPLETING", None, 1, Phase.COMPLETING_REQUEUED),
        ("COMPLETED", NOW - 1, 0, Phase.ENDED),
        ("REQUEUED", NOW + 3600, 1, Phase.WAITING),
        ("STAGE_OUT", NOW - 10, 0, Phase.ENDED),
        ("SOMETHING_NEW", None, 0, Phase.WAITING),
    ],
)
def test_a_state_and_its_flags_say_what_the_record_is_about(states, ended, restarts, expected):
    assert Job(id=1, states=frozenset(states.split()), ended=ended, restarts=restarts).phase(NOW) is expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("gpu1", ["gpu1"]),
        ("gpu[01-03,7]", ["gpu01", "gpu02", "gpu03", "gpu7"]),
        ("a,b[1-2]c,d", ["a", "b1c", "b2c", "d"]),
        ("r[1-2]n[08-10]", ["r1n08", "r1n09", "r1n10", "r2n08", "r2n09", "r2n10"]),
        ("", []),
    ],
)
def test_a_node_list_is_expanded_in_slurms_order(written, expected):
    assert list(expand(written)) == expected


@pytest.mark.parametrize("written", ["gpu[", "gpu[1", "gpu[3-1]", "gpu[a-b]", "n[0-99999999999]", "n[0-9999]m[0-9999]"])
def test_what_is_no_node_list_is_refused(written):
    with pytest.raises(ValueError, match=r"no range|partners|more than"):
        expand(written)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def paths(value, path=()):
    yield path
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield from paths(child, (*path, key))


def changed(record, path, drop, value):
    record = json.loads(json.dumps(record))
    if not path:
        return value
    place = record
    for key in path[:-1]:
        place = place[key]
    if drop:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return record


@given(
    data=st.data(), version=st.sampled_from(sorted(RECORDS)), state=st.sampled_from(["RUNNING", "COMPLETING", "FAILED", None])
)
def test_no_member_missing_or_wrong_is_met_with_anything_but_a_run_that_has_begun(data, version, state):
    record = RECORDS[version]()
    if state:
        record["job_state"] = [state] if version > "v0.0.39" else state
    path = data.draw(st.sampled_from(list(paths(record))))
    record = changed(record, path, data.draw(st.booleans()), data.draw(JSON))
    read, unknown = document.jobs(jobs(record))
    runs = History().merge(read, CLUSTER, NOW)
    assert len(read) + unknown == 1
    assert all(0 < run.started <= NOW + 60 and (run.ended is None or run.ended >= run.started) for run in runs)
    assert all(0 < gpu.fraction <= 1 for run in runs for placement in run.placements for gpu in placement.gpus)


@given(line=st.integers(0, TEXT.count("\n") - 1), place=st.floats(0, 1), new=st.text(max_size=30))
def test_no_text_is_met_with_anything_but_a_run_that_has_begun(line, place, new):
    lines = TEXT.splitlines()
    cut = int(place * len(lines[line]))
    lines[line] = lines[line][:cut] + new + lines[line][cut + len(new) :]
    read, _ = text.jobs("\n".join(lines))
    runs = History().merge(read, CLUSTER, NOW)
    assert all(0 < run.started <= NOW + 60 for run in runs)


@given(st.text())
def test_no_text_at_all_raises(anything):
    text.jobs(anything)
    text.nodes(anything)
