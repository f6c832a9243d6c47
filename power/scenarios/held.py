"""What is known of every GPU's cap, as columns: what `power.actuators.held` keeps device by device, for halls of thousands.

The same rules: pending until read back, the higher of old and new counts; a refusal is believed at once, anything else is tried
again; whoever fails is left alone for a minute and longer; who is changed by somebody else too often is foreign.
"""

from __future__ import annotations

import numpy as np

from power.model import Bools, ControlState, Floats, Ints
from power.scenarios.devices import Answers, Reply

TOLERANCE_WATTS = 1.0
RETRIES = 3
CLASSIFY_SECONDS = 10.0
"""A write that is not confirmed by then has failed: the device is charged in full, and believed again once it shows the cap."""
PAUSE_SECONDS = 0.5
REST_SECONDS = 60.0
MOST_FIGHTS = 3
PEACE_SECONDS = 600.0
"""A cap that nobody touched for so long is no fight any more; a foreign one is tried again after it."""


class HeldCaps:
    """Columns of GPUs. Tables of answers are servers x GPUs."""

    def __init__(self, nodes: int, gpus: int) -> None:
        """Nothing read."""
        count = nodes * gpus
        self._gpus = gpus
        self.state: Ints = np.full(count, int(ControlState.UNKNOWN))
        self.limit = np.full(count, np.nan)
        self.read_at = np.full(count, -np.inf)
        self.wanted = np.full(count, np.nan)
        self.set_watts = np.full(count, np.nan)
        self.writing: Bools = np.zeros(count, bool)
        self.retry_at = np.full(count, np.inf)
        self.failures: Ints = np.zeros(count, int)
        self.said_yes: Bools = np.zeros(count, bool)
        """Whether the newest try was answered with yes and not done."""
        self.not_before = np.full(count, -np.inf)
        self.fights: Ints = np.zeros(count, int)
        self.fought_at = np.full(count, -np.inf)
        self.asked_at = np.full(count, np.nan)
        """When the first of the writes that are not confirmed yet was sent."""
        self.tried_at = np.full(count, np.nan)
        """When the first try of the present order was sent."""
        self.known_at = np.full(count, np.nan)
        """When a device was first found to hold no caps."""
        self.drift_at = np.full(count, np.nan)
        """When a cap was first found changed by somebody else."""

    @property
    def counted(self) -> Floats:
        """Limits as they count: while a write is under way the higher of old and new."""
        found: Floats = np.fmax(self.limit, np.where(np.isfinite(self.wanted), self.wanted, -np.inf))
        return np.where(np.isnan(self.limit), np.nan, found)

    def begin(self, rows: Ints, watts: Floats, now: float) -> None:
        """Writes begin."""
        self.asked_at[rows] = np.fmin(self.asked_at[rows], now)
        first = self.failures[rows] == 0
        self.tried_at[rows] = np.where(first | (self.state[rows] == ControlState.UNCONTROLLED), now, self.tried_at[rows])
        self.wanted[rows] = watts
        self.writing[rows] = True
        self.retry_at[rows] = np.inf
        calm = (self.state[rows] == ControlState.CONTROLLED) | (self.state[rows] == ControlState.UNKNOWN)
        self.state[rows[calm]] = ControlState.PENDING

    def answered(self, answers: Answers, now: float) -> None:
        """What came back: confirmed, refused at once, or to be tried again."""
        rows = (answers.nodes[:, None] * self._gpus + np.arange(self._gpus)).ravel()
        reply = np.repeat(answers.replies, self._gpus)
        limit = answers.limits.ravel()
        mine = self.writing[rows]
        rows, reply, limit = rows[mine], reply[mine], limit[mine]
        self.writing[rows] = False
        stale = rows[reply == Reply.STALE]
        self.wanted[stale] = np.nan
        self.state[stale] = np.where(self.state[stale] == ControlState.PENDING, ControlState.CONTROLLED, self.state[stale])
        done = reply == Reply.DONE
        self.limit[rows[done]], self.read_at[rows[done]] = limit[done], now
        same = np.abs(limit - self.wanted[rows]) < TOLERANCE_WATTS
        self._confirm(rows[done & same])
        failed = rows[(reply == Reply.REFUSED) | (reply == Reply.SILENT) | (done & ~same)]
        self.failures[failed] += 1
        refused = np.isin(failed, rows[reply == Reply.REFUSED])
        not_applied = np.isin(failed, rows[done & ~same])
        late = now - self.tried_at[failed] >= CLASSIFY_SECONDS
        gives_up = refused | late | (not_applied & self.said_yes[failed]) | (self.failures[failed] > RETRIES)
        self.said_yes[failed] = not_applied
        lost = failed[gives_up]
        self.state[lost] = ControlState.UNCONTROLLED
        self.known_at[lost] = np.fmin(self.known_at[lost], now)
        self.not_before[lost] = now + REST_SECONDS * 2.0 ** np.minimum(np.maximum(self.failures[lost] - RETRIES - 1, 0), 4)
        again = failed[~gives_up]
        self.retry_at[again] = now + PAUSE_SECONDS * 2.0 ** (self.failures[again] - 1)

    def read(self, limits: Floats, read_at: Floats, now: float) -> None:
        """What the devices say their limits are. A reading that a write overtook is left out."""
        limit, at = limits.ravel(), np.repeat(read_at, self._gpus)
        rows = np.flatnonzero(np.isfinite(limit) & (at > self.read_at) & ~self.writing)
        if not len(rows):
            return
        value = limit[rows]
        self.limit[rows], self.read_at[rows] = value, at[rows]
        pending = np.isfinite(self.wanted[rows])
        same = np.abs(value - self.wanted[rows]) < TOLERANCE_WATTS
        self._confirm(rows[pending & same])
        fresh = rows[self.state[rows] == ControlState.UNKNOWN]
        self.state[fresh] = ControlState.CONTROLLED
        drifted = ~pending & np.isfinite(self.set_watts[rows]) & (np.abs(value - self.set_watts[rows]) >= TOLERANCE_WATTS)
        if drifted.any():
            self._fight(rows[drifted], value[drifted], now)
        peace = (self.fights > 0) & (now - self.fought_at > PEACE_SECONDS)
        if peace.any():
            self.fights[peace] = 0
            back = peace & (self.state == ControlState.FOREIGN)
            self.state[back] = ControlState.CONTROLLED

    def lead(self, *, leads: bool) -> None:
        """From now on we set the caps, or no longer. A new leader knows from the journal what the one before had set."""
        self.set_watts = np.where(leads, self.limit, np.nan)

    def due(self, now: float) -> Ints:
        """Writes to try again. One that is under way for too long makes its device count as lost already."""
        hanging = self.writing & (now - self.tried_at >= CLASSIFY_SECONDS) & (self.state == ControlState.PENDING)
        self.state[hanging] = ControlState.UNCONTROLLED
        self.known_at[hanging] = np.fmin(self.known_at[hanging], now)
        rows: Ints = np.flatnonzero((self.retry_at <= now) & np.isfinite(self.wanted))
        return rows

    def may_write(self, now: float) -> Bools:
        """Devices that are not left alone after a failure, nor waiting for an answer."""
        free: Bools = (now >= self.not_before) & ~self.writing & np.isinf(self.retry_at)
        return free

    def _fight(self, rows: Ints, value: Floats, now: float) -> None:
        self.set_watts[rows] = value
        self.fights[rows] += 1
        self.fought_at[rows] = now
        self.drift_at[rows] = np.fmin(self.drift_at[rows], now)
        lost = rows[self.fights[rows] > MOST_FIGHTS]
        self.state[lost] = ControlState.FOREIGN

    def _confirm(self, rows: Ints) -> None:
        self.set_watts[rows] = self.wanted[rows]
        self.limit[rows] = self.wanted[rows]
        self.wanted[rows], self.asked_at[rows] = np.nan, np.nan
        self.failures[rows], self.said_yes[rows] = 0, False
        self.not_before[rows] = -np.inf
        self.retry_at[rows] = np.inf
        free = rows[self.state[rows] != ControlState.FOREIGN]
        self.state[free] = ControlState.CONTROLLED
