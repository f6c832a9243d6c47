"""Jobs and energy: for a research group, and for whoever pays."""

from grafana.source import board
from grafana.source.board import Board, Page, Row, Variable
from grafana.source.boards import jobs_use
from grafana.source.boards.jobs_use import ACCOUNT_PAGE, ALONE, ENERGY_PAGE, HELD, MINE, POWER, WORKED
from grafana.source.charts import lines
from grafana.source.expressions import counted, kept
from grafana.source.kit import About, Query, bars, number
from grafana.source.links import CELL, column, to_board, to_page
from grafana.source.looks import BLUE, above, below
from grafana.source.tables import Column, Key, rows

_JOB = "scheduler, job_id"
_IDLE = f"{HELD} and on (node, gpu, uuid) max_over_time(wattstat_gpu_utilization_ratio[30m]) < 0.01"
_ENERGY = "increase(wattstat_account_energy_joules_total"
_BY_ACCOUNT = f'sum by (account) ({_ENERGY}{{account=~"$account"}}[$__range]))'
_JOB_PAGE = to_page(f"/job/{CELL}", "Job's page")
_JOB_OF = to_page(f"/job/{CELL}", "Job's page", scheduler=column("Scheduler"))

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
            links=[ENERGY_PAGE],
        ),
        number(
            "Power now",
            Query(f"sum({POWER})"),
            about=About(
                what="What the GPUs of these jobs draw now, shared ones by their part.",
                normal="H100 in training: 500 to 700 W each.",
            ),
            unit="watt",
            links=[to_board("wattstat-power", "Power and policies")],
        ),
        number(
            "Jobs running",
            Query(f'count(wattstat_job_info{{{MINE},state="running"}})'),
            about=About(what="Jobs of these accounts and users that run now.", normal="As the group knows it."),
            unit="none",
            none="none",
            links=[to_page("/jobs", "Jobs page")],
        ),
        number(
            "GPUs held",
            Query(f"count(count by (uuid) ({HELD}))"),
            about=About(what="GPUs that these jobs hold, shared ones once.", normal="As many as were asked for."),
            unit="none",
            none="none",
        ),
        number(
            "Held and doing nothing",
            Query(counted(f"count by (uuid) ({_IDLE})", HELD)),
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
                name="Power", expr=f"topk(30, sum by ({_JOB}, user, account, partition) ({POWER}))", unit="watt", decimals=1
            ),
            Column(
                name="GPUs",
                expr=f"count by ({_JOB}, user, account, partition) ({HELD}) and on ({_JOB}) topk(30, {POWER})",
                width=70,
            ),
            Column(
                name="At work",
                expr=f"avg by ({_JOB}, user, account, partition) ({ALONE} * {WORKED} wattstat_gpu_utilization_ratio)"
                f" and on ({_JOB}) topk(30, {POWER})",
                unit="percentunit",
                decimals=0,
                steps=below(0.5, 0.05, plain=BLUE),
                bar=(0, 1),
            ),
            Column(
                name="Slowest GPU",
                expr=f"min by ({_JOB}, user, account, partition) ({ALONE} * {WORKED} wattstat_gpu_utilization_ratio)"
                f" and on ({_JOB}) topk(30, {POWER})",
                unit="percentunit",
                decimals=0,
                steps=below(0.5, 0.05),
            ),
            Column(
                name="Energy so far",
                expr=f"(sum by ({_JOB}) (wattstat_job_energy_joules_total) / 3600)"
                f" * on ({_JOB}) group_right () (max by ({_JOB}, user, account, partition) ({POWER} * 0 + 1))"
                f" and on ({_JOB}) topk(30, {POWER})",
                unit="watth",
                decimals=1,
            ),
            Column(
                name="Runs for",
                expr=f"time() - max by ({_JOB}, user, account, partition) (wattstat_job_start_timestamp_seconds"
                f" * on ({_JOB}) group_left (user, account, partition) topk(30, {POWER} * 0 + 1))",
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
            links=[ACCOUNT_PAGE, ENERGY_PAGE],
        ),
        lines(
            "Power by account",
            Query(
                kept(
                    10,
                    "account",
                    f"sum by (account) ({POWER})",
                    f"sum by (account) ({POWER} @ end())",
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
            links=[ACCOUNT_PAGE],
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

BOARD = Board(
    uid="wattstat-jobs",
    title="Jobs and energy",
    question="For a research group: how much energy did we use, was it used well, and which of our jobs need a look?",
    rows=[_NOW, jobs_use.USE, jobs_use.BOOKS],
    page=Page(title="Energy page", path="/energy"),
    variables=[
        Variable(name="account", title="Account", metric="wattstat_account_energy_joules_total", several=True),
        Variable(name="user", title="User", metric='wattstat_job_info{account=~"$account"}', several=True),
    ],
    annotations=[board.emergencies(), board.job_starts('account=~"$account",user=~"$user"', shown=False)],
    since="now-24h",
)
