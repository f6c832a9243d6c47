"""Recorded outputs of `ibswinfo` and of `mlxreg_ext` give exactly what they say."""

from pathlib import Path

import pytest

from collectors.inband import ibswinfo, registers
from collectors.inband.source import InBandSource
from tests.support.golden import check
from tests.support.samples import samples

GOLDEN = Path(__file__).parent / "golden"
PRINTED = ("test-err1", "test-err2", "test-err3", "test1", "test1-missing", "test2", "test3")
DUMPS = ("ibsw_dump_4.26.1_MQM8790", "ibsw_dump_4.33.0_MQM9790")


def source():
    return InBandSource(
        target="ib-1", tiers=(), program="ibswinfo", device="lid-7", rack="rack-01", alone=True, names=True, timeout_seconds=1
    )


def dumped(path):
    """The outputs of a dump by register."""
    found = {}
    for block in path.read_text().split("COMMAND: ")[1:]:
        command, _, text = block.partition("\n")
        if "--reg_name" in command:
            found[command.split("--reg_name ")[1].split()[0]] = text
    return found


@pytest.mark.samples
@pytest.mark.parametrize("name", PRINTED)
def test_what_ibswinfo_printed_gives_its_true_values(name):
    text = samples("device-samples", "infiniband-treydock", "ibswinfo", f"{name}.out").read_text()

    check(GOLDEN / f"{name}.prom", source().samples(ibswinfo.parse(text)))


@pytest.mark.samples
@pytest.mark.parametrize("name", DUMPS)
def test_dumped_registers_give_their_true_values(name):
    found = dumped(samples("device-samples", "ibswinfo-dumps", f"{name}.txt"))

    check(GOLDEN / f"{name}.prom", source().samples(registers.parse(found)))
