"""Decisions made again from what was recorded of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from power.audit.inputs import Inputs
from power.audit.packing import Packed, PackingError, pack, unpack
from power.audit.replay import difference, keep_decision, replay
from power.audit.trail import AuditError, Trail
from power.model import ControlState, Device, Limit, Mode, NodeOrder, View
from power.tree.build import build
from tests.support.power import intent_of, view_of
from wattstat.inventory import Inventory, Node, Rack

FLEET = build(Inventory(racks=(Rack(name="r"),), nodes=(Node(name="n", rack="r", max_watts=900, rest_watts=100),)), {})


def _clock() -> float:
    return 1_800_000_000.0


def _decide(given: Mapping[str, Any]) -> object:
    """A decision for tests: each server gets its power and a tenth."""
    view: View = given["view"]
    return NodeOrder(node=given["fleet"].nodes[0], node_cap_watts=float(view.node_watts[0]) * 1.1, why="tenth")


@pytest.fixture
def kept(tmp_path: Path) -> Callable[[float], tuple[Trail, Inputs]]:
    """Keeps a decision about a server that draws so much."""
    trail, inputs = Trail(tmp_path, _clock), Inputs(tmp_path / "inputs")

    def keep(watts: float) -> tuple[Trail, Inputs]:
        made_of = {"fleet": FLEET, "view": view_of(FLEET, node_watts=watts), "intent": intent_of(FLEET)}
        keep_decision(trail, inputs, made_of, _decide(made_of), {"fence": 7})
        return trail, inputs

    return keep


Kept = Callable[[float], tuple[Trail, Inputs]]


def test_the_same_code_decides_the_same(kept: Kept) -> None:
    kept(400.0)
    trail, inputs = kept(500.0)

    found = replay(trail, inputs, _decide)

    assert (found.decisions, found.same, found.different, found.lost) == (2, 2, (), ())
    assert trail.read(kind="decision")[0].body["fence"] == 7


def test_a_fleet_that_stays_the_same_is_kept_once(kept: Kept) -> None:
    kept(400.0)
    before = len(list(kept(400.0)[1].folder.iterdir()))
    _, inputs = kept(500.0)

    assert len(list(inputs.folder.iterdir())) == before + 2  # another view, another decision


def test_a_fleet_that_was_taken_away_is_kept_again(tmp_path: Path) -> None:
    inputs = Inputs(tmp_path)
    path = tmp_path / f"{inputs.keep(FLEET)}.npz"
    path.unlink()

    assert inputs.keep(FLEET) == path.stem
    assert difference(inputs.load(path.stem), FLEET) == ""


def test_other_code_is_told_with_the_first_difference(kept: Kept) -> None:
    trail, inputs = kept(400.0)

    (found,) = replay(trail, inputs, lambda given: replace(_decide(given), node_cap_watts=1.0)).different  # type: ignore[type-var]

    assert (found.number, found.what) == (1, "node_cap_watts was 440.00000000000006, is now 1.0")


def test_changed_or_missing_inputs_are_lost_and_not_decided(kept: Kept) -> None:
    trail, inputs = kept(400.0)
    view = inputs.folder / f"{trail.read()[0].body['given']['view']}.npz"
    good = view.read_bytes()

    for bad, why in ((b"", "cannot be read"), (good[: len(good) // 2], "cannot be read"), (None, "is gone")):
        if bad is None:
            view.unlink()
        else:
            view.write_bytes(bad)
        found = replay(trail, inputs, _decide)
        assert (found.same, found.different) == (0, ())
        assert why in found.lost[0].what


def test_inputs_of_another_decision_under_this_ones_name_are_found(kept: Kept) -> None:
    kept(400.0)
    trail, inputs = kept(500.0)
    newer, older = (inputs.folder / f"{record.body['given']['view']}.npz" for record in trail.read())
    older.write_bytes(newer.read_bytes())

    with pytest.raises(AuditError, match="was changed"):
        inputs.load(older.stem)


def test_what_was_not_used_for_longest_is_pruned_first(kept: Kept) -> None:
    kept(400.0)
    trail, inputs = kept(500.0)
    held = sum(path.stat().st_size for path in inputs.folder.iterdir())

    assert inputs.prune(held) == 0
    assert inputs.prune(held - 1) >= 1
    assert replay(trail, inputs, _decide, after=1).same == 1


def test_inputs_never_take_more_room_than_they_may_and_what_is_in_use_stays(tmp_path: Path) -> None:
    inputs = Inputs(tmp_path, most_bytes=40_000)
    fleet = inputs.keep(FLEET)
    digests = []
    for number in range(60):
        digests.append(inputs.keep({"noise": np.random.default_rng(number).uniform(size=200)}))
        assert inputs.keep(FLEET) == fleet
        assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 40_000

    assert len(inputs.load(digests[-1])["noise"]) == 200
    assert difference(inputs.load(fleet), FLEET) == ""
    with pytest.raises(AuditError, match="is gone"):
        inputs.load(digests[0])


def test_a_value_comes_back_as_it_went() -> None:
    value = {
        Device("n", "GPU-1"): (Limit(name="r", kind="rack", rating_watts=float("inf")), Mode.ENFORCE, ControlState.FOREIGN),
        Device("m"): [None, True, 1, 0.1, {"a", "b"}, np.float64(2.5), NodeOrder(node="m", gpu_watts={"u": 300.0})],
    }

    back = unpack(pack(value))

    assert (
        difference(back, {**value, Device("m"): [None, True, 1, 0.1, frozenset({"a", "b"}), 2.5, *value[Device("m")][6:]]})
        == ""
    )


@settings(deadline=None, max_examples=100)
@given(arrays(st.sampled_from([np.float64, np.int64, np.bool_]), array_shapes(max_dims=2, min_side=0)))
def test_every_array_comes_back_bit_for_bit(array: np.ndarray[Any, Any]) -> None:
    back = unpack(pack((array,)))[0]

    assert back.tobytes() == array.tobytes()
    assert pack((back,)).digest == pack((array,)).digest


@settings(deadline=None, max_examples=100)
@given(st.lists(st.floats(allow_nan=False), min_size=1), st.data())
def test_another_value_has_another_digest(watts: list[float], data: st.DataObject) -> None:
    row = data.draw(st.integers(0, len(watts) - 1))
    other = np.array(watts)
    other[row] = np.nextafter(other[row], 0) if other[row] else 1.0

    assert pack(np.array(watts)).digest != pack(other).digest
    assert difference(np.array(watts), other)


def test_what_is_no_value_of_this_room_is_refused_both_ways() -> None:
    @dataclass(frozen=True)
    class Mine:
        x: int = 0

    class Colour(IntEnum):
        RED = 1

    for value in (Mine(), Colour.RED, object(), np.array([object()])):
        with pytest.raises(PackingError):
            pack(value)
    for name in ("os:system", "power.model:np.load", "power.model:View.__init__", "power.nothing:X"):
        with pytest.raises(PackingError):
            unpack(Packed(text=json.dumps({"~value": name, "fields": {}}), arrays=()))


@pytest.mark.parametrize(
    ("then", "now", "what"),
    [
        ((1, 2), (1,), "it had 2 entries, has now 1"),
        ({"a": 1}, {"b": 1}, "it had a alone, has now b alone"),
        (1, 1.0, "it was a int, is now a float"),
        (np.array([1.0, np.nan]), np.array([1.0, 2.0]), "[1] was nan, is now 2.0 (1 of 2 differ)"),
        (np.zeros(2), np.zeros(3), " had the shape (2,), has now (3,)"),
        (float("nan"), float("nan"), ""),
    ],
)
def test_a_difference_is_told_in_words(then: object, now: object, what: str) -> None:
    assert difference(then, now) == what
