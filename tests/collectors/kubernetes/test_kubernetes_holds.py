"""What the kubelets told becomes holds on GPUs, and on parts of them."""

from hypothesis import given
from hypothesis import strategies as st

from collectors.kubernetes.holds import PodName, holds, resource_slices
from collectors.kubernetes.unnamed import Unnamed
from tests.collectors.kubernetes.conftest import NOW, Agents
from wattstat.catalogue.gpu import GPU_INFO, MIG_INFO, MIG_SLICES
from wattstat.catalogue.job import POD_GPU_INFO
from wattstat.jobs import GpuHold, Hold, RunKey, State

A, B = "GPU-11111111-aaaa-bbbb-cccc-000000000001", "GPU-22222222-aaaa-bbbb-cccc-000000000002"
MIG = "MIG-33333333-aaaa-bbbb-cccc-000000000003"


def of(agents, pod):
    return holds(agents.snapshot(), {}).of("gpu001", PodName("team-a", pod))


def test_a_mig_device_is_a_part_of_its_gpu(agents):
    agents.samples.add(MIG_INFO, 1, "gpu001", "0", A, "2", "0", MIG, "3g.40gb")
    agents.samples.add(MIG_SLICES, 3, "gpu001", "0", A, "2", "0")
    agents.holds("p", MIG, resource="nvidia.com/mig-3g.40gb")

    assert of(agents, "p") == (GpuHold(uuid=A, hold=Hold.MIG, fraction=3 / 7, instance="mig:2:0"),)


def test_an_a30_has_four_slices(agents):
    agents.samples.add(GPU_INFO, 1, "gpu001", "0", A, "NVIDIA A30", *["x"] * (len(GPU_INFO.labels) - 4))
    agents.samples.add(MIG_INFO, 1, "gpu001", "0", A, "2", "0", MIG, "1g.6gb")
    agents.samples.add(MIG_SLICES, 1, "gpu001", "0", A, "2", "0")
    agents.holds("p", MIG)

    assert of(agents, "p")[0].fraction == 0.25


def test_a_mig_device_that_nvml_does_not_show_is_known_by_its_own_uuid_and_its_profile(agents):
    agents.holds("p", MIG, resource="nvidia.com/mig-1g.10gb")

    assert of(agents, "p") == (GpuHold(uuid=MIG, hold=Hold.MIG, fraction=1 / 7, instance=MIG),)


def test_a_mig_device_that_is_sliced_by_time_is_shared_twice(agents):
    agents.samples.add(MIG_INFO, 1, "gpu001", "0", A, "2", "0", MIG, "2g.20gb")
    agents.samples.add(MIG_SLICES, 2, "gpu001", "0", A, "2", "0")
    agents.holds("p", f"{MIG}::1", uuid=MIG, replica="1", replicas="2")

    assert of(agents, "p") == (GpuHold(uuid=A, hold=Hold.MIG, fraction=1 / 7, instance="mig:2:0"),)


def test_gkes_names_count_device_files(agents):
    agents.holds("p", "nvidia3", minor="3")
    agents.holds("q", "nvidia0/gi4", minor="0", gpu_instance="4")
    agents.holds("r", "nvidia1/vgpu0", minor="1", replica="0")

    assert of(agents, "p") == (GpuHold(minor=3),)
    assert of(agents, "q")[0].instance == "mig:4:0"
    assert (of(agents, "q")[0].minor, of(agents, "q")[0].hold) == (0, Hold.MIG)
    assert of(agents, "r") == (GpuHold(minor=1, hold=Hold.TIME_SLICED),)


def test_replicas_that_nobody_counts_are_shared_by_those_that_are_held(agents):
    for n, pod in enumerate(("p", "q", "r")):
        agents.holds(pod, f"{A}::{n}", uuid=A, replica=str(n))

    assert [of(agents, pod)[0].fraction for pod in ("p", "q", "r")] == [1 / 3] * 3


def test_containers_of_a_pod_that_share_a_gpu_hold_it_once(agents):
    agents.holds("p", A, container="one")
    agents.holds("p", A, container="two")

    assert of(agents, "p") == (GpuHold(uuid=A),)


def test_an_instance_that_was_allocated_by_claim_is_found_in_the_slices_of_any_version(agents):
    device = {"name": "gpu-0-mig-1g10gb-19-0", "attributes": {"uuid": {"string": MIG}}}
    spec = {"driver": "gpu.nvidia.com", "pool": {"name": "w"}, "devices": [device, {"name": "other"}]}
    found = resource_slices([{"spec": spec}, {"spec": None}, None])
    agents.holds("p", "gpu.nvidia.com/w/gpu-0-mig-1g10gb-19-0", minor="0")

    assert of(agents, "p") == (GpuHold(minor=0, hold=Hold.MIG, fraction=1 / 7),)
    assert holds(agents.snapshot(), found).of("gpu001", PodName("team-a", "p"))[0].instance == MIG


def test_older_names_of_instances_that_were_allocated_by_claim_tell_their_size(agents):
    agents.holds("p", "gpu.nvidia.com/w/gpu-2-mig-9-4-4", resource="gpu.nvidia.com", minor="2")

    assert of(agents, "p") == (GpuHold(minor=2, hold=Hold.MIG, fraction=0.5),)


@given(st.lists(st.tuples(*[st.text() for _ in POD_GPU_INFO.labels])))
def test_no_labels_break_the_reading_and_no_gpu_is_given_away_more_than_once(rows):
    agents = Agents()
    for row in rows:
        agents.samples.add(POD_GPU_INFO, 1, *row)
    for pods in holds(agents.snapshot(), {}).by_node.values():
        for gpus in pods.values():
            assert all(0 < each.fraction <= 1 for each in gpus)


class Cluster:
    """What the agents say, moment by moment, to runs without names."""

    def __init__(self):
        self.unnamed = Unnamed(scheduler="kubernetes")

    def at(self, second, *pods, heard=("gpu001",)):
        agents = Agents()
        agents.heard(*heard)
        for pod in pods:
            agents.holds(pod, A)
        return {run.key.job_id: run for run in self.unnamed.see(holds(agents.snapshot(), {}), NOW + second)}


def test_without_the_api_a_hold_is_a_run_from_its_first_sight_to_its_last():
    cluster = Cluster()
    begun = cluster.at(0, "p")["team-a/p"]
    over = cluster.at(60)["team-a/p"]

    assert (begun.key, begun.started, begun.ended) == (RunKey("kubernetes", "team-a/p"), NOW, None)
    assert begun.placements[0].gpus == (GpuHold(uuid=A),)
    assert (over.state, over.started, over.ended) == (State.GONE, NOW, NOW + 60)


def test_without_the_api_a_node_that_is_not_heard_keeps_its_runs():
    cluster = Cluster()
    cluster.at(0, "p")

    assert cluster.at(60, heard=())["team-a/p"].ended is None


def test_without_the_api_a_pod_that_comes_back_is_another_run():
    cluster = Cluster()
    cluster.at(0, "p")
    cluster.at(60)
    again = [run for run in cluster.unnamed.see(holds(_with("p").snapshot(), {}), NOW + 90) if run.ended is None]

    assert [(run.key.instance, run.started) for run in again] == [(f"{NOW + 90:.0f}", NOW + 90)]


def test_without_the_api_an_ended_run_is_forgotten_after_a_while():
    cluster = Cluster()
    cluster.at(0, "p")
    cluster.at(60)

    assert cluster.at(1000) == {}


def _with(pod):
    agents = Agents()
    agents.holds(pod, A)
    return agents
