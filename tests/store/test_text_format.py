"""Our reading of the text format against prometheus_client's, and against our own writing."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from wattstat.catalogue import ALL
from wattstat.catalogue.metric import Sample
from wattstat.exposition import Exposition
from wattstat.hall import Block, BlockKey, Snapshot
from wattstat.store.text_format import ExpositionError, parse_line

NAMES = st.from_regex(r"[a-zA-Z_][a-zA-Z0-9_]{0,8}", fullmatch=True)
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"), max_size=12)
NUMBERS = st.one_of(st.floats(allow_nan=False), st.sampled_from([math.inf, -math.inf]))


@given(st.dictionaries(NAMES.filter(lambda name: not name.startswith("__")), TEXTS, max_size=4), NUMBERS)
def test_any_line_is_read_as_prometheus_client_reads_it(labels, value):
    escaped = {name: text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"") for name, text in labels.items()}
    body = ",".join(f'{name}="{text}"' for name, text in escaped.items())
    line = f"some_metric{{{body}}} {value!r}"
    [family] = text_string_to_metric_families(line + "\n")
    [sample] = family.samples
    ours = parse_line(line)
    assert ours.value == sample.value
    assert dict(ours.labels) == {"__name__": "some_metric", **{name: text for name, text in sample.labels.items() if text}}


@given(st.text(max_size=40))
def test_any_text_is_a_sample_or_an_error(text):
    try:
        line = parse_line(text)
    except ExpositionError:
        return
    assert dict(line.labels)["__name__"]
    assert isinstance(line.value, float)


@pytest.mark.parametrize(
    ("line", "labels", "value", "time_ms"),
    [
        ("up 1", {"__name__": "up"}, 1, None),
        ("up{} 1 1700000000000", {"__name__": "up"}, 1, 1_700_000_000_000),
        ('  a:b { x = "1" , y="}, {" , } +Inf  -5 ', {"__name__": "a:b", "x": "1", "y": "}, {"}, math.inf, -5),
        (r'p{path="C:\\new\n",q="say \"x\""} 1e-3', {"__name__": "p", "path": "C:\\new\n", "q": 'say "x"'}, 0.001, None),
        ('gone{empty=""} 0', {"__name__": "gone"}, 0, None),
        ("spaced\t7", {"__name__": "spaced"}, 7, None),
    ],
)
def test_every_freedom_of_the_format_is_understood(line, labels, value, time_ms):
    assert parse_line(line) == (tuple(sorted(labels.items())), value, time_ms)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "name",
        "1name 5",
        'a{b="c} 1',
        "a{b=c} 1",
        'a{b="c"',
        'a{b="c"}',
        "a one",
        "a 1 now",
        'a{x="1",x="2"} 3',
        'a{="x"} 1',
        "a} 1",
    ],
)
def test_what_is_not_the_format_is_refused_and_shown(line):
    with pytest.raises(ExpositionError):
        parse_line(line)


def test_our_own_exposition_reads_back_whole():
    awkward = ("plain", 'with "quotes"', "back\\slash", "two\nlines", "{},=", "°C ünïcode")
    samples = tuple(
        Sample(metric, tuple(awkward[(place + turn) % len(awkward)] for place in range(len(metric.labels))), turn + 0.1)
        for metric in ALL.values()
        for turn in range(2 if metric.labels else 1)
    )
    block = Block(key=BlockKey("c", "t", "p"), samples=samples, taken_at=0, interval_seconds=1)
    text = Exposition().render(Snapshot(taken_at=0, blocks=(replace(block),))).decode()
    read = [parse_line(line) for line in text.splitlines() if not line.startswith("#")]
    wanted = [
        (dict(zip(sample.metric.labels, sample.labels, strict=True)) | {"__name__": sample.metric.name}, sample.value)
        for sample in sorted(samples, key=lambda sample: sample.metric.name)
    ]
    assert [(dict(line.labels), line.value) for line in read] == wanted
