"""The audit trail: on disk before the call returns, chained, and whole whatever happens to the process or to the disk."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from power.audit.files import AppendFile
from power.audit.record import sealed
from power.audit.trail import AuditError, Trail
from power.model import Device, Outcome

DAY = 86_400.0
NOON = 1_800_014_400.0 - 1_800_014_400.0 % DAY + DAY / 2

# Appends until it is killed; says how far it got after each record, so that the parent knows what was acknowledged.
WRITER = """
import sys
from pathlib import Path
from power.audit.trail import Trail

trail = Trail(Path(sys.argv[1]), lambda: 1_800_014_400.0)
while True:
    for record in trail.append_many([("write", {"device": "n1", "why": "x" * 3000})] * 5):
        print(record.number, flush=True)
"""

# Appends until the file may grow no more; what it could not write raises.
LIMITED = """
import resource, sys
from pathlib import Path
from power.audit.trail import AuditError, Trail

resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
trail = Trail(Path(sys.argv[1]), lambda: 1_800_014_400.0)
written = 0
try:
    while True:
        written = trail.append("write", {"device": "n1", "why": "y" * 700}).number
except AuditError as err:
    print(written, err)
"""


class Clock:
    """A clock that stands until it is set."""

    def __init__(self, now: float = NOON) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class FailingFile(AppendFile):
    """A disk that takes `room` more bytes and then is full."""

    room = 0

    def write(self, data: bytes) -> None:
        super().write(data[: self.room])
        if len(data) > FailingFile.room:
            FailingFile.room = 0
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        FailingFile.room -= len(data)


def test_a_record_is_in_its_file_when_the_call_returns(tmp_path: Path) -> None:
    record = Trail(tmp_path, Clock()).append(
        "write", {"device": Device("n1"), "watts": np.float64(300), "outcome": Outcome.LOCKED}
    )

    (line,) = next(tmp_path.glob("audit-*.jsonl")).read_bytes().splitlines()

    assert json.loads(line) == {
        "number": 1,
        "at": "2027-01-15T12:00:00.000000Z",
        "kind": "write",
        "body": {"device": ["n1", ""], "watts": 300.0, "outcome": "locked"},
        "previous": "0" * 64,
        "hash": record.digest,
    }
    assert sealed(line)


def test_each_record_names_the_one_before_across_days_and_restarts(tmp_path: Path) -> None:
    clock = Clock()
    trail = Trail(tmp_path, clock)
    first = trail.append("policy", {"name": "night"})
    clock.now += DAY
    second = trail.append("write", {"device": "n1"})
    trail.close()
    third = Trail(tmp_path, clock).append("write", {"device": "n2"})

    assert [second.previous, third.previous] == [first.digest, second.digest]
    assert [path.name for path in sorted(tmp_path.glob("*.jsonl"))] == ["audit-2027-01-15.jsonl", "audit-2027-01-16.jsonl"]
    assert trail.verify() == []


def test_a_clock_set_back_does_not_break_the_chain(tmp_path: Path) -> None:
    clock = Clock()
    trail = Trail(tmp_path, clock)
    trail.append("write", {})
    clock.now -= 3 * DAY
    trail.append("write", {})

    assert len(list(tmp_path.glob("*.jsonl"))) == 1
    assert trail.verify() == []


def test_nan_and_infinite_are_null(tmp_path: Path) -> None:
    record = Trail(tmp_path, Clock()).append(
        "write", {"old": float("nan"), "all": [np.inf, 1.0], "column": np.array([np.nan, 2.0])}
    )

    assert record.body == {"old": None, "all": [None, 1.0], "column": [None, 2.0]}


def test_what_json_cannot_hold_is_refused_and_leaves_no_trace(tmp_path: Path) -> None:
    trail = Trail(tmp_path, Clock())
    trail.append("write", {"device": "n1"})

    with pytest.raises(AuditError, match="a object cannot be written"):
        trail.append_many([("write", {"device": "n2"}), ("write", {"device": object()})])

    assert [record.body["device"] for record in trail.read()] == ["n1"]


@pytest.mark.parametrize(("old", "new"), [('"watts":300', '"watts":900'), ('"kind":"write"', '"kind":"hold"')])
def test_a_changed_line_is_found(tmp_path: Path, old: str, new: str) -> None:
    trail = Trail(tmp_path, Clock())
    trail.append_many([("write", {"watts": 100 * number}) for number in range(6)])
    path = next(tmp_path.glob("*.jsonl"))
    path.write_text(path.read_text().replace(old, new))

    assert any("was changed" in problem for problem in trail.verify())


def test_a_line_taken_out_is_found_even_at_the_end(tmp_path: Path) -> None:
    trail = Trail(tmp_path, Clock())
    trail.append_many([("write", {})] * 4)
    path = next(tmp_path.glob("*.jsonl"))
    lines = path.read_bytes().splitlines(keepends=True)

    path.write_bytes(b"".join(lines[:1] + lines[2:]))
    assert trail.verify() == [f"{path.name}:2: record 3 follows 1; 1 are missing"]
    path.write_bytes(b"".join(lines[:2]))
    assert trail.verify() == ["head: records 3 to 4 are missing at the end"]


def test_a_line_written_anew_with_a_right_hash_is_found_by_the_next(tmp_path: Path) -> None:
    trail = Trail(tmp_path, Clock())
    trail.append_many([("write", {"watts": number}) for number in range(3)])
    forged = tmp_path / "other"
    Trail(forged, Clock()).append("write", {"watts": 9})
    path = next(tmp_path.glob("*.jsonl"))
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(next(forged.glob("*.jsonl")).read_bytes() + b"".join(lines[1:]))

    assert trail.verify() == [f"{path.name}:2: record 2 does not follow the record 1 before it"]


def test_a_file_taken_away_is_found(tmp_path: Path) -> None:
    clock = Clock()
    trail = Trail(tmp_path, clock)
    for _ in range(3):
        trail.append("write", {})
        clock.now += DAY
    sorted(tmp_path.glob("*.jsonl"))[1].unlink()

    assert trail.verify() == ["audit-2027-01-17.jsonl:1: record 3 follows 1; 1 are missing"]


def test_a_torn_last_line_is_cut_off_and_told(tmp_path: Path) -> None:
    trail = Trail(tmp_path, Clock())
    trail.append("write", {"device": "n1"})
    trail.close()
    path = next(tmp_path.glob("*.jsonl"))
    with path.open("ab") as file:
        file.write(b'{"number":2,"at":"20')
    assert len(trail.verify()) == 1

    after = Trail(tmp_path, Clock())
    after.append("write", {"device": "n2"})

    assert [(record.number, record.kind) for record in after.read()] == [(3, "write"), (2, "trail"), (1, "write")]
    assert after.verify() == []


def test_a_damaged_end_keeps_nobody_from_writing_and_stays_visible(tmp_path: Path) -> None:
    trail = Trail(tmp_path, Clock())
    trail.append("write", {"device": "n1"})
    trail.close()
    path = next(tmp_path.glob("*.jsonl"))
    with path.open("ab") as file:
        file.write(b"\0\0\0 no record\n")

    Trail(tmp_path, Clock()).append("write", {"device": "n2"})

    assert trail.verify() == [f"{path.name}:2: is no record"]


def test_records_lost_at_the_end_are_told_and_their_numbers_not_given_again(tmp_path: Path) -> None:
    trail = Trail(tmp_path, Clock())
    trail.append_many([("write", {})] * 3)
    trail.close()
    path = next(tmp_path.glob("*.jsonl"))
    path.write_bytes(path.read_bytes().splitlines(keepends=True)[0])

    record = Trail(tmp_path, Clock()).append("write", {})

    assert record.number == 5
    assert trail.read(kind="trail")[0].body["found"] == "records 2 to 3 are missing"


def test_a_full_disk_raises_and_what_was_there_stays_whole(tmp_path: Path) -> None:
    FailingFile.room = 2000
    trail = Trail(tmp_path, Clock(), open_file=FailingFile)
    trail.append("write", {"device": "n1"})

    with pytest.raises(AuditError, match=r"No space left.*make room"):
        trail.append_many([("write", {"why": "z" * 400})] * 10)
    FailingFile.room = 10_000
    trail.append("write", {"device": "n2"})

    assert [record.body["device"] for record in trail.read()] == ["n2", "n1"]
    assert trail.verify() == []


def test_a_file_that_may_not_grow_raises_in_a_real_process(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path)], capture_output=True, text=True, check=True, timeout=60
    )
    written, _, why = done.stdout.partition(" ")

    assert "File too large" in why
    assert Trail(tmp_path, Clock()).verify() == []
    assert len(Trail(tmp_path, Clock()).read(limit=1000)) == int(written) >= 15


@pytest.mark.parametrize("records", [1, 7, 40])
def test_nothing_acknowledged_is_lost_by_kill_9(tmp_path: Path, records: int) -> None:
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    with writer.stdout as acknowledged:
        for _ in range(records):
            last = int(acknowledged.readline())
        writer.send_signal(signal.SIGKILL)
        last = max([last, *(int(line) for line in acknowledged if line.endswith("\n"))])
    writer.wait()

    trail = Trail(tmp_path, Clock())
    trail.append("write", {"device": "n2"})

    assert trail.verify() == []
    assert {record.number for record in trail.read(kind="write", limit=10**6)} >= set(range(1, last + 1))


def test_two_processes_do_not_write_one_trail(tmp_path: Path) -> None:
    first, second = Trail(tmp_path, Clock()), Trail(tmp_path, Clock())
    first.append("write", {})

    with pytest.raises(AuditError, match="another process writes"):
        second.append("write", {})
    first.close()

    assert second.append("write", {}).number == 2


def test_reading_filters_and_goes_both_ways(tmp_path: Path) -> None:
    clock = Clock()
    trail = Trail(tmp_path, clock)
    for day in range(3):
        for node in ("n1", "n1/GPU-1", "n10"):
            trail.append("write" if day else "hold", {"device": node})
        clock.now += DAY

    assert [record.number for record in trail.read(limit=2)] == [9, 8]
    assert [record.number for record in trail.read(before=8, limit=2)] == [7, 6]
    assert [record.number for record in trail.read(after=0, limit=2)] == [1, 2]
    assert [record.number for record in trail.read(after=5)] == [6, 7, 8, 9]
    assert [record.number for record in trail.read(after=0, kind="hold")] == [1, 2, 3]
    assert [record.number for record in trail.read(after=0, device="n1")] == [1, 2, 4, 5, 7, 8]
    assert [record.number for record in trail.read(after=0, device="n1/GPU-1")] == [2, 5, 8]


def test_what_is_written_meanwhile_does_not_look_like_tampering(tmp_path: Path) -> None:
    """A whole trail looks whole to a reader at any moment: thirty looks while a real process writes."""
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    with writer.stdout as acknowledged:
        acknowledged.readline()
        found = [Trail(tmp_path, Clock()).verify() for _ in range(30) if acknowledged.readline()]
        writer.kill()
        acknowledged.read()
    writer.wait()

    assert len(found) == 30
    assert not any(found)


def test_names_that_json_writes_otherwise_are_found(tmp_path: Path) -> None:
    trail = Trail(tmp_path, Clock())
    name = 'knöt"1\\'
    trail.append("write", {"device": name, "why": '"kind":"hold"'})

    assert len(trail.read(device=name)) == 1
    assert trail.read(kind="hold") == ()


def test_an_empty_folder_has_no_records_and_no_problems(tmp_path: Path) -> None:
    trail = Trail(tmp_path / "none", Clock())

    assert trail.read() == ()
    assert trail.verify() == []
