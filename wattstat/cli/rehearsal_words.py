"""What `wattstat power simulate` prints of a rehearsal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from wattstat import units
from wattstat.cli.output import table
from wattstat.cli.power_words import watts

MOST_LINES = 30
_OVER = ("limit", "over_before", "over_after", "peak_before", "peak_after")
_LOST = ("gpu_hours", "lost", "between")


def rehearsed(found: Mapping[str, Any]) -> Iterator[str]:
    """What policies would have done, in lines."""
    hall = f"{units.count(found['nodes'], 'server')}, {units.count(found['gpus'], 'GPU')}"
    yield f"{units.clock(found['start'])} to {units.clock(found['end'])}: {hall}, steps of {found['step_seconds']:g} s"
    before, after = found["joules_before"], found["joules_after"]
    yield f"energy {units.energy(before)} -> {units.energy(after)} ({units.share(after - before, before)})"
    yield f"peak {watts(found['peak_before_watts'])} -> {watts(found['peak_after_watts'])}"
    yield f"cap changes {found['cap_changes']:,}, {found['changes_per_device_hour']:.2f} a device and hour"
    yield f"power was recorded in {units.ratio(found['recorded_ratio'])} of the steps"
    yield f"at their limit already, so that they may have wanted more: {units.ratio(found['hidden_ratio'])} of the busy time"
    if found["limits"]:
        yield from ["", *table(_OVER, [_over(each) for each in found["limits"]], right=_OVER[1:])]
    for title in ("work", "jobs"):
        lost = [_lost(each) for each in found[title][:MOST_LINES]]
        if lost:
            yield from ["", *table((title, *_LOST), lost, right=_LOST)]
    for note in found["notes"]:
        yield f"! {note}"


def _over(each: Mapping[str, Any]) -> list[object]:
    spans = (units.duration(each[name]) for name in ("over_before_seconds", "over_after_seconds"))
    return [f"{each['kind']} {each['name']}", *spans, watts(each["peak_before_watts"]), watts(each["peak_after_watts"])]


def _lost(each: Mapping[str, Any]) -> list[object]:
    between = f"{units.ratio(each['low'])} to {units.ratio(each['high'])}"
    return [each["name"], f"{each['gpu_hours']:,.1f}", units.ratio(each["lost_ratio"]), between]
