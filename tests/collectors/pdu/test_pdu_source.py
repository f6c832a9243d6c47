"""PDUs of every vendor over SNMP: recognized, read, and joined with what the inventory hangs on their outlets."""

import pytest

from collectors import pdu as collector
from collectors.frame.errors import BadPayload, Misconfigured, Unreachable
from simulator.snmp import identifier, octets, ticks
from simulator.snmp_pdu import shown
from tests.support import plants
from wattstat.catalogue import facility as catalogue
from wattstat.config import Config
from wattstat.inventory import Inventory

NAMES = {"raritan": "pdu-rack-01-a", "apc": "pdu-rack-01-b", "servertech": "pdu-rack-02-a"}
KINDS = sorted(NAMES)


async def told(source, tier="power"):
    collected = await source.collect(tier)
    found = {(sample.metric, sample.labels): sample.value for sample in collected.samples}
    assert len(found) == len(collected.samples), "a series twice"
    return found


@pytest.mark.parametrize("kind", KINDS)
async def test_inlet_phases_and_outlets_are_told_in_base_units(bench, kind):
    name = NAMES[kind]
    found = await told(await bench.source(name, outlets={"1": "xe9680-01", "2": "xe9680-01", "3": "eth-leaf-1"}))

    assert found[catalogue.PDU_UP, (name,)] == 1
    assert found[catalogue.PDU_POWER_WATTS, (name,)] == 3000
    assert found[catalogue.PDU_ENERGY_JOULES_TOTAL, (name,)] == 3000 * 3600
    for phase in ("L1", "L2", "L3"):
        assert found[catalogue.PDU_PHASE_POWER_WATTS, (name, phase)] == 1000
        assert found[catalogue.PDU_PHASE_CURRENT_AMPERES, (name, phase)] == pytest.approx(1000 / 230, abs=0.05)
        assert found[catalogue.PDU_PHASE_VOLTAGE_VOLTS, (name, phase)] == 230
    assert found[catalogue.PDU_OUTLET_POWER_WATTS, (name, "1", "xe9680-01")] == 1300
    assert found[catalogue.PDU_OUTLET_ENERGY_JOULES_TOTAL, (name, "1", "xe9680-01")] == 1300 * 3600
    assert found[catalogue.PDU_OUTLET_POWER_WATTS, (name, "3", "eth-leaf-1")] == 400


@pytest.mark.parametrize("kind", KINDS)
async def test_an_outlet_that_is_off_draws_nothing_and_says_that_it_is_off(bench, kind):
    name = NAMES[kind]
    found = await told(await bench.source(name, outlets={"4": "spare"}))

    assert found[catalogue.PDU_OUTLET_POWER_WATTS, (name, "4", "spare")] == 0
    assert found[catalogue.PDU_OUTLET_ON, (name, "4", "spare")] == 0
    states = {labels[2] or labels[1]: value for (metric, labels), value in found.items() if metric is catalogue.PDU_OUTLET_ON}
    assert sorted(states.values()) == [0, 1, 1, 1]


@pytest.mark.parametrize("kind", KINDS)
async def test_an_outlet_with_nothing_in_the_inventory_has_no_device(bench, kind):
    found = await told(await bench.source(NAMES[kind]))
    devices = {labels[2] for metric, labels in found if metric is catalogue.PDU_OUTLET_POWER_WATTS}

    assert devices == {""}


async def test_an_outlet_is_called_as_the_inventory_calls_it(bench):
    name = NAMES["servertech"]
    by_label = await told(await bench.source(name, outlets={"AA1": "xe9680-01"}))
    by_number = await told(await bench.source(name, outlets={"1": "xe9680-01"}))

    assert by_label[catalogue.PDU_OUTLET_POWER_WATTS, (name, "AA1", "xe9680-01")] == 1300
    assert by_number[catalogue.PDU_OUTLET_POWER_WATTS, (name, "1", "xe9680-01")] == 1300
    assert by_number[catalogue.PDU_OUTLET_POWER_WATTS, (name, "AA2", "")] == 1300


@pytest.mark.parametrize("kind", KINDS)
async def test_what_it_is_is_told_with_where_it_hangs(bench, kind):
    name = NAMES[kind]
    state = bench.plant.pdu(name)
    found = await told(await bench.source(name, rack="rack-01", feed="A"), "identity")
    ((_, labels),) = found

    assert labels[:5] == (name, "rack-01", "A", state.model, state.serial)
    assert labels[5]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_kind_that_the_inventory_names_rightly_changes_nothing(bench, kind):
    name = NAMES[kind]
    assert await told(await bench.source(name, kind=kind)) == await told(await bench.source(name))


async def test_a_server_technology_with_raritans_software_speaks_raritans_mib(bench):
    name = NAMES["raritan"]
    found = await told(await bench.source(name, kind="servertech"))

    assert found[catalogue.PDU_POWER_WATTS, (name,)] == 3000


async def test_sensors_that_are_not_plugged_in_are_absent(bench):
    for kind, expected in (("raritan", {"Inlet air": 23.1}), ("apc", {}), ("servertech", {})):
        found = await told(await bench.source(NAMES[kind]))
        sensors = {labels[1]: value for (metric, labels), value in found.items() if metric is catalogue.PDU_TEMPERATURE_CELSIUS}
        assert sensors == expected, kind


@pytest.mark.parametrize(("kind", "most"), [("raritan", 3), ("apc", 2), ("servertech", 2)])
async def test_a_poll_takes_few_requests(bench, kind, most):
    responder = await bench.agent(NAMES[kind])
    source = await bench.source(NAMES[kind], responder=responder)
    await told(source)
    before = responder.requests
    await told(source)

    assert responder.requests - before <= most


@pytest.mark.parametrize("kind", KINDS)
async def test_readings_follow_the_truth_and_stand_still_when_frozen(bench, kind):
    name = NAMES[kind]
    source = await bench.source(name)
    before = await told(source)
    fault = bench.faults.add(name, "pdu_frozen", {}, 0)
    bench.plant.pdu(name).watts = 4000.0
    assert await told(source) == before

    bench.faults.remove(fault.id)
    assert (await told(source))[catalogue.PDU_POWER_WATTS, (name,)] == 4000


async def test_a_pdu_that_is_gone_is_unreachable_and_comes_back(bench):
    source = await bench.source(NAMES["apc"])
    before = await told(source)
    fault = bench.faults.add(NAMES["apc"], "pdu_gone", {}, 0)
    with pytest.raises(Unreachable):
        await source.collect("power")
    bench.faults.remove(fault.id)

    assert await told(source) == before


async def test_a_device_that_measures_nothing_is_told_with_what_was_expected(bench):
    system = {
        "1.3.6.1.2.1.1.1.0": octets("something"),
        "1.3.6.1.2.1.1.2.0": identifier("1.3.6.1.4.1.8072.3.2.10"),
        "1.3.6.1.2.1.1.3.0": ticks(100),
    }
    source = await bench.source(shown=system)
    with pytest.raises(BadPayload, match=r"8072\.3\.2\.10; tried generic\); expected PDU2-MIB"):
        await source.collect("power")


async def test_a_pdu_that_was_replaced_by_another_makers_is_learnt_anew(bench):
    old, new = (shown(plants.pdu("pdu", kind), 100.0) for kind in ("apc", "raritan"))
    now = dict(old)
    source = await bench.source(shown=lambda: now)
    assert (await told(source))[catalogue.PDU_POWER_WATTS, ("pdu",)] == 3000

    now.clear()
    now.update(new)
    with pytest.raises(BadPayload, match="is it another device"):
        await source.collect("power")
    assert (await told(source))[catalogue.PDU_POWER_WATTS, ("pdu",)] == 3000


def entries(**entry):
    config = Config.model_validate({"credentials": {"v3": {"password_env": "HOME"}}})
    return collector.sources(config, Inventory.model_validate({"pdus": [{"name": "pdu", **entry}]}))


@pytest.mark.parametrize(
    ("snmp", "said"),
    [
        ({"address": "10.0.0.1"}, "no credentials named 'snmp'"),
        ({"address": "10.0.0.1", "version": "3", "credentials": "v3"}, "needs a username"),
    ],
)
async def test_settings_that_cannot_be_used_are_told(snmp, said):
    (source,) = entries(snmp=snmp)
    with pytest.raises(Misconfigured, match=said):
        await source.collect("power")
