"""The page of storage: what is known, when it is full, and whether it is the reason that GPUs wait."""

import re
from dataclasses import replace
from datetime import UTC

import pytest
from fixture_datapath import DatapathLive, datapath_inventory
from fixture_hall import NOW, FakeStore

from dashboard import words
from dashboard.components import storagecards, storagehistory, storageparts
from dashboard.components.charts import Chart
from dashboard.components.storagecards import Growth, Shown
from dashboard.devices import STORAGE, Plant
from dashboard.pages import storage as page
from dashboard.problem import Level
from dashboard.services import Services
from dashboard.storagestate import Cluster, clusters, readers
from dashboard.timerange import Span
from wattstat.api.live import LiveSample, LiveSnapshot
from wattstat.catalogue import facility, storage
from wattstat.inventory import Inventory
from wattstat.store.protocol import Series

HOUR, DAY = 3600.0, 86_400.0
CHART = Chart(span=Span(start=0, end=6000, step=60), now=6000)


def text_of(markup: object) -> str:
    return re.sub(
        r"[ \n]+", " ", re.sub(r"<[^>]+>", " ", "".join(map(str, markup)) if isinstance(markup, list) else str(markup))
    )


async def found() -> dict[str, Cluster]:
    live = DatapathLive(hall_inventory=datapath_inventory())
    plant = Plant(snapshot=await live.hall(STORAGE), collectors=tuple(await live.collectors()), inventory=live.hall_inventory)
    return {each.name: each for each in clusters(plant)}


def made(*samples: tuple, **entry: object) -> Cluster:
    """A cluster of these samples: metric, value, labels behind the cluster's name."""
    families: dict[str, list[LiveSample]] = {}
    for metric, value, *labels in samples:
        named = dict(zip(metric.labels, ("a", *labels), strict=True))
        families.setdefault(metric.name, []).append(LiveSample(named, value, 1.0))
    cluster = {"name": "a", "kind": "powerscale", "url": "https://a:8080", **entry}
    snapshot = LiveSnapshot(taken_at=0, metrics={name: tuple(listed) for name, listed in families.items()})
    return clusters(Plant(snapshot=snapshot, collectors=(), inventory=Inventory.model_validate({"storage": [cluster]})))[0]


def shown(**known: object) -> Shown:
    return Shown(now=NOW, zone=UTC, **known)


def sized(used: float, size: float = 100e12) -> Cluster:
    return made((storage.STORAGE_SIZE_BYTES, size), (storage.STORAGE_CAPACITY_BYTES, used, "used"))


def test_what_is_not_told_is_absent_and_never_zero():
    written = text_of(storagecards.cards([made()], shown()))

    assert "0" not in written.replace("40", "")
    assert written.count(words.NOTHING) == 7
    assert "no design limit in the inventory" in written


async def test_a_cluster_that_does_not_answer_says_since_when_and_why():
    card = text_of(storagecards.cards([(await found())["objects"]], shown()))

    assert re.search(r"No answer since \d\d:\d\d: connection refused", card)


def test_days_to_full_say_over_which_time_they_are_worked_out():
    growth = {"a": Growth(bytes_per_second=1e12 / DAY, over_seconds=7 * DAY)}

    assert storagecards.days_to_full(sized(60e12), shown(growth=growth)) == (
        "full in 40 days by the growth over the last 7 days",
        Level.OK,
    )


@pytest.mark.parametrize("rate", [0.0, -5e6, 1.0])
def test_what_does_not_grow_or_hardly_is_never_full(rate):
    growth = {"a": Growth(bytes_per_second=rate, over_seconds=6 * HOUR)}

    assert storagecards.days_to_full(sized(60e12), shown(growth=growth))[0] == "not growing over the last 6\u202fh"


def test_a_burst_of_the_last_hours_is_said_when_it_would_fill_the_cluster_soon():
    growth = {"a": Growth(bytes_per_second=1e12 / DAY, over_seconds=7 * DAY)}
    pace = {"a": Growth(bytes_per_second=1e12 / HOUR, over_seconds=6 * HOUR)}

    text, level = storagecards.days_to_full(sized(90e12), shown(growth=growth, pace=pace))

    assert text == "full in 10\u202fh at the pace of the last 6\u202fh"
    assert level is Level.CRITICAL


def test_growth_of_a_few_minutes_is_no_forecast():
    growth = {"a": Growth(bytes_per_second=1e12, over_seconds=600)}

    text, level = storagecards.days_to_full(sized(60e12), shown(growth=growth, pace=growth))

    assert text == "growth known for 10\u202fmin only"
    assert level is Level.OK


def test_an_unknown_growth_is_called_so():
    assert storagecards.days_to_full(sized(60e12), shown()) == ("growth not known yet", Level.OK)


@pytest.mark.parametrize(
    ("used", "level"), [(84e12, Level.OK), (86e12, Level.WARNING), (96e12, Level.CRITICAL), (100e12, Level.CRITICAL)]
)
def test_a_cluster_is_nearly_full_before_it_is_full(used, level):
    assert sized(used).level is level


@pytest.mark.parametrize(("flow", "level"), [(31e9, Level.OK), (32e9, Level.WARNING), (39e9, Level.CRITICAL)])
def test_throughput_is_saturated_from_four_fifths_of_the_design_on(flow, level):
    cluster = made((storage.STORAGE_THROUGHPUT_BYTES_PER_SECOND, flow, "read"), design_read_bytes_per_second=40e9)

    assert cluster.level is level
    assert ("saturated" in text_of(storagecards.cards([cluster], shown()))) == bool(level)


def test_without_a_design_limit_nothing_is_called_saturated():
    assert made((storage.STORAGE_THROUGHPUT_BYTES_PER_SECOND, 9e12, "read")).level is Level.OK


async def test_the_slowest_beside_its_usual_is_looked_at_first_and_a_silent_one_last():
    usual = {("scratch", "nfs3"): 0.0012, ("projects", "nfs3"): 0.0012}
    every = list((await found()).values())

    assert storagecards.chosen(every, "", usual).name == "scratch"
    assert storagecards.chosen(every, "", {}).name == "projects"
    assert storagecards.chosen(every, "objects", usual).name == "objects"


async def test_components_show_supplies_drives_and_watts_with_their_source():
    every = await found()
    ill, sensed = text_of(storageparts.table(every["projects"])), text_of(storageparts.table(every["scratch"]))

    assert "1 of 2 bad: PS2" in ill
    assert "1 failed" in ill
    assert "no power sensor" in ill
    assert "420\u202fW own sensor" in sensed


def test_watts_of_a_node_are_the_best_figure_that_core_has_with_its_source():
    def node(*more: tuple[str, float]) -> str:
        own = LiveSample({"storage": "a", "storage_node": "a-1", "source": "sensor"}, 305.0, 1.0)
        best = tuple(LiveSample({"device": "a-1", "kind": "storage", "source": source}, value, 1.0) for source, value in more)
        metrics = {storage.STORAGE_NODE_POWER_WATTS.name: (own,), facility.DEVICE_POWER_WATTS.name: best}
        entry = {"name": "a", "kind": "powerscale", "url": "https://a:8080", "nodes": [{"name": "a-1"}]}
        hall = Inventory.model_validate({"storage": [entry]})
        known = Plant(snapshot=LiveSnapshot(taken_at=0, metrics=metrics), collectors=(), inventory=hall)
        return text_of(storageparts.table(clusters(known)[0]))

    assert "302\u202fW PDU outlets" in node(("pdu", 302.0))
    assert "305\u202fW own sensor" in node(("sensor", 305.0))
    assert "305\u202fW own sensor" in node()


def test_a_sum_of_watts_with_a_gap_is_a_lower_bound():
    nodes = [{"name": "a-1"}, {"name": "a-2"}]
    cluster = made((storage.STORAGE_NODE_POWER_WATTS, 400.0, "a-1", "sensor"), nodes=nodes)

    assert "≥ 400\u202fW, 1 of 2 nodes not measured" in text_of(storageparts.summary(cluster))


def test_a_node_that_was_put_to_read_only_is_a_deviation():
    up = (storage.STORAGE_NODE_UP, 1.0, "a-1")
    cluster = made(up, (storage.STORAGE_NODE_STATE, 1.0, "a-1", "readonly"), nodes=[{"name": "a-1"}])

    assert cluster.members[0].level is Level.WARNING
    assert "readonly" in text_of(storageparts.table(cluster))


def test_readers_are_named_listed_as_patterns_or_all_with_gpus():
    hall = datapath_inventory()
    scratch, projects, _ = hall.storage

    assert readers(projects, hall) == [f"gpu-{n:02d}" for n in range(1, 15)]
    assert readers(scratch.model_copy(update={"readers": ("gpu-[01-03]", "mgmt-15", "gpu-1*")}), hall) == [
        f"gpu-{n:02d}" for n in (1, 2, 3, 10, 11, 12, 13, 14)
    ]


def history(latency: list[float], busy: list[float], read: list[float] | None = None) -> storagehistory.StorageHistory:
    def series(values: list[float], **labels: str) -> tuple[Series, ...]:
        return (Series(labels=labels, times=[60.0 * n for n in range(len(values))], values=values),) if values else ()

    return storagehistory.StorageHistory(
        latency=series(latency, protocol="nfs3"), readers=series(busy), throughput=series(read or [], direction="read")
    )


USUAL = [0.0012 + 0.0001 * (n % 3) for n in range(80)]
BUSY = [0.88 + 0.02 * (n % 2) for n in range(80)]


@pytest.mark.parametrize(
    ("latency", "busy", "word"),
    [
        ([0.012] * 20, [0.35] * 20, "Likely"),
        ([0.012] * 20, [0.9] * 20, "Strained, yet nobody starves"),
        ([0.0012] * 20, [0.35] * 20, "Not by this cluster"),
        ([0.0012] * 20, [0.9] * 20, "No"),
        # three times nearly nothing is nothing
        ([0.0004] * 20, [0.9] * 20, "No"),
    ],
)
def test_storage_is_blamed_only_where_it_is_slow_and_its_readers_starve(latency, busy, word):
    start = [0.0001] * 80 if latency[0] < 0.001 else USUAL

    assert storagehistory.verdict(history([*start, *latency], [*BUSY, *busy]), sized(1e12)).word == word


def test_the_verdict_names_its_evidence():
    said = storagehistory.verdict(history([*USUAL, *[0.012] * 20], [*BUSY, *[0.35] * 20]), sized(1e12))

    assert said.why == (
        "latency of nfs3 is 12.0\u202fms, usually 1.30\u202fms; its readers' GPUs run at 35\u202f%, usually 88\u202f%; "
        "over the shown time these GPUs idled whenever latency rose."
    )


def by_class(**values: list[float]) -> tuple[Series, ...]:
    return tuple(
        Series(labels={"protocol": "nfs3", "class": kind}, times=[60.0 * n for n in range(len(told))], values=told)
        for kind, told in values.items()
    )


def test_the_class_that_rose_most_is_named_first():
    found = replace(
        history([*USUAL, *[0.04] * 20], [*BUSY, *[0.35] * 20]),
        classes=by_class(read=[0.0001] * 80 + [0.005] * 20, namespace_read=[0.0002] * 80 + [0.1] * 20),
    )

    why = storagehistory.verdict(found, sized(1e12)).why

    assert why.startswith(
        "looking up and opening files (namespace_read) over nfs3 takes 500 times its usual: 100\u202fms, usually 200\u202fµs"
    )
    assert "; latency of nfs3 is 40.0\u202fms" in why


def test_what_the_cluster_tells_now_is_believed_before_history():
    cluster = made((storage.STORAGE_LATENCY_SECONDS, 0.0012, "nfs3"))
    found = history([*USUAL, *[0.0168] * 20], [*BUSY, *[0.35] * 20])

    live, past = storagehistory.verdict(found, cluster, is_live=True), storagehistory.verdict(found, cluster)

    assert (live.word, past.word) == ("Not any more", "Likely")
    assert "latency is as usual now; that of nfs3 was 16.8\u202fms" in live.why
    assert live.level is Level.OK


def test_what_is_over_says_for_how_long():
    found = history([*USUAL, *[0.0168] * 17, *[0.0012] * 3], [*BUSY, *[0.35] * 17, *[0.9] * 3])

    said = storagehistory.verdict(found, sized(1e12))

    assert said.word == "Not any more"
    assert "that of nfs3 was 16.8\u202fms until 3\u202fmin ago, usually 1.30\u202fms" in said.why


def test_what_was_over_long_ago_is_not_told_any_more():
    found = history([*USUAL, *[0.0168] * 10, *[0.0012] * 16], [*BUSY, *[0.9] * 26])

    assert storagehistory.verdict(found, sized(1e12)).word == "No"


async def test_a_slow_cluster_is_not_plainly_good():
    cluster = (await found())["scratch"]

    assert "Good, but slow" in text_of(storagecards.cards([cluster], shown(usual={("scratch", "nfs3"): 0.0012})))
    assert "slow" not in text_of(storagecards.cards([cluster], shown()))


def test_a_limit_that_was_always_near_is_blamed_with_a_perhaps():
    cluster = made((storage.STORAGE_THROUGHPUT_BYTES_PER_SECOND, 34e9, "read"), design_read_bytes_per_second=40e9)
    always = storagehistory.verdict(history([0.001] * 100, [*BUSY, *[0.35] * 20], [34e9] * 100), cluster)
    newly = storagehistory.verdict(history([0.001] * 100, [*BUSY, *[0.35] * 20], [9e9] * 80 + [34e9] * 20), cluster)

    assert (always.word, newly.word) == ("Perhaps", "Likely")
    assert "read at 85\u202f% of its design, as usual" in always.why


@pytest.mark.parametrize(("latency", "busy"), [([], BUSY), (USUAL, []), ([], [])])
def test_nothing_is_said_where_nothing_is_recorded(latency, busy):
    assert storagehistory.verdict(history(latency, busy), sized(1e12)).word == "Cannot be said"


def test_readers_that_are_not_recorded_any_more_are_not_called_starved():
    said = storagehistory.verdict(history([0.001] * 100, BUSY[:60]), sized(1e12))

    assert said.word == "Cannot be said"


def test_a_correlation_needs_points_and_movement():
    flat, moving = Series(labels={}, times=range(40), values=[1.0] * 40), Series(labels={}, times=range(40), values=range(40))

    assert storagehistory.correlation(flat, moving) is None
    assert storagehistory.correlation(moving, Series(labels={}, times=range(5), values=range(5))) is None
    assert storagehistory.correlation(moving, moving) == pytest.approx(1)


async def test_three_panes_share_one_time_axis():
    drawn = storagehistory.figure(history(USUAL, BUSY, [1e9] * 80), (await found())["scratch"], CHART)

    assert [trace["yaxis"] for trace in drawn["data"]] == ["y", "y2", "y3"]
    assert drawn["layout"]["xaxis"]["anchor"] == "y3"
    assert all("xaxis" not in trace for trace in drawn["data"])
    assert [shape["y0"] for shape in drawn["layout"]["shapes"]] == [40e9, 8e9]


async def test_names_of_levels_do_not_lie_over_the_data():
    drawn = storagehistory.figure(history(USUAL, BUSY, [1e9] * 80), (await found())["scratch"], CHART)

    named = [each for each in drawn["layout"]["annotations"] if "design" in each["text"]]
    assert [each["yref"] for each in named] == ["paper"]
    assert "design read 40.0\u202fGB/s, design write 8.00\u202fGB/s" in named[0]["text"]


async def test_the_servers_behind_their_number_have_names():
    live = DatapathLive(hall_inventory=datapath_inventory())
    known = Plant(snapshot=await live.hall(STORAGE), collectors=(), inventory=live.hall_inventory)

    header = str(page.bodies(clusters(known), shown(chosen="scratch"), known)["storage-path-name"])

    assert "read by 14 servers" in header
    assert 'title="gpu-01, gpu-02, ' in header


async def test_growth_is_kept_for_clusters_whose_known_time_is_known():
    class Store(FakeStore):
        async def query(self, expression, at=None):
            names = ("scratch", "projects") if "deriv" in expression else ("scratch",)
            series = tuple(Series(labels={"storage": name}, times=[1.0], values=[5000.0]) for name in names)
            return (await super().query(expression, at)).__class__(kind="vector", series=series)

    services = Services(Store(), DatapathLive(hall_inventory=datapath_inventory()), lambda: NOW)

    assert await page.growing(services, 3600) == {"scratch": Growth(bytes_per_second=5000.0, over_seconds=5000.0)}


async def test_a_store_without_answer_costs_the_forecast_only():
    services = Services(FakeStore(broken=True), DatapathLive(hall_inventory=datapath_inventory()), lambda: NOW)

    assert await page.growing(services, 3600) == {}
    assert await page.usual_latency(services) == {}
