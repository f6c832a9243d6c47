"""What the model knows, written into the `Plant` that the servers of protocols read."""

from __future__ import annotations

import math

import numpy as np

from simulator.plant.model import Cluster, Member, PduState, Plant, Port, SwitchState
from simulator.plant.moving import MovingPlant
from simulator.site import FEEDS

DARK_DBM = -30.0
PAUSE_PRIORITY = 3
# A cluster's operations: bytes of one, and what each server asks beside (attributes, locks).
READ_BYTES, WRITE_BYTES, OBJECT_BYTES = 256 * 1024, 512 * 1024, 1.6e6
ATTRIBUTES_PER_SERVER = 220.0
SMB_SHARE, NFS4_SHARE = 0.12, 0.2
SMB_SLOWER, NFS4_SLOWER = 1.6, 1.25
FANS_IDLE_RPM, FANS_SPAN_RPM = 11_500.0, 5_500.0
# Power factor of the supplies, and how far volts sag.
POWER_FACTOR = 0.97
PORT_FIELDS = ("receive_bytes", "transmit_bytes", "receive_errors", "symbol_errors", "link_downs", "recoveries", "wait_ticks")
FURTHER_FIELDS = ("ecn_packets", "transmit_discards")


class Show:
    """Writes the state of now, all of it or what changed."""

    def __init__(self, model: MovingPlant) -> None:
        self._model = model
        self._received_at_rest = [round(-0.7 + 0.5 * math.sin(3.1 * row), 2) for row in range(len(model.cables.ports))]
        self._outlets = [
            model.plant.pdus[int(pdu)].outlets[int(number)]
            for pdu, number in zip(model.electric.outlet_pdu, model.electric.outlet_number, strict=True)
        ]

    @property
    def plant(self) -> Plant:
        """What is written to."""
        return self._model.plant

    def write(self) -> None:
        """Show the state of now."""
        model = self._model
        model.plant.now = model.now
        day = 22.0 + 2.0 * math.sin(2 * math.pi * model.now / 86400)
        self._ports(day)
        self._switches(day)
        self._clusters(day)
        self._pdus()

    def _ports(self, inlet: float) -> None:
        cables = self._model.cables
        columns = {name: cables.counters[name].tolist() for name in (*PORT_FIELDS, *FURTHER_FIELDS)}
        sent, received = cables.counters["pauses_sent"].tolist(), cables.counters["pauses_received"].tolist()
        columns |= {
            "up": cables.up.tolist(),
            "speed": cables.speed.tolist(),
            "bit_error_ratio": cables.bit_errors.tolist(),
            "changed_at": cables.changed_at.tolist(),
            "receive_packets": (cables.counters["receive_bytes"] / cables.packet_bytes).round().tolist(),
            "transmit_packets": (cables.counters["transmit_bytes"] / cables.packet_bytes).round().tolist(),
        }
        warmth = (inlet + 22 + 8 * cables.transmit_rate / np.maximum(cables.speed / 8, 1.0)).round(1).tolist()
        for row in np.nonzero(cables.cabled)[0].tolist():
            port = cables.ports[row]
            for name, values in columns.items():
                setattr(port, name, values[row])
            port.pfc_transmit[PAUSE_PRIORITY], port.pfc_receive[PAUSE_PRIORITY] = sent[row], received[row]
            _optics(port, warmth[row], self._received_at_rest[row], is_dark=bool(cables.dark[row]))

    def _switches(self, inlet: float) -> None:
        model = self._model
        watts, joules = model.electric.watts, model.electric.joules
        for row, switch in enumerate(model.plant.switches):
            work = float(model.forwarding[row])
            switch.up = bool(model.electric.powered[row])
            switch.watts, switch.joules = float(watts[row]), float(joules[row])
            switch.cpu_ratio = 0.08 + 0.1 * work
            switch.temperatures.update(
                {"ASIC": round(inlet + 27 + 16 * work, 1), "Inlet": round(inlet + 1, 1), "CPU": round(inlet + 20 + 4 * work, 1)}
            )
            for number, fan in enumerate(switch.fans):
                fan.rpm = round(FANS_IDLE_RPM + FANS_SPAN_RPM * work + 60 * number)
            self._supplies(switch, row)

    def _supplies(self, device: SwitchState | Member, row: int) -> None:
        electric = self._model.electric
        for side, supply in enumerate(device.supplies):
            supply.watts = float(electric.supply_watts[row, side])
            supply.present, supply.ok = bool(electric.present[row, side]), bool(electric.healthy[row, side])

    def _clusters(self, inlet: float) -> None:
        model, stores = self._model, self._model.stores
        reads, writes, used = stores.read.sum(axis=1), stores.write.sum(axis=1), stores.used_bytes
        place = 0
        for number, cluster in enumerate(model.plant.clusters):
            cluster.read, cluster.write, cluster.used_bytes = float(reads[number]), float(writes[number]), float(used[number])
            busy = int((stores.read[number] > 1e5).sum())
            self._protocols(cluster, float(stores.latency[number]), busy)
            for member in cluster.members:
                self._member(member, place, inlet, busy)
                place += 1

    def _protocols(self, cluster: Cluster, latency: float, clients: int) -> None:
        if cluster.kind != "powerscale":
            cluster.operations = {"s3": (cluster.read + cluster.write) / OBJECT_BYTES}
            cluster.latency = {"s3": latency}
            return
        operations = cluster.read / READ_BYTES + cluster.write / WRITE_BYTES + ATTRIBUTES_PER_SERVER * clients
        people = cluster.name == "projects"
        nfs4, smb2 = (1 - SMB_SHARE, SMB_SHARE) if people else (NFS4_SHARE, 0.0)
        shares = {"nfs3": 1 - nfs4 - smb2, "nfs4": nfs4, "smb2": smb2}
        times = {"nfs3": latency, "nfs4": latency * NFS4_SLOWER, "smb2": latency * SMB_SLOWER}
        cluster.operations = {name: share * operations for name, share in shares.items() if share > 0}
        cluster.latency = {name: times[name] for name in cluster.operations}

    def _member(self, member: Member, place: int, inlet: float, clients: int) -> None:
        model = self._model
        row, load = len(model.plant.switches) + place, float(model.member_load[place])
        member.up = bool(model.member_up[place])
        member.watts, member.joules = float(model.electric.watts[row]), float(model.electric.joules[row])
        member.cpu_ratio = (0.06 + 0.62 * load) * member.up
        member.memory_ratio = 0.38 + 0.2 * load
        member.inlet_celsius = round(inlet + 0.4 * math.sin(2.0 * place), 1)
        member.fan_rpm = round((7800 + 5200 * load) * member.up)
        member.transmit_bytes_per_second = float(model.member_read[place])
        member.receive_bytes_per_second = float(model.member_write[place])
        member.disk_busy_ratio = (0.03 + 0.8 * load) * member.up
        per_node = -(-clients // max(1, len(model.member_up))) if member.up else 0
        member.clients = {"nfs3": max(1, per_node), "nfs4": per_node} if member.up and member.model != "EXF900" else {}
        self._supplies(member, row)

    def _pdus(self) -> None:
        model, electric = self._model, self._model.electric
        live = model.live.ravel()
        watts, joules = electric.pdu_watts, electric.pdu_joules
        for outlet, drawn, counted in zip(
            self._outlets, electric.outlet_watts.tolist(), electric.outlet_joules.tolist(), strict=True
        ):
            outlet.watts, outlet.joules = drawn, counted
        for number, pdu in enumerate(model.plant.pdus):
            pdu.up = bool(live[number])
            pdu.watts, pdu.joules = float(watts[number]), float(joules[number])
            _phases(pdu)


def _optics(port: Port, celsius: float, received: float, *, is_dark: bool) -> None:
    port.optic_celsius = celsius
    port.receive_dbm = DARK_DBM if is_dark or not port.up else received
    port.transmit_dbm = 1.1


def _phases(pdu: PduState) -> None:
    for number, phase in enumerate(pdu.phases):
        phase.watts = sum(outlet.watts for outlet in pdu.outlets if (outlet.number - 1) % len(pdu.phases) == number)
        phase.volts = 231.0 - 0.00004 * phase.watts + 0.4 * number - 0.3 * FEEDS.index(pdu.feed)
        phase.amperes = phase.watts / (phase.volts * POWER_FACTOR)
