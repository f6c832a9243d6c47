"""Which tests must notice a mutant of which module: quick ones without fixtures."""

from __future__ import annotations

from pathlib import Path

from tests.support.mutation import Outcome, run

GUARD = Path(__file__).parents[3] / "power" / "guard"
_HELPERS = ("tests.power.guard.guard_oracle", "tests.power.guard.guard_cases")
_RULES = tuple(f"tests.power.guard.test_guard_{name}" for name in ("rules", "states", "envelope"))
_ORACLE = "tests.power.guard.test_guard_against_oracle"
PLANS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "guard": ((*_HELPERS,), _RULES),
    "targets": (("power.guard.guard", *_HELPERS), _RULES),
    "columns": (("power.guard.guard", *_HELPERS), _RULES),
    "cold": ((), ("tests.power.guard.test_guard_cold",)),
    "orders": ((), ("tests.power.guard.test_guard_orders",)),
    "history": ((), ("tests.power.guard.test_guard_history",)),
    "brake": ((), ("tests.power.guard.test_guard_brake",)),
    "lease": ((), ("tests.power.guard.test_lease_rules",)),
}
"""By module: what is loaded anew with it, and its tests."""
CORE = ("guard", "targets")


def outcome(module: str) -> Outcome:
    """Test all mutants of a module of the guard."""
    refreshed, tests = PLANS[module]
    return run(GUARD / f"{module}.py", tests, refreshed)
