"""Controllers that sleep, a database that comes and goes: never two that lead."""

from __future__ import annotations

from random import Random

from tests.power.guard.test_lease_rules import Site


def test_many_controllers_at_random_never_have_two_valid_fences_or_one_token_twice():
    """Processes sleep, answers are slow, the database goes away; the clocks of all run alike, from different zeros."""
    for seed in range(3):
        random, site = Random(seed), Site()
        leases = [site.controller(f"c{number}", 1000.0 * number) for number in range(4)]
        tokens: dict[int, int] = {}
        led = 0
        for _ in range(300):
            for _, clock in leases:
                clock.now += 0.5
            site.is_away = random.random() < 0.02 if not site.is_away else random.random() < 0.8
            for number, (lease, _) in enumerate(leases):
                if random.random() < (0.7 if number else 0.5):
                    fence = lease.tick()
                    if fence is not None:
                        assert tokens.setdefault(fence.token, number) == number
            valid = [lease.fence for lease, _ in leases if lease.fence is not None]
            assert len(valid) <= 1
            led += len(valid)
        assert led > 100
        site.is_away = False
        assert max(tokens) == site.row().token
