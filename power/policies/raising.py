"""Whether a change of a policy lets anything draw more than before, which takes a second person."""

from __future__ import annotations

from power.model import Mode
from power.policies.ask import Amount, Ask
from power.policies.model import Policy


def why_raising(old: Policy, new: Policy) -> str:
    """Why the new version may let something draw more than the old one, which is in force; empty where it cannot.

    Where that is not plain to see (other devices, other times), it may.
    """
    if old.mode is not Mode.ENFORCE:
        return ""
    if new.mode is not Mode.ENFORCE:
        return f"it would no longer be enforced but {new.mode}"
    if old.expires_unix > new.expires_unix:
        return f"it would expire on {new.expires:%Y-%m-%d %H:%M %Z}, before the version in force"
    if old.ask.kind in {"priority", "jobs"} and new.ask.kind == old.ask.kind:
        return ""  # who is cut first raises no limit
    return _elsewhere(old, new) or _more(old.ask, new.ask)


def _elsewhere(old: Policy, new: Policy) -> str:
    if new.scope != old.scope:
        return f"it would be for {new.scope}, no longer for {old.scope}"
    if new.when != old.when and new.when.given:
        return "it would hold at other times"
    return ""


def _more(old: Ask, new: Ask) -> str:
    if new.kind != old.kind:
        return f"it would ask for {new.kind}, no longer for {old.kind}"
    before, after = getattr(old, old.kind), getattr(new, new.kind)
    if before == after:
        return ""
    if isinstance(before, Amount) and isinstance(after, Amount):
        return _more_amount(before, after)
    for name, unit in (("kwh", "kWh"), ("mhz", "MHz")):
        low, high = getattr(before, name, None), getattr(after, name, None)
        if low is not None and high is not None:
            same = before.model_copy(update={name: high}) == after
            if high > low or not same:
                return (
                    f"it would ask for {high:g} {unit} instead of {low:g} {unit}" if same else "it would ask for something else"
                )
    return ""


def _more_amount(before: Amount, after: Amount) -> str:
    if getattr(before, "basis", None) == "guaranteed" and getattr(after, "basis", None) != "guaranteed":
        return "it would be measured, no longer guaranteed"
    if before.watts is not None and after.watts is not None:
        return f"it would be {after.watts:g} W instead of {before.watts:g} W" if after.watts > before.watts else ""
    if before.percent is None or after.percent is None or getattr(before, "of", "") != getattr(after, "of", ""):
        return "it would be counted in another way"
    return f"it would be {after.percent:g} % instead of {before.percent:g} %" if after.percent > before.percent else ""
