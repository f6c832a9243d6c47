"""Addresses, what is refused before a process starts, and logs that cannot be written."""

import json
import os
import socket
import subprocess
import sys

import pytest

from tests.support.processes import ROOT
from wattstat.serve import commands
from wattstat.serve.process import (
    Address,
    CannotStart,
    ListenError,
    parse_listen,
    require_extra,
    require_free,
    require_loopback,
)


@pytest.mark.parametrize(
    ("listen", "address"),
    [("127.0.0.1:8050", ("127.0.0.1", 8050)), (":9838", ("0.0.0.0", 9838)), ("[::1]:80", ("[::1]", 80))],
)
def test_listen_is_host_and_port(listen, address):
    assert parse_listen(listen) == address


@pytest.mark.parametrize("listen", ["8050", "127.0.0.1", "host:http", "host:65536", ""])
def test_what_is_no_address_is_refused_with_an_example(listen):
    with pytest.raises(ListenError, match=r"127\.0\.0\.1:8050"):
        parse_listen(listen)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.3.2.1", "localhost", "[::1]"])
def test_loopback_needs_no_login(host):
    require_loopback(Address(host, 1), setting="web.listen", insecure=False)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "gpu01.example"])
def test_beyond_loopback_is_refused_unless_somebody_says_so(host):
    with pytest.raises(ListenError, match="insecure"):
        require_loopback(Address(host, 1), setting="web.listen", insecure=False)
    require_loopback(Address(host, 1), setting="web.listen", insecure=True)


def test_a_taken_port_is_told_before_anything_starts():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ListenError, match=r"core\.listen.*running already"):
            require_free(Address(*taken.getsockname()), setting="core.listen")


def test_the_url_of_every_interface_is_one_that_a_client_can_use():
    assert parse_listen(":8050").url == "http://127.0.0.1:8050"


def test_a_command_of_the_server_on_a_gpu_nodes_install_says_what_to_install():
    with pytest.raises(CannotStart, match=r"surely_absent not found.*wattstat\[server\]"):
        require_extra("server", "json", "surely_absent")
    require_extra("server", "json")


def test_a_process_whose_log_lies_on_a_full_disk_goes_on(tmp_path):
    program = """
import os, resource, structlog
from wattstat.serve.process import set_up_logging
set_up_logging()
resource.setrlimit(resource.RLIMIT_FSIZE, (1, 1))
structlog.get_logger().warning("two bytes")
structlog.get_logger().warning("and more")
os._exit(7)
"""
    with (tmp_path / "log").open("wb") as log:
        done = subprocess.run([sys.executable, "-c", program], stderr=log, cwd=ROOT, env=os.environ, check=False)
    assert done.returncode == 7


@pytest.mark.parametrize(
    ("access", "refused"),
    [
        ({}, True),
        ({"anonymous_viewers": True}, True),
        ({"tokens": [{"name": "ada", "role": "viewer", "sha256": "0" * 64}]}, False),
        ({"proxy": {"trusted": ["10.0.0.5"]}}, False),
    ],
)
def test_web_is_for_others_only_where_somebody_can_log_in(tmp_path, access, refused):
    path = tmp_path / "wattstat.yaml"
    path.write_text(json.dumps({"web": {"listen": "0.0.0.0:8050"}, "access": access}))
    if refused:
        with pytest.raises(ListenError, match=r"wattstat token NAME --role ROLE"):
            commands._checked(path, insecure=False)
        commands._checked(path, insecure=True)
    else:
        commands._checked(path, insecure=False)


def test_core_is_never_for_others_because_web_has_tokens(tmp_path):
    path = tmp_path / "wattstat.yaml"
    access = {"tokens": [{"name": "ada", "role": "viewer", "sha256": "0" * 64}]}
    path.write_text(json.dumps({"core": {"listen": "0.0.0.0:9838"}, "access": access}))

    with pytest.raises(ListenError, match=r"core\.listen"):
        commands._checked(path, insecure=False)
