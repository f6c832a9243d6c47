"""Kubernetes in core: pods by the API server, their GPUs by the agents' kubelets."""

from collectors.kubernetes.source import KubernetesSource, sources

__all__ = ["KubernetesSource", "sources"]
