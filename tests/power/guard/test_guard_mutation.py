"""The guard's own tests are tested: at least nine of ten small lies about it must be noticed."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.power.guard.guard_mutants import CORE, outcome
from tests.support.mutation import mutants, run

LEAST = 0.9


@pytest.mark.parametrize("module", CORE)
def test_nine_of_ten_mutants_are_killed(module):
    found = outcome(module)
    survivors = "\n".join(map(str, found.survivors))
    assert found.ratio >= LEAST, f"{found.ratio:.1%} of {module} killed; these survived:\n{survivors}"
    assert found.killed >= 100


def test_a_module_is_as_before_after_its_mutants_were_run():
    from power.guard import cold  # noqa: PLC0415 - what stands there now
    from tests.power.guard.test_guard_cold import readiness  # noqa: PLC0415

    outcome("cold")
    from power.guard import cold as after  # noqa: PLC0415

    assert after is cold
    assert readiness is cold.readiness


def test_mutants_of_a_small_module(tmp_path):
    source = (
        'def f(a: int, b: int = 2) -> int:\n    """Twice."""\n    if a < b:\n        return min(a + 1, b)\n    return not a\n'
    )
    path = tmp_path / "small.py"
    path.write_text(source)
    before = ast.unparse(ast.parse(source))
    found = [str(each) for each in mutants(path)]
    assert before == ast.unparse(ast.parse(path.read_text()))
    for what in (
        "2 became 3",
        "2 became 0",
        "Lt became LtE",
        "Lt became GtE",
        "min became max",
        "Add became Sub",
        "1 became 2",
    ):
        assert any(what in each for each in found), what
    assert "small.py:3: the condition became True" in found
    assert "small.py:5: Not was dropped" in found
    assert "small.py:4: 'return min(a + 1, b)' was dropped" in found
    assert not any("Twice" in each for each in found)


def test_tests_that_notice_nothing_leave_survivors(tmp_path, monkeypatch):
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "subject.py").write_text("def double(x):\n    return x * 2\n")
    (tmp_path / "test_weak.py").write_text("from subject import double\n\ndef test_it_runs():\n    double(1)\n")
    (tmp_path / "test_strong.py").write_text("from subject import double\n\ndef test_it():\n    assert double(3) == 6\n")
    (tmp_path / "test_wrong.py").write_text("from subject import double\n\ndef test_it():\n    assert double(3) == 7\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    subject = Path(tmp_path / "subject.py")
    weak, strong = run(subject, ["test_weak"]), run(subject, ["test_strong"])
    assert (weak.killed, len(weak.survivors)) == (0, 4)
    assert (strong.killed, strong.survivors) == (4, ())
    assert (weak.ratio, strong.ratio) == (0.0, 1.0)
    with pytest.raises(AssertionError, match="fail without any mutation"):
        run(subject, ["test_wrong"])


def test_a_mutant_that_never_ends_is_killed(tmp_path, monkeypatch):
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "spinning.py").write_text("def count(x):\n    while x > 0:\n        x = x - 1\n    return x\n")
    (tmp_path / "test_spin.py").write_text("from spinning import count\n\ndef test_it():\n    assert count(3) == 0\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    found = run(tmp_path / "spinning.py", ["test_spin"], seconds=0.2)
    assert "Sub became Add" not in {each.what for each in found.survivors}
    assert found.killed >= 3
