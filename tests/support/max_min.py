"""Max-min fairness the slow way: linear programmes, one after the other. Made from the definition alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import linprog

from power.model import Floats

NEARLY = 1e-7


def max_min(rates: Floats, room: Floats, ends: Floats) -> Floats:
    """The max-min fair levels: `rates[limit, load] @ level <= room`, `0 <= level <= ends`.

    The lowest level is made as high as it goes; whoever cannot go higher stays there; the same again with the others.
    """
    level = np.zeros(len(ends))
    open_ = list(range(len(ends)))
    while open_:
        lowest = _highest_floor(rates, room, ends, level, open_)
        stuck = [
            load
            for load in open_
            if ends[load] <= lowest + NEARLY
            or _most(rates, room, ends, level, open_, lowest=lowest, load=load) <= lowest + NEARLY
        ]
        assert stuck, "somebody is always stuck at the highest floor"
        for load in stuck:
            level[load] = min(lowest, ends[load])
            open_.remove(load)
    return level


def _highest_floor(rates: Floats, room: Floats, ends: Floats, level: Floats, open_: Sequence[int]) -> float:
    """The level that all open loads can have at once: a programme in their common level and their own."""
    count = len(open_)
    above = np.hstack([rates[:, open_], np.zeros((len(room), 1))])
    floors = np.hstack([-np.eye(count), np.ones((count, 1))])
    answer = linprog(
        np.append(np.zeros(count), -1.0),
        A_ub=np.vstack([above, floors]),
        b_ub=np.append(_left(rates, room, level, open_), np.zeros(count)),
        bounds=[*((0, ends[load]) for load in open_), (0, None)],
        method="highs",
    )
    assert answer.success, answer.message
    return float(answer.x[-1])


def _most(rates: Floats, room: Floats, ends: Floats, level: Floats, open_: Sequence[int], *, lowest: float, load: int) -> float:
    """The most that one load can have while no open one falls below the floor."""
    wish = np.array([-1.0 if other == load else 0.0 for other in open_])
    answer = linprog(
        wish,
        A_ub=rates[:, open_],
        b_ub=_left(rates, room, level, open_) + NEARLY * 1e-2,
        bounds=[(min(lowest, ends[other]), ends[other]) for other in open_],
        method="highs",
    )
    assert answer.success, answer.message
    return float(-answer.fun)


def _left(rates: Floats, room: Floats, level: Floats, open_: Sequence[int]) -> Floats:
    settled = level.copy()
    settled[list(open_)] = 0.0
    return room - rates @ settled
