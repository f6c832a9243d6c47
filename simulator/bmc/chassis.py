"""The chassis: power and heat, in the newer family of resources and as sensors."""

from __future__ import annotations

from functools import partial
from typing import Any

from simulator.bmc import parts
from simulator.bmc.controller import Controller
from simulator.bmc.routes import ROOT, Document, Routes, Write, health, link
from simulator.bmc.sensors import cpu_id, exhaust_id, fan_name, inlet_id, sensors_of
from simulator.models import ServerModel

CHASSIS = f"{ROOT}/Chassis/System.Embedded.1"
SENSORS = f"{CHASSIS}/Sensors"
SUPPLIES = f"{CHASSIS}/PowerSubsystem/PowerSupplies"
FANS = f"{CHASSIS}/ThermalSubsystem/Fans"
SYSTEM = f"{ROOT}/Systems/System.Embedded.1"


def register(routes: Routes, model: ServerModel) -> None:
    """Add the chassis' resources."""
    members = [CHASSIS, f"{ROOT}/Chassis/Enclosure.Internal.0-1"]
    if model.hgx:
        boards = ("HGX_Chassis_0", *(f"HGX_GPU_SXM_{number}" for number in range(1, model.gpus + 1)))
        members += [f"{ROOT}/Chassis/{board}" for board in boards]
    routes.collection(f"{ROOT}/Chassis", "ChassisCollection", members, "Chassis Collection")
    routes.add(CHASSIS, "Chassis.v1_21_0.Chassis", _chassis)
    routes.add(f"{ROOT}/Chassis/Enclosure.Internal.0-1", "Chassis.v1_21_0.Chassis", _enclosure)
    routes.add(f"{CHASSIS}/EnvironmentMetrics", "EnvironmentMetrics.v1_3_0.EnvironmentMetrics", _environment)
    routes.add(f"{CHASSIS}/PowerSubsystem", "PowerSubsystem.v1_1_0.PowerSubsystem", _power_subsystem)
    slots = range(model.psus)
    routes.collection(SUPPLIES, "PowerSupplyCollection", (f"{SUPPLIES}/PSU.Slot.{slot + 1}" for slot in slots))
    for slot in slots:
        path = f"{SUPPLIES}/PSU.Slot.{slot + 1}"
        routes.add(path, "PowerSupply.v1_5_0.PowerSupply", partial(_supply, slot=slot))
        routes.add(f"{path}/Metrics", "PowerSupplyMetrics.v1_1_0.PowerSupplyMetrics", partial(_supply_metrics, slot=slot))
    routes.add(f"{CHASSIS}/ThermalSubsystem", "ThermalSubsystem.v1_2_0.ThermalSubsystem", _thermal_subsystem)
    routes.add(f"{CHASSIS}/ThermalSubsystem/ThermalMetrics", "ThermalMetrics.v1_1_0.ThermalMetrics", _thermal_metrics)
    fans = [fan_name(model, number) for number in range(model.fans)]
    routes.collection(FANS, "FanCollection", (f"{FANS}/{fan}" for fan in fans))
    for number, fan in enumerate(fans):
        routes.add(f"{FANS}/{fan}", "Fan.v1_5_0.Fan", partial(_fan, number=number))
    sensors = sensors_of(model.key)
    routes.collection(SENSORS, "SensorCollection", (f"{SENSORS}/{id_}" for id_ in sensors))
    for id_ in sensors:
        routes[f"{SENSORS}/{id_}"] = _sensor(id_)


def _sensor(id_: str) -> Write:
    def write(bmc: Controller) -> Document:
        return sensors_of(bmc.model.key)[id_].document(bmc, f"{SENSORS}/{id_}")

    return write


def read(bmc: Controller, id_: str) -> float | None:
    """A sensor's reading as the controller reports it, by whichever resource."""
    sensor = sensors_of(bmc.model.key)[id_]
    return bmc.reading(id_, sensor.read(bmc), sensor.kind)


def _excerpt(bmc: Controller, id_: str) -> Document:
    return {"DataSourceUri": f"{SENSORS}/{id_}", "Reading": read(bmc, id_)}


def _chassis(bmc: Controller) -> Document:
    old: dict[str, Any] = {
        "Power": link(f"{CHASSIS}/Power"),
        "Power@Redfish.Deprecated": f"Please migrate to use {CHASSIS}/PowerSubsystem",
        "Thermal": link(f"{CHASSIS}/Thermal"),
        "Thermal@Redfish.Deprecated": f"Please migrate to use {CHASSIS}/ThermalSubsystem",
    }
    return {
        "Name": "Computer System Chassis",
        "ChassisType": "RackMount",
        "Manufacturer": "Dell Inc.",
        "Model": bmc.model.name,
        "PartNumber": "0WMWCRA01",
        "SKU": bmc.server.service_tag,
        "SerialNumber": f"CN{bmc.server.service_tag}0042",
        "PowerState": "On" if bmc.on else "Off",
        "Location": {"Placement": {"Rack": bmc.server.rack, "Row": ""}, "Info": f";;;{bmc.server.rack};{bmc.server.unit}"},
        "Links": {"ComputerSystems": [link(SYSTEM)], "ManagedBy": [link(f"{ROOT}/Managers/iDRAC.Embedded.1")]},
        "EnvironmentMetrics": link(f"{CHASSIS}/EnvironmentMetrics"),
        "PowerSubsystem": link(f"{CHASSIS}/PowerSubsystem"),
        "Sensors": link(SENSORS),
        "ThermalSubsystem": link(f"{CHASSIS}/ThermalSubsystem"),
        "PhysicalSecurity": {"IntrusionSensor": "Normal"},
        "Status": health(bmc.health),
        **(old if bmc.model.idrac == 9 else {}),
    }


def _enclosure(_bmc: Controller) -> Document:
    return {"Name": "BP15G+ 0:1", "ChassisType": "Enclosure", "Manufacturer": "DELL", "Status": health()}


def supply_identity(bmc: Controller, slot: int) -> Document:
    """What a power supply is, in either family."""
    return {
        "Manufacturer": "DELL",
        "Model": f"PWR SPLY,{bmc.model.psu_watts:.0f}W,RDNT,DELTA",
        "Name": f"PS{slot + 1} Status",
        "FirmwareVersion": "00.1B.53",
        "HotPluggable": True,
        "PowerCapacityWatts": bmc.model.psu_watts,
        "PowerSupplyType": "AC",
        "SerialNumber": f"CNDED00{bmc.server.service_tag}{slot}",
        "Status": {"Health": "OK" if bmc.psu_alive(slot) else "Critical", "State": "Enabled"},
    }


def supply_view(bmc: Controller, slot: int) -> Document:
    """What Dell adds about a power supply, in either family."""
    detail = (
        "Presence Detected"
        if bmc.psu_alive(slot)
        else "Failure Detected"
        if bmc.psu_broken(slot)
        else "Power Supply Input Lost"
    )
    whole = all(bmc.psu_alive(other) for other in range(bmc.model.psus))
    return {
        "DellPowerSupplyView": {
            "DetailedState": detail,
            "DeviceDescription": f"Power Supply {slot + 1}",
            "PMBusMonitoring": "Capable",
            "RedMinNumberNeeded": bmc.model.psus // 2,
            "RedTypeOfSet": ["N+1", "Sparing"],
            "RedundancyStatus": "FullyRedundant" if whole else "RedundancyLost",
        }
    }


def _supply(bmc: Controller, *, slot: int) -> Document:
    return {
        **supply_identity(bmc, slot),
        "InputNominalVoltageType": "AC240V",
        "LineInputStatus": "Normal" if bmc.psu_volts(slot) > 0 else "LossOfInput",
        "Metrics": link(f"{SUPPLIES}/PSU.Slot.{slot + 1}/Metrics"),
        "Oem": {"Dell": supply_view(bmc, slot)},
    }


def _supply_metrics(bmc: Controller, *, slot: int) -> Document:
    psu = f"PSU.Slot.{slot + 1}"
    volts = f"PS{slot + 1}Voltage{'' if bmc.model.idrac == 9 else '1'}"
    return {
        "Name": f"Metrics for Power Supply {slot + 1}",
        "InputVoltage": _excerpt(bmc, volts),
        "InputCurrentAmps": _excerpt(bmc, f"PS{slot + 1}Current{slot + 1}"),
        "InputPowerWatts": _excerpt(bmc, f"{psu}_InputPower"),
        "OutputPowerWatts": _excerpt(bmc, f"{psu}_OutputPower"),
        # The rating of the supply, fed from a sensor that says so.
        "FrequencyHz": {"DataSourceUri": f"{SENSORS}/{psu}_MaximumFrequency", "Reading": 63},
        "Status": {"Health": "OK" if bmc.psu_alive(slot) else "Critical", "State": "Enabled"},
    }


def _power_subsystem(bmc: Controller) -> Document:
    whole = all(bmc.psu_alive(slot) for slot in range(bmc.model.psus))
    redundancy = {
        "RedundancyType": "NPlusM",
        "MinNeededInGroup": bmc.model.psus // 2,
        "MaxSupportedInGroup": bmc.model.psus,
        "RedundancyGroup": [link(f"{SUPPLIES}/PSU.Slot.{slot + 1}") for slot in range(bmc.model.psus)],
        "Status": {"Health": "OK" if whole else "Critical", "State": "Enabled"},
    }
    return {
        "Name": "Power Subsystem for Chassis",
        "Allocation": {"AllocatedWatts": bmc.model.cap_max_watts, "RequestedWatts": bmc.model.cap_max_watts * 0.9},
        "CapacityWatts": bmc.model.psus * bmc.model.psu_watts,
        "PowerSupplies": link(SUPPLIES),
        "PowerSupplyRedundancy": [redundancy],
        "Status": health(),
    }


def _environment(bmc: Controller) -> Document:
    document: Document = {
        "Name": "Chassis Environment Metrics",
        "PowerWatts": _excerpt(bmc, "SystemBoardPwrConsumption"),
        "Oem": {"Dell": {"AverageFanPWM": round(100 * bmc.node("fan_ratio"))}},
    }
    if bmc.model.idrac == 9:
        return document  # neither a limit nor energy up to 7.10
    limit = {
        "SetPoint": bmc.cap_value,
        "ControlMode": "Automatic" if bmc.cap_enabled else "Disabled",
        "AllowableMin": bmc.model.cap_min_watts,
        "AllowableMax": bmc.model.cap_max_watts,
    }
    return {**document, "PowerLimitWatts": limit, "EnergykWh": {"Reading": round(bmc.accumulated_watt_hours / 1000, 3)}}


def _thermal_subsystem(bmc: Controller) -> Document:
    whole = "Critical" if parts.stopped_fans(bmc) else "OK"
    return {
        "Name": "Thermal Subsystem for Chassis",
        "FanRedundancy": [{"RedundancyType": "NPlusM", "RedundancyGroup": [], "Status": {"Health": whole, "State": "Enabled"}}],
        "Fans": link(FANS),
        "ThermalMetrics": link(f"{CHASSIS}/ThermalSubsystem/ThermalMetrics"),
        "Status": health(whole),
    }


def _thermal_metrics(bmc: Controller) -> Document:
    inlet, exhaust = inlet_id(bmc.model), exhaust_id(bmc.model)
    names = {cpu_id(bmc.model, 0): "Internal", cpu_id(bmc.model, 1): "Internal", inlet: "Intake", exhaust: "Exhaust"}
    return {
        "Name": "Chassis Thermal Metrics",
        "TemperatureSummaryCelsius": {
            "Internal": _excerpt(bmc, cpu_id(bmc.model, 0)),
            "Intake": _excerpt(bmc, inlet),
            "Exhaust": _excerpt(bmc, exhaust),
        },
        "TemperatureReadingsCelsius": [{"DeviceName": name, **_excerpt(bmc, id_)} for id_, name in names.items()],
        "TemperatureReadingsCelsius@odata.count": len(names),
    }


def _fan(bmc: Controller, *, number: int) -> Document:
    id_ = fan_name(bmc.model, number)
    speed: Document = {"SpeedRPM": read(bmc, id_)}
    if bmc.model.idrac == 10:
        speed |= {"DataSourceUri": f"{SENSORS}/{id_}", "Reading": round(100 * bmc.node("fan_ratio"))}
    return {
        "Name": f"Fan {number // 2 + 1}{'AB'[number % 2]}",
        "HotPluggable": True,
        "PhysicalContext": "SystemBoard",
        "SpeedPercent": speed,
        "Location": {
            "PartLocation": {"LocationType": "Bay", "ServiceLabel": f"System Board Fan{number // 2 + 1}{'AB'[number % 2]}"}
        },
        "Oem": {"Dell": {"FanPWM": round(100 * bmc.node("fan_ratio"))}},
        "Status": parts.fan_status(bmc, number),
    }
