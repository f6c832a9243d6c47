"""A switch under NVOS: NVUE instead of commands."""

import base64

import pytest
from aiohttp import web

from collectors import mlnxos
from collectors.frame.errors import AuthFailed
from wattstat.config import Config
from wattstat.inventory import Inventory

# As NVIDIA's NVOS manual names the columns; no recorded answer is published.
ANSWERS = {
    "/nvue_v1/platform/environment/psu": {
        "PSU1": {"capacity": "2000.00", "current": "1.95", "power": "446.50", "state": "ok", "voltage": "229.00"},
        "PSU2": {"capacity": "N/A", "current": "N/A", "power": "N/A", "state": "absent", "voltage": "N/A"},
    },
    "/nvue_v1/platform/environment/fan": {"FAN1/1": {"max-speed": "30000", "speed": "8600", "state": "ok"}},
    "/nvue_v1/platform/environment/temperature": {"ASIC": {"crit": "120.00", "current": "58.00", "max": "105.00"}},
    "/nvue_v1/system": {"build": "25.02.4002", "hostname": "ib-leaf-1", "uptime": "1 day", "version": {"kernel": "5.10"}},
}
BASIC = "Basic " + base64.b64encode(b"monitor:correct horse").decode()


@pytest.fixture
async def url():
    async def answer(request):
        if request.headers.get("Authorization") != BASIC:
            return web.Response(status=401)
        document = ANSWERS.get(request.path)
        return web.Response(status=404) if document is None else web.json_response(document)

    runner = web.ServerRunner(web.Server(answer), shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


def source(url, tmp_path, password="correct horse"):
    secret = tmp_path / "secret"
    secret.write_text(password)
    config = Config.model_validate({"credentials": {"fabric": {"username": "monitor", "password_file": str(secret)}}})
    entry = {"name": "ib-leaf-1", "fabric": "infiniband", "system": "nvos", "model": "Q3400",
             "rest": {"url": url, "credentials": "fabric"}}  # fmt: skip
    (found,) = mlnxos.sources(config, Inventory.model_validate({"switches": [entry]}))
    return found


async def told(found, tier):
    collected = await found.collect(tier)
    series = {(sample.metric.name.removeprefix("wattstat_switch_"), *sample.labels[1:]): sample.value
              for sample in collected.samples}  # fmt: skip
    return series, collected.errors


async def test_the_environment_and_who_it_is(url, tmp_path):
    found = source(url, tmp_path)
    environment, errors = await told(found, "environment")
    topology, more = await told(found, "topology")
    await found.close()

    assert not errors
    assert not more
    assert environment == {
        ("up",): 1,
        ("psu_on", "PS1"): 1,
        ("psu_ok", "PS1"): 1,
        ("psu_power_watts", "PS1", "unknown"): 446.5,
        ("psu_on", "PS2"): 0,
        ("power_watts", "psu_unknown"): 446.5,
        ("fan_speed_rpm", "FAN1/1"): 8600,
        ("fan_ok", "FAN1/1"): 1,
        ("temperature_celsius", "ASIC"): 58,
    }
    assert topology["info", "", "Q3400", "nvos", "25.02.4002", ""] == 1
    assert [tier.name for tier in found.tiers] == ["environment", "topology"]


async def test_a_wrong_password_is_told_as_such(url, tmp_path):
    found = source(url, tmp_path, password="wrong")
    with pytest.raises(AuthFailed):
        await found.collect("environment")
    await found.close()
