"""All ports of switches and adapters in motion, as arrays: what runs through them, which errors they count, which are down.

A row is one end of a cable. Both ends of a cable count the same bytes, one as received what the other transmitted.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simulator.plant.model import Plant, Port
from simulator.site import Layout

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
NOBODY = -1
# A packet on either fabric, and what keeps a link awake.
PACKET_BYTES = {"ethernet": 6200.0, "infiniband": 3900.0}
KEEPALIVE_RATE = 2e4
TRUNK_SHARE = 0.06
# A link that flaps is down for some seconds of each period.
FLAP_SECONDS, FLAP_DOWN_SECONDS = 9.0, 3.0
RECOVERIES_PER_FLAP = 2.0
# How many times longer an exchange takes over a link that is down (others carry it) or flaps (who waits for what was lost).
DOWN_HARDSHIP, FLAP_HARDSHIP, MOST_HARDSHIP = 4.0, 6.0, 8.0
GOOD_BIT_ERRORS, TIRED_BIT_ERRORS = 1e-15, 4e-14
TIRED_SYMBOLS = 0.02
# A cable that wears out begins with a symbol error an hour, and ends where nobody can use it.
WORN_SYMBOLS, MOST_SYMBOLS, MOST_BIT_ERRORS = 1 / 3600, 1e3, 1e-6
# Credit ticks a second on a busy InfiniBand link; marked packets and pause frames on a busy Ethernet one.
WAIT_TICKS, MARKED, PAUSES, PAUSES_SENT, DISCARDS = 6e6, 4e4, 900.0, 360.0, 4.0
BUSY_FROM = 0.45
RECEIVE_ERRORS_PER_SYMBOL = 0.1
COUNTERS = (
    "receive_bytes",
    "transmit_bytes",
    "symbol_errors",
    "receive_errors",
    "link_downs",
    "recoveries",
    "wait_ticks",
    "ecn_packets",
    "pauses_received",
    "pauses_sent",
    "transmit_discards",
)
_RECEIVED, _SENT, _SYMBOLS, _ERRORS = range(4)
_BUSY = COUNTERS.index("wait_ticks")


class Cables:
    """Ports in one order: switch by switch, then the servers' adapters."""

    def __init__(self, plant: Plant, hall: Layout, devices: dict[str, int], seed: int) -> None:
        """`devices` are the rows of switches and storage nodes; the servers' rows come after them."""
        self.ports: list[Port] = []
        owners, ends = [], {}
        servers = {server.name: len(devices) + server.index for server in hall.servers}
        rows = {**devices, **servers}
        fabrics = []
        for name, fabric, ports in _bundles(plant):
            for port in ports:
                ends[name, port.name] = len(self.ports)
                self.ports.append(port)
                owners.append(rows[name])
                fabrics.append(fabric)
        self.rows = ends
        count = len(self.ports)
        self.own: Ints = np.array(owners, np.int64)
        self.peer: Ints = np.array([rows.get(port.peer, NOBODY) for port in self.ports], np.int64)
        self.twin: Ints = np.array([ends.get((port.peer, port.peer_port), NOBODY) for port in self.ports], np.int64)
        self.is_fabric: Bools = np.array([fabric == "infiniband" for fabric in fabrics])
        self.cabled: Bools = self.peer != NOBODY
        self.packet_bytes = np.array([PACKET_BYTES[fabric] for fabric in fabrics])
        self.full_speed = np.array([port.speed for port in self.ports])
        self.speed = self.full_speed.copy()
        self.changed_at = np.array([port.changed_at for port in self.ports])
        self._index_ends(hall, devices)
        # Troubles of either end.
        self.broken: Bools = np.zeros(count, bool)
        self.dark: Bools = np.zeros(count, bool)
        self.flapping: Bools = np.zeros(count, bool)
        self.wear_per_second, self.wears_since = np.zeros(count), np.zeros(count)
        self.symbol_rate = np.zeros(count)
        self.bit_errors = np.where(self.cabled, GOOD_BIT_ERRORS, 0.0)
        self._tire(seed)
        self.up: Bools = self.cabled.copy()
        self.receive_rate, self.transmit_rate = np.zeros(count), np.zeros(count)
        self._counted, self._per_second = np.zeros((len(COUNTERS), count)), np.zeros((len(COUNTERS), count))
        self.counters = dict(zip(COUNTERS, self._counted, strict=True))
        on_ethernet = np.array([MARKED, PAUSES, PAUSES_SENT, DISCARDS])[:, None] * ~self.is_fabric
        self._when_busy = np.vstack([WAIT_TICKS * self.is_fabric, on_ethernet])
        self.hardship = np.ones(count)

    def _index_ends(self, hall: Layout, devices: dict[str, int]) -> None:
        """Which rows carry what: adapters by GPU, the storage cables of servers and of storage nodes, trunks by leaf."""
        self.adapter_of_gpu = np.full(hall.gpus, NOBODY, np.int64)
        for server in hall.servers:
            for number in range(server.model.gpus):
                self.adapter_of_gpu[server.first_gpu + number] = self.rows.get((server.name, f"mlx5_{number}"), NOBODY)
        is_server = (self.peer >= len(devices)) & ~self.is_fabric
        self.server_cables = np.nonzero(is_server)[0]
        self.server_of_cable = self.peer[is_server] - len(devices)
        self.cable_of_server = np.empty(len(hall.servers), np.int64)
        self.cable_of_server[self.server_of_cable] = self.server_cables
        named = {row: name for name, row in devices.items()}
        is_trunk = np.array([named.get(int(row), "").startswith(("eth-leaf", "ib-leaf")) for row in self.peer])
        self.adapters = np.nonzero(self.own >= len(devices))[0]
        trunk = is_trunk & (self.own < len(devices))
        self.trunks = np.nonzero(trunk)[0]
        self.member_cables = np.nonzero(self.cabled & ~trunk & ~self.is_fabric & (self.peer < len(devices)))[0]
        self.leaf_ports = np.nonzero((self.own < len(devices)) & self.is_fabric & (self.peer >= len(devices)))[0]

    def _tire(self, seed: int) -> None:
        """Two cables of a hall with rails are old, and count a symbol error now and then."""
        rng = np.random.default_rng(seed)
        for row in rng.permutation(self.adapters)[:2]:
            for end in (row, self.twin[row]):
                self.symbol_rate[end] = TIRED_SYMBOLS * rng.uniform(0.5, 2.0)
                self.bit_errors[end] = TIRED_BIT_ERRORS
        self.rest_symbol_rate, self.rest_bit_errors = self.symbol_rate.copy(), self.bit_errors.copy()

    def step(self, now: float, seconds: float, alive: Bools, traffic: Traffic) -> None:
        """Move to `now` by `seconds`, with what is to be carried."""
        self._links(now, seconds, alive)
        self._wear(now)
        self._rates(traffic)
        rate = self._per_second
        rate[_RECEIVED], rate[_SENT] = self.receive_rate, self.transmit_rate
        np.multiply(self.symbol_rate, self.up, out=rate[_SYMBOLS])
        np.multiply(rate[_SYMBOLS], RECEIVE_ERRORS_PER_SYMBOL, out=rate[_ERRORS])
        busy = np.maximum(self.transmit_rate / self._octets - BUSY_FROM, 0.0)
        rate[_BUSY:] = busy * self._when_busy
        self._counted += rate * seconds

    def settle(self, seed: int) -> None:
        """What was counted until now is replaced by what had been counted in the weeks before."""
        rng = np.random.default_rng(seed)
        for values in self.counters.values():
            values[:] = 0.0
        for name in ("receive_bytes", "transmit_bytes"):
            self.counters[name][:] = np.where(self.cabled, rng.uniform(0.4e14, 9e14, len(self.ports)).round(), 0.0)

    def _links(self, now: float, seconds: float, alive: Bools) -> None:
        """Which are up, and how hard an exchange over each is."""
        flapping = self.flapping
        up = self.cabled & ~self.broken & ~self.dark & alive[self.own] & alive[self.peer]
        if flapping.any():
            flapped = np.floor(now / FLAP_SECONDS) - np.floor((now - seconds) / FLAP_SECONDS)
            up &= ~(flapping & (now % FLAP_SECONDS < FLAP_DOWN_SECONDS))
            self.counters["link_downs"][flapping] += flapped
            self.counters["recoveries"][flapping] += RECOVERIES_PER_FLAP * flapped
        changed = up != self.up
        if changed.any():
            self.changed_at[changed] = now
            self.counters["link_downs"][changed & ~up & ~flapping] += 1
        self.up = up
        self._octets = np.maximum(self.speed / 8, 1.0)
        hardship = np.where(up, np.minimum(self.full_speed / 8 / self._octets, MOST_HARDSHIP), DOWN_HARDSHIP)
        self.hardship = np.where(flapping, FLAP_HARDSHIP, hardship)

    def _wear(self, now: float) -> None:
        """Cables that get worse: from nearly nothing, by the same factor in every hour."""
        worn = np.flatnonzero(self.wear_per_second)
        if len(worn):
            times = np.exp(self.wear_per_second[worn] * (now - self.wears_since[worn]))
            self.symbol_rate[worn] = np.minimum(WORN_SYMBOLS * times, MOST_SYMBOLS)
            self.bit_errors[worn] = np.minimum(GOOD_BIT_ERRORS * times, MOST_BIT_ERRORS)

    def _rates(self, traffic: Traffic) -> None:
        received, sent = np.full(len(self.ports), KEEPALIVE_RATE), np.full(len(self.ports), KEEPALIVE_RATE)
        if len(traffic.adapters):
            received[traffic.adapters] += traffic.rails
            sent[traffic.adapters] += traffic.rails
        leaf = self.leaf_ports
        received[leaf], sent[leaf] = sent[self.twin[leaf]], received[self.twin[leaf]]
        received[self.server_cables] += traffic.server_writes[self.server_of_cable]
        sent[self.server_cables] += traffic.server_reads[self.server_of_cable]
        received[self.member_cables] += traffic.member_reads[self.peer[self.member_cables]] / 2
        sent[self.member_cables] += traffic.member_writes[self.peer[self.member_cables]] / 2
        # A little of what a leaf carries goes on to the other.
        by_leaf = np.bincount(self.own, received, minlength=len(traffic.member_reads))
        each = np.bincount(self.own[self.trunks], minlength=len(by_leaf))
        crossing = TRUNK_SHARE * by_leaf / np.maximum(each, 1)
        sent[self.trunks] += crossing[self.own[self.trunks]]
        received[self.trunks] += crossing[self.peer[self.trunks]]
        room = self._octets * self.up
        self.receive_rate, self.transmit_rate = np.minimum(received, room), np.minimum(sent, room)


class Traffic:
    """What is to be carried: by adapter, by server, by storage node (rows as devices have them), bytes a second."""

    def __init__(self, adapters: Ints, rails: Floats, servers: tuple[Floats, Floats], members: tuple[Floats, Floats]) -> None:
        self.adapters, self.rails = adapters, rails
        self.server_reads, self.server_writes = servers
        self.member_reads, self.member_writes = members


def _bundles(plant: Plant) -> list[tuple[str, str, list[Port]]]:
    found = [(switch.name, switch.fabric, switch.ports) for switch in plant.switches]
    return [*found, *((server, "infiniband", ports) for server, ports in plant.adapters.items())]
