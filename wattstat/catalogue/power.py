"""Budgets, caps and the controller."""

from wattstat.catalogue.metric import counter, gauge, info

_BUDGET = "budget kind"

BUDGET_LIMIT_WATTS = gauge(
    "budget_limit_watts",
    _BUDGET,
    "What may be drawn by rating, inventory and policies; kind is site, feed, breaker, row, rack, node or group.",
    source="power",
)
BUDGET_TRIP_SAFE_WATTS = gauge(
    "budget_trip_safe_watts", _BUDGET, "What the worst case may reach without a breaker tripping.", source="power"
)
BUDGET_POWER_WATTS = gauge("budget_power_watts", _BUDGET, "Power now, as the controller counts it.", source="power")
BUDGET_PEAK_WATTS = gauge("budget_peak_watts", _BUDGET, "The highest power within the control window.", source="power")
BUDGET_ENVELOPE_WATTS = gauge(
    "budget_envelope_watts",
    _BUDGET,
    "The most that could be drawn under the caps that were read back, without telemetry and controller.",
    source="power",
)
BUDGET_HEADROOM_WATTS = gauge("budget_headroom_watts", _BUDGET, "Limit less power; negative when over.", source="power")
BUDGET_SAFE = gauge(
    "budget_safe", _BUDGET, "1 while the envelope is below what is trip-safe; absent where no breaker is known.", source="power"
)
BUDGET_COVERAGE_RATIO = gauge(
    "budget_coverage_ratio", _BUDGET, "Share of the worst case that caps can move; the rest is charged whole.", source="power"
)
POWER_BREACH_SECONDS_TOTAL = counter(
    "power_breach_seconds_total", _BUDGET, "Seconds for which power was above the limit, since core started.", source="power"
)
CAP_TARGET_WATTS = gauge(
    "cap_target_watts", "node gpu", "The cap that the controller wants; gpu is empty for the server's own.", source="power"
)
CAP_CONFIRMED_WATTS = gauge(
    "cap_confirmed_watts", "node gpu", "The cap as read back; gpu is empty for the server's own.", source="power"
)
CAP_STATE = gauge(
    "cap_state",
    "node gpu state",
    "1 for the state that holds: controlled, pending, uncontrolled or foreign.",
    source="power",
)
CAP_WRITES_TOTAL = counter(
    "cap_writes_total", "node way outcome", "Caps written; way is nvml, attributes, hgx or standard.", source="power"
)
CAP_DRIFT_TOTAL = counter(
    "cap_drift_total", "node gpu", "How often a cap was found at another value than the one that was set.", source="power"
)
CAP_BROKEN = gauge(
    "cap_broken", "node why", "1 while a cap does not hold or is refused; why is one word.", source="power, and the BMC's log"
)
POLICY_INFO = info("policy_info", "policy version kind mode state", "A policy that is known.", source="power")
POLICY_BINDING_DEVICES = gauge("policy_binding_devices", "policy", "Devices whose cap this policy decides now.", source="power")
CONTROLLER_MODE = gauge("controller_mode", "mode", "1 for the mode that holds: observe, advise or enforce.", source="power")
CONTROLLER_LEADER = gauge("controller_leader", "holder", "1 for the one that leads, 0 on one that waits.", source="power")
CONTROLLER_FENCE = gauge("controller_fence", "", "The fencing token of the lease.", source="power")
CONTROLLER_CYCLE_SECONDS = gauge("controller_cycle_seconds", "", "How long the newest decision took.", source="power")
CONTROLLER_VIEW_RATIO = gauge(
    "controller_view_ratio", "", "Share of the devices whose caps and power are known now.", source="power"
)
CONTROLLER_EMERGENCY = gauge(
    "controller_emergency", "scope", "1 while an emergency is on; scope is what it holds for.", source="power"
)
