"""Pods of a cluster become runs, with the GPUs that the agents say they hold."""

import pytest

from collectors import kubernetes
from collectors.frame.errors import AuthFailed, BadPayload, Misconfigured, NotSupported, Throttled, Unreachable
from tests.collectors.kubernetes.conftest import NOW
from tests.support.kubernetes_api import ended, node, pod
from wattstat.catalogue.gpu import GPU_INFO
from wattstat.catalogue.job import SCHEDULER_JOBS
from wattstat.config import Config
from wattstat.inventory import Inventory, Node
from wattstat.jobs import GpuHold, Hold, RunKey, State

A, B = "GPU-11111111-aaaa-bbbb-cccc-000000000001", "GPU-22222222-aaaa-bbbb-cccc-000000000002"


async def told(source):
    """What one collection told the ledger, and what it brought."""
    collected = await source.collect("fast")
    return source.told[-1] if source.told else None, collected


async def test_a_pod_is_a_run_with_its_owner_namespace_and_gpus(server, agents, source):
    server.lists["/api/v1/pods"] = [pod("train-abc", gpus=2)]
    agents.holds("train-abc", A)
    agents.holds("train-abc", B)
    observed, collected = await told(source)

    (run,) = observed.runs
    (placement,) = run.placements
    assert run.key == RunKey("kubernetes", "team-a/train-abc", "uid-train-abc")
    assert (run.name, run.user, run.account, run.partition, run.qos) == ("train", "train", "team-a", "team-a", "batch")
    assert (run.state, run.submitted, run.started, run.ended) == (State.RUNNING, NOW - 3600, NOW - 3590, None)
    assert (placement.node, placement.cpus, placement.memory_bytes) == ("gpu001", 8, 32 * 1024**3)
    assert placement.gpus == (GpuHold(uuid=A), GpuHold(uuid=B))
    assert run.labels["team"] == "vision"
    assert (observed.scheduler, observed.taken_at) == ("kubernetes", NOW)
    assert observed.nodes == {"gpu001", "gpu002"}
    assert collected.errors == {}
    values = {sample.labels: sample.value for sample in collected.samples if sample.metric is SCHEDULER_JOBS}
    assert values == {("kubernetes", "running"): 1, ("kubernetes", "pending"): 0}


async def test_labels_name_user_and_account_where_the_site_wants_that(server, agents, make):
    source = make(user_label="person", account_label="team", cluster="west")
    server.lists["/api/v1/pods"] = [pod("p")]
    agents.holds("p", A)
    observed, _ = await told(source)
    await source.close()

    (run,) = observed.runs
    assert (run.key.scheduler, run.user, run.account) == ("kubernetes:west", "someone", "vision")


async def test_a_node_pool_is_the_partition(server, agents, source):
    server.lists["/api/v1/nodes"] = [node("gpu001", **{"cloud.google.com/gke-nodepool": "h100"})]
    server.lists["/api/v1/pods"] = [pod("p")]
    agents.holds("p", A)
    observed, _ = await told(source)

    assert observed.runs[0].partition == "h100"


async def test_pods_without_gpus_are_no_runs(server, agents, source):
    server.lists["/api/v1/pods"] = [pod("web", gpus=0)]
    agents.heard("gpu001")
    observed, _ = await told(source)

    assert observed.runs == ()


async def test_the_end_of_a_pod_is_that_of_its_last_container_and_its_gpus_are_remembered(server, agents, source):
    server.lists["/api/v1/pods"] = [pod("p")]
    agents.holds("p", A)
    await told(source)
    agents.samples.clear()
    agents.heard("gpu001")
    statuses = [*ended(at="2026-01-01T00:30:00Z"), *ended(at="2026-01-01T00:40:00Z")]
    server.lists["/api/v1/pods"] = [pod("p", phase="Succeeded", containerStatuses=statuses)]
    observed, _ = await told(source)

    (run,) = observed.runs
    assert (run.state, run.ended, run.exit_code) == (State.COMPLETED, NOW - 1200, 0)
    assert run.placements[0].gpus == (GpuHold(uuid=A),)


async def test_a_pod_that_ended_long_ago_is_no_news(server, agents, source):
    agents.heard("gpu001")
    server.lists["/api/v1/pods"] = [
        pod("lately", phase="Succeeded", containerStatuses=ended(at="2025-12-31T01:00:00Z")),
        pod("once", phase="Succeeded", containerStatuses=ended(at="2025-12-01T01:00:00Z")),
    ]
    observed, _ = await told(source)

    assert [run.key.job_id for run in observed.runs] == ["team-a/lately"]


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ({"containerStatuses": ended(1, "Error")}, State.FAILED),
        ({"containerStatuses": ended(137, "OOMKilled")}, State.OUT_OF_MEMORY),
        ({"reason": "DeadlineExceeded"}, State.TIMEOUT),
        ({"reason": "Evicted"}, State.PREEMPTED),
        ({"conditions": [{"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"}]}, State.PREEMPTED),
        ({"reason": "Terminated"}, State.NODE_FAIL),
        ({"conditions": [{"type": "DisruptionTarget", "status": "True", "reason": "DeletionByTaintManager"}]}, State.NODE_FAIL),
    ],
)
async def test_how_a_pod_failed_shows_in_its_state(server, agents, source, status, state):
    server.lists["/api/v1/pods"] = [pod("p")]
    agents.holds("p", A)
    await told(source)
    server.lists["/api/v1/pods"] = [pod("p", phase="Failed", **status)]
    observed, _ = await told(source)

    assert observed.runs[0].state is state
    assert observed.runs[0].ended == NOW


async def test_a_pod_on_a_node_of_others_is_left_out(server, agents, source):
    server.lists["/api/v1/nodes"].append(node("elsewhere"))
    server.lists["/api/v1/pods"] = [pod("p", node="elsewhere")]
    observed, _ = await told(source)

    assert observed.runs == ()
    assert observed.nodes == {"gpu001", "gpu002"}


async def test_names_of_nodes_may_have_a_domain_or_be_configured(server, agents, make):
    source = make(nodes={"ip-10-0-0-7": "cpu001"})
    server.lists["/api/v1/nodes"] = [node("gpu002.example.org"), node("ip-10-0-0-7")]
    server.lists["/api/v1/pods"] = [pod("p", node="gpu002.example.org"), pod("q", node="ip-10-0-0-7")]
    agents.holds("p", A, node="gpu002")
    agents.holds("q", B, node="cpu001")
    observed, _ = await told(source)
    await source.close()

    assert {run.key.job_id: run.nodes for run in observed.runs} == {"team-a/p": ("gpu002",), "team-a/q": ("cpu001",)}


async def test_only_nodes_with_gpus_are_asked_and_lists_are_read_page_by_page(server, agents, source):
    server.lists["/api/v1/nodes"] = [node("gpu001"), node("cpu001", gpus=0)]
    server.page = 2
    server.lists["/api/v1/pods"] = [pod(f"p{n}") for n in range(5)]
    for n in range(5):
        agents.holds(f"p{n}", A[:-1] + str(n))
    observed, _ = await told(source)

    assert len(observed.runs) == 5
    assert not [asked for asked in server.asked if "cpu001" in asked]
    assert any("continue=4" in asked for asked in server.asked)


async def test_a_large_cluster_is_listed_as_a_whole(server, agents, source, monkeypatch):
    monkeypatch.setattr("collectors.kubernetes.source.MOST_NODES", 1)
    server.lists["/api/v1/pods"] = [pod("p"), pod("q", node="gpu002.example.org")]
    agents.holds("p", A)
    agents.holds("q", B, node="gpu002")
    observed, _ = await told(source)

    assert len(observed.runs) == 2
    assert not [asked for asked in server.asked if "fieldSelector" in asked]


async def test_a_list_that_expires_while_it_is_read_is_read_anew(server, agents, source):
    server.page, server.expire_once = 1, True
    server.lists["/api/v1/pods"] = [pod("p"), pod("q")]
    agents.holds("p", A)
    agents.holds("q", B)
    observed, _ = await told(source)

    assert [run.key.job_id for run in observed.runs] == ["team-a/p", "team-a/q"]


async def test_pods_that_wait_for_a_gpu_are_counted_as_pending(server, agents, source):
    server.lists["/api/v1/pods"] = [pod("waits", node="", phase="Pending", startTime=None)]
    _, collected = await told(source)

    assert [s.value for s in collected.samples if s.labels[1] == "pending"] == [1]


async def test_after_a_start_the_ledger_hears_nothing_before_the_agents_were_heard(server, agents, source):
    server.lists["/api/v1/pods"] = [pod("p")]
    source.monotonic = lambda: 0.0
    observed, collected = await told(source)
    assert observed is None
    assert "gpu001" in str(collected.errors["holds"])

    agents.holds("p", A)
    observed, collected = await told(source)
    assert observed.runs[0].gpus == 1
    assert collected.errors == {}


async def test_patience_with_silent_agents_ends(server, agents, source):
    server.lists["/api/v1/pods"] = [pod("p")]
    source.monotonic = iter([0.0, 0.0, 0.0, 61.0, 61.0, 61.0]).__next__
    await told(source)
    observed, _ = await told(source)

    assert observed.runs[0].placements[0].gpus == ()


async def test_a_pod_that_asked_for_all_gpus_of_its_node_holds_them_whoever_is_silent(server, agents, source):
    server.lists["/api/v1/pods"] = [pod("p", gpus=2)]
    for index, uuid in enumerate((A, B)):
        agents.samples.add(GPU_INFO, 1, "gpu001", str(index), uuid, *["x"] * (len(GPU_INFO.labels) - 3))
    observed, collected = await told(source)

    assert observed.runs[0].placements[0].gpus == (GpuHold(uuid=A), GpuHold(uuid=B))
    assert collected.errors == {}


async def test_devices_that_were_allocated_by_claim_are_found_in_resource_slices(server, agents, source):
    claimed = pod("p", gpus=0)
    claimed["spec"]["resourceClaims"] = [{"name": "gpu"}]
    server.lists["/api/v1/pods"] = [claimed]
    server.lists["/apis/resource.k8s.io/v1beta1/resourceslices"] = [
        {
            "spec": {
                "driver": "gpu.nvidia.com",
                "pool": {"name": "gpu001"},
                "devices": [{"name": "gpu-3", "basic": {"attributes": {"uuid": {"string": B}}}}],
            }
        }
    ]
    agents.holds("p", "gpu.nvidia.com/gpu001/gpu-3", resource="gpu.nvidia.com", minor="3")
    observed, collected = await told(source)

    assert observed.runs[0].placements[0].gpus == (GpuHold(uuid=B),)
    assert collected.errors == {}


async def test_without_resource_slices_the_minor_number_tells(server, agents, source):
    server.lists["/api/v1/pods"] = [pod("p")]
    agents.holds("p", "gpu.nvidia.com/gpu001/gpu-3", resource="gpu.nvidia.com", minor="3")
    observed, collected = await told(source)

    assert observed.runs[0].placements[0].gpus == (GpuHold(minor=3),)
    assert isinstance(collected.errors["resourceslices"], NotSupported)


@pytest.mark.parametrize(
    ("status", "error", "words"),
    [
        (401, AuthFailed, "expired"),
        (403, AuthFailed, "ClusterRole"),
        (429, Throttled, "429"),
        (500, BadPayload, "500"),
        (404, NotSupported, "API server"),
    ],
)
async def test_an_answer_that_is_no_list_says_what_is_wrong(server, source, status, error, words):
    server.status = status
    with pytest.raises(error, match=words):
        await source.collect("fast")
    assert source.told == []


async def test_a_silent_api_server_tells_the_ledger_nothing(make):
    source = make(url="http://127.0.0.1:9")
    with pytest.raises(Unreachable):
        await source.collect("fast")
    await source.close()
    assert source.told == []


async def test_without_a_token_the_cluster_fails_with_the_reason(tmp_path):
    config = Config.model_validate({"schedulers": {"kubernetes": [{"url": "https://127.0.0.1:6443"}]}})
    source, *_ = kubernetes.sources(config, Inventory(), sink=print, hall=lambda: None, account=tmp_path)

    with pytest.raises(Misconfigured, match="credentials"):
        await source.collect("fast")


async def test_inside_a_cluster_the_service_account_is_used(server, agents, tmp_path, monkeypatch):
    host, _, port = server.url.removeprefix("http://").partition(":")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", port)
    (tmp_path / "token").write_text("a token")
    config = Config.model_validate({"schedulers": {"kubernetes": [{}]}})
    source, *_ = kubernetes.sources(
        config, Inventory(nodes=(Node(name="gpu001"),)), sink=print, hall=agents.snapshot, account=tmp_path
    )

    assert source.api.access.url == f"https://{host}:{port}"
    assert source.api.access.token() == "a token"
    (tmp_path / "token").write_text("the next one")
    assert source.api.access.token() == "the next one"


async def test_time_slices_share_by_the_replicas_that_there_are(server, agents, source):
    server.lists["/api/v1/pods"] = [pod("p"), pod("q")]
    agents.holds("p", f"{A}::0", uuid=A, replica="0", replicas="4")
    agents.holds("q", f"{A}::1", uuid=A, replica="1", replicas="4")
    agents.holds("q", f"{A}::2", uuid=A, replica="2", replicas="4")
    observed, _ = await told(source)

    assert [run.placements[0].gpus for run in observed.runs] == [
        (GpuHold(uuid=A, hold=Hold.TIME_SLICED, fraction=0.25),),
        (GpuHold(uuid=A, hold=Hold.TIME_SLICED, fraction=0.5),),
    ]


async def test_pods_with_gpus_that_show_metrics_are_looked_at_for_what_they_serve(server, agents, make):
    source = make()
    serving, plain = pod("serve-1", podIP="10.0.0.7"), pod("other", podIP="10.0.0.8")
    serving["metadata"]["annotations"] = {"prometheus.io/port": "8000", "prometheus.io/path": "v1/metrics"}
    server.lists["/api/v1/pods"] = [serving, plain]
    agents.holds("serve-1", A)
    agents.holds("other", B)
    await told(source)
    await source.close()

    (service,) = source.services
    assert service.owner == ("kubernetes", "team-a/serve-1")
    assert (service.name, service.url) == ("train", "http://10.0.0.7:8000/v1/metrics")
