"""Jobs and energy: for a research group, and for whoever pays."""

from grafana.source import board
from grafana.source.board import Board, Page, Row, Variable
from grafana.source.charts import lines
from grafana.source.expressions import counted, kept
from grafana.source.kit import About, Query, bars, number
from grafana.source.links import CELL, column, label, to_board, to_page
from grafana.source.looks import BLUE, above, below
from grafana.source.tables import Column, Key, rows

_MINE = 'account=~"$account",user=~"$user"'
_JOB = "scheduler, job_id"
_HELD = f"wattstat_job_gpu_info{{{_MINE}}}"
# A GPU that several jobs share would be given to each of them wholly.
_ALONE = f"({_HELD} unless on (uuid) (count by (uuid) (wattstat_job_gpu_info) > 1))"
_WORKED = "on (node, gpu, uuid) group_left ()"
_POWER = f"wattstat_job_power_watts{{{_MINE}}}"
_IDLE = f"{_HELD} and on (node, gpu, uuid) max_over_time(wattstat_gpu_utilization_ratio[30m]) < 0.01"
_ENERGY = "increase(wattstat_account_energy_joules_total"
_TOKENS = "sum by (service, model) (rate(wattstat_inference_tokens_total[15m]))"
_BY_ACCOUNT = f'sum by (account) ({_ENERGY}{{account=~"$account"}}[$__range]))'
_TOKENS_LAST = "sum by (service, model) (rate(wattstat_inference_tokens_total[15m] @ end()))"
_JOB_PAGE = to_page(f"/job/{CELL}", "Job's page")
_JOB_OF = to_page(f"/job/{CELL}", "Job's page", scheduler=column("Scheduler"))
_ENERGY_PAGE = to_page("/energy", "Energy page")
_ACCOUNT_PAGE = to_board("wattstat-jobs", "Only this account", account=label("account"))

_NOW = Row(
    panels=[
        number(
            "Energy in this time",
            Query(f'sum({_ENERGY}{{account=~"$account",account!~"[(].*"}}[$__range])) / 3600'),
            about=About(
                what="Energy that the ledger posted to the jobs of these accounts in the time range above, of all their users. "
                "It holds their share of the whole server: GPUs, processors, the rest, and GPUs held idle.",
                normal="As the group knows it. It is settled some minutes behind the present.",
            ),
            unit="watth",
            decimals=1,
            links=[_ENERGY_PAGE],
        ),
        number(
            "Power now",
            Query(f"sum({_POWER})"),
            about=About(
                what="What the GPUs of these jobs draw now, shared ones by their part.",
                normal="H100 in training: 500 to 700 W each.",
            ),
            unit="watt",
            links=[to_board("wattstat-power", "Power and policies")],
        ),
        number(
            "Jobs running",
            Query(f'count(wattstat_job_info{{{_MINE},state="running"}})'),
            about=About(what="Jobs of these accounts and users that run now.", normal="As the group knows it."),
            unit="none",
            none="none",
            links=[to_page("/jobs", "Jobs page")],
        ),
        number(
            "GPUs held",
            Query(f"count(count by (uuid) ({_HELD}))"),
            about=About(what="GPUs that these jobs hold, shared ones once.", normal="As many as were asked for."),
            unit="none",
            none="none",
        ),
        number(
            "Held and doing nothing",
            Query(counted(f"count by (uuid) ({_IDLE})", _HELD)),
            about=About(
                what="GPUs that a job holds and that ran no kernel for half an hour.",
                normal="None. Nobody else can use them, and they draw 60 to 120 W each; the table below names the jobs.",
            ),
            unit="none",
            steps=above(1),
            none="none held",
        ),
        number(
            "Jobs waiting",
            Query('sum(wattstat_scheduler_jobs{state="pending"})'),
            about=About(what="Jobs that wait, of everybody: schedulers do not tell of whom.", normal="As the site knows it."),
            unit="none",
        ),
        rows(
            "Running jobs",
            [
                Key(label="job_id", name="Job", width=90, links=[_JOB_OF]),
                Key(label="user", name="User", links=[to_board("wattstat-jobs", "Only this user", user=CELL)]),
                Key(label="account", name="Account", links=[to_board("wattstat-jobs", "Only this account", account=CELL)]),
                Key(label="partition", name="Partition"),
                Key(label="scheduler", name="Scheduler", width=90),
            ],
            Column(
                name="Power", expr=f"topk(30, sum by ({_JOB}, user, account, partition) ({_POWER}))", unit="watt", decimals=1
            ),
            Column(
                name="GPUs",
                expr=f"count by ({_JOB}, user, account, partition) ({_HELD}) and on ({_JOB}) topk(30, {_POWER})",
                width=70,
            ),
            Column(
                name="At work",
                expr=f"avg by ({_JOB}, user, account, partition) ({_ALONE} * {_WORKED} wattstat_gpu_utilization_ratio)"
                f" and on ({_JOB}) topk(30, {_POWER})",
                unit="percentunit",
                decimals=0,
                steps=below(0.5, 0.05, plain=BLUE),
                bar=(0, 1),
            ),
            Column(
                name="Slowest GPU",
                expr=f"min by ({_JOB}, user, account, partition) ({_ALONE} * {_WORKED} wattstat_gpu_utilization_ratio)"
                f" and on ({_JOB}) topk(30, {_POWER})",
                unit="percentunit",
                decimals=0,
                steps=below(0.5, 0.05),
            ),
            Column(
                name="Energy so far",
                expr=f"(sum by ({_JOB}) (wattstat_job_energy_joules_total) / 3600)"
                f" * on ({_JOB}) group_right () (max by ({_JOB}, user, account, partition) ({_POWER} * 0 + 1))"
                f" and on ({_JOB}) topk(30, {_POWER})",
                unit="watth",
                decimals=1,
            ),
            Column(
                name="Runs for",
                expr=f"time() - max by ({_JOB}, user, account, partition) (wattstat_job_start_timestamp_seconds"
                f" * on ({_JOB}) group_left (user, account, partition) topk(30, {_POWER} * 0 + 1))",
                unit="dtdurations",
            ),
            about=About(
                what="The thirty jobs that draw most: power, GPUs, how busy these are on average and at the slowest, and "
                "energy so far. Utilization of GPUs that several jobs share is left out.",
                normal="At work above 80 %, the slowest GPU close to it. One GPU far below holds all the others back.",
            ),
            none="no jobs",
            sort="Power",
            size=(24, 9),
        ),
        bars(
            "Who used the energy",
            Query(f"sort_desc(topk(12, {_BY_ACCOUNT} / 3600))", "{{account}}"),
            about=About(
                what="Energy by account in the time range above; (idle) is of servers without jobs, (overhead) serves all.",
                normal="(idle) below a fifth of all. What is posted here is all that the meters counted.",
            ),
            unit="watth",
            steps=[(None, BLUE)],
            decimals=1,
            size=(8, 9),
            links=[_ACCOUNT_PAGE, _ENERGY_PAGE],
        ),
        lines(
            "Power by account",
            Query(
                kept(
                    10,
                    "account",
                    f"sum by (account) ({_POWER})",
                    f"sum by (account) ({_POWER} @ end())",
                ),
                "{{account}}",
            ),
            about=About(
                what="Power of the GPUs of these jobs, by account; the ten that draw most now.",
                normal="As the group knows it.",
            ),
            unit="watt",
            least=0,
            stacked=True,
            size=(8, 9),
            links=[_ACCOUNT_PAGE],
        ),
        rows(
            "GPUs held and doing nothing",
            [
                Key(label="job_id", name="Job", width=90, links=[_JOB_PAGE]),
                Key(label="user", name="User"),
                Key(label="account", name="Account"),
            ],
            Column(name="Idle GPUs", expr=f"topk(30, count by (job_id, user, account) ({_IDLE}))", width=90, steps=above(1)),
            about=About(
                what="Jobs with GPUs that ran no kernel for half an hour, worst first.",
                normal="Empty. Ask the owner first: some wait for data, most have forgotten.",
            ),
            none="none",
            sort="Idle GPUs",
            size=(8, 9),
        ),
    ],
)

_USE = Row(
    title="Used well?",
    panels=[
        lines(
            "GPUs at work, by account",
            Query(
                kept(
                    10,
                    "account",
                    f"avg by (account) ({_ALONE} * {_WORKED} wattstat_gpu_utilization_ratio)",
                    f"sum by (account) ({_POWER} @ end())",
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
            least_step="1m",
            size=(8, 8),
            links=[_ACCOUNT_PAGE],
        ),
        lines(
            "Watts of a held GPU",
            Query(
                kept(
                    10,
                    "account",
                    f"sum by (account) ({_POWER}) / on (account) count by (account) ({_HELD})",
                    f"sum by (account) ({_POWER} @ end())",
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
            links=[_ACCOUNT_PAGE],
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
            least_step="1m",
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

_BOOKS = Row(
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
            links=[_ENERGY_PAGE],
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

BOARD = Board(
    uid="wattstat-jobs",
    title="Jobs and energy",
    question="For a research group: how much energy did we use, was it used well, and which of our jobs need a look?",
    rows=[_NOW, _USE, _BOOKS],
    page=Page(title="Energy page", path="/energy"),
    variables=[
        Variable(name="account", title="Account", metric="wattstat_account_energy_joules_total", several=True),
        Variable(name="user", title="User", metric='wattstat_job_info{account=~"$account"}', several=True),
    ],
    annotations=[board.emergencies()],
    since="now-24h",
)
