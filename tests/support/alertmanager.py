"""Debian's Alertmanager, started with a configuration, and what its webhooks got."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.processes import free_port, http_get, running, wait_for
from tests.support.programs import required_program


@contextmanager
def alertmanager(folder: Path, configuration: Path, *, port: int | None = None) -> Iterator[str]:
    """Runs while the body does; gives its address."""
    program = required_program("prometheus-alertmanager", package="prometheus-alertmanager")
    address = f"127.0.0.1:{port or free_port()}"
    command = [
        program, f"--config.file={configuration}", f"--storage.path={folder / 'alertmanager'}",
        f"--web.listen-address={address}", "--cluster.listen-address=", "--log.level=warn",
    ]  # fmt: skip
    with running(command, folder / "alertmanager.log"):
        wait_for("Alertmanager", lambda: http_get(f"http://{address}/-/ready") is not None)
        yield f"http://{address}"
