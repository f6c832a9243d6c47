"""Jobs and energy, below the first screen: used well, and whether one can trust the numbers."""

from grafana.source.board import Row
from grafana.source.charts import lines
from grafana.source.expressions import kept
from grafana.source.kit import About, Query, number
from grafana.source.links import label, to_board, to_page
from grafana.source.looks import above

MINE = 'account=~"$account",user=~"$user"'
HELD = f"wattstat_job_gpu_info{{{MINE}}}"
# A GPU that several jobs share would be given to each of them wholly.
ALONE = f"({HELD} unless on (uuid) (count by (uuid) (wattstat_job_gpu_info) > 1))"
WORKED = "on (node, gpu, uuid) group_left ()"
POWER = f"wattstat_job_power_watts{{{MINE}}}"
_TOKENS = "sum by (service, model) (rate(wattstat_inference_tokens_total[15m]))"
_TOKENS_LAST = "sum by (service, model) (rate(wattstat_inference_tokens_total[15m] @ end()))"
ENERGY_PAGE = to_page("/energy", "Energy page")
ACCOUNT_PAGE = to_board("wattstat-jobs", "Only this account", account=label("account"))

USE = Row(
    title="Used well?",
    panels=[
        lines(
            "GPUs at work, by account",
            Query(
                kept(
                    10,
                    "account",
                    f"avg by (account) ({ALONE} * {WORKED} wattstat_gpu_utilization_ratio)",
                    f"sum by (account) ({POWER} @ end())",
                ),
                "{{account}}",
            ),
            about=About(
                what="How much of the time the GPUs that the accounts' jobs hold alone ran a kernel.",
                normal="Above 70 %.",
            ),
            unit="percentunit",
            least=0,
            most=1,
            least_step="5m",
            size=(8, 8),
            links=[ACCOUNT_PAGE],
        ),
        lines(
            "Watts of a held GPU",
            Query(
                kept(
                    10,
                    "account",
                    f"sum by (account) ({POWER}) / on (account) count by (account) ({HELD})",
                    f"sum by (account) ({POWER} @ end())",
                ),
                "{{account}}",
            ),
            about=About(
                what="Mean power of a GPU that the accounts' jobs hold.",
                normal="By the model: L4 40 to 70 W, H100 400 to 700 W. Busy at few watts is waiting.",
            ),
            unit="watt",
            least=0,
            size=(8, 8),
            links=[ACCOUNT_PAGE],
        ),
        lines(
            "Jobs by state",
            Query("sum by (state) (wattstat_scheduler_jobs)", "{{state}}"),
            about=About(what="Jobs of everybody, by the schedulers' own count.", normal="As the site knows it."),
            unit="short",
            least=0,
            size=(8, 8),
        ),
        lines(
            "Energy of a thousand tokens",
            Query(
                kept(
                    12,
                    "service, model",
                    "1000 * sum by (service, model) (sum by (scheduler, job_id) (rate(wattstat_job_energy_joules_total[15m]))"
                    " * on (scheduler, job_id) group_right () (count by (scheduler, job_id, service, model)"
                    " (rate(wattstat_inference_tokens_total[15m])) > bool 0)"
                    f") / on (service, model) ({_TOKENS} > 0)",
                    _TOKENS_LAST,
                ),
                "{{service}} {{model}}",
            ),
            about=About(
                what="Energy of a service's job for a thousand tokens, prompts included; of the twelve with the most tokens. A "
                "job that serves several models stands wholly at each.",
                normal="Constant at constant load; it rises where a service waits for requests.",
            ),
            unit="joule",
            least=0,
            least_step="5m",
            none="no inference services",
            size=(12, 8),
        ),
        lines(
            "Tokens a second",
            Query(kept(12, "service, model", _TOKENS, _TOKENS_LAST), "{{service}} {{model}}"),
            about=About(
                what="Tokens that inference services processed, prompts and answers; the twelve with the most.",
                normal="As users ask.",
            ),
            unit="short",
            least=0,
            none="no inference services",
            size=(12, 8),
        ),
    ],
)

BOOKS = Row(
    title="Can one trust these numbers?",
    panels=[
        number(
            "Nobody's share",
            Query("max(abs(wattstat_ledger_residual_ratio))"),
            about=About(
                what="Of what a server's meter counted in a day, the share that was posted to nobody; the worst server.",
                normal="Below 0.1 %.",
            ),
            unit="percentunit",
            decimals=2,
            steps=above(0.001, 0.01),
            size=(6, 5),
            links=[ENERGY_PAGE],
        ),
        number(
            "Settled until",
            Query("time() - min(wattstat_ledger_settled_timestamp_seconds)"),
            about=About(
                what="How far the ledger is behind, at the server where it is farthest.",
                normal="A few minutes: it waits for schedulers and for meters that are read once a minute.",
            ),
            unit="s",
            steps=above(900, 1800),
            size=(6, 5),
        ),
        number(
            "Meters apart",
            Query("max(wattstat_energy_disagreement_ratio)"),
            about=About(
                what="How far a GPU's energy counter and its integrated power lie apart over ten minutes; the worst GPU.",
                normal="Below 5 %.",
            ),
            unit="percentunit",
            decimals=1,
            steps=above(0.05, 0.1),
            size=(6, 5),
        ),
        number(
            "Estimated, not measured",
            Query(
                'sum(increase(wattstat_ledger_posted_joules_total{method="estimated"}[$__range]))'
                " / sum(increase(wattstat_ledger_posted_joules_total[$__range]))"
            ),
            about=About(
                what="Share of the energy in the time range above that was posted by estimate, because readings were missing.",
                normal="Below 1 %.",
            ),
            unit="percentunit",
            decimals=1,
            steps=above(0.01, 0.1),
            size=(6, 5),
        ),
    ],
)
