"""What a job served, as a table on its page."""

from dashboard.components import jobtables
from wattstat.api.energy import Inference

OVER = Inference(
    model="llama", requests=1200, tokens=None, energy_joules=3.6e6, joules_per_request=3000, joules_per_1000_tokens=None
)
ALIVE = Inference(
    model="llama", requests=1200, tokens=9e5, energy_joules=3.6e6, joules_per_request=3000, joules_per_1000_tokens=4000,
    live_joules_per_request=2500, live_joules_per_1000_tokens=3300,
)  # fmt: skip


def test_a_run_that_is_over_has_no_columns_of_now():
    written = jobtables.inference([OVER])

    assert "llama" in written
    assert "1,200" in written
    assert "last 15 min" not in written


def test_a_run_that_is_alive_says_what_it_takes_now():
    written = jobtables.inference([ALIVE])

    assert written.count("last 15 min") == 2
    assert "2,500" in written
    assert "3,300" in written
