"""Runs from the holds alone, for clusters whose API server we may not ask: a pod's namespace and name, and its GPUs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from collectors.kubernetes.holds import Holds, PodName
from wattstat.jobs import GpuHold, Placement, Run, RunKey, State

REMEMBERED_SECONDS = 600.0


@dataclass(kw_only=True)
class Unnamed:
    """Remembers who held what, because nobody else says when a hold began or that it ended.

    Pods of one name are told apart only while they are seen to come and go: the kubelet's service does not tell a pod's UID.
    """

    scheduler: str
    _alive: dict[tuple[str, PodName], Run] = field(default_factory=dict)
    _ended: dict[RunKey, Run] = field(default_factory=dict)

    def see(self, holds: Holds, now: float) -> tuple[Run, ...]:
        """All runs at this moment: those that hold GPUs, and those that ended lately.

        A pod of a node that is not heard at the moment is taken to hold what it held.
        """
        seen = {(node, pod): gpus for node, pods in holds.by_node.items() for pod, gpus in pods.items()}
        for key in [key for key in self._alive if key not in seen and key[0] in holds.heard]:
            run = self._alive.pop(key)
            self._ended[run.key] = replace(run, state=State.GONE, ended=now)
        for (node, pod), gpus in seen.items():
            before = self._alive.get((node, pod))
            self._alive[node, pod] = (
                self._begin(node, pod, gpus, now) if before is None else replace(before, placements=_placed(node, gpus))
            )
        self._ended = {key: run for key, run in self._ended.items() if now - (run.ended or now) < REMEMBERED_SECONDS}
        return tuple(self._runs())

    def _begin(self, node: str, pod: PodName, gpus: tuple[GpuHold, ...], now: float) -> Run:
        job_id = f"{pod.namespace}/{pod.name}"
        taken = {run.key for run in (*self._alive.values(), *self._ended.values())}
        key = RunKey(self.scheduler, job_id)
        return Run(
            key=RunKey(self.scheduler, job_id, f"{now:.0f}") if key in taken else key,
            name=pod.name,
            account=pod.namespace,
            partition=pod.namespace,
            started=now,
            placements=_placed(node, gpus),
        )

    def _runs(self) -> Iterator[Run]:
        yield from self._alive.values()
        yield from self._ended.values()


def _placed(node: str, gpus: tuple[GpuHold, ...]) -> tuple[Placement, ...]:
    return (Placement(node=node, gpus=gpus),)
