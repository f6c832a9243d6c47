"""Answers in the Prometheus API's JSON. A range query may hold half a million numbers, so whole columns are written at once."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from wattstat.promql.numbers import go_float
from wattstat.store.protocol import Answer, Series

Numbers = npt.NDArray[np.float64]


def success(data: Any, warnings: Sequence[str] = ()) -> bytes:
    """A successful answer whose data is plain JSON."""
    return _envelope(_dumps(data), warnings)


def failure(kind: str, message: str) -> bytes:
    """An error in the API's form."""
    return _dumps({"status": "error", "errorType": kind, "error": message}).encode()


def query_answer(answer: Answer) -> bytes:
    """The answer to a query."""
    if answer.kind == "matrix":
        result = "[" + ",".join(_matrix(answer.series)) + "]"
    elif answer.kind == "vector":
        result = "[" + ",".join(f'{{"metric":{_dumps(dict(s.labels))},"value":{_point(s)}}}' for s in answer.series) + "]"
    elif answer.kind == "scalar":
        result = _point(answer.series[0])
    else:
        result = f"[{timestamp(answer.series[0].times[0])},{_dumps(answer.text)}]"
    return _envelope(f'{{"resultType":"{answer.kind}","result":{result}}}', answer.warnings)


def timestamp(seconds: float) -> str:
    """Unix seconds with at most three decimals, as the API writes them."""
    whole, fraction = divmod(round(seconds * 1000), 1000)
    return f"{whole}.{fraction:03d}" if fraction else str(whole)


def value(number: float) -> str:
    """A number as the API writes it: exponents only for the very small and the very large."""
    if number != 0 and math.isfinite(number) and not 1e-6 <= abs(number) < 1e21:
        return repr(float(number))
    return go_float(number)


def _envelope(data: str, warnings: Sequence[str]) -> bytes:
    tail = f',"warnings":{_dumps(list(warnings))}' if warnings else ""
    return f'{{"status":"success","data":{data}{tail}}}'.encode()


def _dumps(data: Any) -> str:
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))


def _point(series: Series) -> str:
    return f'[{timestamp(series.times[0])},"{value(series.values[0])}"]'


def _matrix(series: Sequence[Series]) -> list[str]:
    heads: dict[int, pa.Array] = {}  # nearly all series share one array of times
    for each in series:
        if id(each.times) not in heads:
            heads[id(each.times)] = pa.array([f'[{timestamp(time)},"' for time in np.asarray(each.times).tolist()], pa.string())
    return [
        f'{{"metric":{_dumps(dict(s.labels))},"values":[{_points(heads[id(s.times)], np.asarray(s.values))}]}}' for s in series
    ]


def _points(heads: pa.Array, values: Numbers) -> str:
    if not len(values):
        return ""
    pairs = pc.binary_join_element_wise(heads, _texts(values), "")
    joined = pc.binary_join(pa.ListArray.from_arrays(pa.array([0, len(values)], pa.int32()), pairs), '"],')
    return f'{joined[0].as_py()}"]'


def _texts(values: Numbers) -> pa.Array:
    """The numbers as text. Arrow writes the common ones exactly as Go does; the others are written one by one."""
    size = np.abs(values)
    odd = ~(((size >= 1e-5) & (size < 1e15)) | (values == 0))
    texts = pc.cast(pa.array(values), pa.string())
    if not odd.any():
        return texts
    return pc.replace_with_mask(texts, pa.array(odd), pa.array([value(number) for number in values[odd].tolist()], pa.string()))
