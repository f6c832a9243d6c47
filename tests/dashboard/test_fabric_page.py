"""The page of the fabric: each link, the cables that do harm, the switches, and what hangs on a leaf."""

import re
import time
from dataclasses import replace
from datetime import UTC

import pytest
from fixture_datapath import DatapathLive, datapath_inventory, filled

from dashboard import fabricharm, fabricread
from dashboard.components import fabriccables, fabrichistory, fabricmatrix, fabricrails, fabricswitches
from dashboard.components.charts import Chart
from dashboard.devices import SWITCHES, Plant
from dashboard.fabricharm import Dark, Evidence, Job, Suspect
from dashboard.fabricstate import Cable, Ends, Link, cables, cells, switches
from dashboard.pages import fabric as page
from dashboard.problem import Level
from dashboard.services import Services
from dashboard.timerange import Span
from wattstat.api.live import CollectorState, LiveSample, LiveSnapshot
from wattstat.catalogue import facility, network
from wattstat.inventory import Inventory
from wattstat.store.protocol import Series

CHART = Chart(span=Span(start=0, end=600, step=60), now=600)
RAILS = [
    Cable(node="n1", device=f"mlx5_{rail - 1}", rail=rail, switch="leaf", port=f"1/{rail}") for rail in (1, 2, 3)
]  # fmt: skip
BIG = Job(scheduler="slurm", job_id="7", name="llm", user="chen", gpus=64, nodes=frozenset({"n1", "n2"}))
SMALL = Job(scheduler="slurm", job_id="8", name="", user="ng", gpus=2, nodes=frozenset({"n3"}))
NOTHING_SEEN = fabricharm.Seen(
    flaps={}, symbol_errors={}, packet_errors={}, bit_error_ratio={}, down=(), adapters_down=(), adapters_slow={},
    adapters_flaps={}, adapters_symbol_errors={}, light_dbm={}, rates={},
)  # fmt: skip


def text_of(markup: object) -> str:
    return re.sub(
        r"[ \n]+", " ", re.sub(r"<[^>]+>", " ", "".join(map(str, markup)) if isinstance(markup, list) else str(markup))
    )


def ends(**known: object) -> Ends:
    empty: dict = {name: {} for name in ("active", "rates", "errors", "up", "speeds", "symbol_errors")}
    return Ends(**(empty | known))


def seen(**known: object) -> fabricharm.Seen:
    return fabricharm.Seen(**{name: known.get(name, getattr(NOTHING_SEEN, name)) for name in NOTHING_SEEN.__slots__})


def link(device: str, rail: str, port: str, source: str, *, switch: str = "leaf") -> Series:
    labels = {"node": "n1", "device": device, "rail": rail, "switch": switch, "port": port, "source": source}
    return Series(labels=labels, times=[0.0], values=[1.0])


def states(known: Ends) -> list[Link]:
    return [cell.link for cell in cells(RAILS, known)["n1"]]


def test_a_cable_that_several_know_of_is_as_the_fabric_manager_has_it_with_the_rail_of_who_knows_it():
    found = cables([link("mlx5_0", "1", "", "inventory"), link("mlx5_0", "", "IB1/1/1", "ufm", switch="other")])

    assert found == [Cable(node="n1", device="mlx5_0", rail=1, switch="other", port="IB1/1/1")]


def test_a_link_is_down_where_either_end_says_so_and_unknown_where_neither_says_anything():
    by_server = ends(active={("n1", "mlx5_0"): 0.0, ("n1", "mlx5_1"): 1.0}, up={("leaf", "1/1"): 1.0, ("leaf", "1/2"): 0.0})

    assert states(by_server) == [Link.DOWN, Link.DOWN, Link.UNKNOWN]


def test_a_rail_is_slow_beside_the_servers_other_rails_and_another_port_is_not():
    rates = {("n1", "mlx5_0"): 400e9, ("n1", "mlx5_1"): 200e9, ("n1", "mlx5_2"): 400e9, ("n1", "eth0"): 25e9}
    eth = Cable(node="n1", device="eth0", rail=None, switch="eth", port="1")
    found = cells([*RAILS, eth], ends(active=dict.fromkeys(rates, 1.0), rates=rates))["n1"]

    assert [cell.link for cell in found] == [Link.UP, Link.SLOW, Link.UP, Link.UP]
    assert "200\u202fGb/s of 400\u202fGb/s" in fabricmatrix.spoken(found[1])


def test_a_link_that_comes_and_goes_is_worse_than_one_with_errors():
    up = dict.fromkeys((("n1", "mlx5_0"), ("n1", "mlx5_1"), ("n1", "mlx5_2")), 1.0)
    known = ends(active=up, errors={("n1", "mlx5_0"): 3.0, ("n1", "mlx5_1"): 9.0}, flapping={("n1", "mlx5_1")})

    assert states(known) == [Link.ERRORS, Link.FLAPS, Link.UP]


def test_every_state_has_a_symbol_of_its_own_beside_its_colour():
    symbols = [symbol for symbol, _ in fabricmatrix.MARKS.values()]

    assert fabricmatrix.MARKS.keys() == set(Link)
    assert len(set(symbols)) == len(symbols)


def test_a_cell_says_all_of_itself_to_who_does_not_see_it():
    rows = cells(RAILS, ends(active={("n1", "mlx5_0"): 0.0}))

    assert 'aria-label="n1 rail 1, down, mlx5_0 to leaf 1/1"' in fabricmatrix.table(rows, "?from=now-1h")
    assert 'href="/node/n1?from=now-1h"' in fabricmatrix.table(rows, "?from=now-1h")


def test_cables_are_sorted_by_what_they_cost_and_not_by_what_they_count():
    behind = [Cable(node=node, device="mlx5_0", rail=1, switch="leaf", port=node) for node in ("n1", "n3", "n9")]
    counts = {("leaf", "n1"): 5.0, ("leaf", "n3"): 90_000.0, ("leaf", "n9"): 90_000.0}

    found = fabricharm.suspects(seen(symbol_errors=counts), behind, fabricharm.by_node([BIG, SMALL]))

    assert [(each.port, each.gpus) for each in found] == [("n1", 64), ("n3", 2), ("n9", 0)]


def test_a_slow_link_with_few_gpus_stands_above_rising_errors_with_many():
    behind = [Cable(node=node, device="mlx5_0", rail=1, switch="leaf", port=node) for node in ("n1", "n2", "n3")]
    known = seen(
        symbol_errors={("leaf", "n1"): 5.0, ("leaf", "n2"): 9.0},
        bit_error_ratio={("leaf", "n3"): 2e-8},
        adapters_slow={("n3", "mlx5_0"): 100e9},
        rates={("n3", "mlx5_0"): 100e9, ("n3", "mlx5_1"): 400e9},
    )

    found = fabricharm.suspects(known, behind, fabricharm.by_node([BIG, SMALL]))

    assert [(each.port, each.gpus, each.evidence.level) for each in found] == [
        ("n3", 2, Level.CRITICAL), ("n1", 64, Level.WARNING), ("n2", 64, Level.WARNING),
    ]  # fmt: skip
    assert fabriccables.ORDER in text_of(fabriccables.table(found, ""))


@pytest.mark.parametrize(
    ("evidence", "is_grave"),
    [
        (Evidence(is_down=True), True),
        (Evidence(flaps=3.0), True),
        (Evidence(speed=300e9, expected=400e9), True),
        (Evidence(packet_errors=4.0), True),
        (Evidence(bit_error_ratio=1e-12), True),
        (Evidence(bit_error_ratio=2e-14), False),
        (Evidence(symbol_errors=9e9, speed=400e9, expected=400e9), False),
    ],
)
def test_whoever_hurts_now_is_graver_than_who_might(evidence, is_grave):
    assert evidence.is_grave is is_grave


def test_of_equal_cost_the_worse_cable_comes_first():
    found = fabricharm.suspects(
        seen(symbol_errors={("leaf", "1/1"): 50.0}, adapters_down=[("n1", "mlx5_1")], bit_error_ratio={("leaf", "1/3"): 2e-14}),
        RAILS,
        fabricharm.by_node([BIG]),
    )

    assert [each.port for each in found] == ["1/2", "1/1", "1/3"]
    assert [each.evidence.level for each in found] == [Level.CRITICAL, Level.WARNING, Level.WARNING]


def test_what_both_ends_counted_is_counted_once():
    found = fabricharm.suspects(
        seen(flaps={("leaf", "1/1"): 4.0}, adapters_flaps={("n1", "mlx5_0"): 5.0, ("n9", "mlx5_0"): 8.0}), RAILS, {}
    )

    assert [(each.port, each.evidence.flaps) for each in found] == [("1/1", 5.0)]


def test_evidence_is_written_in_words():
    evidence = Evidence(flaps=11.0, symbol_errors=9000.0, bit_error_ratio=3e-11, speed=200e9, expected=400e9, light_dbm=-31.0)

    assert fabriccables.evidence(evidence) == (
        "200\u202fGb/s, its neighbours 400\u202fGb/s; came and went 11 times in 6\u202fh; "
        "bit error ratio 3e-11 after correction; 9,000 symbol errors in 60\u202fmin; receives -31.0\u202fdBm of light: dark"
    )


def test_a_port_without_a_known_server_is_listed_and_says_so():
    found = fabricharm.suspects(seen(flaps={("spine", "9"): 4.0}), RAILS, {})

    assert "no server is known behind it" in text_of(fabriccables.table(found, ""))


def test_without_a_suspect_the_page_says_that_it_looked():
    assert "No cable" in text_of(fabriccables.table([], ""))


def test_more_suspects_than_anybody_reads_are_counted():
    many = [Suspect(switch="leaf", port=str(n), cable=None, evidence=Evidence(flaps=3.0), jobs=()) for n in range(40)]

    assert "and 15 that do less harm" in text_of(fabriccables.table(many, ""))


def plant(*samples: tuple, collectors: tuple = ()) -> Plant:
    families: dict[str, list[LiveSample]] = {}
    for metric, value, *labels in samples:
        named = dict(zip(metric.labels, labels, strict=True))
        families.setdefault(metric.name, []).append(LiveSample(named, value, 1.0))
    hall = Inventory.model_validate({"switches": [{"name": "leaf"}]})
    snapshot = LiveSnapshot(taken_at=0, metrics={name: tuple(listed) for name, listed in families.items()})
    return Plant(snapshot=snapshot, collectors=collectors, inventory=hall)


def leaves(*collectors: CollectorState) -> list:
    return switches(plant((network.SWITCH_PSU_OK, 1, "leaf", "1"), collectors=collectors), (), ())


def collector(*, failing: bool) -> CollectorState:
    return CollectorState(
        collector="switches", target="leaf", tier="fast", every_seconds=10, success=not failing, supported=True,
        duration_seconds=0.1, last_success=0.0, failing_since=3600.0 if failing else None, error="timed out" if failing else "",
        resource_errors={}, samples=0, circuit_open_until=None,
    )  # fmt: skip


SILENT, ANSWERING = collector(failing=True), collector(failing=False)


@pytest.mark.parametrize(
    ("by", "down", "lines"),
    [(SILENT, 32, 1), (SILENT, 20, 1), (SILENT, 3, 0), (SILENT, 0, 0), (ANSWERING, 32, 1), (ANSWERING, 31, 0)],
)
def test_a_switch_takes_its_links_along_where_it_is_silent_or_all_are_down(by, down, lines):
    assert len(fabricharm.dark(leaves(by), {"leaf": 32.0}, {"leaf": float(down)})) == lines


def test_a_single_link_that_is_down_on_a_switch_that_answers_is_a_cable():
    assert fabricharm.dark(leaves(ANSWERING), {"leaf": 1.0}, {"leaf": 1.0}) == []


def test_a_dead_switch_is_one_line_beside_the_cables_and_is_not_to_be_reseated():
    gone = Dark(switch="ib-leaf-2", answers=False, since=0.0, down=32, links=32, jobs=(BIG,))
    text = text_of(fabriccables.table([], "", [gone]))

    assert "ib-leaf-2 does not answer: 32 links down" in text
    assert "64 GPUs behind it; look at the switch and its supplies, not at its cables" in text
    assert "Beside these, no cable" in text


def test_a_silent_switch_shows_nothing_of_what_it_said_last():
    text = text_of(fabricswitches.table(leaves(SILENT), "", 7200.0, UTC))

    assert "No answer since 01:00" in text
    assert "good" not in text
    assert 'class="silent"' in fabricswitches.table(leaves(SILENT), "", 7200.0, UTC)


async def test_a_dead_leaf_does_not_hide_the_bad_cable_of_another(services):
    class Dead(DatapathLive):
        async def collectors(self) -> list[CollectorState]:
            return [replace(each, success=each.target != "ib-leaf-1") for each in await super().collectors()]

    live = Dead(hall_inventory=datapath_inventory(), clock=services.clock)
    found = switches(Plant(snapshot=await live.hall(SWITCHES), collectors=tuple(await live.collectors()),
                           inventory=live.hall_inventory), (), ())  # fmt: skip

    assert await fabricread.dark(services, found, []) == []  # silent, yet its links are up by the servers
    beside = await fabricread.suspects(services, {}, ["ib-leaf-1"])
    assert {(each.cable.node, each.cable.rail) for each in beside if each.cable} == {("gpu-02", 8), ("gpu-05", 6)}


def written(*samples: tuple) -> str:
    return text_of(fabricswitches.table(switches(plant(*samples), (), ()), "", 0.0, UTC))


def test_a_switch_of_which_nothing_is_known_shows_no_numbers():
    text = written()

    assert "not read" in text
    assert "no power reading" in text
    assert not re.search(r"\d", text)


def test_ports_are_those_that_are_up_of_all():
    count = [Series(labels={"switch": "leaf"}, times=[0.0], values=[value]) for value in (25.0, 32.0)]

    assert "25 of 32 up" in text_of(fabricswitches.table(switches(plant(), count[:1], count[1:]), "", 0.0, UTC))


def test_what_pfc_and_ecn_are_is_said_where_they_are_counted():
    table = str(fabriccables.congestion({("leaf", "1", "receive"): 4.0}, {}, {}, ""))

    assert 'title="Priority flow control' in table
    assert 'title="Explicit congestion notification' in table


def test_an_empty_slot_is_no_bad_supply():
    text = written(
        (network.SWITCH_PSU_ON, 0, "leaf", "2"),
        (network.SWITCH_PSU_ON, 1, "leaf", "1"),
        (network.SWITCH_PSU_OK, 1, "leaf", "1"),
    )

    assert "1 good, 1 slot empty" in text
    assert "bad" not in text


@pytest.mark.parametrize(
    ("sources", "said"),
    [
        (("psu_output", "psu_input"), "input of its supplies"),
        (("pdu", "psu_input"), "PDU outlets"),
        (("derived",), "estimated from its supplies' output"),
    ],
)
def test_watts_of_a_switch_name_the_best_source(sources, said):
    assert said in written(
        *((facility.DEVICE_POWER_WATTS, 700.0 + n, "leaf", "switch", source) for n, source in enumerate(sources))
    )


def test_a_leaf_names_the_servers_rails_and_jobs_that_it_touches():
    text = text_of(fabricrails.leaf("leaf", RAILS, [BIG, SMALL], ""))

    assert "1 server loses rails 1 to 3" in text
    assert "1 running job with 64 GPUs" in text
    assert "7 llm" in text


def test_a_leaf_that_no_job_uses_says_so():
    assert "no running job is touched" in text_of(fabricrails.leaf("leaf", RAILS, [SMALL], ""))


def test_rails_without_a_known_capacity_show_no_share():
    text = text_of(fabricrails.table({"1": 5e9}, {}, {}))

    assert "5.00\u202fGB/s" in text
    assert "%" not in text


def test_zero_has_no_place_on_a_log_scale():
    symbols = (Series(labels={"switch": "leaf", "port": "1"}, times=[0, 60, 120], values=[0.0, 2.0, 0.0]),)
    drawn = fabrichistory.figure(fabrichistory.FabricHistory(symbols=symbols), [("leaf", "1")], CHART)

    assert drawn["data"][0]["y"] == [2.0]
    assert drawn["layout"]["yaxis"]["type"] == "log"


def test_servers_in_trouble_stand_first_and_not_more_than_anybody_reads():
    names = [f"n{n:03d}" for n in range(200)]
    cable = Cable(node="n150", device="a", rail=1, switch="leaf", port="1")
    suspect = Suspect(switch="leaf", port="1", cable=cable, evidence=Evidence(is_down=True), jobs=())

    shown = page.rows(names, [suspect], "wrong")

    assert shown[:2] == ["n150", "n000"]
    assert len(shown) == page.MOST_ROWS
    assert page.rows(names, [suspect], "name")[0] == "n000"


@pytest.fixture
async def services(tmp_path):
    now = time.time()
    live = DatapathLive(hall_inventory=datapath_inventory(), clock=lambda: now)
    store = await filled(tmp_path / "history.duckdb", live, now)
    yield Services(store, live, lambda: now)
    await store.close()


async def test_the_page_reads_the_fixtures_troubles_out_of_a_real_history(services):
    read = await page.read(services, "?leaf=ib-leaf-2")

    assert {(each.cable.node, each.cable.rail): each.evidence for each in read.suspects if each.cable}.keys() == {
        ("gpu-02", 8), ("gpu-03", 2), ("gpu-04", 1), ("gpu-05", 6),
    }  # fmt: skip
    found = {(node, cell.cable.rail): cell.link for node, row in read.rows.items() for cell in row}
    assert {where: state for where, state in found.items() if state is not Link.UP} == {
        ("gpu-02", 8): Link.DOWN, ("gpu-03", 2): Link.FLAPS, ("gpu-04", 1): Link.ERRORS, ("gpu-05", 6): Link.SLOW,
    }  # fmt: skip
    assert read.suspects[0].gpus == 8
    assert read.traffic.capacity["1"] == pytest.approx(10 * 50e9)
    assert read.traffic.receive["8"] == pytest.approx(7 * 11e9, rel=0.01)
    assert {cable.node for cable in read.cables} == {f"gpu-{n:02d}" for n in range(1, 9)}
    assert {place[0] for place in read.congestion.servers} == {"eth-leaf-1"}
    states_of = {each.name: each.level for each in read.switches}
    assert states_of == {"ib-leaf-1": 0, "ib-leaf-2": 0, "eth-leaf-1": 0, "eth-leaf-2": Level.WARNING}


async def test_errors_over_time_are_those_of_the_worst_ports(services):
    suspects = await fabricread.suspects(services, {})
    found, chosen = await fabricread.history(
        services, suspects, CHART.__class__(span=Span(start=services.clock() - 1800, end=services.clock(), step=60))
    )

    assert set(chosen) == {("ib-leaf-1", "3/2"), ("ib-leaf-1", "4/1")}
    assert max(found.symbols[0].values) == pytest.approx(2.5, rel=0.1)


async def test_switches_carry_what_the_fixture_says():
    live = DatapathLive(hall_inventory=datapath_inventory())
    known = Plant(snapshot=await live.hall(SWITCHES), collectors=tuple(await live.collectors()), inventory=live.hall_inventory)

    text = text_of(fabricswitches.table(switches(known, (), ()), "", 0.0, UTC))

    assert "1 of 2 bad: 2" in text
    assert "740\u202fW its supplies, input or output not told" in text
