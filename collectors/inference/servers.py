"""Which metrics of which server count what. Pure.

The names are those of the servers' own documents: vLLM's design/metrics.md (versions 0.5 to the present), Triton's
user_guide/metrics.md and the custom metrics of its TensorRT-LLM backend, the observability page of NIM for LLMs, SGLang's
production metrics.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

from prometheus_client.parser import text_string_to_metric_families

# Requests that a client gave up, or that failed, were not answered.
_UNANSWERED = frozenset({"abort", "error"})
_MODEL_LABELS = ("model_name", "model")
# A pod's metrics are its user's: no model's name may be made up for every request.
_MOST_MODELS = 200


class Count(NamedTuple):
    """A sample's plain name, and what its value is multiplied by to get the base unit."""

    name: str
    factor: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A kind of server. Of several names for one thing the first that is there counts."""

    kind: str
    requests: tuple[Count, ...]
    prompt_tokens: tuple[Count, ...]
    generated_tokens: tuple[Count, ...]
    seconds: tuple[Count, ...]

    @property
    def names(self) -> frozenset[str]:
        """All that it counts by."""
        return frozenset(count.name for count in (*self.requests, *self.prompt_tokens, *self.generated_tokens, *self.seconds))


def _openai_like(kind: str, prefix: str, requests: Sequence[str]) -> Server:
    return Server(
        kind=kind,
        requests=tuple(Count(prefix + name) for name in (*requests, "e2e_request_latency_seconds_count")),
        prompt_tokens=(Count(f"{prefix}prompt_tokens"),),
        generated_tokens=(Count(f"{prefix}generation_tokens"),),
        seconds=(Count(f"{prefix}e2e_request_latency_seconds_sum"),),
    )


VLLM = _openai_like("vllm", "vllm_", ("request_success",))
SGLANG = _openai_like("sglang", "sglang_", ("num_requests",))
NIM = _openai_like("nim", "", ("request_success",))
TRITON = Server(
    kind="triton",
    requests=(Count("nv_inference_request_success"),),
    # The TensorRT-LLM backend counts tokens in histograms; the vLLM backend has vLLM's own names beside Triton's.
    prompt_tokens=(Count("nv_llm_input_token_len_sum"), *VLLM.prompt_tokens),
    generated_tokens=(Count("nv_llm_output_token_len_sum"), *VLLM.generated_tokens),
    seconds=(Count("nv_inference_request_duration_us", 1e-6),),
)
# In the order in which they are recognized: Triton may have vLLM inside, and NIM's names have no prefix to know them by.
SERVERS: Mapping[str, Server] = MappingProxyType({server.kind: server for server in (TRITON, VLLM, SGLANG, NIM)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """What was answered for one model since the server started; None where the server does not count it."""

    requests: float | None = None
    prompt_tokens: float | None = None
    generated_tokens: float | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a server's metrics tell: which kind it is (empty: none that is known), and what it served by model."""

    kind: str = ""
    models: Mapping[str, Served] = field(default_factory=lambda: MappingProxyType({}))


def parse(text: str, kind: str = "") -> Answer:
    """What an exposition tells; `kind` is found from the names unless given. Raises `ValueError` for what is no exposition."""
    values = _values(text)
    server = SERVERS[kind] if kind else _recognized(values)
    if server is None:
        return Answer()
    columns = {
        "requests": _first(values, server.requests),
        "prompt_tokens": _first(values, server.prompt_tokens),
        "generated_tokens": _first(values, server.generated_tokens),
        "seconds": _first(values, server.seconds),
    }
    models = sorted({model for column in columns.values() for model in column})
    if len(models) > _MOST_MODELS:
        raise ValueError(f"{len(models)} models, expected at most {_MOST_MODELS}")
    served = {model: Served(**{name: column.get(model) for name, column in columns.items()}) for model in models}
    return Answer(kind=server.kind, models=MappingProxyType(served))


def _values(text: str) -> dict[str, dict[str, float]]:
    """Values by name and model; what differs in other labels (version, engine, reason) is added up."""
    wanted = frozenset().union(*(server.names for server in SERVERS.values()))
    found: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            name = _plain(sample.name)
            is_counted = name in wanted and 0 <= sample.value < float("inf")
            if is_counted and sample.labels.get("finished_reason") not in _UNANSWERED:
                found[name][_model(sample.labels)] += sample.value
    return found


def _plain(name: str) -> str:
    """The name as gateways and parsers leave it alone: some write `_` for `:`, and ours puts `_total` behind every counter."""
    return name.replace(":", "_").removesuffix("_total")


def _model(labels: Mapping[str, str]) -> str:
    return next((labels[label] for label in _MODEL_LABELS if labels.get(label)), "")


def _recognized(values: Mapping[str, object]) -> Server | None:
    return next((server for server in SERVERS.values() if any(count.name in values for count in server.requests)), None)


def _first(values: Mapping[str, Mapping[str, float]], counts: Iterable[Count]) -> dict[str, float]:
    """By model, the first of the counts that the server has for it."""
    found: dict[str, float] = {}
    for count in counts:
        for model, value in values.get(count.name, {}).items():
            found.setdefault(model, value * count.factor)
    return found
