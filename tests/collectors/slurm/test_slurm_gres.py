"""What a job holds of a node's GPUs, as Slurm writes it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.slurm import gres
from wattstat.jobs import GpuHold, Hold

NODE = {"gpu": 8, "shard": 32}


def minors(text, node=NODE):
    return [(hold.minor, hold.fraction) for hold in gres.holds(text, node, "minor")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("gpu:h100:2(IDX:0-1)", [0, 1]),
        ("gpu:2(IDX:0,3-4)", [0, 3, 4]),
        ("gpu:h100:1(IDX:2),gpu:l40:2(IDX:6-7)", [2, 6, 7]),
        ("nic:ib:2(IDX:0-1),gpu:h100:1(IDX:5)", [5]),
        ("gpu:h100(CNT:2)", []),
        ("gpu:h100:0(IDX:N/A)", []),
        ("gpu:h100:2", []),
        ("", []),
        ("(null)", []),
    ],
)
def test_whole_gpus_are_told_by_their_numbers(text, expected):
    assert minors(text) == [(number, 1.0) for number in expected]


def test_numbers_are_minor_numbers_or_places_in_pci_order_as_gres_conf_has_it():
    assert gres.holds("gpu:1(IDX:3)", NODE, "minor") == (GpuHold(minor=3),)
    assert gres.holds("gpu:1(IDX:3)", NODE, "pci") == (GpuHold(index=3),)


def test_shards_are_told_gpu_by_gpu_since_23_11():
    assert minors("shard:h100:5(4/4,0/4,1/4)") == [(0, 1.0), (2, 0.25)]


def test_shards_of_older_releases_are_spread_evenly():
    assert minors("shard:3(IDX:1)") == [(1, 0.75)]
    assert minors("shard:6(IDX:0-1)") == [(0, 0.75), (1, 0.75)]


def test_mps_is_a_percentage_unless_the_node_says_otherwise():
    assert minors("mps:25(IDX:0)", {"gpu": 1}) == [(0, 0.25)]
    assert minors("mps:100(IDX:0)", {"gpu": 2, "mps": 400}) == [(0, 0.5)]
    [hold] = gres.holds("mps:50(50/200)", NODE, "pci")
    assert (hold.hold, hold.index, hold.fraction) == (Hold.MPS, 0, 0.25)


@pytest.mark.parametrize(
    ("kind", "fraction"),
    [("1g.10gb", 1 / 7), ("3g.40gb", 3 / 7), ("1c.3g.40gb", 1 / 7), ("nvidia_a100_2g.10gb", 2 / 7), ("a30_2g.12gb", 2 / 4),
     ("1g.10gb+me", 1 / 7), ("7g.80gb", 1.0)],
)  # fmt: skip
def test_parts_of_a_divided_gpu_have_their_slices(kind, fraction):
    [hold] = gres.holds(f"gpu:{kind}:1(IDX:9)", NODE, "minor")
    assert (hold.hold, hold.fraction, hold.instance) == (Hold.MIG, fraction, "slurm:9")
    assert (hold.minor, hold.index) == (None, None)  # the number counts parts, not GPUs


def test_beside_parts_of_divided_gpus_whole_ones_are_told_by_slurms_number_too():
    """Numbers count the parts: 7 is the second GPU where the first is cut in seven."""
    node = gres.counts("gpu:1g.10gb:7,gpu:h100:7,shard:28")
    assert gres.holds("gpu:h100:1(IDX:7)", node, "minor") == (GpuHold(instance="slurm:7"),)
    assert gres.holds("shard:1(IDX:8)", node, "pci") == (GpuHold(hold=Hold.SHARD, fraction=0.25, instance="slurm:8"),)


def test_a_nodes_resources_are_counted_over_their_types():
    assert gres.counts("gpu:h100:6(S:0),gpu:1g.10gb:14(S:1),shard:h100:24(S:0-1)") == {"gpu": 20, "mig": 14, "shard": 24}
    assert gres.counts("gpu:4,mps:400") == {"gpu": 4, "mps": 400}
    assert gres.counts("bandwidth:lustre:4G") == {"bandwidth": 4 * 1024**3}


@given(st.text(max_size=60))
def test_no_text_raises_and_no_share_is_beyond_a_gpu(text):
    assert all(0 < hold.fraction <= 1 for hold in gres.holds(text, NODE, "minor"))


@given(st.sampled_from(["gpu", "shard", "mps"]), st.from_regex(r"[0-9/,IDX:\-]{0,30}", fullmatch=True), st.integers(0, 100))
def test_nothing_in_parentheses_raises(name, details, count):
    assert all(0 < hold.fraction <= 1 for hold in gres.holds(f"{name}:{count}({details})", NODE, "pci"))
