"""The loop closed over a row: synchronous training, checkpoints, inference with noise."""

from __future__ import annotations

import numpy as np
import pytest

from power.model import Fleet, Intent
from tests.support.fleets import LOSS, REST_WATTS, Over, Server, fleet, intent
from tests.support.small_row import GPUS, SmallRow

NODES, TRAINING = 12, 8
NODE_BUDGET_WATTS = 5000.0
BUDGET_WATTS = NODES * NODE_BUDGET_WATTS
EQUAL_WATTS = (NODE_BUDGET_WATTS - REST_WATTS) / LOSS / GPUS
SETTLING = 120


def made() -> Fleet:
    names = [f"n{row:02d}" for row in range(NODES)]
    return fleet([Server(name=name) for name in names], [Over(name="row", kind="row", nodes=names)])


def wanted(row: Fleet, *, guaranteed: bool) -> Intent:
    """Inference before training, jobs of four servers."""
    node = np.arange(NODES)
    group = np.where(node < TRAINING, node // 4, -1)
    priority = np.where(node < TRAINING, 40, 60)
    return intent(
        row,
        limits={"row": BUDGET_WATTS},
        guaranteed=guaranteed,
        group=np.repeat(group, GPUS),
        priority=np.repeat(priority, GPUS),
    )


@pytest.mark.parametrize("guaranteed", [True, False])
def test_a_row_stays_under_its_budget_and_training_gets_what_inference_leaves(guaranteed):
    row = SmallRow(made(), training=TRAINING)
    asked = wanted(row.fleet, guaranteed=guaranteed)
    row.run(asked, 400)
    settled = np.array(row.watts[SETTLING:])
    over = settled > BUDGET_WATTS
    assert over.mean() <= (0.0 if guaranteed else 0.002)
    assert row.limit[: TRAINING * GPUS].min() > EQUAL_WATTS + 20
    inference = row.limit[TRAINING * GPUS :]
    assert (inference >= np.repeat(row.serves, GPUS)).all()


@pytest.mark.parametrize("guaranteed", [True, False])
def test_at_steady_load_caps_rest(guaranteed):
    row = SmallRow(made(), training=TRAINING)
    asked = wanted(row.fleet, guaranteed=guaranteed)
    row.run(asked, SETTLING)
    row.changes[:] = 0
    caps = []
    for _ in range(700):
        row.step(asked)
        caps.append(row.limit.sum())
    per_hour = row.changes.mean() * 3600 / 700
    assert per_hour <= 6
    swing = np.ptp(caps[200:]) * LOSS / BUDGET_WATTS
    assert swing <= 0.02


def test_inference_that_ramps_up_has_its_watts_within_seconds():
    row = SmallRow(made(), training=TRAINING, noise=0.01)
    asked = wanted(row.fleet, guaranteed=True)
    row.run(asked, 300)
    row.serves[:] = 560.0
    row.run(asked, 40)
    assert (row.limit[TRAINING * GPUS :] >= 560).all()
    assert max(row.watts[SETTLING:]) <= BUDGET_WATTS


def test_a_lower_budget_is_obeyed_within_three_seconds_and_not_undershot():
    row = SmallRow(made(), training=TRAINING)
    row.run(wanted(row.fleet, guaranteed=False), 300)
    lower = intent(row.fleet, limits={"row": 0.9 * BUDGET_WATTS}, guaranteed=False)
    row.run(lower, 200)
    after = np.array(row.watts[303:])
    assert (after <= 0.9 * BUDGET_WATTS).mean() >= 0.995
    assert after.max() >= 0.9 * 0.9 * BUDGET_WATTS
