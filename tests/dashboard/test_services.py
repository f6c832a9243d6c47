"""What the pages ask of a store."""

import json

import numpy as np

from dashboard.services import plain
from wattstat.store import Answer, Series


def test_answers_in_arrays_become_plain_numbers():
    arrays = Series(labels={"node": "a"}, times=np.array([1.0, 2.0]), values=np.array([3.0, 4.0]))

    (series,) = plain(Answer(kind="matrix", series=(arrays,))).series

    assert series.times
    assert json.dumps([series.times, series.values]) == "[[1.0, 2.0], [3.0, 4.0]]"
