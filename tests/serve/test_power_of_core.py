"""The power room as core makes it of its settings."""

import time

from wattstat.config import Config
from wattstat.hall import Hall
from wattstat.serve.ledger import prices_of
from wattstat.serve.power import power_of


def test_the_lease_is_renewed_in_a_new_database_of_policies(tmp_path):
    config = Config(data_dir=tmp_path)
    lease = power_of(config, Hall(clock=time.time), prices_of(config)).service.lease
    first, second = lease.tick(), lease.tick()
    assert first is not None
    assert second is not None
    assert (first.token, second.token, lease.away) == (1, 1, "")

    again = power_of(config, Hall(clock=time.time), prices_of(config)).service.lease
    again.tick()
    assert (again.leader, again.away) == (lease.holder, "")
