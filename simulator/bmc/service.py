"""The service itself: root, sessions, firmware inventory, telemetry."""

from __future__ import annotations

from functools import partial

from simulator.bmc.controller import BIOS, FIRMWARE, SESSION_TIMEOUT_SECONDS, Controller, stamp
from simulator.bmc.routes import ROOT, Document, Routes, health, link
from simulator.models import ServerModel

SESSIONS = f"{ROOT}/SessionService/Sessions"
INVENTORY = f"{ROOT}/UpdateService/FirmwareInventory"
HGX_REPORT = f"{ROOT}/TelemetryService/MetricReports/HGX_PlatformEnvironmentMetrics_0"


def register(routes: Routes, model: ServerModel) -> None:
    """Add the service's resources."""
    routes["/redfish"] = lambda _: {"v1": f"{ROOT}/"}
    routes[ROOT] = _root
    routes.add(f"{ROOT}/SessionService", "SessionService.v1_1_8.SessionService", _session_service)
    routes[SESSIONS] = _sessions
    routes.add(f"{ROOT}/UpdateService", "UpdateService.v1_11_0.UpdateService", _update_service)
    firmware = _firmware(model)
    routes.collection(INVENTORY, "SoftwareInventoryCollection", (f"{INVENTORY}/{id_}" for id_ in firmware))
    for id_, (name, version) in firmware.items():
        routes.add(
            f"{INVENTORY}/{id_}", "SoftwareInventory.v1_5_0.SoftwareInventory", partial(_software, name=name, version=version)
        )
    routes.add(f"{ROOT}/TelemetryService", "TelemetryService.v1_3_1.TelemetryService", partial(_telemetry, enabled=model.hgx))
    routes.collection(f"{ROOT}/TelemetryService/MetricReports", "MetricReportCollection", [HGX_REPORT] if model.hgx else [])
    definition = HGX_REPORT.replace("MetricReports", "MetricReportDefinitions")
    definitions = [definition] if model.hgx else []
    routes.collection(f"{ROOT}/TelemetryService/MetricReportDefinitions", "MetricReportDefinitionCollection", definitions)
    for path in definitions:
        routes.add(path, "MetricReportDefinition.v1_4_2.MetricReportDefinition", _definition)
    routes.add(f"{ROOT}/AccountService", "AccountService.v1_12_0.AccountService", _account_service)


def _root(bmc: Controller) -> Document:
    services = (
        "AccountService",
        "Chassis",
        "Managers",
        "SessionService",
        "Systems",
        "TelemetryService",
        "UpdateService",
    )
    return {
        "@odata.context": f"{ROOT}/$metadata#ServiceRoot.ServiceRoot",
        "@odata.id": ROOT,
        "@odata.type": "#ServiceRoot.v1_15_0.ServiceRoot",
        "Id": "RootService",
        "Name": "Root Service",
        "Description": "Root Service",
        "Product": "Integrated Dell Remote Access Controller",
        "Vendor": "Dell",
        "RedfishVersion": "1.18.0" if bmc.model.idrac == 9 else "1.20.1",
        "ProtocolFeaturesSupported": {
            "DeepOperations": {"DeepPATCH": False, "DeepPOST": False},
            "ExcerptQuery": False,
            "ExpandQuery": {"ExpandAll": True, "Levels": True, "Links": True, "MaxLevels": 1, "NoLinks": True},
            "FilterQuery": True,
            "OnlyMemberQuery": True,
            "SelectQuery": True,
        },
        "Links": {"Sessions": link(SESSIONS)},
        "Oem": {"Dell": {"@odata.type": "#DellServiceRoot.v1_0_0.DellServiceRoot", "ServiceTag": bmc.server.service_tag}},
        **{service: link(f"{ROOT}/{service}") for service in services},
    }


def _session_service(_bmc: Controller) -> Document:
    return {
        "Name": "Session Service",
        "ServiceEnabled": True,
        "SessionTimeout": int(SESSION_TIMEOUT_SECONDS),
        "Sessions": link(SESSIONS),
    }


def _sessions(bmc: Controller) -> Document:
    members = [link(f"{SESSIONS}/{number}") for number in bmc.sessions]
    return {
        "@odata.id": SESSIONS,
        "@odata.type": "#SessionCollection.SessionCollection",
        "Name": "Session Collection",
        "Members": members,
        "Members@odata.count": len(members),
    }


def _firmware(model: ServerModel) -> dict[str, tuple[str, str]]:
    idrac, bios = FIRMWARE[model.idrac], BIOS[model.idrac]
    found = {
        f"Installed-25227-{idrac}__iDRAC.Embedded.1-1": ("Integrated Remote Access Controller", idrac),
        "Previous-25227-7.10.50.00__iDRAC.Embedded.1-1": ("Integrated Remote Access Controller", "7.10.50.00"),
        f"Installed-159-{bios}__BIOS.Setup.1-1": ("BIOS", bios),
        "Installed-27763-1.6.1__CPLD.Embedded.1": ("System CPLD", "1.6.1"),
        "Installed-104684-5.3.0.0__ServiceModule.Embedded.1": ("iDRAC Service Module Installer", "5.3.0.0"),
    }
    for slot in range(1, model.psus + 1):
        found[f"Installed-108076-00.1B.53__PSU.Slot.{slot}"] = (f"PSU {slot}", "00.1B.53")
    if model.gpu is not None:
        for number in range(1, model.gpus + 1):
            version = "96.00.74.00.01" if model.hgx else "95.02.66.00.02"
            found[f"Installed-0-{version}__Video.Slot.{number}-1"] = (model.gpu.name, version)
    return found


def _software(_bmc: Controller, *, name: str, version: str) -> Document:
    return {"Name": name, "Version": version, "Updateable": True, "Status": {"Health": "OK", "State": "Enabled"}}


def _update_service(_bmc: Controller) -> Document:
    return {"Name": "Update Service", "ServiceEnabled": True, "FirmwareInventory": link(INVENTORY), "Status": health()}


def _definition(_bmc: Controller) -> Document:
    return {
        "Name": "HGX_PlatformEnvironmentMetrics_0",
        "MetricReportDefinitionType": "OnRequest",
        "MetricReport": link(HGX_REPORT),
    }


def _account_service(_bmc: Controller) -> Document:
    return {"Name": "Account Service", "AccountLockoutThreshold": 3, "MinPasswordLength": 8, "ServiceEnabled": True}


def _telemetry(bmc: Controller, *, enabled: bool) -> Document:
    return {
        "Name": "TelemetryService",
        "ServiceEnabled": enabled,
        "MaxReports": 50,
        "MinCollectionInterval": "PT0H0M5S",
        "MetricReports": link(f"{ROOT}/TelemetryService/MetricReports"),
        "MetricReportDefinitions": link(f"{ROOT}/TelemetryService/MetricReportDefinitions"),
        "Status": health(),
        "DateTime": stamp(bmc.clock),
    }
