"""Services are read over HTTP and joined with the job that runs them."""

import pytest
from aiohttp import web

from collectors import inference
from collectors.frame.errors import AuthFailed, BadPayload, Misconfigured, NotSupported, Throttled, Unreachable
from collectors.inference.pages import Pages
from collectors.inference.source import Owner, PodServices, Service, whose
from tests.collectors.inference.test_inference_servers import NIM, TRITON, VLLM
from wattstat.catalogue import Samples
from wattstat.catalogue.inference import INFERENCE_REQUESTS_TOTAL, INFERENCE_TOKENS_TOTAL
from wattstat.catalogue.job import JOB_GPU_INFO, JOB_INFO
from wattstat.config import Config, InferenceService
from wattstat.hall import Block, BlockKey, Snapshot


def hall(*jobs):
    """Jobs as (scheduler, job id, node, gpu)."""
    out = Samples()
    for scheduler, job_id, node, gpu in jobs:
        out.add(JOB_INFO, 1, scheduler, job_id, *[""] * (len(JOB_INFO.labels) - 2))
        given = {"scheduler": scheduler, "job_id": job_id, "node": node, "gpu": gpu}
        out.add(JOB_GPU_INFO, 1, *(given.get(label, "") for label in JOB_GPU_INFO.labels))
    block = Block(key=BlockKey("wattstat", "ledger", "jobs"), samples=tuple(out), taken_at=0, interval_seconds=60)
    return Snapshot(taken_at=0, blocks=(block,))


class Server:
    def __init__(self):
        self.pages, self.status, self.seen = {"/metrics": VLLM}, 200, []

    async def answer(self, request):
        self.seen.append(request.headers.get("Authorization"))
        if self.status != 200 or request.path not in self.pages:
            return web.Response(status=self.status if self.status != 200 else 404)
        return web.Response(text=self.pages[request.path])


@pytest.fixture
async def server():
    found = Server()
    app = web.Application()
    app.router.add_get("/{path:.*}", found.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    found.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield found
    await runner.cleanup()


async def collected(server, *, snapshot=None, **settings):
    document = {"collectors": {"inference": [{"name": "chat", "url": f"{server.url}/metrics", **settings}]}}
    (source,) = inference.sources(Config.model_validate(document), hall=lambda: snapshot or hall())
    try:
        return await source.collect("fast")
    finally:
        await source.close()


def values(collected, metric):
    return {sample.labels: sample.value for sample in collected.samples if sample.metric is metric}


async def test_a_service_is_counted_under_its_jobs_name(server):
    found = await collected(server, job_id="4711", snapshot=hall(("slurm", "4711", "gpu001", "0")))

    assert values(found, INFERENCE_REQUESTS_TOTAL) == {("slurm", "4711", "chat", "llama"): 7}
    assert values(found, INFERENCE_TOKENS_TOTAL) == {
        ("slurm", "4711", "chat", "llama", "prompt"): 1500,
        ("slurm", "4711", "chat", "llama", "generated"): 40,
    }
    assert found.errors == {}


async def test_only_named_models_count(server):
    server.pages["/metrics"] = TRITON
    found = await collected(server, job_id="1", scheduler="slurm", models=["resnet"])

    assert values(found, INFERENCE_REQUESTS_TOTAL) == {("slurm", "1", "chat", "resnet"): 15}


async def test_a_service_without_a_job_is_counted_and_says_why(server):
    found = await collected(server)

    assert values(found, INFERENCE_REQUESTS_TOTAL) == {("", "", "chat", "llama"): 7}
    assert "neither job_id nor node" in str(found.errors["job"])


async def test_another_page_is_refused_with_what_was_expected(server):
    server.pages["/metrics"] = "up 1\n"
    with pytest.raises(BadPayload, match="expected one of triton, vllm, sglang, nim"):
        await collected(server)
    server.pages["/metrics"] = "<html>"
    with pytest.raises(BadPayload, match="Prometheus' text format"):
        await collected(server)


@pytest.mark.parametrize(
    ("status", "error"), [(401, AuthFailed), (404, NotSupported), (503, Throttled), (500, BadPayload), (302, BadPayload)]
)
async def test_a_refusal_is_told_as_what_it_is(server, status, error):
    server.status = status
    with pytest.raises(error, match=r"/metrics: "):
        await collected(server)


async def test_a_silent_service_is_unreachable(server):
    with pytest.raises(Unreachable):
        await collected(server, url="http://127.0.0.1:9/metrics")


async def test_a_token_or_a_user_is_shown_where_one_is_configured(server, tmp_path):
    (tmp_path / "secret").write_text("s")
    secret = {"password_file": str(tmp_path / "secret")}
    await collected(server)
    for entry in (secret, {**secret, "username": "u"}):
        document = {
            "credentials": {"c": entry},
            "collectors": {"inference": [{"name": "chat", "url": f"{server.url}/metrics", "credentials": "c"}]},
        }
        (source,) = inference.sources(Config.model_validate(document), hall=hall)
        await source.collect("fast")
        await source.close()

    assert server.seen == [None, "Bearer s", "Basic dTpz"]


async def test_credentials_that_are_not_there_are_told():
    document = {"collectors": {"inference": [{"name": "chat", "url": "http://x/metrics", "credentials": "c"}]}}
    (source,) = inference.sources(Config.model_validate(document), hall=hall)
    with pytest.raises(Misconfigured, match="no credentials named 'c'"):
        await source.collect("fast")


def test_the_job_is_found_by_the_gpus_that_it_holds():
    snapshot = hall(("slurm", "1", "gpu001", "0"), ("slurm", "1", "gpu001", "1"), ("slurm", "2", "gpu001", "2"))

    def of(**where):
        return whose(InferenceService(name="chat", url="http://x", **where), snapshot)

    assert of(node="gpu001", gpus=(0, 1)) == (Owner("slurm", "1"), "")
    assert of(node="gpu001", gpus=(2,)) == (Owner("slurm", "2"), "")
    assert of(node="gpu001")[0] == Owner()
    assert "2 jobs hold gpu001; expected one" in of(node="gpu001")[1]
    assert "no jobs hold GPUs 7 of gpu001" in of(node="gpu001", gpus=(7,))[1]


async def test_pods_are_read_side_by_side_and_a_bad_one_costs_the_others_nothing(server):
    server.pages |= {"/nim": NIM, "/other": "up 1\n", "/html": "<html>"}
    services = [
        Service(owner=Owner("kubernetes", f"team/{name}"), name="chat", url=f"{server.url}/{name}")
        for name in ("nim", "other", "html", "gone")
    ]
    source = PodServices(target="kubernetes", tiers=(), pages=Pages(timeout_seconds=5), services=lambda: services)
    found = await source.collect("fast")
    await source.close()

    assert values(found, INFERENCE_REQUESTS_TOTAL) == {("kubernetes", "team/nim", "chat", "meta/llama-3.1-8b-instruct"): 4}
    assert set(found.errors) == {"team/gone"}
