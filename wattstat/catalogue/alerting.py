"""What the web process says about alerts, health and itself."""

from wattstat.catalogue.metric import counter, gauge

_WEB = "Wattstat's web process"

HEALTH_SCORE = gauge(
    "health_score",
    "kind device",
    "Health of a device from 0 to 100; kind is node, switch, storage, pdu, rack or site.",
    source=_WEB,
)
HEALTH_POINTS_LOST = gauge(
    "health_points_lost",
    "kind device category",
    "Points lost; kind is node, switch, storage, pdu, rack or site; category is components, configuration, capacity, "
    "performance or security.",
    source=_WEB,
)
ALERTS_ACTIVE = gauge(
    "alerts_active", "severity state", "Alerts that this process evaluates; state is pending or firing.", source=_WEB
)
ALERTS_FIRED_TOTAL = counter("alerts_fired_total", "severity", "Alerts that began to fire.", source=_WEB)
ALERT_GROUP_DURATION_SECONDS = gauge(
    "alert_group_duration_seconds", "group", "How long the newest evaluation of a rule group took.", source=_WEB
)
ALERT_GROUP_LAST_TIMESTAMP_SECONDS = gauge(
    "alert_group_last_timestamp_seconds", "group", "When a rule group was last evaluated, as Unix time.", source=_WEB
)
ALERT_GROUP_INTERVAL_SECONDS = gauge(
    "alert_group_interval_seconds", "group", "How often a rule group is evaluated.", source=_WEB
)
ALERT_RULE_ERRORS_TOTAL = counter("alert_rule_errors_total", "group rule", "Evaluations of a rule that failed.", source=_WEB)
ALERT_MESSAGES_TOTAL = counter(
    "alert_messages_total",
    "receiver outcome",
    "Messages to a receiver; outcome is sent, failed (tried again) or dropped (quiet by then).",
    source=_WEB,
)
ALERT_QUEUE_MESSAGES = gauge("alert_queue_messages", "receiver", "Messages that wait for a receiver.", source=_WEB)
ALERT_QUEUE_OLDEST_SECONDS = gauge(
    "alert_queue_oldest_seconds", "receiver", "How long the oldest message has waited for its receiver.", source=_WEB
)
ALERT_HEARTBEAT_TIMESTAMP_SECONDS = gauge(
    "alert_heartbeat_timestamp_seconds",
    "",
    "When the dead-man's switch was last called with success, as Unix time.",
    source=_WEB,
)
ALERT_PART_ERRORS_TOTAL = counter(
    "alert_part_errors_total",
    "part",
    "Times that a part of alerting failed for a reason that nobody foresaw and was tried again; web's log has the trace.",
    source=_WEB,
)
ALERT_SILENCES = gauge("alert_silences", "state", "Silences; state is active or pending.", source=_WEB)
