"""Keys in files: one for all who come, for the owner alone."""

import stat
from concurrent.futures import ThreadPoolExecutor

import pytest

from wattstat import corecall, keyfile
from wattstat.access import Caller, Role


def test_all_who_come_at_once_read_the_same_key(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: keyfile.key(tmp_path / "data/core.key"), range(32)))

    assert len(keys) == 1
    assert [each.name for each in (tmp_path / "data").iterdir()] == ["core.key"]
    assert stat.S_IMODE((tmp_path / "data/core.key").stat().st_mode) == 0o600


@pytest.mark.parametrize(("content", "mode", "says"), [("zz", 0o600, "holds no key"), ("ab" * 31, 0o600, "holds no key"),
                                                       ("ab" * 32, 0o640, "chmod 600"), ("é", 0o600, "no text")])  # fmt: skip
def test_a_key_that_is_none_is_refused_with_what_to_do(tmp_path, content, mode, says):
    path = tmp_path / "core.key"
    path.write_text(content)
    path.chmod(mode)

    with pytest.raises(keyfile.KeyFileError, match=says):
        keyfile.key(path)


def test_a_folder_that_is_none_is_told(tmp_path):
    (tmp_path / "data").write_text("")

    with pytest.raises(keyfile.KeyFileError, match="must run as one user"):
        keyfile.key(tmp_path / "data/core.key")


KEY = b"k" * 32


@pytest.mark.parametrize("name", ["ada", "Ada Lovelace", "a;b", "ünï", "x\u2028y".replace("\u2028", " "), "100%"])
def test_a_caller_arrives_as_it_was_sent(name):
    who = Caller(name=name, role=Role.AUTHOR, via="proxy")

    assert corecall.caller(corecall.headers(who, KEY), KEY) == who


def test_without_the_key_a_caller_is_nobody_whatever_it_claims():
    claimed = corecall.headers(Caller(name="eve", role=Role.APPROVER), KEY)
    del claimed[corecall.KEY_HEADER]

    assert corecall.caller(claimed, KEY) is corecall.NOBODY


@pytest.mark.parametrize("shown", ["", "00" * 32, KEY.hex()[:-1], KEY.hex().upper() + " ", "\u00fc"])
def test_a_wrong_key_is_not_believed(shown):
    with pytest.raises(corecall.NotTrusted, match="not this core's key"):
        corecall.caller({corecall.KEY_HEADER: shown, corecall.CALLER_HEADER: "eve;approver;token"}, KEY)


@pytest.mark.parametrize("told", ["", ";approver;x", "ada;root;x", "ada;approver;", "%0aada;approver;x", "%ff;approver;x"])
def test_a_caller_that_makes_no_sense_is_not_believed(told):
    with pytest.raises(corecall.NotTrusted, match=corecall.CALLER_HEADER):
        corecall.caller({corecall.KEY_HEADER: KEY.hex(), corecall.CALLER_HEADER: told}, KEY)
