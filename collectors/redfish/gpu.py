"""GPUs out of band: what the BMC knows of them also when the host is dead. NVML in band is the reference for all else."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Any

from collectors.redfish import roles, telemetry
from collectors.redfish.reader import Reader
from collectors.redfish.topic import Documents, Topic
from collectors.redfish.tree import System, Tree
from collectors.redfish.words import Health, health
from wattstat.catalogue import node as catalogue
from wattstat.catalogue.metric import Samples
from wattstat.members import (
    Body,
    between,
    celsius,
    joules,
    joules_of_kwh,
    last_segment,
    link,
    member,
    number,
    objects,
    text,
    watts,
)

_SENSOR = re.compile(r"/HGX_(GPU_\w+)/Sensors/HGX_\1_(Power_0|Energy_0|TEMP_0|TEMP_1|DRAM_0_Temp_0)$")
_DELL_TEMPERATURES = {"PrimaryTemperature": "gpu", "MemoryTemperature": "memory", "BoardTemperature": "board"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """A GPU's readings; `temperatures` by gpu, memory or board, in degrees Celsius."""

    device: str
    watts: float | None = None
    energy_joules: float | None = None
    margin_celsius: float | None = None
    temperatures: dict[str, float] = field(default_factory=dict)
    health: Health | None = None


async def fetch(reader: Reader, tree: Tree) -> Documents:
    """Processors for their health; readings from reports where there are any, else from what else the make has."""
    documents: Documents = {"processors": [], "environment": {}, "sensors": [], "reports": []}
    for system in tree.systems:
        gpus = await processors(reader, system)
        documents["processors"] += gpus
        if system.baseboard and gpus:
            await _baseboard(reader, tree, gpus, documents)
        elif gpus:
            documents["sensors"] += await reader.collection(system.gpu_sensors)
            documents["reports"].append(await telemetry.report(reader, tree, telemetry.DELL_GPU_REPORT))
            documents["environment"] |= await environments(reader, gpus)
    return documents


async def _baseboard(reader: Reader, tree: Tree, gpus: list[Body], documents: Documents) -> None:
    body = await telemetry.report(reader, tree, telemetry.HGX_REPORT)
    documents["reports"].append(body)
    if not any(gpu.watts is not None for gpu in _reported([body])):
        documents["environment"] |= await environments(reader, gpus)


async def processors(reader: Reader, system: System) -> list[Body]:
    """The GPUs among a system's processors; a system without any is not asked again before the next discovery."""
    known = reader.bmc.found
    if system.processors is None or known.get(system.processors) == "no GPU":
        return []
    bodies = await reader.collection(system.processors)
    gpus = [body for body in bodies if text(body.get("ProcessorType")) == "GPU"]
    if bodies and not gpus:
        known[system.processors] = "no GPU"
    return gpus


async def environments(reader: Reader, gpus: list[Body]) -> dict[str, Body | None]:
    """EnvironmentMetrics by the GPU's name; a Dell GPU in a slot has none."""
    return {name_of(body): await reader.get(link(body.get("EnvironmentMetrics"))) for body in gpus}


def name_of(processor: Body) -> str:
    return text(processor.get("Id")) or last_segment(link(processor) or "")


def parse(_tree: Tree, documents: Documents) -> tuple[Gpu, ...]:
    reports = documents.get("reports")
    environment = documents.get("environment")
    found = [
        *(Gpu(device=name_of(body), health=health(body.get("Status"))) for body in objects(documents.get("processors"))),
        *_reported(reports if isinstance(reports, list) else []),
        *(_environment(name, body) for name, body in (environment.items() if isinstance(environment, dict) else ())),
        *map(_dell, objects(documents.get("sensors"))),
    ]
    merged: dict[str, Gpu] = {}
    for gpu in found:
        if gpu.device:
            merged[gpu.device] = _join(merged[gpu.device], gpu) if gpu.device in merged else gpu
    return tuple(merged.values())


def _join(first: Gpu, second: Gpu) -> Gpu:
    """Both together; where both say something, the first."""
    return Gpu(
        device=first.device,
        watts=second.watts if first.watts is None else first.watts,
        energy_joules=second.energy_joules if first.energy_joules is None else first.energy_joules,
        margin_celsius=second.margin_celsius if first.margin_celsius is None else first.margin_celsius,
        temperatures=second.temperatures | first.temperatures,
        health=second.health if first.health is None else first.health,
    )


def _reported(reports: list[Any]) -> list[Gpu]:
    return [gpu for body in reports for row in telemetry.rows(body) for gpu in _row(row)]


def _row(row: telemetry.Metric) -> list[Gpu]:
    match = _SENSOR.search(row.source)
    if match:
        return [_hgx(match[1], match[2], row.value)]
    if row.id == "PowerConsumption":  # Dell's definition says milliwatts
        milliwatts = between(0, row.value, 1e7)
        return [Gpu(device=row.source, watts=None if milliwatts is None else milliwatts / 1000)]
    sensor, value = _DELL_TEMPERATURES.get(row.id), celsius(row.value)
    return [Gpu(device=row.source, temperatures={sensor: value})] if sensor and value is not None else []


def _hgx(device: str, quantity: str, value: str) -> Gpu:
    gpu = Gpu(device=device)
    if quantity == "Power_0":
        return replace(gpu, watts=watts(value))
    if quantity == "Energy_0":
        return replace(gpu, energy_joules=joules(value))
    degrees = celsius(value)
    if degrees is None:
        return gpu
    if quantity == "TEMP_1":
        return replace(gpu, margin_celsius=degrees)
    return replace(gpu, temperatures={"memory" if quantity.startswith("DRAM") else "gpu": degrees})


def _environment(name: str, body: Body | None) -> Gpu:
    """EnvironmentMetrics. On the recorded baseboards their temperature is the margin sensor's: its source says so."""
    degrees = celsius(member(body, "TemperatureCelsius", "Reading"))
    margin = roles.is_margin(last_segment(text(member(body, "TemperatureCelsius", "DataSourceUri"))))
    counted = joules(member(body, "EnergyJoules", "Reading"))
    return Gpu(
        device=name,
        watts=watts(member(body, "PowerWatts", "Reading")),
        energy_joules=joules_of_kwh(member(body, "EnergykWh", "Reading")) if counted is None else counted,
        margin_celsius=degrees if margin else None,
        temperatures={"gpu": degrees} if degrees is not None and not margin else {},
    )


def _dell(sensor: Body) -> Gpu:
    """A DellGPUSensor: an H100 PCIe under firmware 6.00 has null for power and for the board's temperature."""
    milliwatts = number(sensor.get("PowerConsumptionmW"))
    named = {"gpu": "PrimaryGPUTemperatureCelsius", "memory": "MemoryTemperatureCelsius", "board": "BoardTemperatureCelsius"}
    read = {name: celsius(sensor.get(field_name)) for name, field_name in named.items()}
    return Gpu(
        device=text(sensor.get("DeviceID")) or text(sensor.get("Id")),
        watts=watts(None if milliwatts is None else milliwatts / 1000),
        temperatures={name: value for name, value in read.items() if value is not None},
    )


def samples(node: str, gpus: tuple[Gpu, ...]) -> Samples:
    out = Samples()
    for gpu in gpus:
        out.add(catalogue.NODE_GPU_POWER_WATTS, gpu.watts, node, gpu.device)
        out.add(catalogue.NODE_GPU_ENERGY_JOULES_TOTAL, gpu.energy_joules, node, gpu.device)
        out.add(catalogue.NODE_GPU_TEMPERATURE_MARGIN_CELSIUS, gpu.margin_celsius, node, gpu.device)
        out.add(catalogue.NODE_GPU_HEALTH, gpu.health, node, gpu.device)
        for sensor, value in gpu.temperatures.items():
            out.add(catalogue.NODE_GPU_TEMPERATURE_CELSIUS, value, node, gpu.device, sensor)
    return out


GPU = Topic(name="gpus", tier="medium", fetch=fetch, parse=parse, samples=samples)
