"""A real web process is stopped, and killed as often as it is started: the supervisor tells a real service each time."""

import asyncio
import os
import signal
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from alerts.delivery import alive
from tests.support.processes import children, free_port
from tests.support.receivers import webhook
from wattstat.config import load
from wattstat.serve import last_resort, supervisor
from wattstat.serve.last_resort import LastResort
from wattstat.serve.supervisor import Program, keep

RULES = "groups:\n- name: quick\n  interval: 1s\n  rules:\n  - {alert: Watchdog, expr: vector(1), labels: {severity: none}}\n"
SHOWS_LIFE_OFTEN = """
import sys
from alerts.delivery import alive
alive.EVERY_SECONDS = 0.2
from wattstat.entry import main
sys.argv = ["wattstat", *sys.argv[1:]]
main()
"""


@dataclass(frozen=True, kw_only=True)
class Web(Program):
    """`wattstat web`, which shows its life more often than usual."""

    @property
    def command(self) -> list[str]:
        return [sys.executable, "-c", SHOWS_LIFE_OFTEN, *self.arguments]


@asynccontextmanager
async def supervised(folder: Path):
    """Web and the last resort, as `wattstat serve` runs them."""
    settings = {
        "data_dir": str(folder / "data"),
        "core": {"listen": f"127.0.0.1:{free_port()}"},
        "web": {"listen": f"127.0.0.1:{free_port()}"},
        "alerts": {
            "shipped_rules": False, "findings": False, "rules": [str(folder / "rules.yml")],
            "last_resort": {"env": "LAST_RESORT"},
        },
    }  # fmt: skip
    (folder / "rules.yml").write_text(RULES)
    (folder / "wattstat.yaml").write_text(yaml.safe_dump(settings))
    (folder / "inventory.yaml").write_text("site: {name: hall}\n")
    voice = last_resort.last_resort(load(folder / "wattstat.yaml"))
    assert isinstance(voice, LastResort)
    stop = asyncio.Event()
    web = Web(name="web", arguments=["web", "--config", str(folder / "wattstat.yaml")])
    working = asyncio.gather(keep(web, stop), voice.run(stop))
    try:
        yield folder / "data" / "alerts.alive"
    finally:
        stop.set()
        await working


async def until(what: str, look, *, seconds: float = 40):
    async with asyncio.timeout(seconds):
        while not (found := look()):
            await asyncio.sleep(0.05)
    assert found, what
    return found


def webs() -> list[int]:
    """The web processes that are ours; those that send are others."""
    return [each for each in children(os.getpid()) if SHOWS_LIFE_OFTEN.strip() in _command(each)]


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


async def test_a_web_process_that_is_stuck_and_one_that_dies_at_every_start_are_told(tmp_path, monkeypatch):
    monkeypatch.setattr(alive, "STALE_SECONDS", 1.5)
    monkeypatch.setattr(last_resort, "LOOK_SECONDS", 0.1)
    monkeypatch.setattr(supervisor, "FIRST_PAUSE_SECONDS", 0.05)
    with webhook() as hook:
        monkeypatch.setenv("LAST_RESORT", hook.url)
        async with supervised(tmp_path) as life:
            await until("web", lambda: life.exists() and not alive.problem(life, life.stat().st_mtime))
            assert hook.got == []
            monkeypatch.setattr(last_resort, "PATIENCE_SECONDS", 0.2)
            (stuck,) = webs()
            os.kill(stuck, signal.SIGSTOP)
            await until("the cry", lambda: hook.got)
            assert hook.subjects == ["[CRIT] Wattstat's alerts do not work"]
            assert "has been dead or stuck for" in hook.got[-1]["message"]
            os.kill(stuck, signal.SIGCONT)
            await until("the end", lambda: hook.subjects[-1] == "[OVER] Wattstat's alerts work again")

            told, killed = len(hook.got), set()

            def heard() -> bool:
                for each in webs():
                    os.kill(each, signal.SIGKILL)
                    killed.add(each)
                return len(hook.got) > told

            await until("the cry about what dies again and again", heard)
            assert hook.subjects[2:] == ["[CRIT] Wattstat's alerts do not work"]
            assert len(killed) > 1, "each was started anew"
