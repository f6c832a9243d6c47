"""inventory.yaml: references, places, patterns."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattstat import inventory
from wattstat.document import Document, InvalidDocument
from wattstat.inventory.patterns import expand, write_out
from wattstat.inventory.reader import examine

RACKS = "racks: [{name: r1}, {name: r2, units: 20}]\n"


def problems_of(text):
    with pytest.raises(InvalidDocument) as caught:
        inventory.loads(text, source="inventory.yaml")
    return [str(problem) for problem in caught.value.problems]


def only_problem_of(text) -> str:
    (problem,) = problems_of(text)
    return problem


def test_an_inventory_reads_as_it_is_written(tmp_path):
    path = tmp_path / "inventory.yaml"
    path.write_text(
        "site: {name: hall 1, timezone: Europe/Berlin, budget_watts: 250e3}\n"
        "breakers: [{name: r1-a, limit_watts: 17.3e+3, feed: A}]\n"
        "racks: [{name: r1, breakers: [r1-a]}]\n"
        "nodes:\n"
        "  - {name: gpu1, rack: r1, unit: 1, height: 6, gpus: 8, bmc: {url: https://10.0.0.1, tls: {ca_file: ca.pem}}}\n"
    )
    found = inventory.load(path)

    assert found.nodes[0].bmc.tls.ca_file == tmp_path / "ca.pem"
    assert found.breakers[0].limit_watts == 17300
    assert found.rack_of("gpu1") == "r1"
    assert found.rack_of("nobody") == ""


def test_no_file_gives_an_empty_inventory():
    assert inventory.load(None) == inventory.Inventory()


def test_a_name_stands_once_among_its_kind():
    text = RACKS + "nodes:\n  - {name: gpu1}\n  - {name: gpu1}\n"

    assert only_problem_of(text).startswith(
        "inventory.yaml:4:6: nodes[gpu1].name: gpu1 already belongs to nodes[gpu1] (line 3); expected each name once"
    )
    assert "already belongs" in only_problem_of("racks: [{name: r1}, {name: r1}]")
    assert "already belongs" in only_problem_of("breakers: [{name: b, limit_watts: 1}, {name: b, limit_watts: 1}]")
    assert "is empty" in only_problem_of("nodes: [{name: ''}]")


def test_two_servers_do_not_share_a_controller():
    problem = only_problem_of("nodes: [{name: a, bmc: {url: https://x}}, {name: b, bmc: {url: https://x}}]")

    assert "nodes[b].bmc.url: https://x already belongs to nodes[a] (line 1)" in problem


def test_what_an_entry_names_must_exist():
    rack = only_problem_of(RACKS + "nodes: [{name: a, rack: r3}]")
    breaker = only_problem_of("breakers: [{name: r1-a, limit_watts: 1}]\nracks: [{name: r1, breakers: [r1-a, r1-b]}]")

    assert "nodes[a].rack: there is no rack 'r3'; expected r1 or r2; add it to `racks`" in rack
    assert "racks[r1].breakers[1]: there is no breaker 'r1-b'; expected r1-a; did you mean r1-a?" in breaker


def test_servers_that_overlap_are_both_named():
    text = RACKS + "nodes: [{name: a, rack: r1, unit: 1, height: 6}, {name: b, rack: r1, unit: 6, height: 2}]"

    assert "b (U6-U7) overlaps a (U1-U6) in rack r1" in only_problem_of(text)


def test_servers_one_above_the_other_do_not_overlap():
    text = (
        RACKS + "nodes: [{name: a, rack: r1, unit: 1, height: 6}, {name: b, rack: r1, unit: 7}, {name: c, rack: r2, unit: 1}]"
    )

    assert len(inventory.loads(text).nodes) == 3


def test_a_server_fits_its_rack():
    text = RACKS + "nodes: [{name: a, rack: r2, unit: 16, height: 6}]"

    assert "a fills U16 to U21, rack r2 ends at U20; expected a unit of at most 15" in only_problem_of(text)


def test_a_unit_needs_a_rack():
    assert "a has a unit but no rack" in only_problem_of("nodes: [{name: a, unit: 3}]")


@pytest.mark.parametrize(
    "url", ["10.0.0.1", "https://", "https://x:port", "ssh://x", "https://x:0", "https:// x", "https://[::1"]
)
def test_a_url_that_is_none_is_refused(url):
    assert "is no URL" in only_problem_of(f"nodes: [{{name: a, bmc: {{url: '{url}'}}}}]")


@pytest.mark.parametrize(
    "url", ["https://10.0.0.1", "https://[fe80::1]:443", "https://bmc-1.example:8443/", "https://x_y/redfish"]
)
def test_a_url_loses_only_its_last_slash(url):
    assert inventory.loads(f"nodes: [{{name: a, bmc: {{url: '{url}'}}}}]").nodes[0].bmc.url == url.rstrip("/")


def test_a_fingerprint_is_taken_as_openssl_prints_it():
    digits = ":".join(["AB"] * 32)
    for written in (digits, f"sha256 Fingerprint={digits}", "ab" * 32):
        found = inventory.loads(f"nodes: [{{name: a, bmc: {{url: https://x, tls: {{fingerprint: '{written}'}}}}}}]")

        assert found.nodes[0].bmc.tls.fingerprint == "ab" * 32
    assert "is no SHA-256 fingerprint" in only_problem_of(
        "nodes: [{name: a, bmc: {url: https://x, tls: {fingerprint: 'AB:CD'}}}]",
    )


def test_a_password_is_not_sent_in_the_clear():
    assert "nodes[a].bmc.url: http://x is not encrypted; expected https://" in only_problem_of(
        "nodes: [{name: a, bmc: {url: http://x}}]"
    )


def test_a_time_zone_exists():
    assert "'Mars' is no time zone" in only_problem_of("site: {timezone: Mars}")


def test_an_unknown_key_of_an_entry_names_the_entry():
    assert "nodes[gpu7].modle: no such setting" in only_problem_of("nodes: [{name: gpu7, modle: x}]")
    assert "did you mean `per_rack`?" in only_problem_of("nodes: [{name: gpu7, perrack: 3}]")


# Patterns ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("gpu1", ["gpu1"]),
        ("gpu[1-3]", ["gpu1", "gpu2", "gpu3"]),
        ("gpu[008-010]", ["gpu008", "gpu009", "gpu010"]),
        ("gpu[1,4-5]-mgmt", ["gpu1-mgmt", "gpu4-mgmt", "gpu5-mgmt"]),
        ("r[1-2]c[01-02]", ["r1c01", "r1c02", "r2c01", "r2c02"]),
    ],
)
def test_a_pattern_stands_for_its_names(pattern, names):
    assert [named.name for named in expand(pattern)] == names


@pytest.mark.parametrize("pattern", ["gpu[3-1]", "gpu[a-c]", "gpu[]", "gpu[1", "gpu1]", "gpu[1-999999999]", "a[1-999][1-999]"])
def test_a_pattern_that_is_none_is_refused_with_what_was_expected(pattern):
    text = only_problem_of(f"nodes: [{{name: '{pattern}'}}]")

    assert repr(pattern) in text
    assert "expected" in text


@given(st.integers(0, 500), st.integers(0, 40), st.integers(1, 4))
def test_a_range_has_as_many_names_as_numbers_and_all_differ(first, more, digits):
    names = [named.name for named in expand(f"n[{first:0{digits}}-{first + more}]")]

    assert len(set(names)) == more + 1
    assert all(int(name[1:]) == first + position for position, name in enumerate(names))


def test_a_thousand_servers_need_a_few_lines():
    found = inventory.loads(
        "racks: [{name: 'r[001-125]'}]\n"
        "nodes:\n"
        "  - name: gpu[0001-1000]\n"
        "    racks: r[001-125]\n"
        "    per_rack: 8\n"
        "    unit: 1\n"
        "    height: 5\n"
        "    bmc: {url: 'https://{name}-idrac.example', credentials: 'row-{n}'}\n"
        "    agent: {url: 'http://10.0.0.{i+10}:9837'}\n"
    )

    assert len(found.nodes) == 1000
    assert [(node.rack, node.unit) for node in found.nodes[7:9]] == [("r001", 36), ("r002", 1)]
    assert found.nodes[41].bmc.url == "https://gpu0042-idrac.example"
    assert found.nodes[41].bmc.credentials == "row-0042"
    assert found.nodes[41].agent.url == "http://10.0.0.52:9837"


def test_entries_after_a_pattern_keep_their_lines():
    text = "nodes:\n  - {name: 'a[1-3]', bmc: {url: 'https://{name}'}}\n  - {name: b}\n  - {name: c, rack: r9}\n"

    assert only_problem_of(text).startswith("inventory.yaml:4:15: nodes[c].rack: there is no rack 'r9'")


def test_a_mistake_in_a_pattern_is_told_once():
    assert "nodes[a1].gpus and 127 more: is -1; expected at least 0" in only_problem_of("nodes: [{name: 'a[1-128]', gpus: -1}]")


@pytest.mark.parametrize(
    ("members", "told"),
    [
        ("racks: 'r[1-2]', per_rack: 1", "3 servers do not fit 2 racks of 1"),
        ("racks: 'r[1-2]'", "racks and per_rack belong together"),
        ("per_rack: 3", "racks and per_rack belong together"),
        ("rack: r1, racks: r1, per_rack: 3", "both rack and racks"),
        ("racks: r1, per_rack: three", "racks and per_rack belong together"),
        ("racks: 1, per_rack: 3", "racks and per_rack belong together"),
    ],
)
def test_filling_racks_wrongly_is_explained(members, told):
    assert told in only_problem_of(f"racks: [{{name: 'r[1-2]'}}]\nnodes: [{{name: 'a[1-3]', {members}}}]")


def test_a_number_in_a_template_needs_one_in_the_name():
    assert "{n} needs a number in the name" in only_problem_of("nodes: [{name: a, bmc: {url: 'https://b{n}'}}]")


anything = (
    st.none() | st.booleans() | st.integers(-3, 99) | st.text("ab[]{}n-1,", max_size=6) | st.lists(st.integers(), max_size=2)
)
keys = st.sampled_from(["name", "rack", "racks", "per_rack", "unit", "height", "bmc", "gpus"])


@given(st.lists(st.dictionaries(keys, anything, max_size=6) | anything, max_size=4))
def test_no_entries_are_met_with_anything_but_problems(entries):
    found, problems = examine(write_out(Document(source="x", data={"nodes": entries})), Path("/site"))

    assert found is not None or problems


def test_storage_nodes_are_written_out_one_above_the_other():
    found = inventory.loads(
        "racks: [{name: 'r[1-2]'}]\n"
        "storage:\n"
        "  - name: scratch\n"
        "    kind: powerscale\n"
        "    url: https://scratch\n"
        "    nodes: [{name: 'scratch-[1-3]', rack: r1, unit: 30, height: 2, number: 5}, {name: spare, rack: r2}]\n"
        "  - name: 'objects[1-2]'\n"
        "    kind: ecs\n"
        "    url: https://objects{i}\n"
        "    nodes: [{name: '{name}-[01-02]', rack: 'r{i}'}]\n"
    ).storage

    assert [(node.name, node.unit, node.number) for node in found[0].nodes] == [
        ("scratch-1", 30, 5),
        ("scratch-2", 32, 6),
        ("scratch-3", 34, 7),
        ("spare", None, None),
    ]
    assert [cluster.url for cluster in found[1:]] == ["https://objects1", "https://objects2"]
    assert [[(node.name, node.rack) for node in cluster.nodes] for cluster in found[1:]] == [
        [("objects1-01", "r1"), ("objects1-02", "r2")],
        [("objects2-01", "r1"), ("objects2-02", "r2")],
    ]


def test_problems_of_storage_nodes_keep_the_lines_of_their_patterns():
    text = (
        RACKS + "storage:\n"
        "  - name: scratch\n"
        "    kind: ecs\n"
        "    url: https://scratch\n"
        "    nodes:\n"
        "      - {name: 'a-[1-2]', rack: r1}\n"
        "      - {name: 'b-[1-3]', rack: r9}\n"
    )

    assert only_problem_of(text).startswith(
        "inventory.yaml:8:27: storage[scratch].nodes[b-1].rack and 2 more: there is no rack 'r9'"
    )
    assert only_problem_of(text.replace("b-[1-3]", "b-[1-3").replace("r9", "r1")).startswith(
        "inventory.yaml:8:10: storage[scratch].nodes[b-[1-3].name: 'b-[1-3' has a bracket without its partner; expected"
    )


@pytest.mark.parametrize(
    ("text", "setting"),
    [
        ("storage: [{name: s, kind: ecs, url: 'http://s:4443'}]", "inventory.yaml:1:32: storage[s].url: http://s:4443"),
        (
            "switches: [{name: s, rest: {url: 'http://s', credentials: c}}]",
            "inventory.yaml:1:29: switches[s].rest.url: http://s",
        ),
    ],
)
def test_passwords_do_not_go_over_the_net_in_the_clear(text, setting):
    assert only_problem_of(text).startswith(f"{setting} is not encrypted; expected https://: the password goes there; switch")
    assert inventory.loads(text.replace("http://s", "http://127.85.0.3"))
    assert inventory.loads(text.replace("http://s", "https://s"))
