"""Whatever a document holds, reading it never fails, gives no number that is none, and no zero that nobody told."""

import json
import math
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.onefs import statistics
from collectors.onefs.reading import read
from collectors.onefs.samples import samples as made
from simulator.onefs import documents as simulated
from simulator.onefs import statistics as simulated_statistics
from tests.support import plants
from tests.support.json_schema import documents, violations
from tests.support.samples import samples
from wattstat.inventory import Storage

CLUSTER = Storage.model_validate({"name": "c", "kind": "powerscale", "url": "https://c", "nodes": [{"name": "a", "rack": ""}]})
PLANT = plants.powerscale()
NUMBERS = {device: device - 4 for device in range(1, 12)}
# The documents of each tier, and where OneFS publishes the schema of each.
TIERS = {
    "fast": {"config": "/3/cluster/config", "statistics": "/1/statistics/current", "classes": "/3/statistics/summary/protocol"},
    "medium": {name: f"/3/cluster/nodes/<LNN>/{name}" for name in ("sensors", "status", "state")},
    "slow": {
        "pools": "/3/storagepool/storagepools",
        "events": "/3/event/eventgroup-occurrences",
        "drives": "/3/cluster/nodes/<LNN>/drives",
    },
    "rare": {
        "quotas": "/1/quota/quotas",
        "snapshots": "/1/snapshot/snapshots-summary",
        "hardware": "/3/cluster/nodes/<LNN>/hardware",
    },
}
# Lists that come in pages are handed on without what is around them.
LISTS = {"events": "eventgroups", "quotas": "quotas"}
GOOD: dict[str, Any] = {
    "config": simulated.config(PLANT),
    "statistics": {"stats": simulated_statistics.current(PLANT, list(simulated_statistics.KEYS), plants.NOW)},
    "classes": simulated.protocol_summary(PLANT, plants.NOW),
    **{name: simulated.nodes(PLANT, name, power_sensor=True) for name in ("sensors", "status", "state", "drives", "hardware")},
    "pools": simulated.storage_pools(PLANT),
    "events": simulated.events(PLANT),
    "quotas": simulated.quotas(PLANT),
    "snapshots": simulated.snapshots(PLANT),
}
# These count what is listed: when an entry can no longer be read, one less is counted.
COUNTS = ("_drives", "_events_open", "_quotas")
JUNK: tuple[Any, ...] = (
    None, "", "N/A", "Unknown", True, False, [], {}, [None], [[1]], {"value": {}}, math.nan, math.inf, -1,
    -(2**31), 2**64, 2**80, "9" * 400, "١٢٣", "{'op_rate': 1e999}", "[[[", "\x00", {"sensors": {"sensors": {"sensors": 1}}},
)  # fmt: skip
anything = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.sampled_from(JUNK)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=12), inner, max_size=4)),
    max_leaves=12,
)
# The names that the readers look for, so that what is made at random is looked at.
WORDS = """
    stats nodes devices errors storagepools summary protocol devid key value error error_code lnn id is_up sensors values
    name units usage total_bytes used_bytes type thresholds hard path severity drives ui_state powersupplies supplies good
    status op_rate time_avg in_rate out_rate class operation_rate hardware state smartfail smartfailed count size
"""
NAMES = st.sampled_from(WORDS.split())
keys = st.sampled_from(sorted(simulated_statistics.KEYS))
named = st.recursive(
    st.one_of(anything, keys, st.integers(0, 9)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(NAMES, inner, max_size=6)),
    max_leaves=25,
)


def values(tier: str, found: dict[str, Any]) -> dict[tuple[str, tuple[str, ...]], float]:
    """The samples of documents: finite numbers, no series twice."""
    out = made(CLUSTER, read(CLUSTER, tier, {**found, "numbers": NUMBERS}))
    told = {(sample.metric.name, sample.labels): sample.value for sample in out}
    assert len(told) == len(out)
    assert all(math.isfinite(value) and value >= -60 for value in told.values())
    assert all(isinstance(label, str) for _, labels in told for label in labels)
    return told


def paths(value: Any, before: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The places of all members."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for name, each in inner for place in ((*before, name), *paths(each, (*before, name)))]


def replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """A copy in which one member is another one."""
    if not path:
        return new
    copied = dict(value) if isinstance(value, dict) else list(value)
    copied[path[0]] = replaced(value[path[0]], path[1:], new)
    return copied


@cache
def places(tier: str) -> list[tuple[Any, ...]]:
    return [path for name in TIERS[tier] for path in paths({name: GOOD[name]})]


@pytest.mark.parametrize("tier", TIERS)
@given(data=st.data())
def test_any_json_is_read(tier, data):
    found = {name: data.draw(st.one_of(anything, named), label=name) for name in TIERS[tier]}

    values(tier, found)


@pytest.mark.parametrize("tier", TIERS)
@given(data=st.data())
def test_a_member_that_is_junk_adds_no_series_and_no_zero(tier, data):
    good = {name: GOOD[name] for name in TIERS[tier]}
    path = data.draw(st.sampled_from(places(tier)))
    junk = data.draw(st.sampled_from(JUNK))

    before, after = values(tier, good), values(tier, replaced(good, path, junk))

    zeros = {series for series, value in after.items() if value == 0} - {
        series for series, value in before.items() if value == 0
    }
    # A node is down, a supply is bad, a state is off where the member is false: that is a word, not a number.
    counted = {series for series in zeros if not series[0].endswith(("_up", "_ok", "_state", "_health"))}
    assert all(series[0].endswith(COUNTS) for series in counted)


@pytest.mark.samples
@pytest.mark.parametrize("tier", TIERS)
@given(data=st.data())
def test_any_document_that_keeps_the_published_schema_is_read(tier, data):
    found = {name: data.draw(documents(schema(path)), label=name) for name, path in TIERS[tier].items()}
    for name in LISTS.keys() & found.keys():
        found[name] = found[name].get(LISTS[name], [])

    values(tier, found)


@pytest.mark.samples
@pytest.mark.parametrize(("name", "path"), [pair for several in TIERS.values() for pair in several.items()])
def test_the_simulated_cluster_keeps_the_published_schemas(name, path):
    document = {LISTS[name]: GOOD[name], "resume": None} if name in LISTS else GOOD[name]

    assert list(violations(schema(path), json.loads(json.dumps(document)))) == []


@pytest.mark.samples
def test_the_simulated_list_of_keys_keeps_the_published_schema():
    listed = {"keys": list(map(simulated_statistics.key_document, simulated_statistics.KEYS)), "resume": "x", "total": 9}

    assert list(violations(schema("/1/statistics/keys"), listed)) == []


@pytest.mark.samples
def test_the_recorded_documents_keep_the_published_schemas():
    def recorded(name):
        return json.loads(samples("device-samples", "powerscale-csm-metrics", name).read_text(encoding="utf-8"))

    assert list(violations(schema("/1/statistics/current"), recorded("platform-3-statistics-current.json"))) == []
    assert list(violations(schema("/1/quota/quotas"), {"quotas": recorded("client1-quotas.json")})) == []


@given(text=st.one_of(st.text(), st.text(alphabet="{}[]'\":,0123456789.eE-+ abc_\\"), named.map(repr), named.map(json.dumps)))
def test_the_text_of_a_value_is_read_or_not(text):
    for each in statistics.opstats(text):
        assert isinstance(each, dict)


@given(cut=st.integers(0, 400), tier=st.sampled_from(sorted(TIERS)), data=st.data())
def test_a_cut_body_is_no_document(cut, tier, data):
    name = data.draw(st.sampled_from(sorted(TIERS[tier])))
    body = json.dumps(GOOD[name])

    try:
        found = json.loads(body[: len(body) - cut])
    except ValueError:
        assert cut
        return
    values(tier, {name: found})


@cache
def schema(path: str) -> Any:
    """The schema of what OneFS answers at a path."""
    known = json.loads(samples("device-samples", "onefs-papi-schema", "papi-8.0.1.2-subset.json").read_text(encoding="utf-8"))
    return known[path]["GET_output_schema"]
