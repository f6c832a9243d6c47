"""The worked example of CONTRIBUTING.md does what the text says, through the real frame."""

import re
from pathlib import Path
from textwrap import indent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.frame import Unreachable
from collectors.frame.runner import Runner
from docs.examples.uptime_collector import NODE_LOAD, NODE_UPTIME_SECONDS, Uptime
from wattstat.exposition import Exposition
from wattstat.hall import Hall

ROOT = Path(__file__).parents[2]


def proc(tmp_path, uptime="12345.67 98765.43\n", loadavg="0.52 1.25 2.00 3/512 4711\n"):
    (tmp_path / "uptime").write_text(uptime)
    (tmp_path / "loadavg").write_text(loadavg)
    return tmp_path


def as_lines(samples):
    return sorted(f"{sample.metric.series_prefix(sample.labels)}{sample.value}" for sample in samples)


async def test_a_machine_becomes_four_samples(tmp_path):
    collected = await Uptime("gpu1", root=proc(tmp_path)).collect("fast")

    assert not collected.errors
    assert as_lines(collected.samples) == [
        'wattstat_node_load_average{node="gpu1",window="15m"} 2.0',
        'wattstat_node_load_average{node="gpu1",window="1m"} 0.52',
        'wattstat_node_load_average{node="gpu1",window="5m"} 1.25',
        'wattstat_node_uptime_seconds{node="gpu1"} 12345.67',
    ]


async def test_a_missing_file_costs_only_its_own_samples(tmp_path):
    proc(tmp_path)
    (tmp_path / "loadavg").unlink()
    collected = await Uptime("gpu1", root=tmp_path).collect("fast")

    assert as_lines(collected.samples) == ['wattstat_node_uptime_seconds{node="gpu1"} 12345.67']
    assert list(collected.errors) == ["loadavg"]


async def test_a_machine_without_proc_is_unreachable(tmp_path):
    with pytest.raises(Unreachable, match="is it a mounted /proc"):
        await Uptime("gpu1", root=tmp_path).fetch("fast")


@given(st.dictionaries(st.sampled_from(["uptime", "loadavg"]), st.text(max_size=40) | st.integers() | st.none()))
def test_whatever_the_files_hold_there_is_a_reading_and_no_impossible_sample(documents):
    source = Uptime("gpu1")
    samples = source.samples(source.parse("fast", documents))

    assert all(sample.value >= 0 for sample in samples)


async def test_the_frame_runs_it_into_the_hall(tmp_path):
    hall = Hall(clock=lambda: 1000.0)
    runner = Runner(hall, concurrency=4, per_host=1, clock=lambda: 1000.0)
    await runner.add(Uptime("gpu1", root=proc(tmp_path)))
    await runner.collect_now("uptime", "gpu1", "fast")

    snapshot = hall.snapshot()
    assert snapshot.value(NODE_UPTIME_SECONDS, node="gpu1") == 12345.67
    assert snapshot.value(NODE_LOAD, node="gpu1", window="5m") == 1.25
    assert b'wattstat_node_uptime_seconds{node="gpu1"} 12345.67\n' in Exposition().render(snapshot)
    await runner.stop()


async def test_it_reads_this_machine():
    collected = await Uptime("here").collect("fast")

    assert len(collected.samples) == 4


def test_what_contributing_quotes_is_what_the_files_say():
    said = (ROOT / "docs/examples/uptime_collector.py").read_text() + Path(__file__).read_text()
    quoted = re.findall(r"```python\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), flags=re.DOTALL)

    pieces = [piece.strip() for block in quoted for piece in block.split("\n\n\n")]

    assert len(pieces) >= 6
    # A method is quoted without its class, and stands indented in the file.
    assert not [piece for piece in pieces if piece not in said and indent(piece, "    ") not in said]
