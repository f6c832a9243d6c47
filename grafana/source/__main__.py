"""Write the dashboards that are stale; with `--check` only name them."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from grafana.source.board import Board
from grafana.source.boards import BOARDS

DASHBOARDS = Path(__file__).parents[1] / "dashboards"


def text_of(board: Board) -> str:
    """The dashboard as Grafana reads it."""
    return json.dumps(board.model(), cls=JSONEncoder, indent=2, ensure_ascii=False) + "\n"


def stale(folder: Path = DASHBOARDS) -> dict[Path, str | None]:
    """Files that differ from the source, with what they should hold; None for one that has no source any more."""
    wanted = {folder / f"{board.uid}.json": text_of(board) for board in BOARDS}
    found = {path: path.read_text(encoding="utf-8") for path in folder.glob("*.json")}
    return {path: wanted.get(path) for path in sorted({*wanted, *found}) if wanted.get(path) != found.get(path)}


def main(arguments: Sequence[str], folder: Path = DASHBOARDS) -> int:
    """Exit status: with `--check` 1 where something is stale."""
    found = stale(folder)
    for path, text in found.items():
        if "--check" in arguments:
            print(f"{path} is stale; run ./run docs", file=sys.stderr)
        elif text is None:
            path.unlink()
            print(f"removed {path}")
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            print(f"wrote {path}")
    return int(bool(found) and "--check" in arguments)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
