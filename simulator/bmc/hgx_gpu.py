"""One GPU of an HGX baseboard: its Processor, Chassis, Memory and sensors."""

from __future__ import annotations

from functools import partial

from simulator.bmc import parts
from simulator.bmc.controller import Controller
from simulator.bmc.routes import ROOT, Document, Routes, health, link
from simulator.faults import Fault

BASEBOARD = f"{ROOT}/Systems/HGX_Baseboard_0"
BOARD_CHASSIS = f"{ROOT}/Chassis/HGX_Chassis_0"
# TEMP_1 is what is left to this: the recordings' TEMP_0 and TEMP_1 add up to it for every GPU.
TEMPERATURE_LIMIT = 87.0


def register_gpu(routes: Routes, number: int) -> None:
    """Add a GPU's resources."""
    gpu = f"GPU_SXM_{number}"
    path, chassis = f"{BASEBOARD}/Processors/{gpu}", f"{ROOT}/Chassis/HGX_{gpu}"
    routes.add(path, "Processor.v1_13_0.Processor", partial(_processor, number=number))
    routes.add(
        f"{path}/EnvironmentMetrics", "EnvironmentMetrics.v1_3_0.EnvironmentMetrics", partial(_gpu_environment, number=number)
    )
    routes.add(f"{path}/ProcessorMetrics", "ProcessorMetrics.v1_4_0.ProcessorMetrics", partial(_gpu_metrics, number=number))
    metrics = partial(_memory_metrics, number=number)
    routes.add(f"{path}/MemorySummary/MemoryMetrics", "MemoryMetrics.v1_4_1.MemoryMetrics", metrics)
    routes.add(f"{BASEBOARD}/Memory/{gpu}_DRAM_0", "Memory.v1_11_0.Memory", partial(_memory, number=number))
    routes.add(chassis, "Chassis.v1_17_0.Chassis", partial(_gpu_chassis, number=number))
    names = ("TEMP_0", "TEMP_1", "DRAM_0_Temp_0", "DRAM_0_Power_0", "Power_0", "Energy_0")
    routes.collection(f"{chassis}/Sensors", "SensorCollection", (f"{chassis}/Sensors/HGX_{gpu}_{name}" for name in names))
    for name in names:
        routes.add(
            f"{chassis}/Sensors/HGX_{gpu}_{name}", "Sensor.v1_2_0.Sensor", partial(_gpu_sensor, number=number, name=name)
        )


def value_of(bmc: Controller, number: int, name: str) -> float | None:
    """What a sensor of a GPU reads: None where the GPU does not answer."""
    row = number - 1
    if not bmc.gpu_there(row):
        return None
    match name:
        case "TEMP_0":
            value = round(bmc.gpu("gpu_celsius", row) * 32) / 32
        case "TEMP_1":
            value = round((TEMPERATURE_LIMIT - bmc.gpu("gpu_celsius", row)) * 32) / 32
        case "DRAM_0_Temp_0":
            value = float(round(bmc.gpu("memory_celsius", row)))
        case "DRAM_0_Power_0":
            value = round(bmc.gpu("memory_watts", row), 3)
        case "Power_0":
            value = round(bmc.gpu("gpu_second_watts", row), 3)
        case _:
            value = round(gpu_energy_joules(bmc, row), 3)
    kind = "Power" if "Power" in name else "Energy" if name == "Energy_0" else "Temperature"
    return value if kind == "Energy" else bmc.reading(f"{number}/{name}", value, kind)


def gpu_energy_joules(bmc: Controller, row: int) -> float:
    """The baseboard's counter of a GPU: it began when the baseboard started, before the simulation."""
    return bmc.energy_base_joules * 0.05 + bmc.gpu("gpu_joules", row)


def limit(set_point: float, scale: int) -> Document:
    """A limit on `scale` GPUs together."""
    return {
        "AllowableMin": 200 * scale,
        "AllowableMax": 700 * scale,
        "ControlMode": "Automatic",
        "DefaultSetPoint": 700 * scale,
        "SetPoint": round(set_point),
    }


def _processor(bmc: Controller, *, number: int) -> Document:
    gpu = f"GPU_SXM_{number}"
    path = f"{BASEBOARD}/Processors/{gpu}"
    there = bmc.gpu_there(number - 1)
    return {
        "Name": "Processor",
        "ProcessorType": "GPU",
        "Manufacturer": "NVIDIA",
        "Model": "H100 80GB HBM3",
        "PartNumber": "2330-885-A1",
        "FirmwareVersion": "96.00.74.00.01",
        "SerialNumber": bmc.server.gpu_serial(number - 1),
        "UUID": bmc.server.gpu_uuid(number - 1).removeprefix("GPU-"),
        "MinSpeedMHz": 345,
        "MaxSpeedMHz": 1980,
        "OperatingSpeedMHz": round(bmc.gpu("clock_mhz", number - 1)) if there else None,
        "EnvironmentMetrics": link(f"{path}/EnvironmentMetrics"),
        "MemorySummary": {"ECCModeEnabled": True, "Metrics": link(f"{path}/MemorySummary/MemoryMetrics")},
        "Metrics": link(f"{path}/ProcessorMetrics"),
        "Links": {"Chassis": link(f"{ROOT}/Chassis/HGX_{gpu}"), "Memory": [link(f"{BASEBOARD}/Memory/{gpu}_DRAM_0")]},
        "Location": {"PartLocation": {"LocationType": "Embedded", "ServiceLabel": f"SXM{number}"}},
        "Status": {**health(parts.gpu_health(bmc, number - 1), "Enabled" if there else "UnavailableOffline"), "Conditions": []},
    }


def _gpu_environment(bmc: Controller, *, number: int) -> Document:
    sensors = f"{ROOT}/Chassis/HGX_GPU_SXM_{number}/Sensors/HGX_GPU_SXM_{number}_"
    actions = f"{BASEBOARD}/Processors/GPU_SXM_{number}/EnvironmentMetrics/Actions/Oem/NvidiaEnvironmentMetrics"
    document: Document = {
        "Name": f"GPU_SXM_{number} Environment Metrics",
        "Actions": {
            "Oem": {"Nvidia": {"#NvidiaEnvironmentMetrics.ClearOOBSetPoint": {"target": f"{actions}.ClearOOBSetPoint"}}}
        },
        "PowerLimitWatts": limit(bmc.gpu("setpoint_watts", number - 1), 1),
        "Oem": {"Nvidia": {"EDPpPercent": {"AllowableMax": 100, "AllowableMin": 60, "Persistency": None, "SetPoint": 100}}},
    }
    if not bmc.gpu_there(number - 1):
        return document  # absent, as the recordings of a host that is off have it
    watts, energy = value_of(bmc, number, "Power_0"), value_of(bmc, number, "Energy_0")
    return {
        **document,
        "PowerLimitWatts": {**document["PowerLimitWatts"], "Reading": watts},
        "PowerWatts": {"DataSourceUri": f"{sensors}Power_0", "Reading": watts},
        "EnergyJoules": {"DataSourceUri": f"{sensors}Energy_0", "Reading": energy},
        "EnergykWh": {"Reading": None if energy is None else energy / 3.6e6},
        # TEMP_1, not TEMP_0: the baseboard links the margin here.
        "TemperatureCelsius": {"DataSourceUri": f"{sensors}TEMP_1", "Reading": value_of(bmc, number, "TEMP_1")},
    }


def _gpu_metrics(bmc: Controller, *, number: int) -> Document:
    row = number - 1
    if not bmc.gpu_there(row):
        return {"Name": f"GPU_SXM_{number} Processor Metrics"}
    throttled = bmc.world.physics.throttled[:, bmc.server.first_gpu + row]
    names = ("Idle", "SWPowerCap", "HWPowerBrake", "SWThermalSlowdown", "HWSlowdown")
    reasons = [name for name, holds in zip(names, throttled, strict=True) if holds and name != "Idle"]
    counters = bmc.world.physics.pcie_bytes[:, bmc.server.first_gpu + row]
    return {
        "Name": f"GPU_SXM_{number} Processor Metrics",
        "OperatingSpeedMHz": round(bmc.gpu("clock_mhz", row)),
        "BandwidthPercent": round(100 * bmc.gpu("sm_active", row)),
        "CacheMetricsTotal": {"LifeTime": {"CorrectableECCErrorCount": 0, "UncorrectableECCErrorCount": 0}},
        "PCIeErrors": {"CorrectableErrorCount": 0, "FatalErrorCount": 0, "NonFatalErrorCount": 0, "ReplayCount": 0},
        "Oem": {
            "Nvidia": {
                "@odata.type": "#NvidiaProcessorMetrics.v1_1_0.NvidiaProcessorMetrics",
                "PCIeTXBytes": int(counters[0]),
                "PCIeRXBytes": int(counters[1]),
                "ThrottleReasons": reasons or ["NA"],
            }
        },
    }


def _of_gpu(bmc: Controller, kind: str, number: int) -> Fault | None:
    """A fault of this GPU."""
    fault = bmc.fault(kind)
    return fault if fault is not None and int(fault.number("gpu")) == number - 1 else None


def _memory_metrics(bmc: Controller, *, number: int) -> Document:
    fault = _of_gpu(bmc, "gpu_ecc", number)
    counts = {"CorrectableECCErrorCount": "count", "UncorrectableECCErrorCount": "uncorrected"}
    return {
        "Name": "Memory Summary Metrics",
        "LifeTime": {name: int(fault.number(option)) if fault else 0 for name, option in counts.items()},
    }


def _memory(bmc: Controller, *, number: int) -> Document:
    fault = _of_gpu(bmc, "gpu_row_remap", number)
    return {
        "Name": "DIMM Slot",
        "CapacityMiB": 81559,
        "MemoryDeviceType": "HBM",
        "MemoryType": "DRAM",
        "Links": {"Processors": [link(f"{BASEBOARD}/Processors/GPU_SXM_{number}")]},
        "Oem": {
            "Nvidia": {
                "@odata.type": "#NvidiaMemory.v1_0_0.NvidiaMemory",
                "RowRemappingFailed": fault is not None and fault.number("failed") > 0,
                "RowRemappingPending": fault is not None,
            }
        },
        "Status": health(),
    }


def _gpu_chassis(bmc: Controller, *, number: int) -> Document:
    path = f"{ROOT}/Chassis/HGX_GPU_SXM_{number}"
    return {
        "Name": f"GPU_SXM_{number}",
        "ChassisType": "Module",
        "Manufacturer": "NVIDIA",
        "Model": "H100 80GB HBM3",
        "MaxPowerWatts": 700,
        "MinPowerWatts": 200,
        "SerialNumber": bmc.server.gpu_serial(number - 1),
        "Links": {
            "ContainedBy": link(BOARD_CHASSIS),
            "ComputerSystems": [link(BASEBOARD)],
            "Processors": [link(f"{BASEBOARD}/Processors/GPU_SXM_{number}")],
        },
        "Sensors": link(f"{path}/Sensors"),
        "Status": health(),
    }


def _gpu_sensor(bmc: Controller, *, number: int, name: str) -> Document:
    kind, unit = ("Power", "W") if "Power" in name else ("EnergyJoules", "J") if name == "Energy_0" else ("Temperature", "Cel")
    value = value_of(bmc, number, name)
    document: Document = {
        "Name": f"HGX GPU SXM {number} {name.replace('_', ' ')}",
        "PhysicalContext": "Memory" if "DRAM" in name else "GPU",
        "Reading": value,
        "ReadingType": kind,
        "ReadingUnits": unit,
        "Status": {**health(state="Enabled" if value is not None else "UnavailableOffline"), "Conditions": []},
    }
    if name == "TEMP_1":  # thresholds below: it is a margin
        document["Thresholds"] = {
            "LowerCaution": {"Reading": 0},
            "LowerCritical": {"Reading": -2},
            "LowerFatal": {"Reading": -8},
        }
    return document
