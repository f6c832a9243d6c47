"""What each call of the web process needs. One table, so that it can be read and tested whole; what it does not name is shut.

Reading needs a viewer. Whatever changes something and stands nowhere here needs the highest role.
"""

from __future__ import annotations

import re

from wattstat.access import Role

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

PUBLIC = frozenset({"/-/healthy", "/-/ready", "/login", "/logout", "/api/access/me"})
"""Answered to everybody: they tell nothing of the site, and a login must be reachable before one is logged in."""

READS_BY_POST = re.compile(r"/api/v1/(query|query_range|query_exemplars|format_query|series|labels)")
"""Questions that are too long for an address. They change nothing, so no origin is asked for."""

_NAME = "[^/]+"

ACTS: tuple[tuple[str, str, Role], ...] = (
    # A page's callbacks are called by whoever sees it; what acts asks `access.require`, and core asks again.
    ("POST", "/_dash-update-component", Role.VIEWER),
    ("POST", "/api/power/preview", Role.VIEWER),
    ("POST", f"/api/power/predefined/{_NAME}", Role.VIEWER),
    ("PUT", f"/api/power/signals/{_NAME}", Role.OPERATOR),
    ("POST", "/api/power/checkpoint", Role.OPERATOR),
    ("POST", "/api/power/simulate", Role.OPERATOR),
    ("POST", f"/api/power/policies/{_NAME}/simulate", Role.OPERATOR),
    ("POST", f"/api/power/policies/{_NAME}/enable", Role.OPERATOR),
    ("POST", f"/api/power/policies/{_NAME}/disable", Role.OPERATOR),
    ("POST", "/api/power/hold", Role.OPERATOR),
    ("DELETE", f"/api/power/hold/{_NAME}", Role.OPERATOR),
    ("POST", "/api/power/give-back", Role.APPROVER),
    ("POST", "/api/power/emergency", Role.OPERATOR),
    ("DELETE", f"/api/power/emergency/{_NAME}", Role.OPERATOR),
    ("POST", f"/api/power/hold/{_NAME}/approve", Role.APPROVER),
    ("POST", "/api/alerts/silences", Role.OPERATOR),
    ("DELETE", f"/api/alerts/silences/{_NAME}", Role.OPERATOR),
    ("POST", f"/api/alerts/receivers/{_NAME}/test", Role.OPERATOR),
    ("POST", "/api/power/policies", Role.AUTHOR),
    ("PUT", f"/api/power/policies/{_NAME}", Role.AUTHOR),
    ("DELETE", f"/api/power/policies/{_NAME}", Role.AUTHOR),
    ("POST", f"/api/power/policies/{_NAME}/approve", Role.APPROVER),
    ("POST", f"/api/power/policies/{_NAME}/reject", Role.APPROVER),
)


def least(method: str, path: str) -> Role | None:
    """The least role that a call needs; None: nobody need say who they are."""
    if path in PUBLIC:
        return None
    if is_read(method, path):
        return Role.VIEWER
    found = [role for verb, pattern, role in ACTS if verb == method and re.fullmatch(pattern, path)]
    return found[0] if found else max(Role)


def is_read(method: str, path: str) -> bool:
    """Whether a call changes nothing."""
    return method in SAFE_METHODS or (method == "POST" and READS_BY_POST.fullmatch(path) is not None)
