"""GpuStraggler: a GPU that is slower than the others of its job, by its clock, while it works.

The slowest GPU of a synchronous job sets the pace of all. What it must be told from:

* a job that uses only some of its GPUs: compared are only those that work, moment by moment;
* ranks that wait at a barrier or for a checkpoint: they spin at full clocks, or do not work at that moment;
* a GPU that has more to do (another stage, a fuller replica): at its power limit its clock is lower than the others', but it
  draws more than they do; a slow one draws less or as much;
* a cap that Wattstat set on purpose: the page Power tells of it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from alerts.findings.finding import Finding, Voice
from alerts.findings.past import Floats, Key, Past, Table
from alerts.findings.reasons import Condition, because
from alerts.model import Conditions, Raised
from wattstat.api.alerts import EvidenceLine

NAME = "GpuStraggler"
SUMMARY = "A GPU is slower than the others of its job"
WINDOW_SECONDS, STEP_SECONDS = 600.0, 60.0
SLOW_RATIO = 0.9
"""Boards of one model at one limit differ by some 5 % in clock (leakage, temperature); a tenth is more than that."""
WORKING_RATIO = 0.5
"""From this utilization on a GPU counts as at work at a moment: below it clocks say nothing."""
MOST = 0.8
"""Share of the moments at which it must be slow, and of the window in which there must be something to compare."""
FEW = 16
"""Up to so many GPUs a job's median is taken without the one that is compared; of more, one moves it by nothing."""
MORE_POWER_RATIO = 1.05
"""Who draws more than the others by this has more to do; meters of boards agree within that."""
ON_PURPOSE_RATIO = 0.03
"""How near a limit lies to the cap that Wattstat wants for it to be Wattstat's."""

VOICE = Voice(name=NAME, severity="warning", component="gpu", category="performance", summary=SUMMARY)
_GPU = "node gpu uuid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of all GPUs; keys are (node, gpu, uuid), of `held` (scheduler, job, node, gpu, uuid)."""

    held: Table
    model: Mapping[Key, str]
    clock: Table
    utilization: Table
    power: Table
    condition: Mapping[Key, Condition] = field(default_factory=dict)
    on_purpose: frozenset[tuple[str, str]] = frozenset()
    """(node, gpu) whose limit is Wattstat's own cap."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slow:
    """A GPU behind the others. `clock_hertz` and `watts` are its means over the moments compared, `others_…` their medians."""

    gpu: Key
    clock_hertz: float
    others_hertz: float
    watts: float
    others_watts: float
    moments: int
    others: int
    job: tuple[str, str]
    peers: tuple[Key, ...]


def finder(past: Past) -> Finding[Facts]:
    """Ask every minute; five minutes of patience on top of ten of looking back, because jobs begin and end unevenly."""
    return Finding(
        name=NAME,
        every_seconds=60,
        conditions=Conditions(for_seconds=300, keep_firing_seconds=900),
        summary=SUMMARY,
        past=past,
        fetch=fetch,
        judge=judge,
    )


async def fetch(past: Past, at: float) -> Facts:
    """The last ten minutes of every GPU that a job holds whole, minute by minute."""

    async def table(expression: str, labels: str = _GPU) -> Table:
        return await past.table(expression, labels, at, seconds=WINDOW_SECONDS, step=STEP_SECONDS)

    held = await table('wattstat_job_gpu_info{gpu_instance=""}', f"scheduler job_id {_GPU}")
    if not held.rows:
        nothing = Table(times=held.times, rows={})
        return Facts(held=held, model={}, clock=nothing, utilization=nothing, power=nothing)
    models = await past.now("wattstat_gpu_info", f"{_GPU} model", at)
    facts = Facts(
        held=held,
        model={key[:3]: key[3] for key in models},
        clock=await table('wattstat_gpu_clock_hertz{domain="sm"}'),
        utilization=await table("wattstat_gpu_utilization_ratio"),
        power=await table('wattstat_gpu_power_watts{window="1s",scope="gpu"}'),
    )
    if next(_slow(facts), None) is None:
        return facts  # nobody needs a reason
    return replace(facts, condition=await _conditions(past, at), on_purpose=await _on_purpose(past, at))


async def _conditions(past: Past, at: float) -> dict[Key, Condition]:
    limits = await past.now('wattstat_gpu_power_limit_watts{kind="enforced"}', _GPU, at)
    celsius = await past.now('avg_over_time(wattstat_gpu_temperature_celsius{sensor="gpu"}[10m])', _GPU, at)
    shares = await past.now("avg_over_time(wattstat_gpu_throttle_active[10m])", f"{_GPU} reason", at)
    reasons: dict[Key, dict[str, float]] = defaultdict(dict)
    for key, share in shares.items():
        reasons[key[:3]][key[3]] = share
    return {
        key: Condition(limit_watts=limits.get(key), celsius=celsius.get(key), reasons=reasons.get(key, {}))
        for key in limits.keys() | celsius.keys() | reasons.keys()
    }


async def _on_purpose(past: Past, at: float) -> frozenset[tuple[str, str]]:
    """GPUs whose limit is the cap that the controller wants; a server's own cap holds for all of its GPUs."""
    wanted = await past.now("wattstat_cap_target_watts", "node gpu", at)
    confirmed = await past.now("wattstat_cap_confirmed_watts", "node gpu", at)
    ours = {
        (key[0], key[1])
        for key, target in wanted.items()
        if abs(confirmed.get(key, np.inf) - target) <= ON_PURPOSE_RATIO * target
    }
    return frozenset(ours)


def judge(facts: Facts) -> list[Raised]:
    """Everyone who is behind, but not by a cap that was set on purpose."""
    return [_told(slow, facts) for slow in _slow(facts) if not _is_on_purpose(slow, facts)]


def _slow(facts: Facts) -> Iterator[Slow]:
    return (slow for job, gpus in _jobs(facts).items() for slow in behind(job[:2], gpus, facts))


def _jobs(facts: Facts) -> dict[tuple[str, str, str], list[Key]]:
    """GPUs of one model that a job held all the time: by (scheduler, job, model)."""
    found: dict[tuple[str, str, str], list[Key]] = defaultdict(list)
    for key, row in facts.held.rows.items():
        if not np.isnan(row).any():
            found[key[0], key[1], facts.model.get(key[2:], "")].append(key[2:])
    return found


def behind(job: tuple[str, str], gpus: Sequence[Key], facts: Facts) -> Iterator[Slow]:
    """Those of a job's GPUs that were slower than the others' median at nearly all moments at which both worked."""
    if len(gpus) < 2:
        return
    works = facts.utilization.stack(gpus) >= WORKING_RATIO
    clocks = np.where(works, facts.clock.stack(gpus), np.nan)
    watts = np.where(works, facts.power.stack(gpus), np.nan)
    of_all = _median(clocks), _median(watts)
    for place, gpu in enumerate(gpus):
        others = [other for other in range(len(gpus)) if other != place] if len(gpus) <= FEW else list(range(len(gpus)))
        usual, usual_watts = of_all if len(gpus) > FEW else (_median(clocks[others]), _median(watts[others]))
        compared = ~np.isnan(clocks[place]) & ~np.isnan(usual)
        if compared.sum() < MOST * len(compared):
            continue
        slow = clocks[place][compared] <= SLOW_RATIO * usual[compared]
        mine, theirs = _mean(watts[place][compared]), _mean(usual_watts[compared])
        if slow.mean() >= MOST and not mine > MORE_POWER_RATIO * theirs:
            yield Slow(
                gpu=gpu,
                clock_hertz=_mean(clocks[place][compared]),
                others_hertz=_mean(usual[compared]),
                watts=mine,
                others_watts=theirs,
                moments=int(slow.sum()),
                others=int((~np.isnan(clocks[others])).any(axis=1).sum()),
                job=job,
                peers=tuple(gpus[other] for other in others),
            )


def _median(rows: Floats) -> Floats:
    """Of each column; NaN where nobody worked."""
    found = np.full(rows.shape[1], np.nan)
    some = ~np.isnan(rows).all(axis=0)
    found[some] = np.nanmedian(rows[:, some], axis=0)
    return found


def _mean(values: Floats) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def _is_on_purpose(slow: Slow, facts: Facts) -> bool:
    """Whether its limit is lower than the others' because Wattstat wants it so."""
    node, gpu, _ = slow.gpu
    if not {(node, gpu), (node, "")} & facts.on_purpose:
        return False
    mine = facts.condition.get(slow.gpu)
    return mine is not None and mine.is_capped


def _told(slow: Slow, facts: Facts) -> Raised:
    node, gpu, uuid = slow.gpu
    mine = facts.condition.get(slow.gpu, Condition())
    why = because(mine, [facts.condition[peer] for peer in slow.peers if peer in facts.condition])
    lost = 1 - slow.clock_hertz / slow.others_hertz
    where = f'node="{node}",gpu="{gpu}"'
    _, job = slow.job
    job_gpus = f'wattstat_job_gpu_info{{job_id="{job}",gpu_instance=""}}'
    limit = f'{SLOW_RATIO} * quantile(0.5, wattstat_gpu_clock_hertz{{domain="sm"}} and on (uuid) {job_gpus})'
    evidence = [
        EvidenceLine(
            text=f"Its clock: {slow.clock_hertz / 1e6:.0f} MHz, the others of job {job} {slow.others_hertz / 1e6:.0f} MHz.",
            expression=f'wattstat_gpu_clock_hertz{{{where},domain="sm"}}',
            limit_expression=limit,
            unit="hertz",
        ),
        EvidenceLine(
            text=f"It is behind at {slow.moments} of {len(facts.clock.times)} minutes, beside {slow.others} others at work.",
            expression=f"wattstat_gpu_utilization_ratio{{{where}}}",
            unit="ratio",
        ),
    ]
    if not np.isnan(slow.watts) and not np.isnan(slow.others_watts):
        evidence.append(
            EvidenceLine(
                text=f"It draws {slow.watts:.0f} W, the others {slow.others_watts:.0f} W: it has no more to do than they have.",
                expression=f'wattstat_gpu_power_watts{{{where},window="1s",scope="gpu"}}',
                unit="watts",
            )
        )
    evidence.append(EvidenceLine(text=why.text, expression=why.expression(where), unit=why.unit))
    return VOICE.say(
        {"node": node, "gpu": gpu, "uuid": uuid},
        f"GPU {gpu} of {node} runs at {slow.clock_hertz / 1e6:.0f} MHz where the median of the others of job {job} is "
        f"{slow.others_hertz / 1e6:.0f} MHz ({lost:.0%} slower; {1 - SLOW_RATIO:.0%} is the limit). {why.text} {why.advice}",
        value=slow.clock_hertz / slow.others_hertz,
        page=f"/node/{node}",
        evidence=evidence,
    )
