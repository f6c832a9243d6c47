"""Certificates: by authority, by pin, or not at all when somebody wrote that down."""

import pytest

from collectors.frame import AuthFailed, Unreachable
from collectors.frame.tls import Contexts, fingerprint
from tests.support.certificates import fingerprint_of
from wattstat.inventory import Tls


async def findings(source):
    collected = await source.collect("slow")
    return {s.labels[1]: s.value for s in collected.samples if s.metric.name == "wattstat_bmc_security_finding"}


async def test_a_pinned_certificate_is_accepted_whoever_signed_it(bench, record):
    certificate = bench.authority.server("pinned", self_signed=True)
    service = await bench.serve(record("dmtf-public-rackmount1"), certificate=certificate)
    source = bench.source(service, tls={"fingerprint": fingerprint_of(certificate)})
    assert (await source.collect("fast")).samples
    found = await findings(source)
    assert (found["certificate_self_signed"], found["certificate_not_verified"]) == (1, 0)


async def test_another_certificate_than_the_pinned_one_is_refused_and_named(bench, record):
    service = await bench.serve(record("dmtf-public-rackmount1"))
    source = bench.source(service, tls={"fingerprint": "00" * 32})
    with pytest.raises(AuthFailed, match=fingerprint_of(bench.certificate)):
        await source.collect("fast")
    assert service.logins == 0


async def test_an_unknown_authority_is_refused_with_advice(bench, record):
    certificate = bench.authority.server("stranger", self_signed=True)
    service = await bench.serve(record("dmtf-public-rackmount1"), certificate=certificate)
    with pytest.raises(AuthFailed, match=r"tls\.ca_file or tls\.fingerprint"):
        await bench.source(service).collect("fast")


async def test_an_expired_certificate_is_refused_and_still_reported(bench, record):
    service = await bench.serve(record("dmtf-public-rackmount1"), certificate=bench.authority.server("old", days=-1))
    source = bench.source(service)
    with pytest.raises(AuthFailed, match="expired"):
        await source.collect("fast")
    found = await findings(source)
    assert (found["certificate_expired"], found["certificate_expires_soon"]) == (1, 1)
    assert service.logins == 0


async def test_no_check_is_possible_only_when_written_down_and_is_a_finding(bench, record):
    certificate = bench.authority.server("any", self_signed=True)
    service = await bench.serve(record("dmtf-public-rackmount1"), certificate=certificate)
    found = await findings(bench.source(service, tls={"verify": False}))
    assert found["certificate_not_verified"] == 1


async def test_nobody_there_is_unreachable(bench, record):
    service = await bench.serve(record("dmtf-public-rackmount1"))
    service.url = "https://127.0.0.1:1"
    with pytest.raises(Unreachable):
        await bench.source(service).collect("fast")


def test_contexts_are_shared(authority):
    contexts = Contexts()
    checked = Tls(ca_file=authority.ca_file)
    assert contexts.of(checked) is contexts.of(checked)
    assert contexts.of(Tls(verify=False)) is contexts.of(Tls(verify=False)) is contexts.unverified


@pytest.mark.parametrize("written", ["AB:" * 31 + "AB", "ab" * 32, "SHA256:" + "ab" * 32, "sha256=" + "ab:" * 31 + "ab"])
def test_fingerprints_may_be_written_in_several_ways(written):
    assert fingerprint(written) == bytes.fromhex("ab" * 32)


@pytest.mark.parametrize("written", ["", "ab", "zz" * 32, "ab" * 20])
def test_what_is_no_fingerprint_is_refused(written):
    with pytest.raises(ValueError, match="64 hexadecimal digits"):
        fingerprint(written)
