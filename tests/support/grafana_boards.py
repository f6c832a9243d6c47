"""The committed dashboards as tests want them: panels without their rows, and queries as a store can be asked."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / "grafana/dashboards"
BOARDS: dict[str, dict[str, Any]] = {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}
BUILT_IN = {"__rate_interval": "5m", "__interval": "1m", "__range": "1h", "__range_s": "3600", "__from": "0", "__to": "0"}


@dataclass(frozen=True)
class Asked:
    """One query of a panel, or of an annotation."""

    board: str
    panel: str
    kind: str
    expr: str
    instant: bool

    def filled(self, **values: str) -> str:
        """The expression with values in place of Grafana's variables; those that are not given match anything."""
        return re.sub(r"\$\{?([a-z_]\w*)\}?", lambda found: {**BUILT_IN, **values}.get(found[1], ".*"), self.expr)


def panels(board: dict[str, Any]) -> list[dict[str, Any]]:
    """Every panel, those in collapsed rows too; no rows."""
    flat = [each for panel in board["panels"] for each in [panel, *panel.get("panels", [])]]
    return [panel for panel in flat if panel["type"] != "row"]


def asked() -> list[Asked]:
    """Every query of every dashboard."""
    return [
        *(
            Asked(name, panel["title"], panel["type"], target["expr"], target["instant"])
            for name, board in BOARDS.items()
            for panel in panels(board)
            for target in panel["targets"]
        ),
        *(
            Asked(name, each["name"], "annotation", each["expr"], instant=False)
            for name, board in BOARDS.items()
            for each in board["annotations"]["list"]
        ),
    ]
