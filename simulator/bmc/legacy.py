"""The old family of resources, Power and Thermal: deprecated on iDRAC9, gone on iDRAC10."""

from __future__ import annotations

from simulator.bmc import parts
from simulator.bmc.chassis import CHASSIS, SYSTEM, read, supply_identity, supply_view
from simulator.bmc.controller import Controller
from simulator.bmc.routes import Document, Routes, link
from simulator.bmc.sensors import sensors_of
from simulator.models import ServerModel


def register(routes: Routes, model: ServerModel) -> None:
    """Add the old resources where the controller has them."""
    if model.idrac == 9:
        routes.add(f"{CHASSIS}/Power", "Power.v1_7_1.Power", _power)
        routes.add(f"{CHASSIS}/Thermal", "Thermal.v1_7_1.Thermal", _thermal)


def _power(bmc: Controller) -> Document:
    watts = read(bmc, "SystemBoardPwrConsumption")
    spread = 0.004 * (watts or 0)
    control = {
        "@odata.id": f"{CHASSIS}/Power#/PowerControl/0",
        "@odata.type": "#Power.v1_7_1.PowerControl",
        "MemberId": "0",
        "Name": "System Power Control",
        "PowerAllocatedWatts": bmc.model.cap_max_watts,
        "PowerAvailableWatts": 0,
        "PowerCapacityWatts": bmc.model.psus * bmc.model.psu_watts,
        "PowerConsumedWatts": watts,
        # Whether a cap is in force cannot be seen here: the value stands whatever the setting.
        "PowerLimit": {"CorrectionInMs": 0, "LimitException": "HardPowerOff", "LimitInWatts": bmc.cap_value},
        "PowerMetrics": {
            "AverageConsumedWatts": watts,
            "IntervalInMin": 1,
            "MaxConsumedWatts": None if watts is None else round(watts + spread),
            "MinConsumedWatts": None if watts is None else round(watts - spread),
        },
        "PowerRequestedWatts": bmc.model.cap_max_watts * 0.9,
        "RelatedItem": [link(CHASSIS), link(SYSTEM)],
    }
    supplies = [_old_supply(bmc, slot) for slot in range(bmc.model.psus)]
    return {
        "Name": "Power",
        "PowerControl": [control],
        "PowerControl@odata.count": 1,
        "PowerSupplies": supplies,
        "PowerSupplies@odata.count": len(supplies),
        "Redundancy": [],
        "Redundancy@odata.count": 0,
        "Voltages": [],
        "Voltages@odata.count": 0,
    }


def _old_supply(bmc: Controller, slot: int) -> Document:
    psu = f"PSU.Slot.{slot + 1}"
    output = read(bmc, f"{psu}_OutputPower")
    return {
        "@odata.id": f"{CHASSIS}/Power#/PowerSupplies/{slot}",
        "@odata.type": "#Power.v1_7_1.PowerSupply",
        "MemberId": str(slot),
        **supply_identity(bmc, slot),
        "EfficiencyPercent": 91.0000026226044,
        "LineInputVoltage": bmc.psu_volts(slot),
        "LineInputVoltageType": "AC240V",
        "PowerInputWatts": read(bmc, f"{psu}_InputPower"),
        "PowerOutputWatts": output,
        "LastPowerOutputWatts": output,
        "Redundancy": [],
        "Oem": {"Dell": supply_view(bmc, slot)},
    }


def _thermal(bmc: Controller) -> Document:
    sensors = sensors_of(bmc.model.key).values()
    warm = [sensor for sensor in sensors if sensor.kind == "Temperature"]
    turning = [sensor for sensor in sensors if sensor.kind == "Rotational"]
    return {
        "Name": "Thermal",
        "Temperatures": [
            {
                "@odata.id": f"{CHASSIS}/Thermal#/Temperatures/{number}",
                "MemberId": str(number),
                "Name": sensor.name,
                "PhysicalContext": sensor.context,
                "ReadingCelsius": read(bmc, sensor.id),
                "UpperThresholdNonCritical": sensor.caution,
                "UpperThresholdCritical": sensor.critical,
                "Status": {"Health": "OK", "State": "Enabled"},
            }
            for number, sensor in enumerate(warm)
        ],
        "Fans": [
            {
                "@odata.id": f"{CHASSIS}/Thermal#/Fans/{number}",
                "MemberId": str(number),
                "Name": sensor.name,
                "FanName": sensor.name,
                "PhysicalContext": sensor.context,
                "Reading": read(bmc, sensor.id),
                "ReadingUnits": "RPM",
                "LowerThresholdCritical": 480,
                "LowerThresholdNonCritical": 840,
                "Status": parts.fan_status(bmc, number),
            }
            for number, sensor in enumerate(turning)
        ],
        "Redundancy": [],
    }
