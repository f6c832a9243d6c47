"""Whatever the API server sends, a pod is read or left out."""

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.kubernetes.observed import nodes, run
from collectors.kubernetes.pods import Endpoint, pod, quantity, time
from collectors.node_names import Names
from tests.collectors.kubernetes.conftest import NOW
from tests.support.kubernetes_api import ended, node
from tests.support.kubernetes_api import pod as document
from wattstat.config.schedulers import Kubernetes

JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def paths(value, prefix=()):
    """Where anything stands in a document."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        yield (*prefix, key)
        yield from paths(each, (*prefix, key))


WHOLE = document("p", phase="Failed", containerStatuses=ended(1))
CLUSTER = nodes([node("gpu001")], Names(given={}, inventory=frozenset({"gpu001"})))


@given(st.sampled_from(list(paths(WHOLE))), JUNK)
def test_any_member_may_be_anything(path, junk):
    changed = copy.deepcopy(WHOLE)
    inner = changed
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = junk
    found = pod(changed, NOW)
    if found is not None:
        made = run(found, (), scheduler="kubernetes", settings=Kubernetes(), cluster=CLUSTER)
        assert made is None or made.ended is None or made.ended >= made.started


@given(JUNK)
def test_any_document_may_be_anything(junk):
    assert pod(junk, NOW) is None
    assert nodes([junk], Names(given={}, inventory=frozenset())).names == {}


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("500m", 0.5),
        ("2", 2),
        (2, 2),
        ("16Gi", 16 * 1024**3),
        ("1e3", 1000),
        ("1.5k", 1500),
        ("x", None),
        (None, None),
        (True, None),
    ],
)
def test_quantities_are_numbers_with_the_suffixes_of_kubernetes(written, number):
    assert quantity(written) == number


def test_a_time_without_a_zone_is_none():
    assert time("2026-01-01T01:00:00Z") == NOW
    assert time("2026-01-01T01:00:00") is None


def test_a_replica_set_stands_for_its_deployment():
    made = document("server-5d9c-xyz")
    made["metadata"]["labels"]["pod-template-hash"] = "5d9c"
    made["metadata"]["ownerReferences"] = [{"kind": "ReplicaSet", "name": "server-5d9c", "controller": True}]
    found = pod(made, NOW)

    assert (found.owner_kind, found.owner) == ("Deployment", "server")


def test_annotations_say_where_the_metrics_are():
    made = document("p", podIP="10.0.0.7")
    made["metadata"]["annotations"] = {"prometheus.io/port": "8000"}
    assert pod(made, NOW).metrics == Endpoint(scheme="http", address="10.0.0.7", port=8000, path="/metrics")

    made["metadata"]["annotations"]["prometheus.io/scrape"] = "false"
    assert pod(made, NOW).metrics is None
