"""One controller: what it reads off the hall's physics, what it was told, whom it let in."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np

from simulator.bmc import parts
from simulator.faults import Fault, Faults
from simulator.models import ServerModel
from simulator.site import Server
from simulator.world import World

SESSION_LIMIT = 8
SESSION_TIMEOUT_SECONDS = 1800.0
SENTINEL = -2147483648.0
FIRMWARE = {9: "7.10.90.00", 10: "1.20.70.50"}
BIOS = {9: "2.5.4", 10: "1.3.2"}


@dataclass(slots=True)
class Session:
    """A login. `used` is when it last asked for something."""

    token: str
    user: str
    used: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEntry:
    """An entry of the SEL or of the list of current faults."""

    number: int
    created: float
    severity: str
    message_id: str
    message: str


@dataclass(slots=True)
class Controller:
    """A BMC. All numbers come from the physics at the moment of asking; what was written to it stays here or goes there."""

    server: Server
    world: World
    faults: Faults
    credentials: tuple[str, str]
    sessions: dict[str, Session] = field(default_factory=dict)
    attributes: dict[str, str | int] = field(default_factory=dict)
    log: list[LogEntry] = field(default_factory=list)
    frozen: dict[str, float | None] = field(default_factory=dict)
    since: dict[str, float] = field(default_factory=dict)
    capped_at: float = 0.0
    certificate: Mapping[str, str] = field(default_factory=dict)

    @property
    def model(self) -> ServerModel:
        """The server's model."""
        return self.server.model

    @property
    def firmware(self) -> str:
        """The controller's own version."""
        return FIRMWARE[self.model.idrac]

    @property
    def bios(self) -> str:
        """The server's BIOS version."""
        return BIOS[self.model.idrac]

    def node(self, name: str) -> float:
        """A number of the server."""
        return float(getattr(self.world.physics, name)[self.server.index])

    def socket(self, name: str, socket: int) -> float:
        """A number of a processor."""
        return float(getattr(self.world.physics, name)[socket, self.server.index])

    def gpu(self, name: str, number: int) -> float:
        """A number of a GPU, counted from zero."""
        return float(getattr(self.world.physics, name)[self.server.first_gpu + number])

    def gpu_there(self, number: int) -> bool:
        """Whether a GPU answers the controller."""
        return bool(self.world.physics.present[self.server.first_gpu + number]) and self.on

    def gpu_celsius(self, number: int) -> float | None:
        """A GPU's temperature, None where it does not answer."""
        return round(self.gpu("gpu_celsius", number)) if self.gpu_there(number) else None

    @property
    def clock(self) -> float:
        """What the controller takes for the time."""
        wrong = self.fault("bmc_clock_off")
        return self.world.now + (wrong.number("seconds") if wrong else 0)

    @property
    def on(self) -> bool:
        """Whether the host has power."""
        return bool(self.world.physics.powered[self.server.index])

    @property
    def load(self) -> float:
        """The processors' load."""
        return self.node("cpu_load")

    def psu_alive(self, slot: int) -> bool:
        """Whether a supply delivers."""
        return bool(self.world.physics.supplies.alive[self.server.index, slot])

    def psu_broken(self, slot: int) -> bool:
        """Whether a supply itself has failed (and not its feed)."""
        return not bool(self.world.physics.supplies.healthy[self.server.index, slot])

    def psu_input(self, slot: int) -> float:
        """Input watts of a supply, to the quarter watt of the recordings."""
        return round(float(self.world.physics.supplies.input_watts[self.server.index, slot]) * 4) / 4

    def psu_output(self, slot: int) -> float:
        """Output watts of a supply."""
        return round(float(self.world.physics.supplies.output_watts[self.server.index, slot]) * 4) / 4

    def psu_volts(self, slot: int) -> float:
        """Line voltage at a supply."""
        supplies = self.world.physics.supplies
        fed = supplies.fed[self.server.index, slot % 2]
        return float(supplies.volts[self.server.index, slot]) if fed else 0.0

    def psu_amperes(self, slot: int) -> float:
        """Line current of a supply, in tenths."""
        return round(self.psu_input(slot) / max(self.psu_volts(slot), 1.0), 1)

    def fan_rpm(self, number: int) -> int | None:
        """Speed of a rotor, in the steps of 120 that the controllers report; None where there is none."""
        if parts.fan_gone(self, number):
            return None
        rpm = self.node("fan_ratio") * self.model.fan_max_rpm * (1 + 0.012 * np.sin(7.0 * number))
        return int(round(rpm / 120) * 120) if self.on and number not in parts.stopped_fans(self) else 0

    def fault(self, kind: str) -> Fault | None:
        """The fault of that kind that is switched on for this server."""
        return self.faults.find(self.server.name, kind)

    def reading(self, sensor: str, value: float | None, kind: str) -> float | None:
        """A reading as the controller reports it: true, unless a fault says otherwise."""
        if not self.faults.any_for(self.server.name):
            self.frozen.clear()
            return value
        if self.fault("bmc_sentinels"):
            return SENTINEL
        if self.fault("telemetry_lost"):
            return None
        if self.fault("telemetry_frozen"):
            return self.frozen.setdefault(sensor, value)
        return value if value is None or kind != "Power" else self._bent(value)

    def _bent(self, watts: float) -> float:
        if lie := self.fault("bmc_lying"):
            return round(watts * lie.number("factor"), 1)
        if (spike := self.fault("telemetry_spike")) and secrets.randbelow(100) < spike.number("percent"):
            return round(watts * spike.number("factor"))
        return watts

    @property
    def accumulated_watt_hours(self) -> int:
        """The energy counter: Wh since it began, at delivery."""
        return int(self.energy_base_joules / 3600 + self.node("node_joules") / 3600)

    @property
    def energy_base_joules(self) -> float:
        """What the counter had counted before the simulation began."""
        return self.server.energy_before_joules

    @property
    def cap_enabled(self) -> bool:
        """Whether the server's power cap is in force."""
        return self.attributes.get("ServerPwr.1.PowerCapSetting", "Disabled") == "Enabled"

    @property
    def cap_value(self) -> int:
        """The server's power cap, in force or not."""
        return int(self.attributes.get("ServerPwr.1.PowerCapValue", round(self.model.cap_max_watts * 0.9)))

    def apply_cap(self) -> None:
        """Let the physics feel what was written."""
        holds = self.cap_enabled and not self.fault("cap_not_holding")
        self.world.physics.cap_watts[self.server.index] = self.cap_value if holds else np.inf

    @property
    def cap_exceeded(self) -> bool:
        """Whether the server draws more than its cap allows although it should not."""
        return self.cap_enabled and self.fault("cap_not_holding") is not None and self.node("node_watts") > self.cap_value

    @property
    def current_faults(self) -> list[LogEntry]:
        """What is wrong now, as the list of current faults has it, each with the time when it was first seen."""
        wrong = list(self._wrong())
        self.since = {message: self.since.get(message, self.clock) for _, _, message in wrong}
        return [
            LogEntry(number=number, created=self.since[message], severity=severity, message_id=message_id, message=message)
            for number, (severity, message_id, message) in enumerate(wrong, 1)
        ]

    def _wrong(self) -> Iterator[tuple[str, str, str]]:
        for slot in range(self.model.psus):
            if self.psu_broken(slot):
                yield "Critical", "PSU0001", f"Power supply {slot + 1} failed."
            elif not self.psu_alive(slot):
                yield "Critical", "PSU0003", f"The power input for power supply {slot + 1} is lost."
        for number in range(self.model.gpus):
            if self.on and not self.gpu_there(number):
                yield "Critical", "PCI1318", bus_error(self.server, number)
        if self.cap_exceeded:
            yield "Warning", "PWR2400", "Power management firmware unable to maintain power limit."
        yield from parts.wrong(self)

    @property
    def health(self) -> str:
        """The roll-up of everything."""
        severities = {entry.severity for entry in self.current_faults}
        return "Critical" if "Critical" in severities else "Warning" if severities else "OK"

    def note(self, severity: str, message_id: str, message: str) -> None:
        """Write an entry to the SEL; it wraps at 1024."""
        self.log.append(
            LogEntry(number=len(self.log) + 1, created=self.clock, severity=severity, message_id=message_id, message=message)
        )
        del self.log[:-1024]

    def login(self, user: str, password: str) -> Session | None:
        """Open a session; None where the password is wrong. Check `full` before."""
        if (user, password) != self.credentials:
            return None
        session = Session(token=secrets.token_hex(16), user=user, used=self.world.now)
        self.sessions[str(secrets.randbelow(900_000) + 1000)] = session
        return session

    @property
    def full(self) -> bool:
        """Whether every session is taken. Those that nobody used for half an hour make room."""
        limit = self.world.now - SESSION_TIMEOUT_SECONDS
        for number in [number for number, session in self.sessions.items() if session.used < limit]:
            del self.sessions[number]
        return len(self.sessions) >= SESSION_LIMIT or self.fault("bmc_sessions_exhausted") is not None

    def admits(self, token: str | None) -> bool:
        """Whether a token belongs to a session; using it keeps the session alive."""
        for session in self.sessions.values():
            if token is not None and secrets.compare_digest(session.token, token):
                session.used = self.world.now
                return True
        return False


def bus_error(server: Server, number: int) -> str:
    """What the BMC writes of a GPU that fell off the bus: it knows the bus, not what sits there."""
    return f"A fatal error was detected on a component at bus {server.pci_bus(number)} device 0 function 0."


def stamp(at: float) -> str:
    """A time as the controllers write it."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")


def entry_document(entry: LogEntry, path: str) -> dict[str, Any]:
    """A log entry as a resource."""
    return {
        "@odata.id": path,
        "@odata.type": "#LogEntry.v1_9_0.LogEntry",
        "Id": str(entry.number),
        "Name": f"Log Entry {entry.number}",
        "Created": stamp(entry.created),
        "EntryCode": "Assert",
        "EntryType": "SEL",
        "Message": entry.message,
        "MessageArgs": [],
        "MessageId": entry.message_id,
        "Severity": entry.severity,
    }
