"""Where the rules and runbooks are that come with Wattstat."""

from __future__ import annotations

from pathlib import Path

ROOM = Path(__file__).parent
RULES = ROOM / "rules"
"""Alert rules, and the recording rules that they need."""
RECORDING = ROOM / "recording"
"""Recording rules for sites whose data come from other exporters; opt in."""
RUNBOOKS = ROOM / "runbooks"

LOCAL_URL = "http://localhost:8050"
"""The address that links in rule files begin with; `alerts.public_url` takes its place."""
