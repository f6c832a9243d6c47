"""`wattstat check-config` on what stands beside the servers: every secret and authority that an entry names must be there."""

from pathlib import Path

import pytest

from wattstat import inventory
from wattstat.config import Config
from wattstat.config.check import check_authorities, check_credentials
from wattstat.document import parse

SNMP = "snmp: {address: 10.0.0.1"
ENTRIES = {
    "switches[leaf].snmp.credentials": f"switches: [{{name: leaf, {SNMP}, credentials: gone}}}}]",
    "switches[leaf].snmp.privacy": f"switches: [{{name: leaf, {SNMP}, version: '3', credentials: known, privacy: gone}}}}]",
    "switches[leaf].rest.credentials": "switches: [{name: leaf, rest: {url: 'https://leaf', credentials: gone}}]",
    "storage[scratch].credentials": "storage: [{name: scratch, kind: ecs, url: 'https://scratch', credentials: gone}]",
    "pdus[strip].snmp.credentials": f"pdus: [{{name: strip, {SNMP}, credentials: gone}}}}]",
}


def problems(text, check):
    document = parse(text, source="inventory.yaml")
    return [str(each) for each in check(inventory.loads(text, base=Path("/site")), document)]


@pytest.mark.parametrize(("setting", "text"), ENTRIES.items())
def test_credentials_that_are_not_there_are_told_where_they_are_named(setting, text):
    config = Config.model_validate({"credentials": {"known": {"password_env": "X"}}})
    (told,) = problems(text, lambda found, document: check_credentials(config, found, document))

    assert setting in told
    assert "there are no credentials 'gone'" in told
    assert "expected known" in told


def test_what_is_there_is_no_problem():
    config = Config.model_validate({"credentials": {"gone": {"password_env": "X"}, "known": {"password_env": "X"}}})

    for text in ENTRIES.values():
        assert problems(text, lambda found, document: check_credentials(config, found, document)) == []


def test_an_authority_that_cannot_be_read_is_told_for_storage_and_switches():
    text = """
storage: [{name: scratch, kind: ecs, url: 'https://scratch', tls: {ca_file: none.pem}}]
switches: [{name: leaf, rest: {url: 'https://leaf', credentials: x, tls: {ca_file: none.pem}}}]
"""
    told = problems(text, check_authorities)

    assert len(told) == 2
    assert all("/site/none.pem cannot be read" in each for each in told)
