"""Overview: for the control room."""

from grafana.source import board
from grafana.source.board import Board, Page, Row
from grafana.source.boards import overview_plant
from grafana.source.charts import lines, states
from grafana.source.expressions import GPU_UNUSABLE, alerts_firing, counted, kept, limit_state, server_power, share_of_limit
from grafana.source.kit import About, Query, bars, number
from grafana.source.links import CELL, to_board, to_page
from grafana.source.looks import BLUE, LIMIT, SEVERITIES, above, below
from grafana.source.tables import Column, Key, rows

_SERVERS = server_power()
_MEASURED = f"(sum({_SERVERS}) + sum(wattstat_device_power_watts)) or sum({_SERVERS})"
_SITE = f'max(wattstat_budget_power_watts{{kind="site"}}) or {_MEASURED}'
_FIRING = 'ALERTS{alertstate="firing",severity=~"critical|warning"}'
_GROUP = "severity, alertname, component"

_NOW = Row(
    panels=[
        number(
            "Site power",
            Query(_SITE),
            about=About(
                what="What the whole site draws now, as the controller counts it; without power budgets all servers by their "
                "best meter, and with them switches and storage.",
                normal="Below the site's limit; it follows the jobs.",
            ),
            unit="watt",
            links=[to_board("wattstat-power", "Power and policies"), to_page("/power", "Power page")],
        ),
        number(
            "Fullest limit",
            Query(f"max({share_of_limit()})"),
            about=About(
                what="Of all limits (site, feeds, breakers, rows, racks, groups) the one that is used most: power over limit.",
                normal="Below 90 %. At 100 % somebody's limit is broken, even where the breaker still holds.",
            ),
            unit="percentunit",
            decimals=0,
            steps=above(0.9, 1),
            none="no budgets",
            size=(3, 4),
        ),
        number(
            "Alerts",
            Query(alerts_firing("critical"), "critical"),
            Query(alerts_firing("warning"), "warning"),
            about=About(
                what="Alerts that fire now. Critical ones wake somebody, warnings wait for working hours.",
                normal="None. “not evaluated” means that nobody looks: the Watchdog does not fire either.",
            ),
            unit="none",
            steps=above(1),
            none="not evaluated",
            links=[to_board("wattstat-alerts", "Alerts and SLOs"), to_page("/alerts", "Alerts page")],
        ),
        number(
            "Servers with a fault",
            Query(counted("max by (node) (wattstat_node_health) > 0", "count by (node) (wattstat_node_health)")),
            about=About(
                what="Servers whose BMC reports a component as not OK.",
                normal="None. Those whose BMC does not answer are counted by the number at the right.",
            ),
            unit="none",
            steps=above(1),
            size=(3, 4),
        ),
        number(
            "GPUs not usable",
            Query(counted(GPU_UNUSABLE, "wattstat_gpu_lost")),
            about=About(
                what="GPUs that are lost, want a reset or reboot by the driver's own verdict, or cannot repair their memory.",
                normal="None.",
            ),
            unit="none",
            steps=above(1, plain="text"),
            size=(3, 4),
            links=[to_board("wattstat-gpu", "GPU")],
        ),
        number(
            "Jobs",
            Query('sum(wattstat_scheduler_jobs{state="running"})', "running"),
            Query('sum(wattstat_scheduler_jobs{state="pending"})', "waiting"),
            about=About(
                what="Jobs by the schedulers' own count.",
                normal="As the site knows it; none running while many wait is a fault of the scheduler.",
            ),
            unit="short",
            links=[to_board("wattstat-jobs", "Jobs and energy"), to_page("/jobs", "Jobs page")],
        ),
        number(
            "Not readable",
            Query(counted("count by (target) (wattstat_collector_success == 0)", "wattstat_collector_success")),
            about=About(
                what="Devices of which at least one collection failed: their newest values age, and sums are lower bounds.",
                normal="None. A device that restarts fails for some minutes.",
            ),
            unit="none",
            steps=above(1),
            size=(3, 4),
            links=[to_board("wattstat-self", "Wattstat itself")],
        ),
        rows(
            "What fires",
            [
                Key(label="severity", name="Severity", width=90, colours=SEVERITIES),
                Key(label="alertname", name="Alert", links=[to_page(f"/runbooks/{CELL}", "Runbook")]),
                Key(label="component", name="Part", width=110),
            ],
            Column(name="How many", expr=f"count by ({_GROUP}) ({_FIRING})", width=100),
            Column(
                name="For",
                expr=f"time() - min by ({_GROUP}) (ALERTS_FOR_STATE and ignoring (alertstate) {_FIRING})",
                unit="dtdurations",
                width=160,
            ),
            about=About(
                what="Alerts that fire, one row a rule however many devices it found; with the age of the oldest.",
                normal="Empty. The name leads to the runbook.",
            ),
            none="nothing fires",
            sort="Severity",
            ascending=True,
            size=(14, 9),
        ),
        bars(
            "Fullest limits",
            Query(f"sort_desc(topk(12, {share_of_limit()}))", "{{kind}} {{budget}}"),
            about=About(
                what="The twelve limits that are used most: power over limit, worst first.",
                normal="Below 90 %.",
            ),
            unit="percentunit",
            steps=above(0.9, 1, plain=BLUE),
            most=1,
            decimals=0,
            none="no budgets",
            size=(10, 9),
            links=[to_board("wattstat-power", "Power and policies")],
        ),
        lines(
            "Power of the site",
            Query(_SITE, "power"),
            Query('max(wattstat_budget_envelope_watts{kind="site"})', "worst case under the caps"),
            Query('max(wattstat_budget_limit_watts{kind="site"})', "limit", limit=True),
            about=About(
                what="Power, its limit, and the most that could be drawn under the confirmed caps with nobody in control.",
                normal="Both below the limit. The worst case may stand far above power: it is what breakers must hold.",
            ),
            unit="watt",
            least=0,
            size=(14, 8),
        ),
        states(
            "Limits over time",
            Query(
                kept(
                    12,
                    "budget, kind",
                    limit_state(),
                    "max by (budget, kind) (wattstat_budget_power_watts @ end() / wattstat_budget_limit_watts @ end())",
                ),
                "{{kind}} {{budget}}",
            ),
            about=About(
                what="When the limits that are fullest now were nearly or wholly used up.",
                normal="“below 90 %” throughout.",
            ),
            words=LIMIT,
            none="no budgets",
            size=(10, 8),
        ),
    ],
)

_GPUS = Row(
    title="GPUs and jobs",
    panels=[
        lines(
            "GPU utilization",
            Query("avg(wattstat_gpu_utilization_ratio)", "mean"),
            Query(
                "count(count by (uuid) (wattstat_job_gpu_info)) / count(wattstat_gpu_utilization_ratio)",
                "held by jobs",
            ),
            about=About(
                what="How much of the time all GPUs ran a kernel, and which share of them jobs hold.",
                normal="Both lie together. Held and not used is what jobs waste.",
            ),
            unit="percentunit",
            least=0,
            least_step="2m",  # all GPUs of the hall are looked at for each point
            size=(8, 8),
        ),
        lines(
            "Distance to slowing down",
            Query("quantile(0.5, wattstat_gpu_temperature_margin_celsius)", "median"),
            Query("quantile(0.05, wattstat_gpu_temperature_margin_celsius)", "hottest 5 %"),
            Query("min(wattstat_gpu_temperature_margin_celsius)", "hottest"),
            about=About(
                what="Degrees that GPUs have left before they slow themselves down, over all GPUs.",
                normal="Above 10 °C. At 0 the hottest are slow, and every job that waits for them with them.",
            ),
            unit="celsius",
            steps=below(10, 5),
            least_step="2m",  # all GPUs of the hall are looked at for each point
            size=(8, 8),
            links=[to_board("wattstat-gpu", "GPU")],
        ),
        lines(
            "Jobs by state",
            Query("sum by (state) (wattstat_scheduler_jobs)", "{{state}}"),
            about=About(what="Jobs by state, by the schedulers' own count.", normal="As the site knows it."),
            unit="short",
            least=0,
            size=(8, 8),
            links=[to_board("wattstat-jobs", "Jobs and energy")],
        ),
    ],
)

BOARD = Board(
    uid="wattstat-overview",
    title="Overview",
    question="For the control room: is the hall well right now, and if not, where does one look?",
    rows=[_NOW, _GPUS, overview_plant.PLANT],
    page=Page(title="Overview page", path="/"),
    annotations=[board.alerts(), board.emergencies(), board.caps()],
)
