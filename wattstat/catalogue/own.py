"""What Wattstat says about itself."""

from wattstat.catalogue.metric import counter, gauge, info

_SELF = "Wattstat itself"

BUILD_INFO = info("build_info", "version python component", "Version of the running process.", source=_SELF)
COLLECTOR_SUCCESS = gauge(
    "collector_success",
    "collector target tier",
    "1 when the newest collection of the tier brought readings, 0 when it failed as a whole.",
    source=_SELF,
)
COLLECTOR_DURATION_SECONDS = gauge(
    "collector_duration_seconds",
    "collector target tier",
    "How long the newest collection took.",
    source=_SELF,
)
COLLECTOR_INTERVAL_SECONDS = gauge(
    "collector_interval_seconds",
    "collector target tier",
    "How often the tier is collected.",
    source=_SELF,
)
COLLECTOR_LAST_SUCCESS_TIMESTAMP_SECONDS = gauge(
    "collector_last_success_timestamp_seconds",
    "collector target tier",
    "When the newest successful collection ended, as Unix time.",
    source=_SELF,
)
COLLECTOR_ERRORS_TOTAL = counter(
    "collector_errors_total",
    "collector target kind",
    "Collections that failed, by kind of error.",
    source=_SELF,
)
COLLECTOR_RESOURCE_ERRORS_TOTAL = counter(
    "collector_resource_errors_total",
    "collector target resource",
    "Resources of a target that could not be read while the rest could.",
    source=_SELF,
)
COLLECTOR_CIRCUIT_OPEN = gauge(
    "collector_circuit_open",
    "collector target",
    "1 while the target is left alone after repeated failures, until the back-off ends.",
    source=_SELF,
)
COLLECTOR_SKIPPED_TOTAL = counter(
    "collector_skipped_total",
    "collector target tier",
    "Collections not started because the one before had not ended or the circuit was open.",
    source=_SELF,
)
DUPLICATE_SAMPLES_TOTAL = counter(
    "duplicate_samples_total",
    "collector target",
    "Samples dropped because another source already reports the same series.",
    source=_SELF,
)
HALL_SERIES = gauge("hall_series", "", "Series in the live hall.", source=_SELF)
