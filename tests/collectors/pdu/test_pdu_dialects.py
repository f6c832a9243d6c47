"""What differs between PDUs: linked units, old cards, other makers, and what is written where nothing was measured."""

import pytest

from collectors.frame.errors import BadPayload
from simulator.snmp import gauge32, identifier, integer, octets, ticks
from simulator.snmp_pdu import shown
from tests.support import plants
from wattstat.catalogue import facility as catalogue

SYSTEM = "1.3.6.1.2.1.1"
PDU2, RPDU2, RPDU = "1.3.6.1.4.1.13742.6", "1.3.6.1.4.1.318.1.1.26", "1.3.6.1.4.1.318.1.1.12"
SENTRY4, SENTRY3 = "1.3.6.1.4.1.1718.4.1", "1.3.6.1.4.1.1718.3"


async def told(bench, table, **entry):
    source = await bench.source(shown=table, **entry)
    collected = await source.collect("power")
    assert len({(sample.metric, sample.labels) for sample in collected.samples}) == len(collected.samples)
    return {(sample.metric, *sample.labels[1:]): sample.value for sample in collected.samples}


def table(kind):
    return shown(plants.pdu("pdu", kind), 100.0)


def system(object_id):
    return {f"{SYSTEM}.1.0": octets("PDU"), f"{SYSTEM}.2.0": identifier(object_id), f"{SYSTEM}.3.0": ticks(3600)}


@pytest.mark.parametrize(
    ("kind", "cell", "value"),
    [
        ("raritan", f"{PDU2}.5.2.3.1.3.1.1.5", integer(-1)),  # state unavailable, value left at what it was
        ("raritan", f"{PDU2}.5.2.3.1.2.1.1.5", integer(2)),  # not available
        ("raritan", f"{PDU2}.5.2.3.1.4.1.1.5", gauge32(0xFFFFFFFF)),
        ("raritan", f"{PDU2}.3.3.4.1.6.1.1.5", integer(4)),  # volt-amperes are no watts
        ("raritan", f"{PDU2}.3.3.4.1.7.1.1.5", gauge32(77)),  # digits that nobody has
        ("apc", f"{RPDU2}.4.3.1.5.1", integer(-1)),
        ("servertech", f"{SENTRY4}.3.3.1.3.1.1", integer(-1)),
        ("servertech", f"{SENTRY4}.3.3.1.2.1.1", integer(8)),  # the cord's meter is lost
    ],
)
async def test_an_inlet_that_is_not_read_is_a_gap_and_no_zero(bench, kind, cell, value):
    shows = table(kind)
    assert cell in shows
    found = await told(bench, shows | {cell: value})

    assert (catalogue.PDU_POWER_WATTS,) not in found
    assert found[catalogue.PDU_PHASE_POWER_WATTS, "L1"] == 1000


@pytest.mark.parametrize(
    ("kind", "cell", "value"),
    [
        ("raritan", f"{PDU2}.5.4.3.1.3.1.1.5", integer(-1)),
        ("apc", f"{RPDU2}.9.4.3.1.7.1", integer(-1)),
        ("servertech", f"{SENTRY4}.8.3.1.7.1.1.1", integer(-1)),
    ],
)
async def test_an_outlet_that_is_not_read_has_a_state_and_no_watts(bench, kind, cell, value):
    shows = table(kind)
    assert cell in shows
    found = await told(bench, shows | {cell: value}, outlets={"1": "gpu01", "2": "gpu02"})

    assert (catalogue.PDU_OUTLET_POWER_WATTS, "1", "gpu01") not in found
    assert found[catalogue.PDU_OUTLET_ON, "1", "gpu01"] == 1
    assert found[catalogue.PDU_OUTLET_POWER_WATTS, "2", "gpu02"] == 1300


async def test_an_energy_counter_that_ran_full_is_a_gap(bench):
    found = await told(bench, table("servertech") | {f"{SENTRY4}.3.3.1.10.1.1": integer(0x7FFFFFFF)})

    assert (catalogue.PDU_ENERGY_JOULES_TOTAL,) not in found


async def test_an_apc_metered_only_at_the_inlet_has_states_by_outlet(bench):
    shows = {at: value for at, value in table("apc").items() if not at.startswith(f"{RPDU2}.9.4.")}
    found = await told(bench, shows)

    assert found[catalogue.PDU_OUTLET_ON, "1", ""] == 1
    assert found[catalogue.PDU_OUTLET_ON, "4", ""] == 0
    assert not [key for key in found if key[0] is catalogue.PDU_OUTLET_POWER_WATTS]


async def test_an_apc_without_switches_does_not_call_its_outlets_on(bench):
    """Its metered table does, for each of them, always."""
    shows = {at: value for at, value in table("apc").items() if not at.startswith(f"{RPDU2}.9.2.")}
    found = await told(bench, shows)

    assert found[catalogue.PDU_OUTLET_POWER_WATTS, "1", ""] == 1300
    assert not [key for key in found if key[0] is catalogue.PDU_OUTLET_ON]


def two_apcs():
    """Two units on one network port: the second has module 2, and rows behind those of the first."""
    shows = table("apc")
    for column in (1, 2, 5, 9):
        first = 2 if column <= 2 else {5: 150, 9: 10}[column]
        shows[f"{RPDU2}.4.3.1.{column}.2"] = integer(first)
    for column, value in {1: 4, 2: 2, 3: 1, 5: 65, 6: 231, 7: 150}.items():
        shows[f"{RPDU2}.6.3.1.{column}.4"] = integer(value)
    for column, value in {1: 5, 2: 2, 4: 1, 5: 2, 7: 700, 11: 3}.items():
        shows[f"{RPDU2}.9.4.3.1.{column}.5"] = integer(value)
    return shows


async def test_units_on_one_port_are_added_and_named_apart(bench):
    found = await told(bench, two_apcs(), outlets={"2:1": "gpu09"})

    assert found[(catalogue.PDU_POWER_WATTS,)] == 3000 + 1500
    assert found[(catalogue.PDU_ENERGY_JOULES_TOTAL,)] == 3000 * 3600 + 10 * 360_000
    assert found[catalogue.PDU_PHASE_CURRENT_AMPERES, "2:L1"] == 6.5
    assert found[catalogue.PDU_OUTLET_POWER_WATTS, "1:1", ""] == 1300
    assert found[catalogue.PDU_OUTLET_POWER_WATTS, "2:1", "gpu09"] == 700


async def test_a_sum_with_a_unit_that_is_not_read_is_no_sum(bench):
    found = await told(bench, two_apcs() | {f"{RPDU2}.4.3.1.5.2": integer(-1)})

    assert (catalogue.PDU_POWER_WATTS,) not in found
    assert found[(catalogue.PDU_ENERGY_JOULES_TOTAL,)] == 3000 * 3600 + 10 * 360_000


async def test_a_sentry_with_a_linked_unit_names_cords_apart(bench):
    shows = table("servertech")
    shows[f"{SENTRY4}.3.2.1.2.2.1"] = octets("BA")
    shows |= {f"{SENTRY4}.3.3.1.{column}.2.1": integer(value) for column, value in {1: 1, 2: 0, 3: 900, 10: 50}.items()}
    shows[f"{SENTRY4}.5.2.1.4.2.1.1"] = octets("BA:L1-N")
    told_phase = {1: 1, 2: 0, 3: 2310, 6: 390, 8: 900}
    shows |= {f"{SENTRY4}.5.3.1.{column}.2.1.1": integer(value) for column, value in told_phase.items()}
    shows[f"{SENTRY4}.8.2.1.2.2.1.1"] = octets("BA1")
    shows |= {f"{SENTRY4}.8.3.1.{column}.2.1.1": integer(value) for column, value in {1: 1, 2: 0, 7: 900, 14: 5}.items()}
    found = await told(bench, shows, outlets={"1": "gpu01", "BA1": "gpu02"})

    assert found[(catalogue.PDU_POWER_WATTS,)] == 3900
    assert found[catalogue.PDU_PHASE_POWER_WATTS, "AA:L1"] == 1000
    assert found[catalogue.PDU_PHASE_POWER_WATTS, "BA:L1"] == 900
    assert found[catalogue.PDU_OUTLET_POWER_WATTS, "BA1", "gpu02"] == 900
    # Which of the two outlets 1 the inventory means is not known.
    assert found[catalogue.PDU_OUTLET_POWER_WATTS, "AA1", ""] == 1300


async def test_a_cascade_of_raritans_names_outlets_apart(bench):
    shows = table("raritan")
    second = {at.replace(f".3.5.3.1.2.1.{n}", f".3.5.3.1.2.2.{n}"): value for n in (1, 2) for at, value in shows.items()}
    found = await told(bench, second | shows)

    assert found[catalogue.PDU_OUTLET_POWER_WATTS, "1:1", ""] == 1300
    assert (catalogue.PDU_OUTLET_POWER_WATTS, "2:1", "") not in found


async def test_a_neutral_conductor_has_a_current_and_no_voltage(bench):
    shows = table("raritan")
    shows |= {at.replace(".1.1.3.1", ".1.1.4.1"): value for at, value in shows.items() if at.endswith(".1.1.3.1")}
    shows |= {at.replace(".1.1.3.4", ".1.1.4.4"): value for at, value in shows.items() if at.endswith(".1.1.3.4")}
    found = await told(bench, shows)

    assert found[catalogue.PDU_PHASE_CURRENT_AMPERES, "N"] == pytest.approx(4.348)
    assert (catalogue.PDU_PHASE_VOLTAGE_VOLTS, "N") not in found


def old_apc(*, watts=807, tenths=35):
    shows = system("1.3.6.1.4.1.318.1.3.4.4")
    shows |= {f"{RPDU}.1.{column}.0": octets(value) for column, value in {3: "v3.7.3", 5: "AP7953", 6: "5A0801E00000"}.items()}
    shows[f"{RPDU}.1.16.0"] = integer(watts)
    # The phase, and the two banks behind it.
    for row, phase, bank, load in ((1, 1, 0, tenths), (2, 1, 1, 20), (3, 1, 2, 15)):
        shows |= {f"{RPDU}.2.3.1.1.{column}.{row}": gauge32(value) for column, value in {2: load, 4: phase, 5: bank}.items()}
    for row, state in ((1, 1), (2, 2)):
        shows |= {f"{RPDU}.3.5.1.1.{column}.{row}": integer(value) for column, value in {1: row, 4: state}.items()}
    return shows


async def test_an_older_apc_is_read_by_its_own_tables(bench):
    found = await told(bench, old_apc(), outlets={"2": "spare"})

    assert found == {
        (catalogue.PDU_UP,): 1,
        (catalogue.PDU_POWER_WATTS,): 807,
        (catalogue.PDU_PHASE_CURRENT_AMPERES, "L1"): 3.5,
        (catalogue.PDU_OUTLET_ON, "1", ""): 1,
        (catalogue.PDU_OUTLET_ON, "2", "spare"): 0,
    }


async def test_an_older_apc_that_does_not_know_its_voltage_has_no_watts(bench):
    """It multiplies its current by a voltage that somebody has to type in, and shows 0 W until then."""
    assert (catalogue.PDU_POWER_WATTS,) not in await told(bench, old_apc(watts=0))
    assert (await told(bench, old_apc(watts=0, tenths=0) | {f"{RPDU}.2.3.1.1.2.{row}": gauge32(0) for row in (2, 3)}))[
        (catalogue.PDU_POWER_WATTS,)
    ] == 0


def sentry3():
    shows = system(SENTRY3)
    for infeed, line, load, watts, energy in ((1, "L1", 400, 900, 100), (2, "L2", 300, 700, 90), (3, "L3", 200, 450, 80)):
        shows[f"{SENTRY3}.2.2.1.2.1.{infeed}"] = octets(("AA", "AB", "AC")[infeed - 1])
        shows[f"{SENTRY3}.2.2.1.21.1.{infeed}"] = octets(line)
        told_infeed = {7: load, 11: 4000, 12: watts, 16: energy, 18: 2305}
        shows |= {f"{SENTRY3}.2.2.1.{column}.1.{infeed}": integer(value) for column, value in told_infeed.items()}
    for outlet, status in enumerate((1, 0, 5, 4, 6, 2), start=1):
        shows[f"{SENTRY3}.2.3.1.2.1.1.{outlet}"] = octets(f"AA{outlet}")
        told_outlet = {5: status, 14: 100 if status in (1, 5) else 0, 18: 3000}
        shows |= {f"{SENTRY3}.2.3.1.{column}.1.1.{outlet}": integer(value) for column, value in told_outlet.items()}
    return shows


async def test_a_sentry3_that_measures_power(bench):
    found = await told(bench, sentry3(), outlets={"1": "gpu01"})

    assert found[(catalogue.PDU_POWER_WATTS,)] == 2050
    assert found[(catalogue.PDU_ENERGY_JOULES_TOTAL,)] == 270 * 360_000
    assert found[catalogue.PDU_PHASE_POWER_WATTS, "L2"] == 700
    assert found[catalogue.PDU_PHASE_CURRENT_AMPERES, "L3"] == 2
    assert found[catalogue.PDU_PHASE_VOLTAGE_VOLTS, "L1"] == 230.5
    assert found[catalogue.PDU_OUTLET_POWER_WATTS, "1", "gpu01"] == 100
    assert found[catalogue.PDU_OUTLET_ENERGY_JOULES_TOTAL, "AA2", ""] == 3000 * 3600
    states = {key[1]: value for key, value in found.items() if key[0] is catalogue.PDU_OUTLET_ON}
    assert states == {"1": 1, "AA2": 0, "AA3": 1, "AA4": 0}  # one that does not communicate or waits is neither


def other(*sensors):
    """Sensors as name, type, scale, precision, value, status."""
    shows = system("1.3.6.1.4.1.9999.1")
    for number, (name, kind, scale, precision, value, status) in enumerate(sensors, start=10):
        shows[f"1.3.6.1.2.1.47.1.1.1.1.7.{number}"] = octets(name)
        told_sensor = {1: kind, 2: scale, 3: precision, 4: value, 5: status}
        shows |= {f"1.3.6.1.2.1.99.1.1.1.{column}.{number}": integer(cell) for column, cell in told_sensor.items()}
    return shows


async def test_another_maker_is_read_by_names_of_its_sensors(bench):
    found = await told(
        bench,
        other(
            ("Inlet Active Power", 6, 9, 1, 34567, 1),
            ("Phase L1 current", 5, 8, 0, 4350, 1),
            ("Phase L1 voltage", 4, 9, 1, 2301, 1),
            ("Outlet 3 power", 6, 9, 0, 120, 1),
            ("Ambient", 8, 9, 1, 231, 1),
        ),
        outlets={"3": "gpu01"},
    )

    assert found == {
        (catalogue.PDU_UP,): 1,
        (catalogue.PDU_POWER_WATTS,): 3456.7,
        (catalogue.PDU_PHASE_CURRENT_AMPERES, "L1"): 4.35,
        (catalogue.PDU_PHASE_VOLTAGE_VOLTS, "L1"): 230.1,
        (catalogue.PDU_OUTLET_POWER_WATTS, "3", "gpu01"): 120,
        (catalogue.PDU_TEMPERATURE_CELSIUS, "Ambient"): 23.1,
    }


async def test_a_lone_sensor_of_watts_is_the_inlet_and_one_of_many_is_not_guessed(bench):
    alone = await told(bench, other(("Power", 6, 10, 2, 123, 1)))
    two = await told(bench, other(("Left", 6, 9, 0, 100, 1), ("Right", 6, 9, 0, 200, 1)))

    assert alone[(catalogue.PDU_POWER_WATTS,)] == 1230
    assert (catalogue.PDU_POWER_WATTS,) not in two


@pytest.mark.parametrize("status", [2, 3])
async def test_a_sensor_that_is_unavailable_is_absent(bench, status):
    found = await told(bench, other(("Inlet power", 6, 9, 0, 0, status)))

    assert found == {(catalogue.PDU_UP,): 1}


async def test_sensors_without_anything_that_a_pdu_measures_are_told(bench):
    with pytest.raises(BadPayload, match="or watts in ENTITY-SENSOR-MIB"):
        await told(bench, other(("Fan", 10, 9, 0, 5000, 1)))
