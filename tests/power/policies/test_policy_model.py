"""Policies as people write them, and how what cannot be meant is refused: where, what was expected, what to do."""

from __future__ import annotations

import json

import pytest

from power.model import Mode
from power.policies.reader import from_json, load, loads
from wattstat.document import InvalidDocument

HEAD = "policies:\n  - name: some-cap\n    owner: facility\n    reason: Quiet hours\n"
BASE = {"name": "some-cap", "owner": "facility", "reason": "Quiet hours"}


def refusal(lines: str) -> str:
    with pytest.raises(InvalidDocument) as caught:
        loads(HEAD + "".join(f"    {line}\n" for line in lines.splitlines()), source="policies.yaml")
    return str(caught.value)


# What is written, and the line and words of the refusal.
REFUSALS = {
    "ask: {gpu_cap: {watts: 400, percent: 60}}": ("policies.yaml:5", "has both watts and percent; expected one of the two"),
    "ask: {gpu_cap: {}}": ("policies.yaml:5", "has neither watts nor percent; expected one of the two"),
    "ask: {gpu_cap: {watts: 400, of: max}}": ("policies.yaml:5", "expected `of` only beside percent; remove it"),
    "ask: {gpu_cap: {watts: -3}}": ("policies.yaml:5", "is -3; expected more than 0"),
    "ask: {gpu_cap: {percent: 130}}": ("policies.yaml:5", "is 130; expected at most 100"),
    "ask: {}": ("policies.yaml:5", "asks for nothing; expected one of limit, gpu_cap"),
    "ask: {gpu_cap: {watts: 9}, priority: {value: 3}}": ("policies.yaml:5", "asks for gpu_cap and priority; expected one of"),
    "ask: {gpucap: {watts: 400}}": ("policies.yaml:5", "did you mean `gpu_cap`?"),
    "mode: enforced\nask: {gpu_cap: {watts: 400}}": (
        "policies.yaml:5",
        "mode: is 'enforced'; expected 'observe', 'advise' or 'enforce'",
    ),
    "ask: {priority: {value: 101}}": ("policies.yaml:5", "expected at most 100"),
    "ask: {priority: {}}": ("policies.yaml:5", "needs either a value or `by`; expected one of the two"),
    "ask: {priority: {by: qos}}": ("policies.yaml:5", "`by` and `values` belong together; expected both or none"),
    "ask: {jobs: {}}": ("policies.yaml:5", "says nothing; expected `equal` or `checkpoints`"),
    "ask: {jobs: {checkpoints: {every_minutes: 1, for_seconds: 40}}}": ("policies.yaml:5", "expected at most half"),
    "ask: {energy: {kwh: 100}}": ("policies.yaml:5", "has no period; expected `per`"),
    "ask: {energy: {kwh: 100, per: day, first_date: 2026-01-01}}": ("policies.yaml:5", "expected one of the two"),
    "ask: {energy: {kwh: 9, per: day}}\nscope: {rack: [r1, r2]}": ("policies.yaml:2", "make a policy of each"),
    "ask: {energy: {kwh: 9, per: day}}\nwhen: {schedule: {spans: [{end: '06:00'}]}}": ("policies.yaml:2", "expected no `when`"),
    "ask: {limit: {percent: 60}}\nscope: {partition: batch}": (
        "policies.yaml:2",
        "which has none; expected watts, or a scope of one",
    ),
    "ask: {limit: {watts: 60, basis: measured}}\nscope: {job: '12'}": (
        "policies.yaml:2",
        "which is guaranteed; expected no basis",
    ),
    "ask: {limit: {percent: 75, of: baseline}}": ("policies.yaml:2", "without an event; expected `when.event`"),
    "ask: {node_cap: {percent: 60}}\nscope: {user: ann}": ("policies.yaml:2", "expected no user; use a gpu_cap for jobs"),
    "ask: {emergency: {}}\nscope: {partition: batch}": ("policies.yaml:2", "expected no partition; use a gpu_cap for jobs"),
    "ask: {gpu_cap: {watts: 400}}\nscope: {rack: 'r[01-'}": ("policies.yaml:6", "expected a pattern such as gpu[001-128]"),
    "ask: {gpu_cap: {watts: 400}}\nscope: {rack: ['']}": ("policies.yaml:6", "expected names; leave the member out"),
    "ask: {gpu_cap: {watts: 400}}\nscope: {gpu_model: '--'}": ("policies.yaml:6", "expected such as H100"),
    "ask: {gpu_cap: {watts: 400}}\nscope: {job: 7_2}": ("policies.yaml:6", "job[0]: is 72; expected text; write it in quotes"),
    "ask: {gpu_cap: {watts: 400}}\nscope: {racks: r1}": ("policies.yaml:6", "did you mean `rack`?"),
    "ask: {gpu_cap: {watts: 400}}\nexpires: 2026-12-31": (
        "policies.yaml:6",
        "expires: 2026-12-31 is no time; expected date, time and zone, such as",
    ),
    "ask: {gpu_cap: {watts: .inf}}": ("policies.yaml:5", "is inf; expected a finite number"),
    "ask: {gpu_cap: {watts: 4}}\nexpires: 2026-12-31T10:00:00": ("policies.yaml:6", "has no time zone; expected such as"),
    "ask: {gpu_cap: {watts: 4}}\nexpires: soon": ("policies.yaml:6", "'soon' is no time; expected date, time and zone"),
    "ask: {gpu_cap: {watts: 4}}\nexpires: 3": ("policies.yaml:6", "3 is no time; expected date, time and zone"),
    "ask: {gpu_cap: {watts: 4}}\nwhen: {schedule: {spans: [{dates: [2026-13-01]}]}}": (
        "policies.yaml:6",
        "is no date; expected",
    ),
    "ask: {gpu_cap: {watts: 400}}\nwhen: {schedule: {spans: []}}": ("policies.yaml:6", "expected at least one, such as"),
    "ask: {gpu_cap: {watts: 400}}\nwhen: {schedule: {spans: [{start: 22}]}}": ("policies.yaml:6", "write it in quotes"),
    "ask: {gpu_cap: {watts: 400}}\nwhen: {schedule: {spans: [{start: '25:00'}]}}": ("policies.yaml:6", "such as '06:30'"),
    "ask: {gpu_cap: {watts: 4}}\nwhen: {schedule: {spans: [{start: '06:00', end: '06:00'}]}}": (
        "policies.yaml:6",
        "expected an end after",
    ),
    "ask: {gpu_cap: {watts: 4}}\nwhen: {schedule: {timezone: Berlin, spans: [{end: '06:00'}]}}": (
        "policies.yaml:6",
        "such as Europe/Berlin",
    ),
    "ask: {gpu_cap: {watts: 4}}\nwhen: {temperature: {above: 30, release: 31}}": (
        "policies.yaml:6",
        "expected the release below it",
    ),
    "ask: {gpu_cap: {watts: 4}}\nwhen: {signal: {name: price}}": ("policies.yaml:6", "needs either `above` or `below`"),
    "ask: {gpu_cap: {watts: 4}}\nwhen: {signal: {name: price, above: 3, release: 4}}": ("policies.yaml:6", "on the other side"),
    "ask: {gpu_cap: {watts: 4}}\nwhen: {demand: {below_percent: 50}}": ("policies.yaml:6", "expected it to return above"),
    "ask: {gpu_cap: {watts: 4}}\nwhen: {event: {start: 2026-07-01, minutes: 3}}": (
        "policies.yaml:6",
        "start: 2026-07-01 is no time; expected",
    ),
}


@pytest.mark.parametrize("lines", REFUSALS)
def test_what_cannot_be_meant_is_refused_with_its_line_and_what_was_expected(lines):
    place, words = REFUSALS[lines]
    found = refusal(lines)
    assert found.startswith(place)
    assert words in found
    assert "policies[some-cap]" in found


def test_every_problem_of_a_file_is_told_at_once():
    found = refusal("ask: {gpu_cap: {watts: 0}}\nmode: on\nscop: {}")
    assert len(found.splitlines()) == 3


def test_json_is_refused_with_the_same_words_as_yaml():
    with pytest.raises(InvalidDocument) as caught:
        from_json({**BASE, "ask": {"gpu_cap": {"watts": 400, "percent": 60}}})
    assert str(caught.value) == "policy: ask.gpu_cap: has both watts and percent; expected one of the two"


@pytest.mark.parametrize("body", [None, [], "x", 3])
def test_json_that_is_no_object_is_no_policy(body):
    with pytest.raises(InvalidDocument, match="is no policy; expected an object"):
        from_json(body)


@pytest.mark.parametrize(
    ("member", "value", "words"),
    [
        ("name", "Night Cap", "is no name of a policy; expected small letters"),
        ("owner", "  ", "is empty; expected a few words"),
        ("reason", "", "is empty; expected a few words"),
    ],
)
def test_a_policy_says_who_wants_it_and_why(member, value, words):
    with pytest.raises(InvalidDocument, match=words):
        from_json({**BASE, "ask": {"gpu_cap": {"watts": 400}}, member: value})


def test_a_name_that_stands_twice_is_refused_with_both_lines(tmp_path):
    file = tmp_path / "policies.yaml"
    one = "  - {name: night, owner: a, reason: b, ask: {gpu_cap: {watts: 400}}}\n"
    file.write_text("policies:\n" + one + one)
    with pytest.raises(
        InvalidDocument, match=r"policies.yaml:3:6: .*night stands twice, first on line 2; expected each name once"
    ):
        load(file)


def test_an_absent_file_is_refused(tmp_path):
    with pytest.raises(InvalidDocument, match="no such file"):
        load(tmp_path / "policies.yaml")


def test_nothing_is_enforced_unless_somebody_says_so():
    policy = from_json({**BASE, "ask": {"gpu_cap": {"watts": 400}}})
    assert policy.mode is Mode.OBSERVE
    assert str(policy.scope) == "the whole site"


def test_a_policy_of_json_reads_back_as_it_was():
    policy = from_json(
        {
            **BASE,
            "mode": "enforce",
            "expires": "2026-12-31T23:30:00+02:00",
            "scope": {"rack": "r[01-03]", "gpu_model": "H100"},
            "ask": {"gpu_cap": {"percent": 60, "of": "max"}},
            "when": {
                "schedule": {"spans": [{"start": "22:00", "end": "06:00", "days": ["fri"], "dates": ["2026-07-03"]}]},
                "event": {"start": "2026-07-01T14:00:00Z", "minutes": 180},
            },
        }
    )
    assert policy.scope.rack == ("r01", "r02", "r03")
    assert from_json(json.loads(json.dumps(policy.to_json()))) == policy
    assert policy.to_json()["expires"] == "2026-12-31T21:30:00Z"


def test_an_empty_file_has_no_policies():
    assert loads("") == ()
