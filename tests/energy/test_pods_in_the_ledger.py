"""Pods as Kubernetes and the kubelets tell of them, through the ledger to their joules."""

from types import MappingProxyType

import pytest

from collectors.kubernetes.holds import PodName, holds
from collectors.kubernetes.observed import nodes, run
from collectors.kubernetes.pods import pod as parsed
from collectors.node_names import Names
from energy.model import Account
from tests.collectors.kubernetes.conftest import Agents
from tests.energy.hall import START, Bench
from tests.support.kubernetes_api import node, pod
from wattstat.config.schedulers import Kubernetes
from wattstat.journal import Entry, Gpu, GpuCounts, NodeJournal

GPU = "GPU-11111111-aaaa-bbbb-cccc-000000000001"
MIG = "MIG-33333333-aaaa-bbbb-cccc-000000000003"
CLUSTER = nodes([node("n1")], Names(given={}, inventory=frozenset({"n1"})))


@pytest.fixture
def agents():
    return Agents()


def runs(agents, *names):
    """The runs of pods that have been there for a while."""
    held = holds(agents.snapshot(), {})
    for name in names:
        document = pod(name, node="n1", startTime="2023-11-14T22:00:00Z")
        made = run(
            parsed(document, START),
            held.of("n1", PodName("team-a", name)),
            scheduler="kubernetes",
            settings=Kubernetes(),
            cluster=CLUSTER,
        )
        assert made is not None
        yield made


def story(told, gpu, shares):
    """One GPU: 100 W and still for a minute, then at work with 500 W; its server draws 100 W more.

    `shares` are seconds of activity for each second of work.
    """
    bench = Bench()
    for second in range(0, 181, 10):
        work, bench.clocks.steady = max(second - 60, 0), START + second
        joules = 1e6 + 100 * second + 400 * work
        counts = {GPU: GpuCounts(joules=joules, sm_active_seconds=0.9 * work, power_seconds=float(second))}
        bench.observe(*told, scheduler="kubernetes")
        bench.power(200.0 if second < 60 else 600.0)
        activity = {(GPU, holder): part * work for holder, part in shares.items()}
        read = Entry(at=bench.clocks.wall(), gpus=counts, shares=activity)
        bench.ledger.journal(NodeJournal(node="n1", boot="a", gpus=(gpu,), entries=(read,)))
        bench.settle()
    return bench


def drawn(bench):
    """What the GPU drew until the moment that is settled."""
    settled = bench.books.newest["n1"].settled_until - START
    return 100 * settled + 400 * max(settled - 60, 0)


def gpu_joules(bench):
    """By pod, what its part of the GPU drew, at work or not."""
    found = {}
    for posting in bench.books.postings:
        name = posting.run.job_id.rpartition("/")[2] if posting.run is not None else str(posting.account)
        found[name] = found.get(name, 0.0) + posting.gpu_joules + posting.idle_joules
    return found


def test_pods_on_time_slices_pay_by_what_their_processes_did_and_all_adds_up(agents):
    for number, name in enumerate(("busy", "calm")):
        agents.holds(name, f"{GPU}::{number}", node="n1", uuid=GPU, replica=str(number), replicas="2")
    shares = {"pod:uid-busy": 0.8, "pod:uid-calm": 0.1}
    bench = story(list(runs(agents, "busy", "calm")), Gpu(uuid=GPU, index=0, model="NVIDIA H100"), shares)
    found = gpu_joules(bench)

    assert found["busy"] + found["calm"] + found.get("idle", 0) == pytest.approx(drawn(bench))
    assert found["busy"] > 2 * found["calm"] > 0


def test_a_pod_on_a_mig_device_of_which_only_the_uuid_is_known_pays_for_its_part(agents):
    agents.holds("part", MIG, node="n1", resource="nvidia.com/mig-3g.40gb")
    holder = "mig:2:0"
    gpu = Gpu(
        uuid=GPU,
        index=0,
        model="NVIDIA H100",
        slices=MappingProxyType({holder: 3.0}),
        mig_uuids=MappingProxyType({holder: MIG}),
    )
    bench = story(list(runs(agents, "part")), gpu, {holder: 0.9})
    found = gpu_joules(bench)

    assert found["part"] + found["idle"] == pytest.approx(drawn(bench))
    assert {posting.account for posting in bench.books.postings} == {Account.JOB, Account.IDLE}
    assert found["part"] > found["idle"] > 0
