"""The manager: Dell's attributes (caps, energy, security), logs, licences, protocols."""

from __future__ import annotations

from functools import partial

from simulator.bmc.controller import Controller, entry_document, stamp
from simulator.bmc.routes import ROOT, Document, Routes, link
from simulator.models import ServerModel

MANAGER = f"{ROOT}/Managers/iDRAC.Embedded.1"
ATTRIBUTES = f"{MANAGER}/Oem/Dell/DellAttributes"
SYSTEM_ATTRIBUTES = f"{ATTRIBUTES}/System.Embedded.1"
LICENSES = f"{MANAGER}/Oem/Dell/DellLicenses"
LOGS = f"{MANAGER}/LogServices"
# 2022-11-21, when these machines were delivered.
DELIVERED = 1_669_000_000.0


def register(routes: Routes, model: ServerModel) -> None:
    """Add the manager's resources."""
    members = [MANAGER, *([f"{ROOT}/Managers/HGX_BMC_0"] if model.hgx else [])]
    routes.collection(f"{ROOT}/Managers", "ManagerCollection", members, "Manager")
    routes.add(MANAGER, "Manager.v1_17_0.Manager", _manager)
    routes.add(f"{MANAGER}/NetworkProtocol", "ManagerNetworkProtocol.v1_9_0.ManagerNetworkProtocol", _network)
    routes.add(SYSTEM_ATTRIBUTES, "DellAttributes.v1_0_0.DellAttributes", _system_attributes)
    routes.add(f"{ATTRIBUTES}/iDRAC.Embedded.1", "DellAttributes.v1_0_0.DellAttributes", _idrac_attributes)
    routes[LICENSES] = _licenses
    routes.collection(LOGS, "LogServiceCollection", (f"{LOGS}/{name}" for name in ("Sel", "FaultList")))
    for name in ("Sel", "FaultList"):
        routes.add(f"{LOGS}/{name}", "LogService.v1_2_0.LogService", partial(_log, name=name))
        routes[f"{LOGS}/{name}/Entries"] = partial(_entries, name=name)


def _manager(bmc: Controller) -> Document:
    sets = ("iDRAC.Embedded.1", "System.Embedded.1")
    return {
        "Name": "Manager",
        "ManagerType": "BMC",
        "Model": bmc.model.generation,
        "FirmwareVersion": bmc.firmware,
        "DateTime": stamp(bmc.clock),
        "DateTimeLocalOffset": "+00:00",
        "PowerState": "On",
        "LogServices": link(LOGS),
        "NetworkProtocol": link(f"{MANAGER}/NetworkProtocol"),
        "Links": {
            "ManagerForChassis": [link(f"{ROOT}/Chassis/System.Embedded.1")],
            "ManagerForServers": [link(f"{ROOT}/Systems/System.Embedded.1")],
            "Oem": {
                "Dell": {
                    "@odata.type": "#DellOem.v1_3_0.DellOemLinks",
                    "DellAttributes": [link(f"{ATTRIBUTES}/{name}") for name in sets],
                    "DellAttributes@odata.count": len(sets),
                    "DellLicenseCollection": link(LICENSES),
                }
            },
        },
        "Status": {"Health": "OK", "State": "Enabled"},
    }


def _network(bmc: Controller) -> Document:
    return {
        "Name": "Manager Network Protocol",
        "HostName": f"idrac-{bmc.server.service_tag}",
        "HTTP": {"Port": 80, "ProtocolEnabled": True},
        "HTTPS": {"Port": 443, "ProtocolEnabled": True},
        "IPMI": {"ProtocolEnabled": _weak(bmc)},
        "SNMP": {"Port": 161, "ProtocolEnabled": _weak(bmc)},
        "SSH": {"Port": 22, "ProtocolEnabled": True},
        "Telnet": {"Port": 23, "ProtocolEnabled": False},
        "Status": {"Health": "OK", "State": "Enabled"},
    }


def _weak(bmc: Controller) -> bool:
    return bmc.fault("bmc_weak") is not None


def _system_attributes(bmc: Controller) -> Document:
    model = bmc.model
    attributes: Document = {
        "ServerPwr.1.PowerCapSetting": "Enabled" if bmc.cap_enabled else "Disabled",
        "ServerPwr.1.PowerCapValue": bmc.cap_value,
        "ServerPwr.1.ActivePowerCapVal": bmc.cap_value,
        "ServerPwr.1.PowerCapMinThres": round(model.cap_min_watts),
        "ServerPwr.1.PowerCapMaxThres": round(model.cap_max_watts),
        "ServerPwr.1.ActivePolicyName": "",
        "ServerPwr.1.PSRedPolicy": "A/B Grid Redundant",
        "ServerPwr.1.PSRapidOn": "Disabled",
        "ServerPwr.1.RapidOnPrimaryPSU": "PSU1",
        "ServerPwrMon.1.AccumulativePower": bmc.accumulated_watt_hours,
        "ServerPwrMon.1.CumulativePowerStartTime": int(DELIVERED),
        "ServerPwrMon.1.CumulativePowerStartTimeStr": stamp(DELIVERED).replace("+00:00", "Z"),
        "ServerPwrMon.1.MinPowerWatts": 17,
        "ServerPwrMon.1.PeakPowerWatts": round(max(bmc.node("node_peak_watts"), model.cap_max_watts * 0.88)),
        "ServerPwrMon.1.PowerConfigReset": "None",
        "ServerOS.1.HostName": bmc.server.name,
        "ServerOS.1.OSName": "Ubuntu",
        "ServerTopology.1.RackName": bmc.server.rack,
        "ServerTopology.1.RackSlot": bmc.server.unit,
        "ServerTopology.1.SizeOfManagedSystemInU": model.height,
        "ThermalSettings.1.SystemInletTemperature": round(bmc.node("inlet_celsius")),
        "ThermalSettings.1.SystemExhaustTemperature": round(bmc.node("exhaust_celsius")),
        "ThermalSettings.1.ThermalProfile": "Default Thermal Profile Settings",
    }
    return {
        "Id": "SystemAttributes",
        "Name": "OEMAttributeRegistry",
        "AttributeRegistry": "ManagerAttributeRegistry.v1_0_0",
        "Attributes": attributes,
    }


def _idrac_attributes(bmc: Controller) -> Document:
    switch = {True: "Enabled", False: "Disabled"}
    licensed = switch[not bmc.fault("bmc_unlicensed")]
    attributes: Document = {
        "Info.1.Product": "Integrated Dell Remote Access Controller",
        "Info.1.Version": bmc.firmware,
        "Info.1.Type": bmc.model.generation,
        "Lockdown.1.SystemLockdown": switch[bmc.fault("bmc_lockdown") is not None],
        "IPMILan.1.Enable": switch[_weak(bmc)],
        "IPMILan.1.EncryptionKey": "0" * 40 if _weak(bmc) else f"{bmc.server.index + 1:02X}" * 20,
        "SNMP.1.AgentEnable": switch[_weak(bmc)],
        "SNMP.1.AgentCommunity": "public" if _weak(bmc) else "hall-7f21",
        "SSH.1.Enable": "Enabled",
        "Telnet.1.Enable": "Disabled",
        "VNCServer.1.Enable": "Disabled",
        "Redfish.1.Enable": "Enabled",
        "WebServer.1.MaxNumberOfSessions": 8,
        "WebServer.1.TLSProtocol": "TLS 1.2 and Higher",
        "WebServer.1.HttpsRedirection": "Enabled",
        "DefaultCredentialMitigationConfigGroup.1.DefaultCredentialMitigation": "Enabled",
        "SecureDefaultPassword.1.ForceChangePassword": "False",
        "PlatformCapability.1.UserPowerCapCapable": licensed,
        "PlatformCapability.1.UserPowerCapBoundCapable": licensed,
        "PlatformCapability.1.NvidiaGPUBaseboardMgtEnable": switch[bmc.model.hgx],
        **{f"SecurityCertificate.1.{name}": value for name, value in bmc.certificate.items()},
    }
    return {
        "Id": "iDRACAttributes",
        "Name": "OEMAttributeRegistry",
        "AttributeRegistry": "ManagerAttributeRegistry.v1_0_0",
        "Attributes": attributes,
    }


def license_name(model: ServerModel) -> str:
    """The licence of a server's controller."""
    edition = "Datacenter" if model.hgx or (model.idrac == 9 and model.gpus) else "Enterprise"
    return f"iDRAC{model.idrac} {17 if model.idrac == 10 else 16}g {edition} License"


def _licenses(bmc: Controller) -> Document:
    # Dell gives the whole licences in the collection.
    entitlement = f"FD0000{bmc.server.service_tag}"
    member = {
        "@odata.id": f"{LICENSES}/{entitlement}",
        "@odata.type": "#DellLicense.v1_2_0.DellLicense",
        "Id": entitlement,
        "Name": "DellLicense",
        "EntitlementID": entitlement,
        "LicenseDescription": [license_name(bmc.model)],
        "LicensePrimaryStatus": "OK",
        "LicenseType": "Perpetual",
    }
    return {
        "@odata.id": LICENSES,
        "@odata.type": "#DellLicenseCollection.DellLicenseCollection",
        "Name": "DellLicenseCollection",
        "Members": [member],
        "Members@odata.count": 1,
    }


def _log(bmc: Controller, *, name: str) -> Document:
    return {
        "Name": "SEL Log Service" if name == "Sel" else "FaultListEntries",
        "DateTime": stamp(bmc.clock),
        "Entries": link(f"{LOGS}/{name}/Entries"),
        "LogEntryType": "SEL",
        "MaxNumberOfRecords": 1024 if name == "Sel" else 500000,
        "OverWritePolicy": "WrapsWhenFull",
        "ServiceEnabled": True,
    }


def _entries(bmc: Controller, *, name: str) -> Document:
    path = f"{LOGS}/{name}/Entries"
    entries = reversed(bmc.log) if name == "Sel" else bmc.current_faults
    members = [entry_document(entry, f"{path}/{entry.number}") for entry in entries]
    return {
        "@odata.id": path,
        "@odata.type": "#LogEntryCollection.LogEntryCollection",
        "Name": "Log Entry Collection",
        "Members": members,
        "Members@odata.count": len(members),
    }
