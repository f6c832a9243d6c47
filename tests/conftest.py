"""What all tests share."""

from hypothesis import HealthCheck, settings

# How long one example takes says more about a busy machine than about the code.
settings.register_profile("wattstat", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("wattstat")
