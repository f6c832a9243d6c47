"""What may be written to a controller: power caps, in the three places where they are kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from simulator.bmc import errors
from simulator.bmc.chassis import CHASSIS
from simulator.bmc.controller import Controller
from simulator.bmc.errors import Answer, refusal, success
from simulator.bmc.hgx import TOTAL_POWER
from simulator.bmc.hgx_gpu import BASEBOARD, BOARD_CHASSIS
from simulator.bmc.manager import SYSTEM_ATTRIBUTES

SETTING = "ServerPwr.1.PowerCapSetting"
VALUE = "ServerPwr.1.PowerCapValue"
CLEAR = "/Actions/Oem/NvidiaEnvironmentMetrics.ClearOOBSetPoint"
DEFAULT_SET_POINT = 700.0
Json = dict[str, Any]


def patch(bmc: Controller, path: str, body: object) -> Answer:
    """Do a PATCH."""
    if not isinstance(body, dict):
        return refusal(400, errors.BAD_JSON)
    if (refused := _refused(bmc)) is not None:
        return refused
    writer = _writer(bmc, path)
    return writer(bmc, body) if writer else refusal(405, errors.NOT_ALLOWED)


def act(bmc: Controller, path: str) -> Answer | None:
    """Do an action; None where there is none at the path."""
    if not path.endswith(CLEAR) or not bmc.model.hgx:
        return None
    if (refused := _refused(bmc)) is not None:
        return refused
    target = path.removesuffix(CLEAR)
    if target == f"{BOARD_CHASSIS}/EnvironmentMetrics":
        return _set_points(bmc, range(bmc.model.gpus), None)
    row = _gpu_row(bmc, target)
    return None if row is None else _set_points(bmc, range(row, row + 1), None)


def _refused(bmc: Controller) -> Answer | None:
    if bmc.fault("bmc_lockdown"):
        return refusal(403, errors.LOCKED_DOWN)
    return refusal(403, errors.UNLICENSED) if bmc.fault("bmc_unlicensed") else None


def _writer(bmc: Controller, path: str) -> Callable[[Controller, Json], Answer] | None:
    writers: dict[str, Callable[[Controller, Json], Answer]] = {SYSTEM_ATTRIBUTES: _attributes}
    if bmc.model.idrac == 9:
        writers[f"{CHASSIS}/Power"] = _old_limit
    else:
        writers[f"{CHASSIS}/EnvironmentMetrics"] = _chassis_limit
    if bmc.model.hgx:
        writers[TOTAL_POWER] = lambda bmc, body: _total(bmc, body.get("SetPoint"))
        writers[f"{BOARD_CHASSIS}/EnvironmentMetrics"] = lambda bmc, body: _total(bmc, _limit_of(body).get("SetPoint"))
    row = _gpu_row(bmc, path)
    if row is not None:
        writers[path] = lambda bmc, body: _set_points(bmc, range(row, row + 1), _limit_of(body).get("SetPoint", ""))
    return writers.get(path)


def _gpu_row(bmc: Controller, path: str) -> int | None:
    for row in range(bmc.model.gpus if bmc.model.hgx else 0):
        if path == f"{BASEBOARD}/Processors/GPU_SXM_{row + 1}/EnvironmentMetrics":
            return row
    return None


def _limit_of(body: Json) -> Json:
    limit = body.get("PowerLimitWatts")
    return limit if isinstance(limit, dict) else {}


def _attributes(bmc: Controller, body: Json) -> Answer:
    wanted = body.get("Attributes")
    if not isinstance(wanted, dict) or not wanted:
        return refusal(400, errors.BAD_JSON)
    for name in wanted:
        if name not in (SETTING, VALUE):
            return refusal(400, errors.UNKNOWN_PROPERTY, str(name))
    setting = wanted.get(SETTING, "Enabled" if bmc.cap_enabled else "Disabled")
    if setting not in ("Enabled", "Disabled"):
        return refusal(400, errors.BAD_VALUE, str(setting), SETTING, "Enabled, Disabled")
    if VALUE in wanted:
        if setting == "Disabled":
            return refusal(400, errors.CAP_DISABLED)
        if (refused := _out_of_range(bmc, wanted[VALUE], VALUE)) is not None:
            return refused
    return _store(bmc, setting, wanted.get(VALUE))


def _old_limit(bmc: Controller, body: Json) -> Answer:
    controls = body.get("PowerControl")
    limit = controls[0].get("PowerLimit") if isinstance(controls, list) and controls and isinstance(controls[0], dict) else None
    if not isinstance(limit, dict) or "LimitInWatts" not in limit:
        return refusal(400, errors.BAD_JSON)
    watts = limit["LimitInWatts"]
    if watts is None:
        return _store(bmc, "Disabled", None)
    if not bmc.cap_enabled:
        return refusal(400, errors.CAP_DISABLED)
    return _out_of_range(bmc, watts, "LimitInWatts") or _store(bmc, "Enabled", watts)


def _chassis_limit(bmc: Controller, body: Json) -> Answer:
    limit = _limit_of(body)
    mode = limit.get("ControlMode", "Automatic" if bmc.cap_enabled or "SetPoint" in limit else "Disabled")
    if mode not in ("Automatic", "Disabled"):
        return refusal(400, errors.BAD_VALUE, str(mode), "ControlMode", "Automatic, Disabled")
    watts = limit.get("SetPoint")
    refused = _out_of_range(bmc, watts, "SetPoint") if watts is not None else None
    return refused or _store(bmc, "Enabled" if mode == "Automatic" else "Disabled", watts)


def _out_of_range(bmc: Controller, watts: object, name: str) -> Answer | None:
    low, high = bmc.model.cap_min_watts, bmc.model.cap_max_watts
    if isinstance(watts, int) and not isinstance(watts, bool) and low <= watts <= high:
        return None
    return refusal(400, errors.BAD_VALUE, str(watts), name, f"{low:.0f} to {high:.0f}")


def _store(bmc: Controller, setting: str, watts: int | None) -> Answer:
    if bmc.fault("cap_ignored"):
        return success()
    bmc.attributes[SETTING] = setting
    if watts is not None:
        bmc.attributes[VALUE] = watts
    bmc.apply_cap()
    bmc.capped_at = bmc.world.now
    bmc.note("OK", "PWR2269", "The power cap settings are changed.")
    return success()


def _total(bmc: Controller, watts: object) -> Answer:
    gpus = bmc.model.gpus
    if not isinstance(watts, int | float) or isinstance(watts, bool) or not 200 * gpus <= watts <= 700 * gpus:
        return refusal(400, errors.BAD_VALUE, str(watts), "SetPoint", f"{200 * gpus} to {700 * gpus}")
    return _set_points(bmc, range(gpus), watts / gpus)


def _set_points(bmc: Controller, rows: range, watts: object) -> Answer:
    physics = bmc.world.physics
    first = bmc.server.first_gpu
    if watts is None:  # back to the default
        if bmc.fault("cap_ignored"):
            return success()
        physics.setpoint_watts[first + rows.start : first + rows.stop] = DEFAULT_SET_POINT
        return success()
    if not isinstance(watts, int | float) or isinstance(watts, bool) or not 200 <= watts <= 700:
        return refusal(400, errors.BAD_VALUE, str(watts), "SetPoint", "200 to 700")
    if bmc.fault("cap_ignored"):
        return success()
    physics.setpoint_watts[first + rows.start : first + rows.stop] = float(watts)
    bmc.capped_at = bmc.world.now
    bmc.note("OK", "PWR2305", "The power cap of a GPU is changed.")
    return success()
