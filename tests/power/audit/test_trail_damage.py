"""Whatever byte of a trail is changed, and wherever it is cut off: it is noticed, and writing goes on."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from power.audit.trail import Trail

BODIES = st.dictionaries(
    st.text(max_size=5), st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12), max_size=3
)
DAY = 86_400.0


class Clock:
    """A clock that goes on by half a day with each look."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        self.now += DAY / 2
        return self.now


def _written(folder: Path, bodies: list[dict[str, object]]) -> list[Path]:
    trail = Trail(folder, Clock())
    for body in bodies:
        trail.append("write", body)
    trail.close()
    return sorted(folder.glob("audit-*.jsonl"))


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(BODIES, min_size=1, max_size=5), st.data())
def test_no_byte_can_be_changed_unnoticed(bodies: list[dict[str, object]], data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = data.draw(st.sampled_from(_written(Path(folder), bodies)))
        content = bytearray(path.read_bytes())
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] ^= data.draw(st.integers(1, 255))
        assert Trail(Path(folder), Clock()).verify() == []
        path.write_bytes(content)

        assert Trail(Path(folder), Clock()).verify() != []


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(BODIES, min_size=1, max_size=5), st.data())
def test_wherever_a_trail_is_cut_off_writing_goes_on_and_what_was_whole_stays(
    bodies: list[dict[str, object]], data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = _written(folder, bodies)[-1]
        content = path.read_bytes()
        cut = data.draw(st.integers(0, len(content)))
        path.write_bytes(content[:cut])
        before = [record.digest for record in Trail(folder, Clock()).read(after=0)]

        trail = Trail(folder, Clock())
        record = trail.append("write", {"device": "n1"})
        trail.close()
        found = trail.read(after=0)

        assert [each.digest for each in found][: len(before)] == before
        assert found[-1] == record
        assert record.number > len(bodies)  # no number is given twice
        lost = len(bodies) - len(before)
        assert bool(trail.verify()) == bool(lost)
        assert bool(trail.read(kind="trail")) == bool(lost)
