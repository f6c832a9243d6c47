"""The sensors of a chassis: what each is called, where it sits and what it reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

from simulator.bmc import parts
from simulator.bmc.controller import Controller
from simulator.models import MIX, ServerModel
from simulator.site import GPU_SLOTS

Read = Callable[[Controller], float | None]
Judge = Callable[[Controller], str | None]
INLET_LIMITS = (parts.INLET_CAUTION_CELSIUS, parts.INLET_CRITICAL_CELSIUS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensor:
    """A sensor. `caution` and `critical` are its upper thresholds, where it has them."""

    id: str
    name: str
    kind: str
    unit: str
    context: str
    read: Read
    caution: float | None = None
    critical: float | None = None
    judge: Judge | None = None
    """Its health; without, by its thresholds if it is a temperature."""
    gone: Callable[[Controller], bool] | None = None
    """Whether the part that it measures was pulled out."""

    def health(self, controller: Controller, reading: float | None) -> str | None:
        """OK, Warning or Critical."""
        if self.judge is not None:
            return self.judge(controller)
        if self.kind != "Temperature" or reading is None:
            return "OK"
        over = [limit is not None and reading > limit for limit in (self.caution, self.critical)]
        return ("OK", "Warning", "Critical")[sum(over)]

    def document(self, controller: Controller, path: str) -> dict[str, Any]:
        """The resource at `path`."""
        reading = controller.reading(self.id, self.read(controller), self.kind)
        state = "Enabled" if reading is not None else "UnavailableOffline"
        if self.gone is not None and self.gone(controller):
            state = "Absent"
        return {
            "@odata.context": "/redfish/v1/$metadata#Sensor.Sensor",
            "@odata.id": path,
            "@odata.type": "#Sensor.v1_6_0.Sensor",
            "Id": self.id,
            "Name": self.name,
            "Description": "Instance of Sensor Id",
            "PhysicalContext": self.context,
            "Reading": reading,
            "ReadingType": self.kind,
            "ReadingUnits": self.unit,
            "Status": {"Health": self.health(controller, reading), "State": state},
            "Thresholds": {
                "UpperCaution": {"Reading": self.caution},
                "UpperCritical": {"Reading": self.critical},
                "LowerCaution": {"Reading": None},
                "LowerCritical": {"Reading": None},
            },
        }


@cache
def sensors_of(model_key: str) -> dict[str, Sensor]:
    """The sensors of a server model, by id."""
    model = next(model for model, _ in MIX if model.key == model_key)
    found = [*_power(model), *_temperatures(model), *_fans(model), *_usage(model)]
    return {sensor.id: sensor for sensor in found}


def fan_name(model: ServerModel, number: int) -> str:
    """The id of a fan: rotor A and B of a position on iDRAC9, numbered on iDRAC10."""
    if model.idrac == 10:
        return f"Fan{number // 2 + 1}_{number % 2 + 1}"
    return f"Fan.Embedded.{number // 2 + 1}{'AB'[number % 2]}"


def inlet_id(model: ServerModel) -> str:
    """The id of the inlet sensor."""
    return "InletTemp" if model.idrac == 10 else "SystemBoardInletTemp"


def exhaust_id(model: ServerModel) -> str:
    """The id of the exhaust sensor."""
    return "ExhaustTemp" if model.idrac == 10 else "SystemBoardExhaustTemp"


def cpu_id(model: ServerModel, socket: int) -> str:
    """The id of a processor's sensor: counted from zero on iDRAC10."""
    return f"CPU{socket if model.idrac == 10 else socket + 1}Temp"


def _power(model: ServerModel) -> Iterator[Sensor]:
    yield Sensor(
        id="SystemBoardPwrConsumption",
        name="System Board Pwr Consumption",
        kind="Power",
        unit="W",
        context="SystemBoard",
        read=lambda bmc: round(bmc.node("node_watts")),
        caution=model.cap_max_watts * 1.1,
        critical=model.cap_max_watts * 1.2,
    )
    for slot in range(model.psus):
        psu = f"PSU.Slot.{slot + 1}"
        yield Sensor(
            id=f"{psu}_InputPower",
            name=f"PS{slot + 1} Input Power",
            kind="Power",
            unit="W",
            context="PowerSupply",
            read=_numbered(Controller.psu_input, slot),
        )
        yield Sensor(
            id=f"{psu}_OutputPower",
            name=f"PS{slot + 1} Output Power",
            kind="Power",
            unit="W",
            context="PowerSupply",
            read=_numbered(Controller.psu_output, slot),
        )
        yield Sensor(
            id=f"PS{slot + 1}Voltage{'' if model.idrac == 9 else '1'}",
            name=f"PS{slot + 1} Voltage {slot + 1}",
            kind="Voltage",
            unit="V",
            context="PowerSupply",
            read=_numbered(Controller.psu_volts, slot),
        )
        yield Sensor(
            id=f"PS{slot + 1}Current{slot + 1}",
            name=f"PS{slot + 1} Current {slot + 1}",
            kind="Current",
            unit="A",
            context="PowerSupply",
            read=_numbered(Controller.psu_amperes, slot),
        )


def _temperatures(model: ServerModel) -> Iterator[Sensor]:
    def temperature(id_: str, name: str, context: str, read: Read, limits: tuple[float, float]) -> Sensor:
        caution, critical = limits
        return Sensor(
            id=id_, name=name, kind="Temperature", unit="Cel", context=context, read=read, caution=caution, critical=critical
        )

    # Inlet and exhaust say SystemBoard on these machines: only the name tells them.
    intake = "Intake" if model.idrac == 10 else "SystemBoard"
    outlet = "Exhaust" if model.idrac == 10 else "SystemBoard"
    yield temperature(
        inlet_id(model), "System Board Inlet Temp", intake, lambda bmc: round(bmc.node("inlet_celsius")), INLET_LIMITS
    )
    yield temperature(
        exhaust_id(model), "System Board Exhaust Temp", outlet, lambda bmc: round(bmc.node("exhaust_celsius")), (75, 80)
    )
    for socket in range(2):
        name = cpu_id(model, socket)
        yield temperature(name, f"CPU{name[3]} Temp", "CPU", _numbered(_cpu_celsius, socket), (93, 98))
    yield temperature(
        "Temperature.DIMM_MAX",
        "DIMM Max Temp",
        "Memory",
        lambda bmc: round(bmc.node("inlet_celsius") + 14 * bmc.load + 9),
        (85, 95),
    )
    if model.gpu and not model.hgx:
        for number in range(model.gpus):
            yield temperature(
                f"SystemBoardGPU{GPU_SLOTS[number]}Temp" if model.idrac == 9 else f"GPU{number}Temp",
                f"System Board GPU{GPU_SLOTS[number]} Temp",
                "GPU",
                _numbered(Controller.gpu_celsius, number),
                (model.gpu.slowdown_celsius, model.gpu.slowdown_celsius + 3),
            )


def _fans(model: ServerModel) -> Iterator[Sensor]:
    for number in range(model.fans):
        yield Sensor(
            id=fan_name(model, number),
            name=f"System Board Fan{parts.fan_label(number)}",
            kind="Rotational",
            unit="RPM",
            context="SystemBoard" if model.idrac == 9 else "Fan",
            read=_numbered(Controller.fan_rpm, number),
            judge=partial(parts.fan_health, number=number),
            gone=partial(parts.fan_gone, number=number),
        )


def _usage(model: ServerModel) -> Iterator[Sensor]:
    if model.idrac == 10:
        return  # users miss these on the new generation
    for name, share in (("CPU", 1.0), ("MEM", 0.6), ("IO", 0.15), ("SYS", 0.9)):
        yield Sensor(
            id=f"SystemBoard{name}Usage",
            name=f"System Board {name} Usage",
            kind="Percent",
            unit="%",
            context="SystemBoard",
            read=_usage_of(share),
        )


def _numbered(read: Callable[[Controller, int], float | None], number: int) -> Read:
    return lambda bmc: read(bmc, number)


def _cpu_celsius(bmc: Controller, socket: int) -> float:
    return round(bmc.socket("cpu_celsius", socket))


def _usage_of(share: float) -> Read:
    return lambda bmc: round(100 * bmc.load * share)
