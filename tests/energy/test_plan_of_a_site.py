"""Plans of a site: what is learnt from its finished jobs, and what is told over HTTP and on the command line."""

import json
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
from fastapi import FastAPI

from energy.http import plan_routes
from energy.http import routes as http
from energy.plans import learning
from energy.plans.boards import board
from energy.plans.plan import Wish, plan
from energy.plans.quantity import exact
from tests.support.energy_reports import GPU, JOB, NOW, BooksInMemory
from tests.support.web_server import serving
from wattstat.api import problems
from wattstat.config.energy import Carbon, Energy, Tariff

GPT3 = {"parameters": 175e9, "tokens": 300e9}
DOCUMENT = Path(__file__).parents[2] / "docs/energy.md"


class Trained(BooksInMemory):
    """Books of jobs on H100, each with a power of its own."""

    def __init__(self, watts, **changes):
        super().__init__([replace(JOB, job_id=str(index), **changes) for index in range(len(watts))])
        self.watts = watts
        self.limit = 700.0

    def job(self, job_id, instance=None, scheduler=""):
        found = super().job(job_id, instance)
        gpu = replace(GPU, average_watts=self.watts[int(job_id)], limit_watts=self.limit, tensor_active_ratio=0.3)
        return replace(found, gpus=(gpu,))


def learn(books, settings=None):
    return learning.learn(books, board("h100-sxm"), settings or Energy(), NOW)


def test_enough_jobs_teach_power_overhead_activity_price_and_carbon():
    site = learn(Trained([600, 610, 590, 605, 595, 600]))

    assert site.jobs == 6
    assert site.gpu_watts.value == pytest.approx(600, rel=0.01)
    assert site.node_ratio.value == pytest.approx(90 / 63)
    assert site.tensor_active.value == pytest.approx(0.3)
    assert site.price_per_kwh.value == pytest.approx(7.5 / 25)
    assert site.grams_per_kwh.value == pytest.approx(380)
    assert "6 finished jobs on H100 SXM" in site.gpu_watts.source


def test_too_few_jobs_teach_nothing():
    site = learn(Trained([600, 610, 590, 605]), Energy(tariff=Tariff(price_per_kwh=0.25), carbon=Carbon(), pue=1.2))

    assert (site.gpu_watts, site.node_ratio, site.tensor_active) == (None, None, None)
    assert site.price_per_kwh == exact(0.25, "the setting energy.tariff.price_per_kwh")
    assert site.pue.value == 1.2


@pytest.mark.parametrize(
    "changes",
    [{"sm_active_ratio": 0.2}, {"end": JOB.start + 60}, {"sm_active_ratio": None, "busy_ratio": None}, {"gpus": 0}],
    ids=str,
)
def test_jobs_that_are_no_training_teach_nothing(changes):
    assert learn(Trained([600.0] * 8, **changes)).jobs == 0


def test_jobs_under_a_lowered_limit_do_not_teach_what_a_gpu_would_draw():
    books = Trained([490.0] * 8)
    books.limit = 500.0

    assert learn(books).gpu_watts is None
    assert learn(books).node_ratio is not None


def test_jobs_on_other_boards_teach_nothing_about_this_one():
    assert learning.learn(Trained([300.0] * 8), board("l40"), Energy(), NOW).jobs == 0


def test_tensor_cores_that_are_seldom_active_bound_the_mfu():
    site = learn(Trained([600, 610, 590, 605, 595, 600]))
    found = plan(Wish(**GPT3, gpu="h100-sxm", gpus=64), site)
    stated = plan(Wish(**GPT3, gpu="h100-sxm", gpus=64, mfu=0.45), site)

    assert found.constants["mfu"].value == pytest.approx(0.3)
    assert "no MFU can be above that" in stated.notes[0]


async def test_the_plan_over_http_learns_once_in_ten_minutes():
    books, now = Trained([600, 610, 590, 605, 595, 600]), [NOW]
    app = FastAPI()
    problems.install(app)
    app.include_router(plan_routes.router(books, Energy(), lambda: now[0]))
    async with serving(app) as url, aiohttp.ClientSession(url) as session:

        async def asked(status=200, **params):
            async with session.get("/api/plan", params={"parameters": "175B", "tokens": "300e9", **params}) as answer:
                assert answer.status == status
                return await answer.json(content_type=None)

        found = await asked(gpus="64")
        questions = len(books.asked)
        await asked(gpus="128")
        again = len(books.asked)
        now[0] += 601
        await asked()
        wrong = await asked(400, parameters="many")
        document = await (await session.get("/openapi.json")).json()

    assert found["parameters"] == 175e9
    assert found["days"]["low"] < found["days"]["value"] < found["days"]["high"]
    assert next(each for each in found["constants"] if each["name"] == "gpu_watts")["source"].startswith("the site's own 6")
    assert questions == again < len(books.asked)
    assert "expected one such as 175e9" in wrong["detail"]
    told = document["paths"]["/api/plan"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert set(told["properties"]) == set(found)


ARGUMENTS = ("plan", "--parameters", "175e9", "--tokens", "300e9", "--gpu", "h100-sxm", "--gpus", "64")


def test_the_command_asks_the_site(run, site):
    shown = run(*ARGUMENTS, "--url", site, "--price", "0.2")

    assert shown.exit_code == 0, shown.output
    assert "3.15e+23 FLOPs on 64 h100-sxm GPUs in 8 servers" in shown.stdout
    assert "154.8 days" in shown.stdout


def test_without_a_site_the_command_says_that_figures_are_published_ones(run, tmp_path):
    (tmp_path / "wattstat.yaml").write_text("web: {listen: '127.0.0.1:1'}\nenergy: {pue: 1.25}")
    shown = run(*ARGUMENTS, "--json")

    assert "published figures" in shown.stderr
    assert json.loads(shown.stdout)["facility_joules"]["value"] > json.loads(shown.stdout)["energy_joules"]["value"]


def test_offline_asks_nobody_and_gives_the_same_json_as_the_site_without_jobs(run, site):
    offline = run(*ARGUMENTS, "--offline", "--json", "--mfu", "0.514", "--cap-watts", "500")
    asked = run(*ARGUMENTS, "--url", site, "--json", "--mfu", "0.514", "--cap-watts", "500")

    assert offline.stderr == ""
    assert json.loads(offline.stdout) == json.loads(asked.stdout)


def test_a_wish_without_sense_is_wrong_use(run):
    ended = run(*ARGUMENTS, "--offline", "--mfu", "40")

    assert ended.exit_code == 2
    assert "mfu: 40.0 has no sense" in ended.stderr


async def test_plans_learn_from_the_books_alone_where_reports_ask_more_for_each_job():
    books, slow = Trained([600.0] * 6), Trained([600.0] * 6)
    app = FastAPI()
    app.include_router(http.router(slow, learn_from=books, clock=lambda: NOW))
    async with serving(app) as url, aiohttp.ClientSession(url) as session:
        answer = await (await session.get("/api/plan", params={"parameters": "7B", "tokens": "1T"})).json()

    assert any("own 6 finished jobs" in each["source"] for each in answer["constants"])
    assert slow.asked == []
