"""The most restrictive wins: 100,000 random overlaps of policies in scope and time, against a loop that looks at each."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

from policy_fleet import bounds_of, fleet_of, jobs_of, line, signals_of

from power.model import Fleet, Mode
from power.policies.model import Policy
from power.policies.reader import from_json
from power.policies.resolve import Resolver
from power.policies.signals import JobFacts
from power.policies.standing import Standing

OVERLAPS = 100_000
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe")
PARTITIONS = ("batch", "debug", "")


def fleet() -> Fleet:
    return fleet_of(3, 2, 2, more=(line("blue", "group", (0, 3)), line("green", "group", (2, 3, 5))))


def random_policy(random: Random, number: int) -> Policy:
    scope: dict[str, list[str]] = {}
    for kind, names in (
        ("rack", ("r1", "r2", "r3")),
        ("group", ("blue", "green")),
        ("node", ("n0", "n2", "n3", "n5")),
        ("partition", ("batch", "debug")),
    ):
        if random.random() < 0.35:
            scope[kind] = random.sample(names, random.randint(1, 2))
    body = {
        "name": f"p{number:02}",
        "owner": "test",
        "reason": "test",
        "mode": random.choice(("enforce", "enforce", "enforce", "observe", "advise")),
        "scope": scope,
        "ask": {
            "gpu_cap": random.choice(({"watts": random.randrange(350, 700, 10)}, {"percent": random.randrange(50, 101, 5)}))
        },
    }
    if random.random() < 0.6:
        clocks = random.sample(range(0, 24 * 60, 30), 2)
        span = {"start": f"{clocks[0] // 60:02}:{clocks[0] % 60:02}", "end": f"{clocks[1] // 60:02}:{clocks[1] % 60:02}"}
        body["when"] = {"schedule": {"timezone": random.choice(ZONES), "spans": [span]}}
    if random.random() < 0.3:
        body["expires"] = (datetime(2026, 3, 28, tzinfo=UTC) + timedelta(minutes=random.randrange(0, 4 * 1440))).isoformat()
    return from_json(body)


def holds(policy: Policy, at: float) -> bool:
    if at >= policy.expires_unix:
        return False
    if policy.when.schedule is None:
        return True
    span = policy.when.schedule.spans[0]
    # Moments are chosen away from the hours in which clocks change, where wall clock and interval are the same.
    wall = f"{datetime.fromtimestamp(at, ZoneInfo(policy.when.schedule.timezone)):%H:%M}"
    return span.start <= wall < span.end if span.start < span.end else wall >= span.start or wall < span.end


def expected(policies: list[Standing], hall: Fleet, partitions: list[str], at: float, gpu: int) -> tuple[float, str]:
    node = hall.gpu_node[gpu]
    inside = {"blue": (0, 3), "green": (2, 3, 5)}
    best, name = float("inf"), ""
    for standing in sorted(policies, key=lambda each: each.policy.name):
        policy = standing.policy
        scope, cap = policy.scope, policy.ask.gpu_cap
        if not (standing.enabled and policy.mode is Mode.ENFORCE and holds(policy, at)):
            continue
        if scope.rack and hall.racks[node] not in scope.rack:
            continue
        if scope.group and not any(node in inside[group] for group in scope.group):
            continue
        if scope.node and hall.nodes[node] not in scope.node:
            continue
        if scope.partition and partitions[gpu] not in scope.partition:
            continue
        watts = cap.watts if cap.watts is not None else 700 * cap.percent / 100
        if watts < best:
            best, name = watts, policy.name
    return best, name


def test_of_all_that_holds_for_a_gpu_the_lowest_cap_wins_and_is_named():
    random, hall, seen, resolver = Random(20_260_701), fleet(), 0, Resolver()
    bounds, gpus = bounds_of(hall), len(hall.gpus)
    while seen < OVERLAPS:
        policies = [
            Standing(policy=random_policy(random, number), enabled=random.random() < 0.9)
            for number in range(random.randint(2, 12))
        ]
        partitions = [random.choice(PARTITIONS) for _ in range(gpus)]
        held = [
            (JobFacts(scheduler="slurm", job_id=str(row), partition=name), [row]) for row, name in enumerate(partitions) if name
        ]
        signals = signals_of(hall, jobs=jobs_of(*held))
        for _ in range(4):
            at = (
                datetime(2026, 3, 28, 6, tzinfo=UTC).timestamp() + 86_400 * random.randrange(3) + 60 * random.randrange(10 * 60)
            )
            random.shuffle(policies)
            intent = resolver.resolve(policies, hall, signals, at, bounds=bounds).intent
            for gpu in range(gpus):
                watts, name = expected(policies, hall, partitions, at, gpu)
                whose = intent.gpu_cap_name[gpu]
                assert intent.gpu_cap_watts[gpu] == watts
                assert (intent.names[whose] if whose >= 0 else "") == name
            seen += gpus * len(policies)
