"""Settings: which rules are evaluated here, who is told, and how one knows that this works at all."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from wattstat.config.schedulers import SchedulerTls
from wattstat.document import Strict
from wattstat.values import ClockTime, Seconds, Url, VariableName


class SecretUrl(Strict):
    """An address that holds a secret, such as that of a webhook. It never stands in the configuration itself."""

    file: Path | None = None
    """File that holds the address and nothing else; only Wattstat's user should be able to read it."""
    env: VariableName | None = None
    """Name of the environment variable that holds the address."""

    @model_validator(mode="before")
    @classmethod
    def _is_not_written_out(cls, given: object) -> object:
        if isinstance(given, str):
            raise ValueError(  # noqa: TRY004 - what pydantic takes for a refusal
                "is an address in clear; expected {file: …} or {env: …}; "
                "put the address in a file: {file: /etc/wattstat/pager.url}"
            )
        return given

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.file is None) == (self.env is None):
            raise ValueError("expected one of file and env: where the address is")
        return self


class Alertmanager(Strict):
    """An Alertmanager that is told of everything that fires; it routes, groups and silences."""

    url: Url
    """Its address, such as http://127.0.0.1:9093."""
    credentials: str | None = None
    """Name of an entry of `credentials`; without a user its password is a bearer token."""
    tls: SchedulerTls = SchedulerTls()
    """How its certificate is checked."""
    timeout_seconds: Seconds = 10
    """How long one call may take."""


class OnCall(Strict):
    """Who has the duty when: a receiver that passes on to others by the clock."""

    receiver: str
    """To whom messages go in this time."""
    days: tuple[str, ...] = ()
    """Days of the week (mon … sun); all unless given."""
    start: ClockTime = "00:00"
    """From when, in the site's time zone."""
    end: ClockTime = "24:00"
    """Until when; before `start` it is on the next day."""


class Receiver(Strict):
    """Where messages go: any service that Apprise knows (e-mail, Slack, PagerDuty, Teams, a webhook …), or another receiver."""

    urls: tuple[SecretUrl, ...] = ()
    """Apprise addresses, each in a file or a variable."""
    on_call: tuple[OnCall, ...] = ()
    """Pass on to the first of these that holds now, instead of sending."""
    send_resolved: bool = True
    """Also tell when it is over."""
    per_minute: Annotated[int, Field(ge=1)] = 10
    """At most this many messages a minute; what is more waits and is put together."""


class Heartbeat(Strict):
    """A dead-man's switch: an address that is called for as long as everything works; whoever is there raises the alarm."""

    url: SecretUrl
    """Address that is called (GET), such as a check of healthchecks.io or of a Dead Man's Snitch."""
    every_seconds: Seconds = 60
    """How often."""


class Alerts(Strict):
    """Alert rules, findings and their delivery."""

    evaluate: bool | None = None
    """Evaluate rules in this process. Unless given: where history is embedded; with a Prometheus, it does that."""
    findings: bool = True
    """Look for what no threshold tells: forecasts, drifting caps, stragglers, links that fail slowly."""
    shipped_rules: bool = True
    """Use the rules that come with Wattstat."""
    rules: tuple[Path, ...] = Field(default=(), examples=[["/etc/wattstat/rules/*.yml"]])
    """More rule files, in Prometheus' format; patterns are allowed."""
    labels: dict[str, str] = Field(default_factory=dict, examples=[{"cluster": "hall-1"}])
    """Labels of every alert of this site that its receivers see, as Prometheus' external labels."""
    public_url: Url | None = None
    """Where people reach this dashboard; links in messages lead there. http://localhost:8050 unless given."""
    alertmanagers: tuple[Alertmanager, ...] = Field(default=(), examples=[[{"url": "http://127.0.0.1:9093"}]])
    """Alertmanagers that are told. With one, routing and silences are its matter."""
    receivers: dict[str, Receiver] = Field(
        default_factory=dict, examples=[{"pager": {"urls": [{"file": "/etc/wattstat/pager.url"}]}}]
    )
    """Who is told without an Alertmanager, by name; beside one, who is told of critical alerts while it does not answer."""
    stand_in_seconds: Seconds = 300
    """How long no Alertmanager may take what it is told before `receivers` are told of critical alerts in its place."""
    routing: Path | None = None
    """Routes, inhibition and time intervals in Alertmanager's own format; a built-in one unless given."""
    heartbeat: Heartbeat | None = Field(default=None, examples=[{"url": {"file": "/etc/wattstat/heartbeat.url"}}])
    """Called while evaluation and delivery work."""
    last_resort: SecretUrl | None = Field(default=None, examples=[{"file": "/etc/wattstat/last-resort.url"}])
    """Apprise address that the supervisor uses when the process that evaluates is dead or stuck."""
    history_days: Annotated[float, Field(gt=0)] = 400
    """How long ended alerts are kept."""
