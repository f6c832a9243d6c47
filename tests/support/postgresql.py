"""A PostgreSQL server of Debian's packages, on a Unix socket in a temporary folder, for as long as a test module runs."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.processes import wait_for
from tests.support.programs import missing


def _program(name: str) -> Path:
    found = [Path(path) for path in sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))]
    if plain := shutil.which(name):
        found.append(Path(plain))
    if not found:
        missing(f"{name} is not installed (Debian package postgresql)")
    return found[-1]


def _user() -> pwd.struct_passwd | None:
    """Whom the server runs as: it refuses root."""
    if os.geteuid() != 0:
        return None
    names = [name for name in ("postgres", "nobody") if name in {each.pw_name for each in pwd.getpwall()}]
    return pwd.getpwnam(names[0])


@contextmanager
def server() -> Iterator[str]:
    """SQLAlchemy's URL of a fresh, empty server. fsync is off: the machine does not lose its power meanwhile."""
    initdb, postgres = _program("initdb"), _program("postgres")
    user = _user()
    # Short: a Unix socket's path has at most 107 bytes.
    folder = Path(tempfile.mkdtemp(prefix="ws-pg-", dir="/tmp"))
    try:
        owner = {} if user is None else {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        if user is not None:
            os.chown(folder, user.pw_uid, user.pw_gid)
        data = folder / "data"
        made = subprocess.run(
            [initdb, "-D", data, "-U", "wattstat", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"],
            cwd=folder,
            capture_output=True,
            check=False,
            text=True,
            **owner,
        )
        assert made.returncode == 0, made.stderr
        options = {
            "listen_addresses": "",
            "unix_socket_directories": str(folder),
            "fsync": "off",
            "shared_buffers": "32MB",
            "max_connections": "30",
        }
        settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [postgres, "-D", data, *settings], cwd=folder, stdout=log, stderr=subprocess.STDOUT, **owner
            )
            try:
                wait_for("PostgreSQL", lambda: "ready to accept connections" in (folder / "log").read_text())
                yield f"postgresql+psycopg://wattstat@/postgres?host={folder}"
            finally:
                process.send_signal(signal.SIGINT)  # fast: clients are cut off
                process.wait(30)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
