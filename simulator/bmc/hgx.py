"""The HGX baseboard behind the controller: its own System, one Chassis and Processor a GPU, and one report with everything."""

from __future__ import annotations

from functools import partial

from simulator.bmc.controller import Controller
from simulator.bmc.hgx_gpu import BASEBOARD, BOARD_CHASSIS, limit, register_gpu, value_of
from simulator.bmc.routes import ROOT, Document, Routes, gpu_numbers, health, link
from simulator.bmc.service import HGX_REPORT
from simulator.models import ServerModel

BOARD_SENSORS = f"{BOARD_CHASSIS}/Sensors"
TOTAL_POWER = f"{BOARD_CHASSIS}/Controls/TotalGPU_Power_0"


def register(routes: Routes, model: ServerModel) -> None:
    """Add the baseboard's resources."""
    numbers = gpu_numbers(model)
    routes.add(BASEBOARD, "ComputerSystem.v1_17_0.ComputerSystem", _baseboard)
    routes.add(f"{ROOT}/Managers/HGX_BMC_0", "Manager.v1_14_0.Manager", _manager)
    routes.collection(
        f"{BASEBOARD}/Processors", "ProcessorCollection", (f"{BASEBOARD}/Processors/GPU_SXM_{n}" for n in numbers)
    )
    routes.collection(f"{BASEBOARD}/Memory", "MemoryCollection", (f"{BASEBOARD}/Memory/GPU_SXM_{n}_DRAM_0" for n in numbers))
    routes.add(BOARD_CHASSIS, "Chassis.v1_17_0.Chassis", _chassis)
    routes.add(f"{BOARD_CHASSIS}/EnvironmentMetrics", "EnvironmentMetrics.v1_3_0.EnvironmentMetrics", _environment)
    routes.collection(f"{BOARD_CHASSIS}/Controls", "ControlCollection", [TOTAL_POWER])
    routes.add(TOTAL_POWER, "Control.v1_3_0.Control", _total_control)
    names = ("TotalGPU_Power_0", "TotalHSC_Power_0", "Inlet_0_Temp_0")
    routes.collection(BOARD_SENSORS, "SensorCollection", (f"{BOARD_SENSORS}/HGX_Chassis_0_{name}" for name in names))
    for name in names:
        routes.add(f"{BOARD_SENSORS}/HGX_Chassis_0_{name}", "Sensor.v1_2_0.Sensor", partial(_board_sensor, name=name))
    for number in numbers:
        register_gpu(routes, number)
    routes.add(HGX_REPORT, "MetricReport.v1_3_0.MetricReport", _report)


def _board_value(bmc: Controller, name: str) -> float | None:
    match name:
        case "TotalGPU_Power_0":
            return bmc.reading(name, float(round(bmc.node("node_gpu_watts"))), "Power")
        case "TotalHSC_Power_0":
            return bmc.reading(name, round(bmc.node("node_gpu_watts") + bmc.node("board_watts"), 3), "Power")
        case _:
            return bmc.reading(name, round(bmc.node("inlet_celsius") + 6, 1), "Temperature")


def _report(bmc: Controller) -> Document:
    # The baseboard's clock was never set: every timestamp says 2020.
    at = "2020-12-11T16:40:46.613+00:00"
    values: list[tuple[str, float | None]] = [
        (f"{BOARD_SENSORS}/HGX_Chassis_0_{name}", _board_value(bmc, name))
        for name in ("Inlet_0_Temp_0", "TotalGPU_Power_0", "TotalHSC_Power_0")
    ]
    for number in gpu_numbers(bmc.model):
        base = f"{ROOT}/Chassis/HGX_GPU_SXM_{number}/Sensors/HGX_GPU_SXM_{number}_"
        names = ("DRAM_0_Power_0", "DRAM_0_Temp_0", "Energy_0", "Power_0", "TEMP_0", "TEMP_1")
        values += [(base + name, value_of(bmc, number, name)) for name in names]
    stale = bmc.fault("telemetry_frozen") is not None
    return {
        "Name": "HGX_PlatformEnvironmentMetrics_0",
        "MetricReportDefinition": link(f"{ROOT}/TelemetryService/MetricReportDefinitions/HGX_PlatformEnvironmentMetrics_0"),
        "MetricValues": [
            {
                "MetricProperty": path,
                "MetricValue": "nan" if value is None else f"{value:.6f}",
                "Oem": {"Nvidia": {"@odata.type": "#NvidiaMetricReport.v1_0_0.NvidiaMetricReport", "MetricValueStale": stale}},
                "Timestamp": at,
            }
            for path, value in values
        ],
        "MetricValues@odata.count": len(values),
        "Timestamp": at,
    }


def _baseboard(bmc: Controller) -> Document:
    return {
        "Name": "HGX_Baseboard_0",
        "Manufacturer": "NVIDIA",
        "Links": {"Chassis": [link(BOARD_CHASSIS)], "ManagedBy": [link(f"{ROOT}/Managers/HGX_BMC_0")]},
        "Memory": link(f"{BASEBOARD}/Memory"),
        "Processors": link(f"{BASEBOARD}/Processors"),
        "PowerState": "On" if bmc.on else "Off",
        "Status": health(),
        "SystemType": "Physical",
    }


def _manager(_bmc: Controller) -> Document:
    return {
        "Name": "OpenBmc Manager",
        "ManagerType": "BMC",
        "FirmwareVersion": "HGX-22.10-1-rc57",
        "DateTime": "2020-12-11T16:22:59+00:00",
        "Links": {"ManagerForServers": [link(BASEBOARD)], "ManagerForChassis": [link(BOARD_CHASSIS)]},
        "Status": {"Health": "OK", "State": "Enabled"},
    }


def _chassis(bmc: Controller) -> Document:
    return {
        "Name": "Chassis_0",
        "ChassisType": "Zone",
        "Manufacturer": "NVIDIA",
        "PartNumber": "935-24287-0000-000",
        "Controls": link(f"{BOARD_CHASSIS}/Controls"),
        "EnvironmentMetrics": link(f"{BOARD_CHASSIS}/EnvironmentMetrics"),
        "Links": {"ComputerSystems": [link(BASEBOARD)], "ManagedBy": [link(f"{ROOT}/Managers/HGX_BMC_0")]},
        "MaxPowerWatts": 700 * bmc.model.gpus,
        "MinPowerWatts": 200 * bmc.model.gpus,
        "Sensors": link(BOARD_SENSORS),
        "Status": health(),
    }


def total_set_point(bmc: Controller) -> float:
    """What the GPUs may draw together."""
    return sum(bmc.gpu("setpoint_watts", row) for row in range(bmc.model.gpus))


def _environment(bmc: Controller) -> Document:
    total = _board_value(bmc, "TotalGPU_Power_0")
    return {
        "Name": "Chassis Environment Metrics",
        "FanSpeedsPercent": [],
        "PowerLimitWatts": {**limit(total_set_point(bmc), bmc.model.gpus), "Reading": total},
        "PowerWatts": {
            "DataSourceUri": f"{BOARD_SENSORS}/HGX_Chassis_0_TotalHSC_Power_0",
            "Reading": _board_value(bmc, "TotalHSC_Power_0"),
        },
    }


def _total_control(bmc: Controller) -> Document:
    return {
        "Name": "System Power Control",
        "ControlType": "Power",
        "PhysicalContext": "GPUSubsystem",
        "SetPointUnits": "W",
        **limit(total_set_point(bmc), bmc.model.gpus),
        "Sensor": {
            "DataSourceUri": f"{BOARD_SENSORS}/HGX_Chassis_0_TotalGPU_Power_0",
            "Reading": _board_value(bmc, "TotalGPU_Power_0"),
        },
        "Status": health(),
    }


def _board_sensor(bmc: Controller, *, name: str) -> Document:
    kind, unit = ("Power", "W") if "Power" in name else ("Temperature", "Cel")
    return {
        "Name": f"HGX Chassis 0 {name.replace('_', ' ')}",
        "PhysicalContext": "GPUSubsystem" if "GPU" in name else "SystemBoard",
        "Reading": _board_value(bmc, name),
        "ReadingType": kind,
        "ReadingUnits": unit,
        "Status": health(),
    }
