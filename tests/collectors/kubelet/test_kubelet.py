"""The agent knows from the kubelet which pod holds which GPU."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.frame.errors import BadPayload, Misconfigured, Unreachable
from collectors.frame.source import Tier
from collectors.kubelet.devices import Device, device, dynamic_device
from collectors.kubelet.messages import message
from collectors.kubelet.source import KubeletSource, holds, sources
from tests.support.kubelet import allocatable, kubelet, pods
from wattstat.catalogue.job import POD_GPU_INFO
from wattstat.config import Config

A = "GPU-11111111-aaaa-bbbb-cccc-000000000001"
B = "GPU-22222222-aaaa-bbbb-cccc-000000000002"
MIG = "MIG-33333333-aaaa-bbbb-cccc-000000000003"


@pytest.fixture
def source(tmp_path):
    return KubeletSource(target="gpu001", socket=tmp_path / "kubelet.sock", tiers=(Tier("fast", 5.0, 4.0),))


async def collected(source):
    """What one collection brings, and the labels of its samples by name."""
    try:
        found = await source.collect("fast")
    finally:
        await source.close()
    return found, [dict(zip(POD_GPU_INFO.labels, sample.labels, strict=True)) for sample in found.samples]


async def test_a_pod_with_two_gpus_has_two_samples(source):
    answer = pods(("team-a", "train-0", "main", "nvidia.com/gpu", [A, B]))
    with kubelet(source.socket, answer, message("AllocatableResourcesResponse")()):
        found, labels = await collected(source)

    assert found.errors == {}
    assert [each["uuid"] for each in labels] == [A, B]
    assert {(each["node"], each["namespace"], each["pod"], each["container"]) for each in labels} == {
        ("gpu001", "team-a", "train-0", "main")
    }
    assert [sample.value for sample in found.samples] == [1, 1]


async def test_replicas_of_a_time_sliced_gpu_are_counted_among_all_that_there_are(source):
    answer = pods(
        ("a", "one", "c", "nvidia.com/gpu.shared", [f"{A}::1"]), ("a", "two", "c", "nvidia.com/gpu.shared", [f"{A}::3"])
    )
    with kubelet(source.socket, answer, allocatable("nvidia.com/gpu.shared", [f"{A}::{n}" for n in range(4)])):
        _, labels = await collected(source)

    assert [(each["uuid"], each["replica"], each["replicas"]) for each in labels] == [(A, "1", "4"), (A, "3", "4")]


async def test_a_kubelet_that_cannot_say_what_there_is_still_says_who_holds_it(source):
    with kubelet(source.socket, pods(("a", "one", "c", "nvidia.com/gpu.shared", [f"{A}::1"]))):
        found, labels = await collected(source)

    assert "too old" in str(found.errors["allocatable"])
    assert [(each["uuid"], each["replicas"]) for each in labels] == [(A, "")]


async def test_an_answer_beyond_four_megabytes_is_read(source):
    others = [("default", f"pod-{n}", "c", "example.com/device", ["x" * 1000]) for n in range(5000)]
    answer = pods(*others, ("a", "last", "c", "nvidia.com/gpu", [A]))
    assert answer.ByteSize() > 5_000_000
    with kubelet(source.socket, answer):
        _, labels = await collected(source)

    assert [each["pod"] for each in labels] == ["last"]


async def test_bytes_with_fields_that_we_do_not_know_are_read(source):
    # PodResources{name "p", namespace "n", containers {name "c", devices {"nvidia.com/gpu", A, topology}, cpu_ids [0, 1]}}
    devices = b"\x0a\x0envidia.com/gpu" + b"\x12\x28" + A.encode() + b"\x1a\x04\x0a\x02\x08\x01"
    container = b"\x0a\x01c" + b"\x12" + bytes([len(devices)]) + devices + b"\x1a\x02\x00\x01"
    pod = b"\x0a\x01p\x12\x01n\x1a" + bytes([len(container)]) + container
    with kubelet(source.socket, b"\x0a" + bytes([len(pod)]) + pod):
        _, labels = await collected(source)

    assert [(each["namespace"], each["pod"], each["container"], each["uuid"]) for each in labels] == [("n", "p", "c", A)]


async def test_dynamic_resources_tell_driver_pool_and_device(source):
    answer = message("ListPodResourcesResponse")()
    container = answer.pod_resources.add(name="p", namespace="n").containers.add(name="c")
    claim = container.dynamic_resources.add(claim_name="gpu", claim_namespace="n")
    claim.claim_resources.add(driver_name="gpu.nvidia.com", pool_name="worker-1", device_name="gpu-3")
    claim.claim_resources.add(driver_name="nic.example.com", pool_name="worker-1", device_name="gpu-4")
    with kubelet(source.socket, answer):
        _, labels = await collected(source)

    assert [(each["resource"], each["device"], each["minor"], each["uuid"]) for each in labels] == [
        ("gpu.nvidia.com", "gpu.nvidia.com/worker-1/gpu-3", "3", "")
    ]


async def test_no_kubelet_is_unreachable_and_one_that_comes_back_is_read(source):
    with pytest.raises(Unreachable, match=r"kubelet\.sock: List"):
        await source.collect("fast")
    with kubelet(source.socket, pods(("a", "p", "c", "nvidia.com/gpu", [A]))):
        assert len((await source.collect("fast")).samples) == 1
    with pytest.raises(Unreachable):
        await source.collect("fast")
    source.socket.unlink(missing_ok=True)
    with kubelet(source.socket, pods(("a", "p", "c", "nvidia.com/gpu", [A, B]))):
        found, _ = await collected(source)
    assert len(found.samples) == 2


async def test_an_answer_that_is_no_protobuf_is_a_bad_payload(source):
    with kubelet(source.socket, b"\xff\xff\xff"), pytest.raises(BadPayload, match="List"):
        await collected(source)


def test_where_no_kubelet_ever_was_there_is_nothing_to_read(monkeypatch, tmp_path):
    monkeypatch.setattr("collectors.kubelet.source.SOCKET", tmp_path / "pod-resources/kubelet.sock")

    assert sources(Config(), "gpu001") == []


async def test_a_kubelet_that_comes_up_after_the_agent_is_read(monkeypatch, tmp_path):
    monkeypatch.setattr("collectors.kubelet.source.SOCKET", tmp_path / "kubelet.sock")
    (found,) = sources(Config(), "gpu001")
    with pytest.raises(Unreachable):
        await found.collect("fast")
    with kubelet(tmp_path / "kubelet.sock", pods(("a", "p", "c", "nvidia.com/gpu", [A]))):
        _, labels = await collected(found)

    assert [each["node"] for each in labels] == ["gpu001"]


async def test_a_missing_package_is_told_with_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    (found,) = sources(Config.model_validate({"agent": {"pod_resources": str(tmp_path / "k.sock")}}), "gpu001")

    with pytest.raises(Misconfigured, match=r"pip install 'wattstat\[kubernetes\]'"):
        await found.collect("fast")


def test_ids_of_all_known_device_plugins_are_understood():
    assert device(A) == Device(uuid=A)
    assert device(f"{A}::12") == Device(uuid=A, replica="12")
    assert device(MIG) == Device(uuid=MIG)
    assert device(f"{MIG}::0") == Device(uuid=MIG, replica="0")
    assert device(f"MIG-{A}/2/0") == Device(uuid=A, gpu_instance="2:0")
    assert device("nvidia0") == Device(minor="0")
    assert device("nvidia7/vgpu3") == Device(minor="7", replica="3")
    assert device("nvidia0/gi4") == Device(minor="0", gpu_instance="4")
    assert device("nvidia0/gi4/vgpu1") == Device(minor="0", gpu_instance="4", replica="1")
    assert device("3") == Device(minor="3")
    assert dynamic_device("gpu-5") == Device(minor="5")
    assert dynamic_device("gpu-5-mig-1g10gb-19-0") == dynamic_device("gpu-5-mig-19-0-1") == Device(minor="5")
    assert dynamic_device("channel-0") is None


@given(st.text())
def test_no_id_breaks_the_parser(identifier):
    found = device(identifier)

    assert found is None or found.uuid or found.minor


@given(
    st.lists(st.tuples(st.text(), st.text(), st.text(), st.sampled_from(["nvidia.com/gpu", "x.com/y"]), st.lists(st.text())))
)
def test_no_answer_breaks_the_reading(entries):
    for held in holds(pods(*entries), {}):
        assert held.device.uuid or held.device.minor


def test_the_agent_does_not_import_grpc_before_it_is_needed():
    heavy = ("grpclib", "google", "h2")
    code = f"import sys, wattstat.serve.agent; print([name for name in sys.modules if name.partition('.')[0] in {heavy}])"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert told.stdout.strip() == "[]"
