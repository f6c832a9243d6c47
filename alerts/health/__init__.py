"""Health scores: 0 to 100 for each device, with every alert that took points off. How many each takes: docs/health.md."""

from alerts.health.score import samples, scores

__all__ = ["samples", "scores"]
