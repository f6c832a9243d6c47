"""What the inference jobs serve: each has a page of metrics like vLLM's, whose requests and tokens follow its load."""

from __future__ import annotations

from aiohttp import web

from simulator.lanes import Lane
from simulator.workload import Job, Kind
from simulator.world import Account, World, key_of

# Joules above idle for a generated token, by GPU; an H100 serves a larger model than an L4.
JOULES_PER_TOKEN = {"h100-sxm": 0.62, "l40": 0.38, "l4": 0.21}
MODELS = {"h100-sxm": "llama-3.1-70b-instruct", "l40": "llama-3.1-8b-instruct", "l4": "phi-3.5-mini-instruct"}
PROMPT_TOKENS_PER_TOKEN = 3.4
TOKENS_PER_REQUEST = 190.0
SECONDS_PER_REQUEST = 6.5
ABORTED = 0.004


class Inference:
    """The pages: `/<job id>/metrics`."""

    def __init__(self, world: World) -> None:
        self.world = world

    def services(self, url: str) -> list[dict[str, str]]:
        """The entries of `collectors.inference` for all services that run now."""
        running = [job for job in self.world.scheduler.running.values() if job.kind is Kind.INFERENCE and not job.het]
        return [
            {
                "name": f"{job.account}-{job.id}",
                "url": f"{url}/{job.id}/metrics",
                "kind": "vllm",
                "job_id": job.id,
                "scheduler": "slurm",
            }
            for job in sorted(running, key=lambda each: each.number)
        ]

    def application(self) -> web.Application:
        """The HTTP side; a service that has ended is not there any more."""

        async def metrics(request: web.Request) -> web.Response:
            wanted = request.match_info["job"]
            job = next((each for each in self.world.scheduler.running.values() if each.id == wanted), None)
            if job is None or job.kind is not Kind.INFERENCE:
                return web.Response(status=404, text="no such service\n")
            return web.Response(text=self.page(job), content_type="text/plain")

        application = web.Application()
        application.add_routes([web.get("/{job}/metrics", metrics)])
        return application

    def page(self, job: Job) -> str:
        """A job's metrics now."""
        account = self.world.accounts[key_of(job)]
        key = _gpu_key(account.lanes[0])
        tokens = self._work(account) / JOULES_PER_TOKEN[key]
        requests = tokens / TOKENS_PER_REQUEST
        level = float(self.world.physics.lane_activity.level[job.rows].mean())
        labels = f'engine="0",model_name="{MODELS[key]}"'
        lines = [
            "# HELP vllm:num_requests_running Number of requests in model execution batches.",
            "# TYPE vllm:num_requests_running gauge",
            f"vllm:num_requests_running{{{labels}}} {round(24 * level)}.0",
            "# HELP vllm:prompt_tokens_total Number of prefill tokens processed.",
            "# TYPE vllm:prompt_tokens_total counter",
            f"vllm:prompt_tokens_total{{{labels}}} {int(tokens * PROMPT_TOKENS_PER_TOKEN)}.0",
            "# HELP vllm:generation_tokens_total Number of generation tokens processed.",
            "# TYPE vllm:generation_tokens_total counter",
            f"vllm:generation_tokens_total{{{labels}}} {int(tokens)}.0",
            "# HELP vllm:request_success_total Count of successfully processed requests.",
            "# TYPE vllm:request_success_total counter",
            f'vllm:request_success_total{{{labels},finished_reason="stop"}} {int(requests * (1 - ABORTED))}.0',
            f'vllm:request_success_total{{{labels},finished_reason="abort"}} {int(requests * ABORTED)}.0',
            "# HELP vllm:e2e_request_latency_seconds Histogram of e2e request latency in seconds.",
            "# TYPE vllm:e2e_request_latency_seconds histogram",
            f'vllm:e2e_request_latency_seconds_bucket{{{labels},le="+Inf"}} {int(requests)}.0',
            f"vllm:e2e_request_latency_seconds_count{{{labels}}} {int(requests)}.0",
            f"vllm:e2e_request_latency_seconds_sum{{{labels}}} {int(requests) * SECONDS_PER_REQUEST:.3f}",
        ]
        return "\n".join([*lines, ""])

    def _work(self, account: Account) -> float:
        """Joules above what its GPUs draw idle, since its start or the meters' beginning."""
        since = max(account.job.start, self.world.start)
        idle = sum(
            float(self.world.physics.idle_watts[self.world.lanes.gpu[row]]) * lane.weight
            for row, lane in zip(account.rows, account.lanes, strict=True)
        )
        return max(0.0, account.gpu_joules - idle * (self.world.now - since))


def _gpu_key(lane: Lane) -> str:
    model = lane.server.model.gpu
    return model.key if model is not None else "l4"
