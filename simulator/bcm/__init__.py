"""Base Command Manager as its CMDaemon shows the hall."""

from simulator.bcm.machines import Machine, Shown, shown
from simulator.bcm.server import BcmServer

__all__ = ["BcmServer", "Machine", "Shown", "shown"]
