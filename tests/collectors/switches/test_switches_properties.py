"""Whatever an agent answers, parsers give readings or nothing: never an exception, never a sample of a sentinel."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from collectors.switches import entities, identity, neighbours, os10, ports, processors
from collectors.switches.readings import Ports, Topology
from collectors.switches.samples import of_environment, of_ports, of_topology

VALUES = st.one_of(st.integers(-(2**63), 2**64), st.binary(max_size=40), st.text(max_size=20), st.floats(allow_nan=True))
SMALL = st.integers(0, 20)
INDEXES = st.one_of(
    st.integers(0, 3_000_000_000).map(str), st.tuples(SMALL, SMALL, SMALL).map(lambda at: ".".join(map(str, at)))
)


def rows(*names):
    """Rows with any of these columns, and small numbers often enough that they mean something."""
    return st.dictionaries(INDEXES, st.dictionaries(st.sampled_from(names), st.one_of(SMALL, VALUES)), max_size=8)


def good(samples):
    """Only numbers, each series once."""
    assert all(math.isfinite(sample.value) for sample in samples)
    assert len({(sample.metric, sample.labels) for sample in samples}) == len(samples)
    return samples


@given(rows(*ports.COLUMNS), st.dictionaries(INDEXES, st.text(max_size=8), max_size=8), VALUES, st.none() | st.floats(0, 2e9))
def test_ports(found, names, uptime, booted_at):
    good(of_ports("leaf", ports.parsed(found, names, uptime, booted_at)))


@given(rows("name"), rows("name"), rows("kind", "alias"))
def test_names(named, described, kinds):
    found = ports.names_of(named, described, kinds)
    assert len(set(found.values())) == len(found)
    assert all(found.values())


@given(st.fixed_dictionaries({name: rows(*columns) for name, columns in os10.TABLES.items()}))
def test_the_chassis_of_os10(tables):
    reading = os10.parsed(tables)
    assert all(watts >= 0 for supply in reading.supplies for watts in supply.watts.values())
    assert all(not supply.watts for supply in reading.supplies if supply.present is False)
    good(of_environment("leaf", reading))


@given(
    st.fixed_dictionaries(
        {
            "parts": rows("class", "description", "in", "name", "serial", "model"),
            "sensors": rows("type", "scale", "precision"),
            "values": rows("value", "status"),
            "ports": rows("port"),
        }
    ),
    st.dictionaries(INDEXES, st.text(max_size=8), max_size=4),
)
def test_entities(documents, names):
    reading = entities.parsed(documents, names, side="output")
    assert all(0 <= watts <= 1e5 for supply in reading.supplies for watts in supply.watts.values())
    assert all(-60 <= degrees <= 250 for degrees in (*reading.temperatures.values(), *reading.modules.values()))
    good(of_environment("leaf", reading))


@given(rows("id"), rows("kind", "port", "description", "system"), st.dictionaries(INDEXES, st.text(max_size=8), max_size=4))
def test_neighbours(local, remote, names):
    found = neighbours.parsed(local, remote, names)
    nodes = {each.system.lower(): each.system for each in found}
    good(of_topology("leaf", "r1", Topology(system="os10", neighbours=found), {}, nodes))


@given(st.dictionaries(st.sampled_from([*identity.SCALARS, "x"]), VALUES), rows("class", "version", "serial", "model"))
def test_identity(scalars, chassis):
    plate = identity.chassis_of(chassis)
    assert identity.system_of(scalars) in {"os10", "sonic", "mlnx-os", "generic"}
    assert isinstance(identity.version_of(scalars, plate), str)
    assert isinstance(identity.model_of(scalars, plate), str)


@given(rows("load"))
def test_processors(found):
    ratio = processors.ratio(found)
    assert ratio is None or 0 <= ratio <= 1


@given(st.lists(st.integers(0, 2**64 - 1), min_size=2, max_size=6))
def test_counters_are_told_as_the_switch_counts_them(counts):
    """A wrap or a start anew is the reader's matter: nothing is smoothed here."""
    told = [ports.parsed({"1": {"in_bytes": count}}, {"1": "a"}, None, None) for count in counts]
    assert all(isinstance(reading, Ports) for reading in told)
    assert [reading.ports[0].receive.bytes for reading in told] == counts
