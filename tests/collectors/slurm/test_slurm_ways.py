"""How Slurm is asked, and what is said where it does not answer: slurmrestd of several versions, and commands."""

from __future__ import annotations

import json
import os
import time

import pytest
from aiohttp import web

from collectors import slurm as collector
from collectors.frame.errors import AuthFailed, BadPayload, CollectError, Misconfigured, Throttled, Unreachable
from collectors.frame.runner import Runner
from collectors.frame.unusable import Unusable
from collectors.slurm.commands import Commands
from collectors.slurm.rest import Paths, Rest, newest
from tests.collectors.slurm.conftest import NOW
from tests.collectors.slurm.conftest import Asked as AskedNow
from tests.collectors.slurm.documents import NODES, TEXT, jobs, v41
from tests.support.processes import alive
from wattstat.catalogue.job import SCHEDULER_JOBS, SCHEDULER_NODES
from wattstat.config import Config
from wattstat.hall import Hall
from wattstat.inventory import Inventory
from wattstat.jobs import State

LISTED = {"/slurm/v0.0.40/jobs/": {}, "/slurm/v0.0.40/nodes/": {}, "/slurm/v0.0.41/jobs/": {}, "/slurm/v0.0.41/nodes/": {},
          "/slurm/v0.0.41/job/{job_id}": {}, "/slurmdb/v0.0.42/jobs/": {}, "/slurm/v0.0.42/jobs/": {}}  # fmt: skip


class Asked(AskedNow):
    """At the time of the documents."""

    def __init__(self, way):
        super().__init__(way, clock=lambda: NOW)


class FakeSlurmrestd:
    """Answers as told, and remembers what it was asked."""

    def __init__(self):
        self.answers = {"/openapi/v3": {"paths": LISTED}, "/slurm/v0.0.41/jobs/": jobs(v41()), "/slurm/v0.0.41/nodes/": NODES}
        self.status = {}
        self.asked = []

    async def answer(self, request):
        self.asked.append((request.path, request.headers.get("X-SLURM-USER-NAME"), request.headers.get("X-SLURM-USER-TOKEN")))
        if request.path not in self.answers:
            return web.Response(status=404, text="Unable find requested URL.")
        answer = self.answers[request.path]
        text = answer if isinstance(answer, str) else json.dumps(answer)
        return web.Response(status=self.status.get(request.path, 200), text=text)


@pytest.fixture
async def served():
    fake = FakeSlurmrestd()
    app = web.Application()
    app.add_routes([web.get("/{tail:.*}", fake.answer)])
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    fake.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield fake
    await runner.cleanup()


@pytest.fixture
async def asked(served):
    asked = Asked(Rest(url=served.url, timeout_seconds=5, headers=lambda: {"X-SLURM-USER-TOKEN": "t"}))
    yield asked
    await asked.source.close()


async def test_the_newest_version_with_jobs_and_nodes_is_asked(served, asked):
    run = (await asked.runs())["1200_7"]
    assert (run.state, run.gpus, run.nodes) == (State.SUSPENDED, 4, ("gpu01", "gpu02"))
    assert asked.source.way.way == "slurmrestd v0.0.41"
    assert [path for path, *_ in served.asked] == ["/openapi/v3", "/slurm/v0.0.41/nodes/", "/slurm/v0.0.41/jobs/"]


async def test_versions_and_nodes_are_not_asked_for_again_and_again(served, asked):
    for _ in range(3):
        await asked.runs()
    assert [path for path, *_ in served.asked].count("/slurm/v0.0.41/jobs/") == 3
    assert len(served.asked) == 5


async def test_the_older_place_of_the_openapi_document_is_known(served, asked):
    served.answers["/openapi"] = served.answers.pop("/openapi/v3")
    assert await asked.runs()


async def test_after_an_upgrade_the_versions_are_asked_for_anew(served, asked):
    await asked.runs()
    served.answers["/slurm/v0.0.43/jobs"] = served.answers.pop("/slurm/v0.0.41/jobs/")
    served.answers["/slurm/v0.0.43/nodes"] = served.answers["/slurm/v0.0.41/nodes/"]
    served.answers["/openapi/v3"] = {"paths": {"/slurm/v0.0.43/jobs": {}, "/slurm/v0.0.43/nodes": {}}}
    with pytest.raises(BadPayload, match="asked for again"):
        await asked.source.collect("jobs")
    assert await asked.runs()
    assert asked.source.way.way == "slurmrestd v0.0.43"


@pytest.mark.parametrize("described", [None, [], {}, {"paths": []}, {"paths": {"/slurm/v0.0.41/jobs/": {}, 7: {}}}])
def test_an_openapi_document_without_jobs_and_nodes_is_none(described):
    assert newest(described) is None


def test_versions_are_compared_as_numbers():
    paths = {f"/slurm/v0.0.{n}/{what}": {} for n in (9, 38, 100) for what in ("jobs", "nodes")}
    assert newest({"paths": paths}) == Paths(version="v0.0.100", jobs="/slurm/v0.0.100/jobs", nodes="/slurm/v0.0.100/nodes")


@pytest.mark.parametrize(
    ("answer", "kind", "told"),
    [
        ((401, "Authentication failure"), AuthFailed, "scontrol token"),
        ((500, jobs(errors=("Protocol authentication error",))), AuthFailed, "Protocol authentication error"),
        (
            (500, jobs(errors=("Unable to contact slurm controller (connect failure)",))),
            Unreachable,
            "slurmrestd answers, Slurm",
        ),
        ((200, jobs(errors=("Failed while looking for jobs",))), Unreachable, "Failed while looking for jobs"),
        ((503, ""), Throttled, "503"),
        ((500, "<html>"), BadPayload, "expected 200"),
        ((200, "<html>"), BadPayload, "not JSON"),
    ],
)
async def test_what_slurmrestd_refuses_is_told_and_ends_nothing(served, asked, answer, kind, told):
    await asked.runs()
    served.status["/slurm/v0.0.41/jobs/"], served.answers["/slurm/v0.0.41/jobs/"] = answer
    with pytest.raises(kind, match=told):
        await asked.source.collect("jobs")
    assert len(asked.told) == 1


async def test_nobody_there_is_told_as_such():
    asked = Asked(Rest(url="http://127.0.0.1:9", timeout_seconds=2))
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1:9"):
        await asked.source.collect("jobs")
    await asked.source.close()


async def test_without_its_nodes_slurm_is_not_told_on(served, asked):
    """A node that no scheduler manages is overhead: not to know the nodes is not to have none."""
    served.answers["/slurm/v0.0.41/nodes/"] = jobs(errors=("no nodes now",))
    with pytest.raises(Unreachable):
        await asked.source.collect("jobs")
    assert asked.told == []


async def test_nodes_that_cannot_be_read_for_once_are_those_of_before(served, asked):
    await asked.runs()
    served.answers["/slurm/v0.0.41/nodes/"] = jobs(errors=("no nodes now",))
    asked.source._nodes_at = float("-inf")
    collected = await asked.source.collect("jobs")
    assert set(collected.errors) == {"nodes"}
    assert asked.told[-1].nodes == {"gpu01", "gpu02"}


async def test_a_record_that_is_not_understood_is_counted(served, asked):
    served.answers["/slurm/v0.0.41/jobs/"] = jobs(v41(), {"job_id": "?"})
    collected = await asked.source.collect("jobs")
    assert "1 records" in str(collected.errors["records"])
    assert len(asked.told[-1].runs) == 1


async def test_samples_tell_jobs_that_are_alive_and_how_many_wait(served, asked):
    waiting = v41() | {"job_id": 99, "job_state": ["PENDING"], "array_job_id": None}
    served.answers["/slurm/v0.0.41/jobs/"] = jobs(v41(), waiting)
    samples = (await asked.source.collect("jobs")).samples
    counts = {each.labels: each.value for each in samples if each.metric is SCHEDULER_JOBS}
    assert counts == {("slurm", "running"): 0, ("slurm", "suspended"): 1, ("slurm", "pending"): 1}


async def test_samples_tell_how_many_nodes_are_out_of_service(served, asked):
    nodes = [
        {"name": "gpu01", "state": ["IDLE"]},
        {"name": "gpu02", "state": ["IDLE", "DRAIN"]},
        {"name": "gpu03", "state": ["DOWN"]},
    ]
    served.answers["/slurm/v0.0.41/nodes/"] = {"nodes": nodes}
    samples = (await asked.source.collect("jobs")).samples
    counts = {each.labels[1]: each.value for each in samples if each.metric is SCHEDULER_NODES}
    assert counts == {"idle": 1, "allocated": 0, "drained": 1, "down": 1, "maintenance": 0, "powered_down": 0}


def config(tmp_path, *entries, token="one"):
    (tmp_path / "token").write_text(token)
    credentials = {"slurm": {"username": "wattstat", "password_file": str(tmp_path / "token")}}
    return Config.model_validate({"credentials": credentials, "schedulers": {"slurm": list(entries)}})


async def test_the_token_is_read_for_every_request(served, tmp_path):
    told = []
    settings = config(tmp_path, {"url": served.url, "credentials": "slurm", "nodes": {"gpu01": "n1"}})
    [source] = collector.sources(settings, Inventory(), sink=told.append)
    await source.collect("jobs")
    (tmp_path / "token").write_text("two")
    await source.collect("jobs")
    await source.close()
    assert {name for _, name, _ in served.asked} == {"wattstat"}
    assert (served.asked[0][2], served.asked[-1][2]) == ("one", "two")
    assert told[-1].nodes == {"n1", "gpu02"}


async def test_a_token_that_is_gone_is_told_with_its_file(served, tmp_path):
    [source] = collector.sources(config(tmp_path, {"url": served.url, "credentials": "slurm"}), Inventory(), sink=print)
    (tmp_path / "token").unlink()
    with pytest.raises(AuthFailed, match="token cannot be read"):
        await source.collect("jobs")
    await source.close()


async def test_clusters_are_told_apart_by_name_and_refused_without(served, tmp_path):
    made = collector.sources(
        config(tmp_path, {"url": served.url, "cluster": "a"}, {"url": served.url}), Inventory(), sink=print
    )
    assert [source.target for source in made] == ["slurm:a", "slurm"]
    made = collector.sources(config(tmp_path, {"url": served.url}, {"url": served.url}), Inventory(), sink=print)
    assert [type(source) for source in made] == [Unusable, Unusable]
    runner = Runner(Hall(clock=time.time), concurrency=1, per_host=1)
    for source in made:
        await runner.add(source)
    await runner.collect_now("slurm", "slurm#1", "jobs")
    [status] = [status for status, _ in runner.statuses() if status.target == "slurm#1"]
    assert "give each its own `cluster`" in status.error


@pytest.fixture
def programs(tmp_path):
    """A folder of scripts in place of Slurm's commands."""

    def write(name, text):
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)

    write.folder = tmp_path
    return write


NO_JSON = 'case "$*" in *--json*) echo "scontrol: unrecognized option" >&2; exit 1;; esac'
SHOWN = f'case "$*" in *nodes*) echo "NodeName=gpu01 Gres=gpu:h100:8";; *) cat <<"END"\n{TEXT}\nEND\n;; esac'


def commands(programs, seconds=20.0):
    return Commands(
        timeout_seconds=seconds, folder=programs.folder, environment={"PATH": os.environ["PATH"], "SQUEUE_STATES": "PD"}
    )


async def test_text_is_asked_for_where_no_command_knows_json(programs):
    programs("scontrol", f"{NO_JSON}\n{SHOWN}")
    programs("squeue", 'echo "squeue: error: no JSON serializer" >&2; exit 1')
    asked = Asked(commands(programs))
    assert list(await asked.runs()) == ["1200_7"]
    assert asked.source.way.way == "scontrol"


async def test_json_of_scontrol_is_the_first_choice(programs):
    (programs.folder / "jobs.json").write_text(json.dumps(jobs(v41())))
    programs("scontrol", f'case "$*" in *--json*) cat {programs.folder}/jobs.json; exit 0;; esac\n{SHOWN}')
    asked = Asked(commands(programs))
    assert list(await asked.runs()) == ["1200_7"]
    assert asked.source.way.way == "scontrol --json"


async def test_an_error_in_a_document_is_an_error_though_the_command_was_content(programs):
    """squeue --json of 22.05 exits with 0 and an empty list while slurmctld is down."""
    (programs.folder / "jobs.json").write_text(json.dumps(jobs(errors=("Failed while looking for jobs",))))
    programs("scontrol", SHOWN)
    programs("squeue", f"cat {programs.folder}/jobs.json")
    asked = Asked(commands(programs))
    asked.source.way.way = "squeue --json"
    with pytest.raises(Unreachable, match="Failed while looking for jobs"):
        await asked.source.collect("jobs")
    assert asked.told == []


async def test_times_are_asked_for_as_numbers_and_the_users_own_wishes_left_out(programs):
    programs("scontrol", 'echo "$SLURM_TIME_FORMAT $TZ ${SLURM_CONF-none} ${SQUEUE_STATES-none}"')
    assert await commands(programs).run("scontrol") == "%s UTC none none\n"
    asked = Commands(timeout_seconds=5, folder=programs.folder, conf=programs.folder / "slurm.conf", environment={})
    assert str(programs.folder / "slurm.conf") in await asked.run("scontrol")


async def test_a_command_that_hangs_is_killed_with_all_that_it_started(programs):
    programs("scontrol", f"sleep 300 & echo $! > {programs.folder}/child; wait")
    with pytest.raises(Unreachable, match=r"no answer within 0\.5 s"):
        await commands(programs, seconds=0.5).run("scontrol")
    child = int((programs.folder / "child").read_text())
    deadline = time.monotonic() + 10
    while alive(child) and time.monotonic() < deadline:
        os.sched_yield()
    assert not alive(child)


@pytest.mark.parametrize(
    ("script", "kind", "told"),
    [
        ("echo 'slurm_load_jobs error: Unable to contact slurm controller' >&2; exit 1", Unreachable, "Unable to contact"),
        ("echo 'error: If munged is up, restart' >&2; echo 'Protocol authentication error' >&2; exit 1", AuthFailed, "munged"),
        ("exit 3", Unreachable, "exit status 3"),
    ],
)
async def test_a_command_that_fails_is_told_in_its_own_words(programs, script, kind, told):
    programs("scontrol", script)
    with pytest.raises(kind, match=told):
        await commands(programs).run("scontrol")


async def test_a_command_that_is_not_there_says_what_to_do(programs):
    with pytest.raises(Misconfigured, match=r"no scontrol in .*: install Slurm's client"):
        await commands(programs).run("scontrol")
    (programs.folder / "scontrol").write_text("no program")
    with pytest.raises(Misconfigured, match="cannot be started"):
        await commands(programs).run("scontrol")


async def test_no_way_is_settled_on_before_one_has_answered(programs):
    programs("scontrol", 'echo "slurmctld is down" >&2; exit 1')
    programs("squeue", "exit 1")
    asked = Asked(commands(programs))
    with pytest.raises(CollectError):
        await asked.source.collect("jobs")
    assert asked.source.way.way == ""
