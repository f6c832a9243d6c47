"""What the servers' documented metrics tell about requests and tokens."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.inference.servers import SERVERS, Answer, Served, parse

VLLM = """\
# HELP vllm:prompt_tokens_total Number of prefill tokens processed.
# TYPE vllm:prompt_tokens_total counter
vllm:prompt_tokens_total{engine="0",model_name="llama"} 1000.0
vllm:prompt_tokens_total{engine="1",model_name="llama"} 500.0
# TYPE vllm:generation_tokens_total counter
vllm:generation_tokens_total{engine="0",model_name="llama"} 40.0
# TYPE vllm:request_success_total counter
vllm:request_success_total{engine="0",finished_reason="stop",model_name="llama"} 5.0
vllm:request_success_total{engine="0",finished_reason="length",model_name="llama"} 2.0
vllm:request_success_total{engine="0",finished_reason="abort",model_name="llama"} 9.0
# TYPE vllm:e2e_request_latency_seconds histogram
vllm:e2e_request_latency_seconds_bucket{le="+Inf",model_name="llama"} 7.0
vllm:e2e_request_latency_seconds_count{model_name="llama"} 7.0
vllm:e2e_request_latency_seconds_sum{model_name="llama"} 14.5
# TYPE vllm:iteration_tokens_total histogram
vllm:iteration_tokens_total_bucket{le="+Inf",model_name="llama"} 3.0
vllm:iteration_tokens_total_count{model_name="llama"} 3.0
vllm:iteration_tokens_total_sum{model_name="llama"} 3.0
"""
TRITON = """\
# TYPE nv_inference_request_success counter
nv_inference_request_success{model="resnet",version="1"} 10
nv_inference_request_success{model="resnet",version="2"} 5
nv_inference_request_success{model="bert",version="1"} 4
# TYPE nv_inference_request_failure counter
nv_inference_request_failure{model="resnet",version="1",reason="OTHER"} 7
# TYPE nv_inference_count counter
nv_inference_count{model="resnet",version="1"} 80
# TYPE nv_inference_request_duration_us counter
nv_inference_request_duration_us{model="resnet",version="1"} 2500000
"""
TENSORRT_LLM = """\
# TYPE nv_inference_request_success counter
nv_inference_request_success{model="tensorrt_llm",version="1"} 3
# TYPE nv_llm_input_token_len histogram
nv_llm_input_token_len_bucket{model="tensorrt_llm",response_metric_type="total_input_tokens",version="1",le="10"} 1
nv_llm_input_token_len_bucket{model="tensorrt_llm",response_metric_type="total_input_tokens",version="1",le="+Inf"} 3
nv_llm_input_token_len_count{model="tensorrt_llm",response_metric_type="total_input_tokens",version="1"} 3
nv_llm_input_token_len_sum{model="tensorrt_llm",response_metric_type="total_input_tokens",version="1"} 96
# TYPE nv_llm_output_token_len histogram
nv_llm_output_token_len_bucket{model="tensorrt_llm",response_metric_type="total_output_tokens",version="1",le="+Inf"} 3
nv_llm_output_token_len_count{model="tensorrt_llm",response_metric_type="total_output_tokens",version="1"} 3
nv_llm_output_token_len_sum{model="tensorrt_llm",response_metric_type="total_output_tokens",version="1"} 600
"""
TRITON_VLLM = """\
# TYPE nv_inference_request_success counter
nv_inference_request_success{model="vllm_model",version="1"} 3
# TYPE vllm:prompt_tokens_total counter
vllm:prompt_tokens_total{model="vllm_model",version="1"} 10
# TYPE vllm:generation_tokens_total counter
vllm:generation_tokens_total{model="vllm_model",version="1"} 16
"""
NIM = """\
# TYPE prompt_tokens_total counter
prompt_tokens_total{model_name="meta/llama-3.1-8b-instruct"} 70
# TYPE generation_tokens_total counter
generation_tokens_total{model_name="meta/llama-3.1-8b-instruct"} 30
# TYPE request_finish_total counter
request_finish_total{finished_reason="stop",model_name="meta/llama-3.1-8b-instruct"} 4
# TYPE request_success_total counter
request_success_total{model_name="meta/llama-3.1-8b-instruct"} 4
# TYPE request_failure_total counter
request_failure_total{model_name="meta/llama-3.1-8b-instruct"} 1
"""
SGLANG = """\
# TYPE sglang:prompt_tokens_total counter
sglang:prompt_tokens_total{model_name="qwen"} 100
# TYPE sglang:generation_tokens_total counter
sglang:generation_tokens_total{model_name="qwen"} 50
# TYPE sglang:num_requests_total counter
sglang:num_requests_total{is_streaming="true",model_name="qwen"} 3
sglang:num_requests_total{is_streaming="false",model_name="qwen"} 1
"""


def test_vllm_counts_by_model_over_its_engines_and_leaves_out_what_was_given_up():
    served = Served(requests=7, prompt_tokens=1500, generated_tokens=40, seconds=14.5)

    assert parse(VLLM) == Answer(kind="vllm", models={"llama": served})


def test_triton_counts_requests_and_has_tokens_only_where_a_backend_counts_them():
    assert parse(TRITON) == Answer(
        kind="triton", models={"bert": Served(requests=4), "resnet": Served(requests=15, seconds=2.5)}
    )
    assert parse(TENSORRT_LLM).models == {"tensorrt_llm": Served(requests=3, prompt_tokens=96, generated_tokens=600)}
    assert parse(TRITON_VLLM) == Answer(
        kind="triton", models={"vllm_model": Served(requests=3, prompt_tokens=10, generated_tokens=16)}
    )


def test_nims_names_have_no_prefix():
    served = Served(requests=4, prompt_tokens=70, generated_tokens=30)

    assert parse(NIM) == Answer(kind="nim", models={"meta/llama-3.1-8b-instruct": served})


def test_sglang_counts_like_vllm():
    assert parse(SGLANG).models == {"qwen": Served(requests=4, prompt_tokens=100, generated_tokens=50)}


def test_a_gateway_that_writes_underscores_for_colons_is_understood():
    assert parse(VLLM.replace("vllm:", "vllm_")) == parse(VLLM)


def test_a_page_of_something_else_is_no_answer():
    assert parse("# TYPE go_goroutines gauge\ngo_goroutines 7\n") == Answer()
    assert parse("") == Answer()


def test_what_is_no_exposition_is_refused():
    with pytest.raises(ValueError, match=r".+"):
        parse("<html><body>Not found</body></html>")


def test_a_model_for_every_request_is_refused():
    page = "\n".join(f'nv_inference_request_success{{model="{number}"}} 1' for number in range(300))
    with pytest.raises(ValueError, match="300 models"):
        parse(page)


@given(
    st.sampled_from([VLLM, TRITON, TENSORRT_LLM, NIM, SGLANG]),
    st.lists(st.tuples(st.integers(0, 40), st.sampled_from(["", "NaN", "-1", "+Inf", "x{y", "\x00"])), max_size=4),
)
def test_any_line_may_be_broken(page, changes):
    lines = page.splitlines()
    for number, junk in changes:
        line = lines[number % len(lines)]
        lines[number % len(lines)] = f"{line.rpartition(' ')[0]} {junk}" if junk else ""
    try:
        answer = parse("\n".join(lines))
    except ValueError:
        return
    for served in answer.models.values():
        values = (served.requests, served.prompt_tokens, served.generated_tokens, served.seconds)
        assert all(value is None or 0 <= value < float("inf") for value in values)


def test_every_kind_can_be_named():
    assert {kind: parse(NIM, kind).kind for kind in SERVERS} == {kind: kind for kind in SERVERS}
