"""What the numbers of the first screens say of trouble, of a good day, and of nobody looking: by Prometheus' own engine."""

import json
import subprocess

import pytest

from tests.support.grafana_boards import asked
from tests.support.programs import required_program

pytestmark = pytest.mark.debian

WATCHDOG = 'ALERTS{alertname="Watchdog",alertstate="firing",severity="none"}'
CRITICAL = 'ALERTS{alertname="GpuLost",alertstate="firing",severity="critical",node="n1"}'
FIRST, SECOND = (f'node="n1",gpu="{number}",uuid="u{number}"' for number in range(2))
FAST, SLOW = (f'wattstat_collector_success{{collector="redfish",target="n1",tier="{tier}"}}' for tier in ("fast", "slow"))
HELD = f'wattstat_job_gpu_info{{scheduler="slurm",job_id="1",user="u",account="a",{FIRST}}}'
ON, HEALTH = 'wattstat_node_power_on{node="n1"}', 'wattstat_node_health{node="n1",component="system"}'


def budget(what, core):
    return f'wattstat_budget_{what}_watts{{budget="b",kind="rack",instance="{core}"}}'


def pdu(name):
    return f'wattstat_collector_success{{collector="pdu",tier="power",target="{name}"}}'


def held_down(reason):
    return f'wattstat_gpu_throttle_active{{{FIRST},reason="{reason}"}}'


CASES = [
    ("no alert fires", "overview", "Alerts", {WATCHDOG: 1}, 0),
    ("an alert fires", "overview", "Alerts", {WATCHDOG: 1, CRITICAL: 1}, 1),
    ("nobody evaluates rules", "overview", "Alerts", {}, None),
    ("all GPUs are there", "overview", "GPUs not usable", {f"wattstat_gpu_lost{{{each}}}": 0 for each in (FIRST, SECOND)}, 0),
    (
        "one of two is lost, wants a reset, and counts once",
        "overview",
        "GPUs not usable",
        {
            f"wattstat_gpu_lost{{{FIRST}}}": 1,
            f"wattstat_gpu_recovery_action{{{FIRST}}}": 1,
            f"wattstat_gpu_lost{{{SECOND}}}": 0,
        },
        1,
    ),
    ("a hall without GPUs", "overview", "GPUs not usable", {}, None),
    ("two tiers of one device fail", "overview", "Not readable", {FAST: 0, SLOW: 0}, 1),
    ("everything is read", "overview", "Not readable", {FAST: 1, SLOW: 1}, 0),
    (
        "two cores tell of one budget",
        "overview",
        "Fullest limit",
        {budget(what, core): watts for core in "ab" for what, watts in (("power", 50), ("limit", 100))},
        0.5,
    ),
    ("a budget without a limit", "overview", "Fullest limit", {budget("power", "a"): 50}, None),
    ("a server that is well", "node", "State", {ON: 1, HEALTH: 0}, 0),
    ("a server with a warning", "node", "State", {ON: 1, HEALTH: 1}, 1),
    ("a server that is off", "node", "State", {ON: 0, HEALTH: 2}, 3),
    ("a server that nobody can read", "node", "State", {}, None),
    ("a server without GPUs", "node", "GPUs not usable", {ON: 1}, None),
    ("a power strip is silent", "racks", "PDUs silent", {pdu("a"): 1, pdu("b"): 0}, 1),
    ("a hall without power strips", "racks", "PDUs silent", {}, None),
    (
        "a GPU held down by heat and by its limit",
        "gpu",
        "What holds the clocks down",
        {held_down("sw_power_cap"): 1, held_down("hw_thermal"): 1},
        5,
    ),
    ("a GPU that runs free", "gpu", "What holds the clocks down", {held_down("idle"): 0, held_down("hw_thermal"): 0}, 0),
    (
        "a job leaves its GPU idle",
        "jobs",
        "Held and doing nothing",
        {HELD: 1, f"wattstat_gpu_utilization_ratio{{{FIRST}}}": 0},
        1,
    ),
    ("a job uses its GPU", "jobs", "Held and doing nothing", {HELD: 1, f"wattstat_gpu_utilization_ratio{{{FIRST}}}": 1}, 0),
    (
        "an idle GPU that nobody holds",
        "jobs",
        "Held and doing nothing",
        {f"wattstat_gpu_utilization_ratio{{{FIRST}}}": 0},
        None,
    ),
]


@pytest.mark.parametrize(("board", "panel", "series", "value"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_a_panel_says(board, panel, series, value, tmp_path):
    query = next(each for each in asked() if (each.board, each.panel) == (f"wattstat-{board}", panel))
    said = {"expr": query.filled(node="n1"), "eval_time": "40m"}
    if value is not None:
        labels = '{gpu="0"}' if "by (gpu)" in query.expr else "{}"
        said["exp_samples"] = [{"labels": labels, "value": value}]
    given = [{"series": name, "values": f"{number}x40"} for name, number in series.items()]
    path = tmp_path / "panels.yml"
    path.write_text(json.dumps({"tests": [{"interval": "1m", "input_series": given, "promql_expr_test": [said]}]}))

    tested = subprocess.run(
        [required_program("promtool", package="prometheus"), "test", "rules", path], capture_output=True, text=True, check=False
    )

    assert tested.returncode == 0, tested.stdout + tested.stderr
