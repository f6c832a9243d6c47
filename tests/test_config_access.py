"""Settings of access that would let the wrong ones in are refused."""

import pytest
from pydantic import ValidationError

from wattstat.config.access import Access

TOKEN = {"name": "ada", "role": "viewer", "sha256": "0" * 64}


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"proxy": {"trusted": ["proxy.example"]}}, "is no address"),
        ({"proxy": {"trusted": ["0.0.0.0/0"]}}, "is everybody"),
        ({"proxy": {"trusted": ["::/0"]}}, "is everybody"),
        ({"proxy": {"trusted": ["10.0.0.5"], "roles": {"hpc": "root"}}}, "Input should be"),
        ({"tokens": [TOKEN, TOKEN | {"name": "bert", "role": "approver"}]}, "the token of bert stands twice"),
        ({"tokens": [TOKEN | {"sha256": "secret"}]}, "wattstat token NAME"),
        ({"local_role": "root"}, "Input should be"),
    ],
)
def test_it_is_told_what_is_wrong(given, says):
    with pytest.raises(ValidationError, match=says) as refused:
        Access.model_validate(given)
    assert "secret" not in str(refused.value)


def test_there_is_a_way_in_by_token_by_file_and_by_proxy():
    assert not Access(anonymous_viewers=True).somebody_can_log_in
    assert Access.model_validate({"tokens": [TOKEN]}).somebody_can_log_in
    assert Access.model_validate({"tokens_file": "tokens.yaml"}).somebody_can_log_in
    assert Access.model_validate({"proxy": {"trusted": ["10.0.0.5"]}}).somebody_can_log_in
