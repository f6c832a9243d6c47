"""What `ibnetdiscover -p` and `perfquery -x -l` print about a fabric (infiniband-diags). Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from collectors.guids import guid
from collectors.ufm.rest import Cable, CableEnd, speed
from collectors.ufm.telemetry import Row

_PORT = re.compile(
    r"(?P<kind>SW|CA|RT)\s+\d+\s+(?P<number>\d{1,4})\s+(?P<guid>0x[0-9a-f]{1,16})\s+(?P<width>\d{1,2}x)\s+(?P<speed>\S+)"
    r"(?P<rest>\s.*|)"
)
_PEER = re.compile(r"\s+-\s+(?:SW|CA|RT)\s+\d+\s+(\d{1,4})\s+(0x[0-9a-f]{1,16})\s+\(\s*'(.*)'\s+-\s+'(.*)'\s*\)\s*")
# SHARP's aggregation node hangs inside the switch: 64 ports of a QM9700 are numbered to 64, and the 65th is that one.
_INSIDE = "Aggregation Node"
_SECTION = re.compile(r"# Port extended counters: Lid \d{1,5} port (\d{1,4})\b.*")
_COUNTER = re.compile(r"(\w{1,64}):\.*(\d{1,20})")


@dataclass(frozen=True, slots=True, kw_only=True)
class FabricPort:
    """A switch's port. `speed` is None where nothing is at its other end: the fabric then shows the lowest it could do."""

    node_guid: str
    number: str
    switch: str
    up: bool
    bits_per_second: float | None
    peer: CableEnd | None = None

    @property
    def cable(self) -> Cable | None:
        """The cable in it."""
        near = CableEnd(guid=self.node_guid, description=self.switch, port=self.number)
        return None if self.peer is None else Cable(ends=(near, self.peer))


def ports(printed: str) -> tuple[FabricPort, ...]:
    """The switches' ports of `ibnetdiscover -p`, each once."""
    found = {(port.node_guid, port.number): port for line in printed.splitlines() if (port := _port(line)) is not None}
    return tuple(found.values())


def rows(node_guid: str, printed: str) -> tuple[Row, ...]:
    """The ports of one switch in what `perfquery -x -l` printed: 64-bit counters."""
    return tuple(_rows(node_guid, printed))


def _port(line: str) -> FabricPort | None:
    found = _PORT.fullmatch(line.strip())
    digits = guid(f"0x{found['guid'][2:]:0>16}") if found else ""
    if found is None or found["kind"] != "SW" or not digits or int(found["number"]) == 0:
        return None
    peer = _PEER.fullmatch(found["rest"])
    name = (peer[3] if peer else found["rest"]).strip().strip("'").strip()
    if peer is not None and _INSIDE in peer[4]:
        return None
    return FabricPort(
        node_guid=digits,
        number=str(int(found["number"])),
        switch=name,
        up=peer is not None,
        bits_per_second=speed(found["speed"], found["width"]) if peer is not None else None,
        peer=None
        if peer is None
        else CableEnd(guid=guid(f"0x{peer[2][2:]:0>16}"), description=peer[4].strip(), port=str(int(peer[1]))),
    )


def _rows(node_guid: str, printed: str) -> Iterator[Row]:
    row: Row | None = None
    for line in printed.splitlines():
        section = _SECTION.fullmatch(line.strip())
        if section is not None:
            if row is not None:
                yield row
            row = Row(node_guid=node_guid, number=str(int(section[1]))) if int(section[1]) else None
        elif row is not None and (counter := _COUNTER.fullmatch(line.strip())) is not None:
            # These are the same counters as telemetry's, under the names of their shorter kin.
            row.take(f"{counter[1]}Extended", counter[2])
    if row is not None:
        yield row
