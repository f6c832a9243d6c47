"""`wattstat slurm-prolog`, `slurm-epilog`, `boundary`: what `--help` and the reference say of them.

They are run by `wattstat.prolog`, which takes less time than importing this.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated

import typer

from wattstat.journal import Edge


class GpuOrder(StrEnum):
    """What a GPU's number means."""

    MINOR = "minor"
    PCI = "pci"


AgentOption = Annotated[
    str | None,
    typer.Option(metavar="HOST:PORT", help="The node's agent; as /etc/default/wattstat-agent has it, else 127.0.0.1:9837."),
]
SpoolOption = Annotated[
    str | None,
    typer.Option(
        metavar="DIR",
        help="Its spool, for when it does not answer; as that file has it, else /var/lib/wattstat-agent/spool.",
    ),
]
OrderOption = Annotated[
    GpuOrder, typer.Option(help="What a GPU's number means: /dev/nvidia<minor>, or order of PCI addresses.")
]
SchedulerOption = Annotated[str, typer.Option(help="The scheduler's name, as core has it: slurm, or slurm:<cluster>.")]


def slurm_prolog(
    *,
    agent: AgentOption = None,
    spool: SpoolOption = None,
    gpu_order: OrderOption = GpuOrder.MINOR,
    scheduler: SchedulerOption = "slurm",
) -> None:
    """Tell the node's agent that a Slurm job starts here: a line of the prolog. Ends with 0 whatever happens, within 50 ms."""
    _run("slurm-prolog", {"agent": agent, "spool": spool, "gpu-order": gpu_order, "scheduler": scheduler})


def slurm_epilog(
    *,
    agent: AgentOption = None,
    spool: SpoolOption = None,
    gpu_order: OrderOption = GpuOrder.MINOR,
    scheduler: SchedulerOption = "slurm",
) -> None:
    """Tell the node's agent that a Slurm job ends here: a line of the epilog. Ends with 0 whatever happens, within 50 ms."""
    _run("slurm-epilog", {"agent": agent, "spool": spool, "gpu-order": gpu_order, "scheduler": scheduler})


def boundary(
    edge: Annotated[Edge, typer.Argument(help="Which end of the job.")],
    *,
    scheduler: Annotated[str, typer.Option(help="The scheduler's name, as core has it.")],
    job: Annotated[str, typer.Option(help="The job's id.")],
    instance: Annotated[str, typer.Option(help="What tells runs of one job apart.")] = "",
    gpus: Annotated[str, typer.Option(help="The job's GPUs on this node: numbers or UUIDs, such as 0,2-4.")] = "",
    gpu_order: OrderOption = GpuOrder.MINOR,
    user: Annotated[str, typer.Option(help="Who runs the job.")] = "",
    account: Annotated[str, typer.Option(help="Whom it is charged to.")] = "",
    partition: Annotated[str, typer.Option(help="The queue that it came from.")] = "",
    name: Annotated[str, typer.Option(help="What its user calls it.")] = "",
    agent: AgentOption = None,
    spool: SpoolOption = None,
) -> None:
    """Tell the node's agent that a job of any scheduler starts or ends here. Ends with 0 whatever happens, within 50 ms."""
    told = {
        "job": job,
        "instance": instance,
        "gpus": gpus,
        "user": user,
        "account": account,
        "partition": partition,
        "name": name,
    }
    _run("boundary", {"scheduler": scheduler, **told, "gpu-order": gpu_order, "agent": agent, "spool": spool}, edge.value)


def _run(command: str, options: Mapping[str, str | None], *arguments: str) -> None:
    from wattstat.prolog import main

    main([command, *arguments, *(f"--{name}={value}" for name, value in options.items() if value)])
