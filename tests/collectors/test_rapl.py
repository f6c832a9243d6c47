"""RAPL from a folder that looks like /sys."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors import rapl
from collectors.frame.errors import AuthFailed, NotSupported
from collectors.frame.source import Tier
from collectors.rapl import RaplSource, Unwrapped, Zone, ZoneReading
from wattstat.config import Agent, Config

RANGE = 262_143_328_850


def zone(root, path, name, energy, limit=RANGE):
    folder = root / "class/powercap" / path
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "name").write_text(name + "\n")
    (folder / "energy_uj").write_text(f"{energy}\n")
    if limit is not None:
        (folder / "max_energy_range_uj").write_text(f"{limit}\n")
    return folder


@pytest.fixture
def sysfs(tmp_path):
    for socket in (0, 1):
        top = f"intel-rapl:{socket}"
        zone(tmp_path, top, f"package-{socket}", 1_000_000 * (socket + 1))
        zone(tmp_path, f"{top}/{top}:0", "dram", 500_000)
    zone(tmp_path, "intel-rapl:2", "psys", 9_000_000)
    zone(tmp_path, "intel-rapl-mmio:0", "package-0", 7)
    return tmp_path


def source(sysfs):
    return RaplSource(target="n1", sysfs=sysfs, tiers=(Tier("fast", 1, 1),))


def joules(collected):
    return {sample.labels: sample.value for sample in collected.samples}


async def test_energy_by_socket_and_domain_without_the_second_view_of_package_0(sysfs):
    reader = source(sysfs)
    first = joules(await reader.collect("fast"))
    zone(sysfs, "intel-rapl:1", "package-1", 7_000_000)
    second = joules(await reader.collect("fast"))

    zones = {("n1", "0", "package"), ("n1", "0", "dram"), ("n1", "1", "package"), ("n1", "1", "dram"), ("n1", "", "psys")}
    assert first == dict.fromkeys(zones, 0), "where the register stood when the agent started was not drawn before its eyes"
    assert second == {**first, ("n1", "1", "package"): 5}


async def test_a_wrap_is_made_good(sysfs):
    reader = source(sysfs)
    zone(sysfs, "intel-rapl:0", "package-0", RANGE - 1_000_000)
    before = joules(await reader.collect("fast"))["n1", "0", "package"]
    zone(sysfs, "intel-rapl:0", "package-0", 3_000_000)
    after = joules(await reader.collect("fast"))["n1", "0", "package"]
    assert after - before == pytest.approx(4)


@given(st.integers(min_value=0, max_value=RANGE - 1), st.lists(st.integers(min_value=0, max_value=RANGE // 2), max_size=50))
def test_the_sum_over_wraps_is_the_sum_of_what_was_drawn(start, steps):
    counter, raw, drawn = Unwrapped(), start, 0
    total = counter.see(ZoneReading(zone=Zone("0", "package"), energy_microjoules=raw, range_microjoules=RANGE))
    for step in steps:
        raw, drawn = (raw + step) % RANGE, drawn + step
        reading = ZoneReading(zone=Zone("0", "package"), energy_microjoules=raw, range_microjoules=RANGE)
        total = counter.see(reading)
    assert total == pytest.approx(drawn / 1e6)


async def test_a_zone_that_may_not_be_read_costs_only_itself(sysfs, monkeypatch):
    original = rapl._document

    def refuse(folder):
        if folder.name == "intel-rapl:1":
            raise AuthFailed("root only")
        return original(folder)

    monkeypatch.setattr(rapl, "_document", refuse)
    collected = await source(sysfs).collect("fast")
    assert list(collected.errors) == ["intel-rapl:1"]
    assert ("n1", "0", "package") in joules(collected)


async def test_where_nothing_may_be_read_the_message_says_what_to_do(sysfs, monkeypatch):
    def refuse(self, **_):
        raise PermissionError(13, "denied", str(self))

    monkeypatch.setattr("pathlib.Path.read_text", refuse)
    with pytest.raises(AuthFailed, match="root only"):
        await source(sysfs).collect("fast")


async def test_a_machine_without_rapl_says_so_and_has_no_source(tmp_path):
    with pytest.raises(NotSupported, match="no RAPL"):
        await source(tmp_path).collect("fast")
    assert rapl.sources(Config(agent=Agent(sysfs=tmp_path)), "n1") == []


def test_a_machine_with_rapl_has_one_source(sysfs):
    assert [each.target for each in rapl.sources(Config(agent=Agent(sysfs=sysfs)), "n1")] == ["n1"]


DOCUMENTS = {
    "intel-rapl:0": {"name": "package-0", "energy_uj": "1", "max_energy_range_uj": "9"},
    "intel-rapl:0:0": {"name": "dram", "energy_uj": "2"},
}


@given(
    zone_name=st.sampled_from(sorted(DOCUMENTS)),
    member=st.sampled_from(["name", "energy_uj", "max_energy_range_uj"]),
    value=st.one_of(st.none(), st.text(), st.integers()),
)
def test_parse_is_total(zone_name, member, value):
    documents = DOCUMENTS | {zone_name: DOCUMENTS[zone_name] | {member: value}}
    for name in documents:
        reading = rapl.parse(name, documents)
        assert reading is None or reading.energy_microjoules >= 0
