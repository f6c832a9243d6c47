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
    return _envelope(_dumps(data).encode(), warnings)


def failure(kind: str, message: str) -> bytes:
    """An error in the API's form."""
    return _dumps({"status": "error", "errorType": kind, "error": message}).encode()


def query_answer(answer: Answer) -> bytes:
    """The answer to a query."""
    if answer.kind == "matrix":
        result = b"[" + _matrix(answer.series) + b"]"
    elif answer.kind == "vector":
        elements = (f'{{"metric":{_dumps(dict(s.labels))},"value":{_point(s)}}}' for s in answer.series)
        result = f"[{','.join(elements)}]".encode()
    elif answer.kind == "scalar":
        result = _point(answer.series[0]).encode()
    else:
        result = f"[{timestamp(answer.series[0].times[0])},{_dumps(answer.text)}]".encode()
    return _envelope(b'{"resultType":"%b","result":%b}' % (answer.kind.encode(), result), answer.warnings)


def timestamp(seconds: float) -> str:
    """Unix seconds with at most three decimals, as the API writes them."""
    whole, fraction = divmod(round(seconds * 1000), 1000)
    return f"{whole}.{fraction:03d}" if fraction else str(whole)


def value(number: float) -> str:
    """A number as the API writes it: exponents only for the very small and the very large."""
    if number != 0 and math.isfinite(number) and not 1e-6 <= abs(number) < 1e21:
        return repr(float(number))
    return go_float(number)


def _envelope(data: bytes, warnings: Sequence[str]) -> bytes:
    tail = f',"warnings":{_dumps(list(warnings))}' if warnings else ""
    return b'{"status":"success","data":%b%b}' % (data, tail.encode())


def _dumps(data: Any) -> str:
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))


def _point(series: Series) -> str:
    return f'[{timestamp(series.times[0])},"{value(series.values[0])}"]'


def _matrix(series: Sequence[Series]) -> bytes:
    heads: dict[int, _Heads] = {}  # nearly all series share one array of times
    for each in series:
        if id(each.times) not in heads:
            heads[id(each.times)] = _heads(np.asarray(each.times))
    rows = [
        b'{"metric":%b,"values":[%b]}' % (_dumps(dict(s.labels)).encode(), _points(heads[id(s.times)], np.asarray(s.values)))
        for s in series
    ]
    return b",".join(rows)


_Heads = npt.NDArray[np.uint8]
"""What stands before each value: one row of bytes a point."""


def _heads(times: Numbers) -> _Heads:
    texts = [timestamp(time) for time in times.tolist()]
    width = max(map(len, texts), default=0)
    joined = "".join(f'"],[{text:>{width}},"' for text in texts)
    return np.frombuffer(joined.encode(), np.uint8).reshape(len(texts), -1)


def _points(heads: _Heads, values: Numbers) -> bytes:
    """The points of one series: heads and values interleaved byte by byte, which is three times faster than joining texts."""
    count, width = heads.shape
    if not count:
        return b""
    texts = _texts(values)
    _, offsets_buffer, data_buffer = texts.buffers()
    offsets = np.frombuffer(offsets_buffer, np.int32)[texts.offset : texts.offset + count + 1]
    written = np.frombuffer(data_buffer, np.uint8)[offsets[0] : offsets[-1]]
    whole = np.empty(count * width + len(written), np.uint8)
    is_value = np.ones(len(whole), np.bool_)
    places = (np.arange(count) * width + offsets[:-1] - offsets[0])[:, None] + np.arange(width)
    whole[places] = heads
    is_value[places] = False
    whole[is_value] = written
    return whole[3:].tobytes() + b'"]'


def _texts(values: Numbers) -> pa.Array:
    """The numbers as text. Arrow writes the common ones exactly as Go does; the others are written one by one."""
    size = np.abs(values)
    odd = ~(((size >= 1e-5) & (size < 1e15)) | (values == 0))
    texts = pc.cast(pa.array(values), pa.string())
    if not odd.any():
        return texts
    return pc.replace_with_mask(texts, pa.array(odd), pa.array([value(number) for number in values[odd].tolist()], pa.string()))
