"""`wattstat racks`, `storage` and `fabric` against a core that listens."""

import asyncio
import json

import pytest
from aiohttp import web
from typer.testing import CliRunner

from tests.support.premises import everything, small_hall, told
from wattstat.catalogue.network import FABRIC_LINK_INFO
from wattstat.cli import app
from wattstat.serve import premises

MADE = {"racks": premises.racks, "storage": premises.storage_now, "fabric": premises.fabric_now, "pdus": premises.pdus_now}


async def asked(*arguments, samples=None):
    """What a command prints when core holds these samples."""
    snapshot, hall = told(*(everything() if samples is None else samples)), small_hall()

    def answer(made):
        async def handler(_):
            return web.json_response(made(snapshot, hall))

        return handler

    application = web.Application()
    application.add_routes([web.get(f"/live/{name}", answer(made)) for name, made in MADE.items()])
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        return await asyncio.to_thread(CliRunner().invoke, app, [*arguments, "--core", url])
    finally:
        await runner.cleanup()


async def test_racks_show_metered_and_summed_watts_with_their_coverage():
    printed = (await asked("racks")).output.splitlines()

    assert printed[1].split() == ["r1", "8500", "2", "of", "2", "8500", "3", "of", "3"]


async def test_what_was_not_read_is_empty_and_not_zero():
    printed = (await asked("racks", samples=())).output.splitlines()

    assert printed[1].split() == ["r1", "0", "of", "2", "0", "of", "3"]
    assert "r1: not read: p1, p2, gpu1, gpu2, leaf1" in printed


async def test_a_switch_names_the_jobs_that_its_failure_touches():
    result = await asked("fabric")

    assert result.exit_code == 0
    leaf = next(line for line in result.output.splitlines() if line.startswith("leaf2"))
    assert leaf.split() == ["leaf2", "r2", "yes", "1", "of", "2", "500", "derived", "3", "7", "8"]


async def test_a_cable_in_the_wrong_hole_is_told_in_words():
    wrong = (FABRIC_LINK_INFO, 1, "gpu2", "mlx5_0", "", "leaf2", "1/7", "ufm")
    printed = (await asked("fabric", samples=(*everything(), wrong))).output

    assert "gpu2 mlx5_0 hangs on leaf2 1/7 (ufm); the inventory says leaf2 1/2" in printed


async def test_storage_shows_its_slowest_protocol_and_its_watts():
    printed = (await asked("storage")).output.splitlines()[1]

    assert printed.split() == ["scratch", "powerscale", "yes", "2.0", "ms", "nfs3", "374"]


@pytest.mark.parametrize("command", ["racks", "storage", "fabric"])
async def test_scripts_get_the_whole_document(command):
    result = await asked(command, "--json")

    assert json.loads(result.output)["total"] == len(json.loads(result.output)["items"]) > 0


def test_a_core_that_is_not_there_is_said_in_one_line():
    result = CliRunner().invoke(app, ["racks", "--core", "http://127.0.0.1:9"])

    assert result.exit_code == 1
    assert "does not answer" in result.output
