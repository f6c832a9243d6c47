"""net-snmp's own agent, asked by version 2c and 3."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from collectors.frame import AuthFailed, Unreachable
from collectors.snmp import Snmp
from tests.support.snmp_agents import ENCRYPTS_WITH, SIGNS_WITH, reached, secrets, snmpd

UPTIME = "1.3.6.1.2.1.1.3.0"
NAMES = "1.3.6.1.2.1.31.1.1.1.1"
BYTES = "1.3.6.1.2.1.31.1.1.1.6"

pytestmark = pytest.mark.debian


@pytest.fixture(scope="module")
def port(tmp_path_factory) -> Iterator[int]:
    with snmpd(tmp_path_factory.mktemp("snmpd")) as port:
        yield port


def client(folder: Path, port: int, signs: str = SIGNS_WITH, encrypts: str = ENCRYPTS_WITH, **more: str) -> Snmp:
    config = secrets(folder, user=signs, privacy=encrypts)
    return Snmp.of(reached(port, **more), config, timeout_seconds=0.5)


V3 = {"version": "3", "credentials": "user", "privacy": "privacy"}


@pytest.mark.parametrize("how", [{}, V3], ids=["2c", "3"])
async def test_values_columns_and_cells_are_the_same_by_each_version(tmp_path, port, how):
    snmp = client(tmp_path, port, **how)
    assert (await snmp.get([UPTIME]))[UPTIME] >= 0
    rows = await snmp.columns({"name": NAMES})
    assert b"lo" in [row["name"] for row in rows.values()]
    cells = await snmp.cells({"name": NAMES, "bytes": BYTES}, rows)
    assert {index: row["name"] for index, row in cells.items()} == {index: row["name"] for index, row in rows.items()}
    assert all(row["bytes"] >= 0 for row in cells.values())


async def test_a_wrong_pass_phrase_is_refused_with_what_was_tried(tmp_path, port):
    with pytest.raises(AuthFailed, match=r"refuses the SNMP user 'reader'.*signs with sha and encrypts with aes"):
        await client(tmp_path, port, signs="another-phrase", **V3).get([UPTIME])


async def test_a_user_without_encryption_is_refused_where_it_is_asked_for(tmp_path, port):
    with pytest.raises(AuthFailed, match="encrypts with nothing"):
        await client(tmp_path, port, version="3", credentials="user").get([UPTIME])


async def test_a_wrong_pass_phrase_of_encryption_meets_silence(tmp_path, port):
    with pytest.raises(Unreachable, match="knows the credentials 'user'"):
        await client(tmp_path, port, encrypts="another-phrase", **V3).get([UPTIME])


async def test_a_wrong_community_meets_silence(tmp_path, port):
    config = secrets(tmp_path, other="wrong")
    with pytest.raises(Unreachable, match="wrong community"):
        await Snmp.of(reached(port, credentials="other"), config, timeout_seconds=0.2).get([UPTIME])


async def test_a_short_pass_phrase_is_refused_before_anything_is_sent(tmp_path, port):
    with pytest.raises(AuthFailed, match="at least 8 characters"):
        await client(tmp_path, port, signs="short", **V3).get([UPTIME])


async def test_an_agent_that_started_anew_is_greeted_anew(tmp_path):
    """Its boots count differs then, and it refuses what was agreed with the one before."""
    (folder := tmp_path / "agent").mkdir()
    with snmpd(folder) as port:
        snmp = client(tmp_path, port, **V3)
        await snmp.get([UPTIME])
    with snmpd(folder, port=port):
        assert (await snmp.get([UPTIME]))[UPTIME] >= 0
