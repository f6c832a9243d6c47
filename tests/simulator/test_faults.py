"""Faults: what can be switched on, when it ends, and that its reference is complete."""

from pathlib import Path

import pytest

from simulator.faults import KINDS, OPTIONS, Faults, UnknownFault


def test_a_fault_is_found_for_its_target_only_and_replaced_by_another_of_its_kind():
    faults = Faults()
    faults.add("a", "bmc_slow", {"seconds": 3}, now=10.0)
    again = faults.add("a", "bmc_slow", {"seconds": 7}, now=11.0)
    assert faults.find("a", "bmc_slow") is again
    assert faults.find("b", "bmc_slow") is None
    assert [fault.id for fault in faults] == [again.id]


def test_a_fault_with_an_end_expires_and_one_without_does_not():
    faults = Faults()
    ending = faults.add("a", "bmc_slow", {}, now=10.0, seconds=5)
    faults.add("a", "bmc_html", {}, now=10.0)
    assert faults.expired(14.9) == []
    assert faults.expired(15.0) == [ending]
    faults.remove(ending.id)
    assert faults.any_for("a")
    assert not faults.any_for("b")


def test_an_unknown_kind_is_refused_with_the_kinds_that_there_are():
    with pytest.raises(UnknownFault, match="bmc_hang"):
        Faults().add("a", "bmc_hung", {}, now=0.0)


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("bmc_slow", {"seconds": "long"}, "seconds must be a number, not 'long'"),
        ("bmc_slow", {"second": 3}, "no option 'second'; it has: seconds"),
        ("bmc_hang", {"seconds": 3}, "no option 'seconds'; it has: none"),
        ("feed_lost", {"feed": 1}, "feed must be a word, not 1"),
        ("gpu_off_bus", {"gpu": True}, "gpu must be a number, not True"),
    ],
)
def test_a_wrong_option_is_refused_at_once_and_by_name(kind, options, message):
    faults = Faults()
    with pytest.raises(UnknownFault, match=message):
        faults.add("a", kind, options, now=0.0)
    assert list(faults) == []


def test_what_is_not_said_holds_as_the_reference_says():
    for kind, options in OPTIONS.items():
        for name, value in options.items():
            assert f"`{name}` ({value})" in KINDS[kind] or (f"`{name}`" in KINDS[kind] and str(value) in KINDS[kind])
    assert set(OPTIONS) <= set(KINDS)


def test_every_kind_stands_in_the_document_as_it_is():
    text = (Path(__file__).parents[2] / "docs" / "simulated-hall.md").read_text(encoding="utf-8")
    faults = text.partition("## Faults")[2].splitlines()
    rows = dict(line.strip("| ").split("` | ", 1) for line in faults if line.startswith("| `"))
    assert {kind.strip("`"): what for kind, what in rows.items()} == dict(KINDS)
