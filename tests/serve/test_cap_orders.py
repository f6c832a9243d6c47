"""Orders as they come over the wire: whatever comes, it is an order or a refusal with words."""

import aiohttp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.nvml import H100_SXM
from tests.support.agent_node import served
from tests.support.nvml import node
from wattstat.serve.cap.order import InvalidOrder, Order, parse

GOOD = {
    "fence": 3,
    "holder": "core-1",
    "dead_man_seconds": 60,
    "safe_watts": {"GPU-0": 350.0},
    "caps": {"GPU-0": 400.0},
    "clocks": {"GPU-0": 1200.0, "GPU-1": None},
    "release": ["GPU-2"],
    "urgent": False,
    "why": "rack r01",
}
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


def test_a_good_order_is_understood():
    order = parse(GOOD)
    assert order.caps == {"GPU-0": 400}
    assert order.uuids == ["GPU-2", "GPU-0", "GPU-1"]


def test_a_word_of_life_needs_only_token_and_holder():
    assert parse({"fence": 0, "holder": "a"}) == Order(fence=0, holder="a")


def test_what_a_newer_core_sends_besides_is_left_alone():
    assert parse({"fence": 0, "holder": "a", "mood": "good"}).uuids == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"fence": -1}, "fence"),
        ({"fence": True}, "fence"),
        ({"fence": 1.5}, "fence"),
        ({"fence": 2**63}, "fence"),
        ({"holder": ""}, "holder"),
        ({"caps": {"GPU-0": "400"}}, "caps.GPU-0"),
        ({"caps": {"GPU-0": True}}, "caps.GPU-0"),
        ({"caps": {"GPU-0": 0}}, "caps.GPU-0"),
        ({"caps": {"GPU-0": -400.0}}, "caps.GPU-0"),
        ({"caps": {"GPU-0": float("nan")}}, "caps.GPU-0"),
        ({"caps": {"GPU-0": float("inf")}}, "caps.GPU-0"),
        ({"caps": {"GPU-0": None}}, "caps.GPU-0"),
        ({"caps": {"GPU-2": 400.0}}, "GPU-2 is to be capped and released"),
        ({"caps": {f"GPU-{number}": 400.0 for number in range(65)}}, "caps"),
        ({"safe_watts": {"GPU\n0": 350.0}}, "safe_watts"),
        ({"dead_man_seconds": 0}, "dead_man_seconds"),
        ({"dead_man_seconds": 1e9}, "dead_man_seconds"),
        ({"urgent": "yes"}, "urgent"),
        ({"release": "GPU-0"}, "release"),
    ],
)
def test_a_wrong_member_is_named(change, words):
    with pytest.raises(InvalidOrder, match=words.replace(".", r"\.")):
        parse(GOOD | change)


@settings(max_examples=300, deadline=None)
@given(document=anything)
def test_any_document_is_an_order_or_a_refusal(document):
    try:
        order = parse(document)
    except InvalidOrder as error:
        str(error).encode("ascii")
    else:
        assert order.fence >= 0


@settings(max_examples=300, deadline=None)
@given(name=st.sampled_from(sorted(GOOD)), value=anything)
def test_any_value_of_any_member_gives_an_order_within_its_bounds_or_a_refusal(name, value):
    try:
        order = parse(GOOD | {name: value})
    except InvalidOrder:
        return
    assert all(0 < watts <= 10_000 for watts in (*order.caps.values(), *(order.safe_watts or {}).values()))
    assert not {*order.caps, *order.clocks} & set(order.release)


GARBAGE = [
    b"",
    b"{",
    b"null",
    b"[" * 60_000,
    b"\xff\xfe\x00",
    b'{"fence": NaN, "holder": "a"}',
    b'{"fence": ' + b"9" * 5000 + b"}",
    b'{"\\ud800": 1}',
    b'{"fence": 1, "holder": "\\ud800"}',
    b'{"fence": 1, "holder": "a", "caps": {"\\ud800": "x"}}',
    b'{"fence": 1, "holder": "a", "caps": {"GPU-0": 1e999}}',
    b'{"fence": 1, "holder": "a", "caps": [["GPU-0", 400]]}',
]


async def test_garbage_is_refused_and_changes_nothing(tmp_path, monkeypatch):
    with node(tmp_path / "n1.nvml", monkeypatch, H100_SXM, 1) as state:
        async with served(state, tmp_path) as gpus, aiohttp.ClientSession() as session:
            await gpus.read()
            for body in GARBAGE:
                for kind in ("application/json", "text/plain; charset=no-such", "application/json; charset=utf-16"):
                    async with session.post(gpus.url + "/cap", data=body, headers={"Content-Type": kind}) as answer:
                        assert answer.status == 400, (body[:40], await answer.text())
            async with session.post(gpus.url + "/cap", data=b" " * 70_000) as answer:
                assert answer.status == 413
            view = await gpus.get("/cap")
            assert (view["fence"], view["gpus"][0]["limit_watts"]) == (-1, 700)
            assert not (tmp_path / "caps").exists()
