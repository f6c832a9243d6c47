"""The agents of a simulated hall, one real process a server, until standard input ends. Run with the hall's folder."""

from __future__ import annotations

import sys
from pathlib import Path

from simulator.nvml import build
from wattstat.serve.demo_agents import Agents

if __name__ == "__main__":
    agents = Agents(Path(sys.argv[1]), build())
    agents.start(agents.nodes)
    sys.stdout.write("\n".join(agents.nodes) + "\n")
    sys.stdout.flush()
    try:
        sys.stdin.read()
    finally:
        agents.stop()
