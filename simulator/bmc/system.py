"""The system: identity, health with its reasons, processors, memory, drives."""

from __future__ import annotations

from functools import partial

from simulator.bmc import parts
from simulator.bmc.controller import Controller
from simulator.bmc.routes import ROOT, Document, Routes, health, link
from simulator.models import ServerModel
from simulator.site import GPU_SLOTS

SYSTEM = f"{ROOT}/Systems/System.Embedded.1"
STORAGE = f"{SYSTEM}/Storage/CPU.1"
DRIVE_MODEL = "Dell Ent NVMe CM7 RI 7.68TB"
# Dell's roll-ups and what in the hall moves them.
ROLLUPS = ("Battery", "CPU", "Cooling", "Current", "Fan", "Intrusion", "Licensing", "SEL", "Storage", "SysMem", "Temp", "Volt")


def register(routes: Routes, model: ServerModel) -> None:
    """Add the system's resources."""
    members = [SYSTEM, *([f"{ROOT}/Systems/HGX_Baseboard_0"] if model.hgx else [])]
    routes.collection(f"{ROOT}/Systems", "ComputerSystemCollection", members, "Computer System Collection")
    routes.add(SYSTEM, "ComputerSystem.v1_20_0.ComputerSystem", _system)
    routes.add(f"{SYSTEM}/SecureBoot", "SecureBoot.v1_1_0.SecureBoot", _secure_boot)
    _processors(routes, model)
    modules = {socket: f"{SYSTEM}/Memory/DIMM.Socket.{socket}" for socket in parts.sockets(model)}
    routes.collection(f"{SYSTEM}/Memory", "MemoryCollection", modules.values())
    for socket, path in modules.items():
        routes.add(path, "Memory.v1_17_0.Memory", partial(_dimm, socket=socket))
        metrics = partial(_dimm_metrics, socket=socket)
        routes.add(f"{path}/MemoryMetrics", "MemoryMetrics.v1_7_0.MemoryMetrics", metrics)
    routes.collection(f"{SYSTEM}/Storage", "StorageCollection", [STORAGE])
    bays = [f"Disk.Bay.{bay}:Enclosure.Internal.0-1" for bay in range(model.drives)]
    routes.add(STORAGE, "Storage.v1_15_0.Storage", partial(_storage, bays=bays))
    for bay in bays:
        routes.add(f"{STORAGE}/Drives/{bay}", "Drive.v1_17_0.Drive", partial(_drive, bay=bay))


def _processors(routes: Routes, model: ServerModel) -> None:
    cards = [f"Video.Slot.{GPU_SLOTS[number]}-1" for number in range(model.gpus)] if not model.hgx else []
    sockets = ["CPU.Socket.1", "CPU.Socket.2"]
    routes.collection(
        f"{SYSTEM}/Processors", "ProcessorCollection", (f"{SYSTEM}/Processors/{id_}" for id_ in (*sockets, *cards))
    )
    for socket in sockets:
        routes.add(f"{SYSTEM}/Processors/{socket}", "Processor.v1_18_0.Processor", _cpu)
    for number, card in enumerate(cards):
        routes.add(f"{SYSTEM}/Processors/{card}", "Processor.v1_18_0.Processor", partial(_card, number=number, card=card))
        path = f"{SYSTEM}/Processors/{card}/ProcessorMetrics"
        routes.add(path, "ProcessorMetrics.v1_6_1.ProcessorMetrics", partial(_card_metrics, number=number))
    for family, kind, write in (("DellGPUSensors", "DellGPUSensor", _gpu_sensor), ("DellVideo", "DellVideo", _video)):
        base = f"{SYSTEM}/Oem/Dell/{family}"
        for number, card in enumerate(cards):
            routes.add(f"{base}/{card}", f"{kind}.v1_1_0.{kind}", partial(write, number=number, card=card))
        # These two collections hold their members' whole documents.
        routes[base] = partial(_whole, base=base, kind=kind, cards=cards, routes=routes)


def _whole(bmc: Controller, *, base: str, kind: str, cards: list[str], routes: Routes) -> Document:
    members = [routes[f"{base}/{card}"](bmc) for card in cards]
    return {
        "@odata.id": base,
        "@odata.type": f"#{kind}Collection.{kind}Collection",
        "Name": f"{kind}Collection",
        "Members": members,
        "Members@odata.count": len(members),
    }


def _system(bmc: Controller) -> Document:
    model = bmc.model
    found = parts.rollups(bmc)
    power = {"PSRollupStatus": "OK" if all(bmc.psu_alive(slot) for slot in range(model.psus)) else "Critical"}
    collections = {
        f"{name}Collection": link(f"{SYSTEM}/Oem/Dell/{family}")
        for name, family in (("DellGPUSensor", "DellGPUSensors"), ("DellVideo", "DellVideo"))
    }
    return {
        "Name": "System",
        "BiosVersion": bmc.bios,
        "HostName": bmc.server.name,
        "Manufacturer": "Dell Inc.",
        "Model": model.name,
        "SKU": bmc.server.service_tag,
        "SerialNumber": f"CN{bmc.server.service_tag}0042",
        "PartNumber": "0WMWCRA01",
        "PowerState": "On" if bmc.on else "Off",
        "SystemType": "Physical",
        "Links": {
            "Chassis": [link(f"{ROOT}/Chassis/System.Embedded.1")],
            "ManagedBy": [link(f"{ROOT}/Managers/iDRAC.Embedded.1")],
            "Oem": {"Dell": {"@odata.type": "#DellOem.v1_3_0.DellOemLinks", **collections}},
        },
        "Memory": link(f"{SYSTEM}/Memory"),
        "MemorySummary": {"TotalSystemMemoryGiB": model.dimms * model.dimm_gib, "Status": health()},
        "Processors": link(f"{SYSTEM}/Processors"),
        "ProcessorSummary": {"Count": 2, "CoreCount": 2 * model.cores, "Model": model.cpu, "Status": health()},
        "SecureBoot": link(f"{SYSTEM}/SecureBoot"),
        "Storage": link(f"{SYSTEM}/Storage"),
        "Status": health(bmc.health),
        "Oem": {
            "Dell": {
                "@odata.type": "#DellOem.v1_3_0.DellOemResources",
                "DellSystem": {
                    "@odata.id": f"{SYSTEM}/Oem/Dell/DellSystem/System.Embedded.1",
                    **{f"{name}RollupStatus": found.get(name, "OK") for name in ROLLUPS},
                    **power,
                    "SystemHealthRollupStatus": bmc.health,
                    "ChassisServiceTag": bmc.server.service_tag,
                    # 255 is what the controllers say where they do not know.
                    "EstimatedExhaustTemperatureCelsius": 255 if model.idrac == 9 else round(bmc.node("exhaust_celsius")),
                    "EstimatedSystemAirflowCFM": 255 if model.idrac == 9 else round(40 + 160 * bmc.node("fan_ratio")),
                    "PowerCapEnabledState": "Enabled" if bmc.cap_enabled else "Disabled",
                    "SystemGeneration": model.generation,
                },
            }
        },
    }


def _secure_boot(_bmc: Controller) -> Document:
    return {
        "Name": "UEFI Secure Boot",
        "SecureBootEnable": True,
        "SecureBootCurrentBoot": "Enabled",
        "SecureBootMode": "DeployedMode",
    }


def _cpu(bmc: Controller) -> Document:
    return {
        "Name": "CPU",
        "ProcessorType": "CPU",
        "Manufacturer": "Intel",
        "Model": bmc.model.cpu,
        "TotalCores": bmc.model.cores,
        "TotalThreads": 2 * bmc.model.cores,
        "Status": {"Health": "OK", "State": "Enabled"},
    }


def _card(bmc: Controller, *, number: int, card: str) -> Document:
    gpu = bmc.model.gpu
    there = bmc.gpu_there(number)
    return {
        "Name": card,
        "ProcessorType": "GPU",
        "Manufacturer": "NVIDIA Corporation",
        "Model": gpu.name if gpu else None,
        "PartNumber": gpu.part_number if gpu else None,
        "SerialNumber": bmc.server.gpu_serial(number),
        "Metrics": link(f"{SYSTEM}/Processors/{card}/ProcessorMetrics"),
        "Status": {"Health": parts.gpu_health(bmc, number), "State": "Enabled" if there else "UnavailableOffline"},
    }


def _card_watts(bmc: Controller, number: int) -> float | None:
    # Only with the Datacenter licence, which the newer of these machines lack.
    return bmc.gpu("gpu_second_watts", number) if bmc.model.idrac == 9 and bmc.gpu_there(number) else None


def _card_metrics(bmc: Controller, *, number: int) -> Document:
    watts = bmc.reading(f"gpu{number}", _card_watts(bmc, number), "Power")
    celsius = bmc.reading(f"gpu{number}_temperature", bmc.gpu_celsius(number), "Temperature")
    return {"Name": "GPU Metrics", "TemperatureCelsius": celsius, "ConsumedPowerWatt": watts and round(watts)}


def _gpu_sensor(bmc: Controller, *, number: int, card: str) -> Document:
    watts = bmc.reading(f"gpu{number}", _card_watts(bmc, number), "Power")
    return {
        "Name": "DellGPUSensor",
        "DeviceID": card,
        "PrimaryGPUTemperatureCelsius": bmc.reading(f"gpu{number}_temperature", bmc.gpu_celsius(number), "Temperature"),
        "SecondaryGPUTemperatureCelsius": None,
        "BoardTemperatureCelsius": None,
        "MemoryTemperatureCelsius": None,
        "PowerConsumptionmW": None if watts is None else round(watts * 10) * 100,
    }


def _video(bmc: Controller, *, number: int, card: str) -> Document:
    gpu = bmc.model.gpu
    guid = bmc.server.gpu_uuid(number).removeprefix("GPU-").replace("-", "")
    return {
        "Name": f"GPU Controller in Slot {GPU_SLOTS[number]} of Instance 1",
        "FQDD": card,
        "BusNumber": bmc.server.pci_bus(number),
        "DeviceNumber": 0,
        "FunctionNumber": 0,
        "FirmwareVersion": "95.02.66.00.02",
        "GPUGUID": guid.lstrip("0"),  # a leading zero gets lost
        "GPUHealth": parts.gpu_health(bmc, number),
        "GPUState": "Available" if bmc.gpu_there(number) else "Unavailable",
        "Manufacturer": "NVIDIA Corporation",
        "MarketingName": gpu.name if gpu else None,
        "SerialNumber": bmc.server.gpu_serial(number),
    }


def _dimm(bmc: Controller, *, socket: str) -> Document:
    return {
        "Name": f"DIMM {socket}",
        "DeviceLocator": f"DIMM {socket}",
        "CapacityMiB": bmc.model.dimm_gib * 1024,
        "ErrorCorrection": "MultiBitECC",
        "Manufacturer": "Hynix Semiconductor",
        "MemoryDeviceType": "DDR5",
        "MemoryType": "DRAM",
        "Metrics": link(f"{SYSTEM}/Memory/DIMM.Socket.{socket}/MemoryMetrics"),
        "OperatingSpeedMhz": 4800,
        "Status": {"Health": parts.dimm_health(bmc, socket), "State": "Enabled"},
    }


def _dimm_metrics(bmc: Controller, *, socket: str) -> Document:
    """No counters of errors: these controllers only tell that there were too many."""
    verdict = parts.dimm_health(bmc, socket)
    alarms = {
        "AddressParityError": False,
        "CorrectableECCError": verdict == "Warning",
        "SpareBlock": False,
        "Temperature": False,
        "UncorrectableECCError": verdict == "Critical",
    }
    return {
        "Name": "Memory Metrics",
        "HealthData": {
            "AlarmTrips": alarms,
            "DataLossDetected": None,
            "PredictedMediaLifeLeftPercent": None,
        },
        "OperatingSpeedMHz": 4800,
    }


def _storage(bmc: Controller, *, bays: list[str]) -> Document:
    worst = parts.rollups(bmc).get("Storage", "OK")
    drives = [link(f"{STORAGE}/Drives/{bay}") for bay in bays]
    return {"Name": "CPU.1", "Drives": drives, "Drives@odata.count": len(drives), "Status": health(worst)}


def _drive(bmc: Controller, *, bay: str) -> Document:
    number = int(bay.split(".")[2].split(":", maxsplit=1)[0])
    verdict, fault = parts.drive_health(bmc, number), bmc.fault("server_drive_failing")
    life = 100 - 3 * (number % 4) if verdict == "OK" or fault is None else fault.number("life")
    return {
        "Name": f"PCIe SSD in Slot {number} in Bay 1",
        "CapacityBytes": 7681501126656,
        "FailurePredicted": verdict == "Warning",
        "Manufacturer": "KIOXIA Corporation",
        "MediaType": "SSD",
        "Model": DRIVE_MODEL,
        "PredictedMediaLifeLeftPercent": life,
        "Protocol": "NVMe",
        "Status": health(verdict),
    }
