"""What every dashboard keeps to, as far as it can be seen without a Grafana: the form, the words, the queries, the links."""

import json
import re
import subprocess
from collections import Counter
from typing import get_args

import promql_parser as pp
import pytest
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models import units

from grafana.source.__main__ import main, stale
from grafana.source.board import WATTSTAT_URL
from grafana.source.kit import metrics
from grafana.source.links import Uid
from tests.support.grafana_boards import BOARDS, BUILT_IN, FOLDER, asked, panels
from tests.support.programs import required_program
from wattstat.catalogue import ALL

ALL_BOARDS = get_args(Uid)
ASKED = asked()
QUERIES = [pytest.param(each, id=f"{each.board}-{each.panel}-{number}") for number, each in enumerate(ASKED)]
UNITS = {value for name, value in vars(units).items() if isinstance(value, str) and not name.startswith("_")}
# Of the rules in Grafana's own dashboard-linter these are left out, each for a reason:
# template-job, template-instance, target-job, target-instance: our series say themselves where they come from (node, switch …);
# a site's job and instance labels are its own matter, and matching on them would break dashboards on other stores.

# Written by whoever evaluates alert rules, and so not of the catalogue.
OF_ALERTING = {"ALERTS", "ALERTS_FOR_STATE"}
OF_PROMETHEUS = {"job", "instance"}
# Counted from the start of what they count: their value itself is of interest.
SINCE_THE_START = {"wattstat_job_energy_joules_total"}
OF_COUNTERS = {"rate", "increase", "irate", "changes", "resets", "absent", "absent_over_time", "present_over_time"}


@pytest.fixture(params=BOARDS.values(), ids=BOARDS)
def board(request):
    return request.param


def test_the_committed_dashboards_are_those_of_the_source():
    assert [path.name for path in stale()] == [], "run ./run docs"


def test_a_stale_dashboard_is_found_and_written_anew(tmp_path, capsys):
    (tmp_path / "wattstat-forgotten.json").write_text("{}")

    assert main(["--check"], tmp_path) == 1
    assert "wattstat-forgotten.json is stale" in capsys.readouterr().err
    assert main([], tmp_path) == 0
    assert main(["--check"], tmp_path) == 0
    assert {path.stem for path in tmp_path.iterdir()} == set(BOARDS)


def test_names_are_unique_short_and_for_ever():
    assert all(re.fullmatch(r"wattstat-[a-z-]{1,31}", board["uid"]) and board["uid"] == name for name, board in BOARDS.items())
    assert set(BOARDS) == set(ALL_BOARDS)
    assert len({board["title"] for board in BOARDS.values()}) == len(BOARDS)


def test_the_schema_of_grafana_reads_it_as_it_was_written(board):
    read = models.Dashboard.from_json(board)

    assert (read.uid, read.title, len(read.panels)) == (board["uid"], board["title"], len(board["panels"]))
    assert read.schema_version == models.Dashboard().schema_version


def test_the_guide_names_it_and_the_address_to_replace_is_in_one_place(board):
    guide = (FOLDER.parents[1] / "docs/grafana.md").read_text()
    name = board["title"].removeprefix("Wattstat / ")

    assert f"| {name} |" in guide
    [variable] = [each for each in board["templating"]["list"] if each["name"] == "wattstat_url"]
    assert variable["query"] == variable["current"]["value"] == WATTSTAT_URL
    assert WATTSTAT_URL in guide
    assert WATTSTAT_URL not in str({**board, "templating": []})


def test_it_is_generated_and_says_for_whom(board):
    assert not board["editable"]
    assert board["tags"] == ["wattstat", "generated"]
    assert board["refresh"] == "30s"
    assert board["description"].startswith("For ")
    assert board["description"].endswith("?")


def test_there_are_at_most_twenty_panels_and_none_stands_on_another(board):
    found = panels(board)
    assert 1 <= len(found) <= 20
    ids = [panel["id"] for panel in [*board["panels"], *found]]
    assert not [panel_id for panel_id in ids if panel_id < 1]
    assert len({*ids}) == len({id(panel) for panel in [*board["panels"], *found]})
    # The panels of a collapsed row are shown where they stand only when it opens, and everything below moves down.
    for group in [board["panels"], *(panel["panels"] for panel in board["panels"] if panel.get("panels"))]:
        cells = Counter(cell for panel in group for cell in cells_of(panel["gridPos"]))
        assert not [cell for cell, count in cells.items() if count > 1]


def cells_of(place):
    assert 0 <= place["x"] < place["x"] + place["w"] <= 24
    return [(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])]


def test_every_panel_says_what_it_shows_from_where_and_what_is_normal(board):
    titles = Counter(panel["title"] for panel in panels(board))
    assert not [title for title, count in titles.items() if count > 1 or not title]
    for panel in panels(board):
        what, source, normal = panel["description"].split("\n\n")
        assert what.endswith((".", "?"))
        assert re.fullmatch(r"\*\*From\*\* .+\.", source)
        assert re.fullmatch(r"\*\*Normal:\*\* .+[.?”]", normal)


def test_every_panel_has_a_unit_and_a_word_for_no_data(board):
    for panel in panels(board):
        defaults = panel["fieldConfig"]["defaults"]
        assert defaults["unit"] in UNITS
        assert defaults["noValue"]
        named = [entry for each in panel["fieldConfig"]["overrides"] for entry in each["properties"] if entry["id"] == "unit"]
        assert not [entry["value"] for entry in named if entry["value"] not in UNITS]


def test_everything_asks_the_chosen_data_source(board):
    [source] = [each for each in board["templating"]["list"] if each["type"] == "datasource"]
    assert (source["name"], source["query"]) == ("datasource", "prometheus")
    chosen = {"type": "prometheus", "uid": "${datasource}"}
    for panel in panels(board):
        assert panel["targets"]
        assert all(each["datasource"] == chosen for each in [panel, *panel["targets"]])
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
    assert all(each["datasource"] == chosen for each in board["annotations"]["list"])
    assert all(each["datasource"] == chosen for each in board["templating"]["list"] if each["type"] == "query")


def test_every_variable_is_used_and_every_one_used_exists(board):
    variables = {each["name"]: each for each in board["templating"]["list"]}
    text = str([board["panels"], board["annotations"], board["links"], [each["query"] for each in variables.values()]])
    used = set(re.findall(r"\$\{?([a-z_]\w*)", text))
    built_in = {*BUILT_IN, "__url_time_range", "__field", "__value", "__data"}

    assert used - built_in <= set(variables)
    assert set(variables) <= used
    for variable in variables.values():
        if variable["type"] == "query":
            assert variable["refresh"] == models.VariableRefresh.ON_TIME_RANGE_CHANGED
            assert metrics(variable["definition"])


def test_several_values_are_matched_by_expression_and_never_by_equality(board):
    several = [each["name"] for each in board["templating"]["list"] if each.get("multi")]
    for expr in (target["expr"] for panel in panels(board) for target in panel["targets"]):
        assert not [name for name in several if re.search(rf'[^~]"\${name}"|="\${name}"', expr.replace("=~", "~"))]


def test_links_lead_to_dashboards_that_exist_with_the_same_time(board):
    text = str([board["panels"], board["links"]])
    for uid, query in re.findall(r"/d/([\w-]+)\?([^'\"]*)", text):
        assert uid in BOARDS
        assert "${__url_time_range}" in query
        variables = {each["name"] for each in BOARDS[uid]["templating"]["list"]}
        assert set(re.findall(r"var-(\w+)=", query)) <= variables
    [others, page] = board["links"]
    assert (others["type"], others["tags"], others["includeVars"], others["keepTime"]) == (
        "dashboards",
        ["wattstat"],
        True,
        True,
    )
    assert page["url"].startswith("${wattstat_url}/")
    assert page["keepTime"]


def test_links_to_pages_name_pages_that_there_are(board):
    pages = {
        "",
        "jobs",
        "job",
        "node",
        "nodes",
        "energy",
        "power",
        "policies",
        "storage",
        "fabric",
        "alerts",
        "health",
        "runbooks",
    }
    for path in re.findall(r"\$\{wattstat_url\}/(\w*)", str(board)):
        assert path in pages


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_is_good_promql_over_metrics_and_labels_of_the_catalogue(query):
    for selector, functions in selectors(pp.parse(query.filled())):
        if selector.name in OF_ALERTING:
            continue
        metric = ALL[selector.name]
        labels = {matcher.name for matcher in selector.matchers.matchers if matcher.name != "__name__"}
        assert labels <= {*metric.labels, *OF_PROMETHEUS}
        if metric.kind == "counter" and metric.name not in SINCE_THE_START:
            assert functions & OF_COUNTERS, f"{selector.name} only ever rises; ask for its rate"


def selectors(expr, functions=frozenset()):
    """Every selector of an expression, with the functions that it stands in."""
    if isinstance(expr, pp.VectorSelector):
        yield expr, functions
    elif isinstance(expr, pp.MatrixSelector):
        yield expr.vector_selector, functions
    elif isinstance(expr, pp.Call):
        for argument in expr.args:
            yield from selectors(argument, functions | {expr.func.name})
    elif isinstance(expr, pp.BinaryExpr):
        yield from selectors(expr.lhs, functions)
        yield from selectors(expr.rhs, functions)
    elif not isinstance(expr, pp.NumberLiteral | pp.StringLiteral):
        yield from selectors(expr.expr, functions)


@pytest.mark.debian
def test_prometheus_reads_every_query(tmp_path):
    rules = [{"record": f"panel:query:{number}", "expr": query.filled()} for number, query in enumerate(ASKED)]
    path = tmp_path / "panels.yml"
    path.write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}))

    checked = subprocess.run(
        [required_program("promtool", package="prometheus"), "check", "rules", path],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (checked.returncode, checked.stderr) == (0, "")
    assert f"SUCCESS: {len(rules)} rules found" in checked.stdout


@pytest.mark.parametrize("query", QUERIES)
def test_a_rate_knows_how_far_apart_samples_are(query):
    """Either Grafana says how far to look, or the window is long enough for devices that are read once a minute."""
    windows = re.findall(r"\b(?:rate|increase|irate)\(\w+(?:\{[^}]*\})?\[(\$?\w+)\]", query.expr)

    assert len(windows) == len(re.findall(r"\b(?:rate|increase|irate)\(", query.expr))
    assert not [
        window for window in windows if not re.fullmatch(r"\$__rate_interval|\$__range|[1-9]\d*[hd]|1[05]m|[2-9]\dm", window)
    ]


@pytest.mark.parametrize("query", QUERIES)
def test_the_first_of_a_chart_are_chosen_once_and_not_at_every_point(query):
    """`topk` of each point of a chart gathers ever more series."""
    assert query.instant or "@ end()" in query.expr or not re.search(r"\b(?:topk|bottomk)\(", query.expr)


@pytest.mark.parametrize("name", BOARDS)
def test_the_rows_of_a_table_are_joined_by_its_first_columns(name):
    """An answer with other labels would stand in rows of its own."""
    for panel in panels(BOARDS[name]):
        if panel["type"] == "table":
            columns = panel["transformations"][1]["options"]["include"]["names"]
            keys = {column for column in columns if not column.startswith("Value")}
            queries = [query for query in ASKED if (query.board, query.panel) == (name, panel["title"])]
            labels = [labels_of(pp.parse(query.filled())) for query in queries]
            assert set.union(*labels) == keys
            assert all(each <= keys for each in labels)


def labels_of(expr):
    """The labels that the series of an answer keep, as far as its aggregations say."""
    if isinstance(expr, pp.AggregateExpr):
        ranks = str(expr.op) in {"topk", "bottomk"}
        return labels_of(expr.expr) if ranks else set(expr.modifier.labels if expr.modifier else ())
    if isinstance(expr, pp.BinaryExpr):
        return labels_of(expr.lhs) or labels_of(expr.rhs)
    if isinstance(expr, pp.ParenExpr | pp.UnaryExpr):
        return labels_of(expr.expr)
    if isinstance(expr, pp.Call):
        return set().union(*map(labels_of, expr.args))
    assert isinstance(expr, pp.NumberLiteral | pp.StringLiteral), f"aggregate it by the columns of the table: {expr}"
    return set()
