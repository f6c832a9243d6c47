"""A switch of the inventory whose agent is a responder on the loopback."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from collectors.switches import SwitchSource, sources
from simulator.snmp import Responder
from tests.support.snmp_agents import secrets
from wattstat.config import Config
from wattstat.inventory import Inventory

NOW = 1_760_000_000.0


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config.model_validate(
        {
            "credentials": {name: entry.model_dump() for name, entry in secrets(tmp_path).credentials.items()},
            "collectors": {"switches": {"timeout_seconds": 1}},
        }
    )


@pytest.fixture
def switch(config: Config) -> Callable[..., SwitchSource]:
    """The source of a switch `leaf` behind a responder."""

    def made(responder: Responder, links: list[Mapping[str, Any]] | None = None, **more: Any) -> SwitchSource:
        entry = {"name": "leaf", "rack": "r1", "snmp": {"address": f"127.0.0.1:{responder.port}"}, **more}
        inventory = Inventory.model_validate(
            {
                "racks": [{"name": "r1"}],
                "nodes": [{"name": "gpu-01", "rack": "r1"}, {"name": "xe9680-01", "rack": "r1"}],
                "switches": [entry],
                "links": links or [],
            }
        )
        source = sources(config, inventory)[0]
        assert isinstance(source, SwitchSource)
        source.clock = lambda: NOW
        return source

    return made


@pytest.fixture
def shown() -> Callable[..., Any]:
    """What a collection brought, as `{(family, labels…): value}` without the prefix and the switch's name."""

    async def read(source: SwitchSource, *tiers: str) -> dict[tuple[str, ...], float]:
        found = {}
        for tier in tiers or [tier.name for tier in source.tiers]:
            collected = await source.collect(tier)
            assert not collected.errors
            for sample in collected.samples:
                key = (sample.metric.name.removeprefix("wattstat_").removeprefix("switch_"), *sample.labels[1:])
                assert key not in found
                found[key] = sample.value
        return found

    return read
