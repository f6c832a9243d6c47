"""Inference services by their metrics: what vLLM, Triton, NIM and SGLang have answered, with the job that runs them."""

from collectors.inference.source import InferenceSource, sources

__all__ = ["InferenceSource", "sources"]
