"""Inference services: what they answered, by model, with the job that runs them."""

from wattstat.catalogue.metric import counter

_SERVICE = "scheduler job_id service model"

INFERENCE_REQUESTS_TOTAL = counter(
    "inference_requests_total",
    _SERVICE,
    "Requests that were answered; job_id is empty where the service's job is not known.",
    source="vLLM vllm:request_success_total, Triton nv_inference_request_success, NIM request_success_total",
)
INFERENCE_TOKENS_TOTAL = counter(
    "inference_tokens_total",
    f"{_SERVICE} kind",
    "Tokens that were processed; kind is prompt or generated.",
    source="vllm:prompt_tokens_total, vllm:generation_tokens_total; Triton nv_llm_input_token_len and nv_llm_output_token_len",
)
INFERENCE_REQUEST_SECONDS_TOTAL = counter(
    "inference_request_seconds_total",
    _SERVICE,
    "Time from a request to its last token, added up; its rate over that of the requests is the average latency.",
    source="vLLM and NIM e2e_request_latency_seconds, Triton nv_inference_request_duration_us",
)
