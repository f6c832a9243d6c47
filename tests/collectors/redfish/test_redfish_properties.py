"""Whatever a document holds, parsing it never fails, and a sentinel never becomes a sample."""

import asyncio
import math
from contextlib import AsyncExitStack
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collectors.redfish.source import TOPICS
from collectors.redfish.topic import Topic
from collectors.redfish.tree import Tree, tree_of
from tests.collectors.redfish.conftest import Bench
from tests.support.redfish_replay import completed, leaves, recorded
from tests.support.samples import samples
from wattstat.members import member

SETS = (
    "dell-17g-idrac10-fragments",
    "dell-r750-h100-idrac9-6.00.30.00",
    "dmtf-public-rackmount1",
    "dmtf-public-telemetry",
    "lambda-powershelf-delta",
    "nvidia-dgx-h100-hgx",
)
# What was recorded in place of a reading, and numbers that are none.
SENTINELS = (-2147483648.0, -2147483.648, -2147483648, "-2147483648", 1e308, math.nan, math.inf)
JUNK = (
    -1,
    255,
    2147483647,
    4294967295,
    None,
    "",
    "N/A",
    "Unknown",
    True,
    [],
    {},
    [None],
    {"Reading": {}},
    [[1]],
    "9" * 400,
    2**80,
    "١٢٣",
    b"".hex(),
)
# What the conversions of the parsers would make of a sentinel.
SHOWN = {factor * each for each in (-2147483648.0, -2147483.648, 1e308) for factor in (1, 1e-3, 1e-2, 3600, 3.6e6, 1 << 20)}
DROP = object()


class Case(NamedTuple):
    """The documents that one topic of one recorded service was given."""

    name: str
    topic: Topic[Any]
    tree: Tree
    documents: dict[str, Any]
    paths: list[tuple[str | int, ...]]

    def __repr__(self) -> str:
        return f"{self.topic.name} of {self.name}"


@pytest.fixture(scope="module")
def numeric(cases) -> list[Case]:
    """The cases with the places of their numbers only."""
    found = [case._replace(paths=[path for path in case.paths if is_number(case.documents, path)]) for case in cases]
    return [case for case in found if case.paths]


@pytest.fixture(scope="module")
def whole(cases) -> list[Case]:
    """The cases with the places near the top only: there whole documents stand."""
    return [case._replace(paths=[path for path in case.paths if len(path) <= 3]) for case in cases]


@pytest.fixture(scope="module")
def cases(authority, certificate, tmp_path_factory) -> list[Case]:
    directory = tmp_path_factory.mktemp("cases")
    return asyncio.run(
        _gathered(Bench(stack=AsyncExitStack(), authority=authority, certificate=certificate, directory=directory))
    )


async def _gathered(bench: Bench) -> list[Case]:
    found = []
    async with bench.stack:
        for name in SETS:
            replay = await bench.serve(completed(recorded(samples("redfish-samples", name))))
            source = bench.source(replay)
            for tier in source.tiers:
                fetched = (await source.fetch(tier.name)).documents
                assert source._tree is not None
                found += [
                    Case(name, topic, source._tree, fetched[topic.name], list(leaves(fetched[topic.name])))
                    for topic in TOPICS
                    if topic.name in fetched
                ]
    return [case for case in found if case.paths]


def changed(value: Any, path: tuple[str | int, ...], new: Any) -> Any:
    """A copy of a document in which one member is another one, or gone."""
    name, rest = path[0], path[1:]
    copied = dict(value) if isinstance(value, dict) else list(value)
    if rest:
        copied[name] = changed(value[name], rest, new)
    elif new is DROP:
        del copied[name]
    else:
        copied[name] = new
    return copied


def checked(case: Case, documents: dict[str, Any]) -> list[float]:
    """The values that a topic makes of documents: all finite, no series twice."""
    made = case.topic.samples_of("node1", case.tree, documents)
    assert all(math.isfinite(sample.value) for sample in made)
    series = [(sample.metric.name, sample.labels) for sample in made]
    assert len(series) == len(set(series))
    assert all(isinstance(label, str) for sample in made for label in sample.labels)
    return [sample.value for sample in made]


many = settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
# One number picks a place in all documents of all services; the next ones say what happens there.
places = st.integers(0, 10**9)


def picked(cases: list[Case], number: int) -> tuple[Case, tuple[str | int, ...]]:
    case = cases[number % len(cases)]
    return case, case.paths[number // len(cases) % len(case.paths)]


@pytest.mark.samples
@many
@given(place=places)
def test_any_member_may_be_missing(cases, place):
    case, path = picked(cases, place)
    checked(case, changed(case.documents, path, DROP))


@pytest.mark.samples
@many
@given(changes=st.lists(st.tuples(places, st.sampled_from(JUNK + SENTINELS)), min_size=1, max_size=3))
def test_any_value_may_be_anything(cases, changes):
    case, _ = picked(cases, changes[0][0])
    documents = case.documents
    for place, value in changes:
        path = case.paths[place // len(cases) % len(case.paths)]
        if reaches(documents, path):
            documents = changed(documents, path, value)
    checked(case, documents)


@pytest.mark.samples
@many
@given(place=places, sentinel=st.sampled_from(SENTINELS))
def test_a_sentinel_is_never_a_sample(numeric, place, sentinel):
    case, path = picked(numeric, place)
    assert not SHOWN.intersection(checked(case, changed(case.documents, path, sentinel)))


@pytest.mark.samples
@many
@given(here=places, there=places)
def test_a_document_may_be_another_one(whole, here, there):
    (case, path), (other, stranger) = picked(whole, here), picked(whole, there)
    checked(case, changed(case.documents, path, member(other.documents, *stranger)))


@pytest.fixture(scope="module")
def trees() -> list[tuple[dict[str, Any], list[tuple[str | int, ...]]]]:
    found = [tree_documents(name) for name in SETS]
    return [(documents, [path for path in leaves(documents) if len(path) > 1]) for documents in found]


@pytest.mark.samples
@many
@given(place=places, new=st.sampled_from((DROP, *JUNK)))
def test_a_tree_grows_of_any_documents(trees, place, new):
    documents, paths = trees[place % len(trees)]
    grown = changed(documents, paths[place // len(trees) % len(paths)], new)
    tree = tree_of(grown["root"], grown["systems"], grown["chassis"], grown["managers"], services={})
    assert all(isinstance(word, str) for word in tree.kind)
    assert set(tree.boards).isdisjoint(tree.hosts)


def tree_documents(name: str) -> dict[str, Any]:
    found = completed(recorded(samples("redfish-samples", name)))
    parts = {
        part: [body for uri, body in found.items() if _is_member(uri, part)] for part in ("Systems", "Chassis", "Managers")
    }
    root = {key: value for key, value in found["/redfish/v1"].items() if key != "Oem"}
    return {"root": root, "systems": parts["Systems"], "chassis": parts["Chassis"], "managers": parts["Managers"]}


def _is_member(uri: str, part: str) -> bool:
    return uri.startswith(f"/redfish/v1/{part}/") and uri.count("/") == 4


def is_number(documents: dict[str, Any], path: tuple[str | int, ...]) -> bool:
    return type(member(documents, *path)) in (int, float)


def reaches(value: Any, path: tuple[str | int, ...]) -> bool:
    for name in path:
        if (isinstance(value, dict) and name in value) or (
            isinstance(value, list) and isinstance(name, int) and name < len(value)
        ):
            value = value[name]
        else:
            return False
    return True
