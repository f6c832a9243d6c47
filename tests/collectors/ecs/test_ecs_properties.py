"""Whatever the cluster answers: no exception, nothing infinite, no number out of nothing, no series twice."""

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.ecs import flux, reading
from collectors.ecs.names import Names
from simulator.ecs import documents, series
from tests.support import plants
from tests.support.redfish_replay import leaves
from wattstat.catalogue import storage as catalogue
from wattstat.catalogue.metric import Kind
from wattstat.inventory.devices import Storage
from wattstat.members import member

NAMES = Names(
    Storage.model_validate(
        {"name": "objects", "kind": "ecs", "url": "https://o:4443", "nodes": [{"name": "objects-1"}, {"name": "objects-2"}]}
    )
)
CLUSTER = plants.ecs()
OLD = plants.ecs()
OLD.version = "3.5.0.0"
NOW = plants.NOW
COUNTERS = series.Counters(CLUSTER, NOW)
JUNK = (
    None,
    "",
    "N/A",
    "-1",
    -1,
    True,
    False,
    [],
    {},
    [None],
    [[1]],
    {"t": {}},
    "9" * 400,
    2**80,
    1e308,
    "1e999",
    "٣",
    math.inf,
    math.nan,
    "Good",
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from(JUNK),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["t", "Space", "_embedded", "_instances", "Series", "Columns", "Values", "node", "name", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


def answers(*wanted):
    asked = {each.name: json.loads(json.dumps(each.ask.body))["query"] for each in wanted}
    return {name: series.answer(CLUSTER, COUNTERS, NOW, query) for name, query in asked.items()}


OF_CLUSTER = (flux.THROUGHPUT, flux.OPERATIONS_BY_HEAD, flux.LATENCY_BY_HEAD, flux.ERRORS)
OF_NODES = (flux.CPU, flux.MEMORY, flux.NETWORK, flux.NODE_REQUESTS, flux.NODE_THROUGHPUT, flux.NODE_LATENCY)
CASES = [
    ("fast", {"flux": answers(*OF_CLUSTER)}),
    ("fast", {"zone": documents.local_zone(OLD, NOW)}),
    ("medium", {"nodes": documents.nodes(CLUSTER, NOW), "flux": answers(*OF_NODES)}),
    ("medium", {"nodes": documents.nodes(OLD, NOW)}),
    (
        "slow",
        {
            "localzone": documents.local_zone(CLUSTER, NOW),
            "storagepools": documents.storage_pools(CLUSTER, NOW),
            "replicationgroups": documents.replication_groups(CLUSTER, NOW),
            "rglinksFailed": documents.failed_links(),
            "capacity": documents.capacity(CLUSTER),
        },
    ),
    (
        "quota",
        {
            "nodes": documents.vdc_nodes(CLUSTER),
            "usage": [documents.billing(CLUSTER, ["archive", "datasets"], "")],
            "quotas": {"archive": documents.quota(CLUSTER, "archive")},
        },
    ),
]
PLACES = [list(leaves(told)) for _, told in CASES]
DROP = object()


def changed(value, path, new):
    name, rest = path[0], path[1:]
    copied = dict(value) if isinstance(value, dict) else list(value)
    if rest:
        copied[name] = changed(value[name], rest, new)
    elif new is DROP:
        del copied[name]
    else:
        copied[name] = new
    return copied


def checked(tier, told):
    made = reading.samples(tier, NAMES, told)
    assert all(math.isfinite(sample.value) and sample.value >= 0 for sample in made)
    keys = [(sample.metric.name, sample.labels) for sample in made]
    assert len(keys) == len(set(keys))
    assert all(isinstance(label, str) for sample in made for label in sample.labels)
    ratios = [sample.value for sample in made if sample.metric.name.endswith("_ratio")]
    assert all(value <= 1 for value in ratios)
    return made


many = settings(max_examples=300)
places = st.integers(0, 10**9)


@pytest.mark.parametrize("number", range(len(CASES)))
def test_the_cases_tell_something(number):
    assert len(checked(*CASES[number])) > 5


@many
@given(number=st.integers(0, len(CASES) - 1), place=places)
def test_any_member_may_be_missing(number, place):
    tier, told = CASES[number]
    path = PLACES[number][place % len(PLACES[number])]
    if len(path) > 1:
        whole = {(sample.metric, sample.labels): sample.value for sample in checked(tier, told)}
        for sample in checked(tier, changed(told, path, DROP)):
            # Nothing turns to zero because something is missing, but for what counts what is listed.
            if (
                sample.value == 0
                and sample.metric.kind is Kind.GAUGE
                and sample.metric is not catalogue.STORAGE_REPLICATION_LINKS_FAILED
            ):
                assert whole.get((sample.metric, sample.labels), 0) == 0


@many
@given(
    number=st.integers(0, len(CASES) - 1), changes=st.lists(st.tuples(places, st.sampled_from(JUNK)), min_size=1, max_size=3)
)
def test_any_value_may_be_anything(number, changes):
    tier, told = CASES[number]
    for place, value in changes:
        path = PLACES[number][place % len(PLACES[number])]
        if len(path) > 1 and member(told, *path[:-1]) is not None and member(told, *path) is not None:
            told = changed(told, path, value)
    checked(tier, told)


@many
@given(tier=st.sampled_from(["fast", "medium", "slow", "quota"]), told=json_values)
def test_any_document_may_be_any_json(tier, told):
    places = {
        "fast": {"zone": told, "flux": {each.name: told for each in OF_CLUSTER}},
        "medium": {"nodes": told, "flux": {each.name: told for each in OF_NODES}},
        "slow": dict.fromkeys(("localzone", "storagepools", "replicationgroups", "capacity"), told),
        "quota": {"nodes": told, "usage": [told], "quotas": {"a": told}},
    }
    for sample in checked(tier, places[tier]):
        assert math.isfinite(sample.value)


@pytest.mark.parametrize("tier", ["medium", "slow", "quota"])
def test_empty_tables_make_no_numbers(tier):
    empty = {"_embedded": {"_instances": []}}
    told = {
        "nodes": empty,
        "localzone": {},
        "storagepools": empty,
        "replicationgroups": empty,
        "usage": [{}],
        "quotas": {},
        "flux": {},
    }

    assert reading.samples(tier, NAMES, told) == []
