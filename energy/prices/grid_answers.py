"""What the services of grid carbon intensity answer, as points in time. Pure: anything unexpected gives no points.

Electricity Maps: https://portal.electricitymaps.com/docs/api (v3). Great Britain: half hours as in
https://carbon-intensity.github.io/api-definitions, where `actual` is null until it is known. WattTime: https://docs.watttime.org
(v3), in pounds per MWh of the power station that would answer to more load: a marginal figure, not the grid's average.
"""

from __future__ import annotations

import math
from typing import Any

from energy.prices.carbon import moment

Points = list[tuple[float, float]]
# The avoirdupois pound is 453.59237 g by definition; a MWh has 1,000 kWh.
POUNDS_PER_MWH = 0.45359237


def electricity_maps(answer: Any) -> Points:
    """Points of `/v3/carbon-intensity/latest` or `/history`: grams per kWh, from `datetime` on."""
    rows = answer.get("history", [answer]) if isinstance(answer, dict) else []
    return [point for row in _rows(rows) if (point := _point(row.get("datetime"), row.get("carbonIntensity"))) is not None]


def national_grid_eso(answer: Any) -> Points:
    """Points of `/intensity` and `/intensity/<from>/<to>`: grams per kWh, measured where known, else forecast."""
    found: Points = []
    for row in _rows(answer.get("data") if isinstance(answer, dict) else None):
        intensity = row.get("intensity")
        if not isinstance(intensity, dict):
            continue
        measured, forecast = (_point(row.get("from"), intensity.get(name)) for name in ("actual", "forecast"))
        if (point := measured or forecast) is not None:
            found.append(point)
    return found


def watttime(answer: Any) -> Points:
    """Points of `/v3/historical` and `/v3/forecast` with `co2_moer`."""
    if not isinstance(answer, dict):
        return []
    meta = answer.get("meta")
    units = meta.get("units") if isinstance(meta, dict) else None
    if units != "lbs_co2_per_mwh":
        return []
    points = (_point(row.get("point_time"), row.get("value")) for row in _rows(answer.get("data")))
    return [(at, pounds * POUNDS_PER_MWH) for at, pounds in filter(None, points)]


def watttime_token(answer: Any) -> str | None:
    """The token of `/login`, good for half an hour."""
    token = answer.get("token") if isinstance(answer, dict) else None
    return token if isinstance(token, str) and token else None


def _rows(rows: Any) -> list[dict[str, Any]]:
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _point(at: Any, value: Any) -> tuple[float, float] | None:
    seconds = moment(at)
    if seconds is None or isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        return None
    return seconds, float(value)
