"""Large documents are read record by record, and as json reads them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.slurm import large
from tests.collectors.slurm.documents import NODES, jobs, v41

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
)
NAMES = st.sampled_from(["jobs", "nodes", "meta", "errors", 'a "jobs": [', "x\\"])


@pytest.fixture(autouse=True)
def nothing_is_small(monkeypatch):
    monkeypatch.setattr(large, "SMALL", 0)


@pytest.mark.parametrize("document", [jobs(), jobs(v41(), v41()), NODES, {}, [], {"meta": {"jobs": [1, 2]}, "jobs": [{}]}, 7])
def test_a_document_is_what_json_says(document):
    for text in (json.dumps(document), json.dumps(document, indent=2)):
        assert large.loads(text) == large.loads(text.encode()) == document


@given(st.dictionaries(NAMES, VALUES | st.lists(VALUES)), st.sampled_from([None, 1]))
def test_any_document_is_what_json_says(document, indent):
    assert large.loads(json.dumps(document, indent=indent)) == document


@given(st.text(), st.integers(0, 400))
def test_what_is_no_json_is_refused_as_by_json(new, place):
    text = json.dumps(jobs({"job_id": 1}, {"job_id": 2}))
    text = text[: place % len(text)] + new + text[place % len(text) :]
    try:
        expected = json.loads(text)
    except ValueError:
        with pytest.raises(json.JSONDecodeError):
            large.loads(text)
    else:
        assert large.loads(text) == expected
