"""What `wattstat check-config` finds about alerts: rule files, routing, receivers, and whether anybody is told at all."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from wattstat.cli.check_routing import check_routing, who_is_told
from wattstat.config.check import problem
from wattstat.document import dotted

if TYPE_CHECKING:
    from wattstat.config import Config
    from wattstat.config.alerts import SecretUrl
    from wattstat.document import Document, Loc, Problem


def check_alerts(config: Config, document: Document) -> Iterator[Problem]:
    """Everything that would keep alerts from being evaluated or from reaching somebody."""
    if not _is_installed():
        return
    yield from _files(config)
    yield from check_routing(config.alerts)
    yield from _receivers(config, document)
    yield from _alertmanagers(config, document)
    yield from _nothing(config, document)


def is_anybody_told(config: Config) -> bool:
    """Whether alerts that are evaluated here reach somebody; True where a Prometheus evaluates them."""
    return not evaluates(config) or bool(config.alerts.receivers or config.alerts.alertmanagers)


def without_alertmanager(config: Config) -> str:
    """Who is told of alerts while no Alertmanager answers; empty where none is used."""
    settings = config.alerts
    if not settings.alertmanagers:
        return ""
    when = f"when no Alertmanager takes alerts for {settings.stand_in_seconds:g} s"
    if not settings.receivers:
        return f"{when}, nobody is told until one does: alerts.receivers would be, docs/alerting.md"
    return f"{when}, critical ones go to alerts.receivers ({', '.join(settings.receivers)})"


def notes(config: Config) -> list[str]:
    """What is worth knowing of a good configuration, and no problem of it: who is told of alerts, and who is not."""
    said = [] if is_anybody_told(config) else ["nobody is told of alerts, they are only shown: docs/alerting.md"]
    said += [text for text in (without_alertmanager(config),) if text]
    return [*said, *(who_is_told(config) if _is_installed() else ())]


def _is_installed() -> bool:
    """A GPU node's install evaluates nothing."""
    return all(importlib.util.find_spec(each) is not None for each in ("promql_parser", "apprise"))


def evaluates(config: Config) -> bool:
    """Whether alert rules are evaluated here; otherwise a Prometheus does."""
    return config.store.prometheus is None if config.alerts.evaluate is None else config.alerts.evaluate


def _files(config: Config) -> Iterator[Problem]:
    from alerts.room import rules_of
    from wattstat.document import InvalidDocument

    try:
        rules_of(config.alerts)
    except InvalidDocument as err:
        yield from err.problems


def _receivers(config: Config, document: Document) -> Iterator[Problem]:
    from alerts.delivery.receivers import Receivers, ReceiversRefused

    settings = config.alerts
    try:
        Receivers(settings.receivers, ZoneInfo("UTC"), routed=(), stand_in=False)
    except ReceiversRefused as err:
        yield _said(str(err), ("alerts", "receivers"), document)
    for name, receiver in settings.receivers.items():
        for position, url in enumerate(receiver.urls):
            yield from _address(url, ("alerts", "receivers", name, "urls", position), document)
    if settings.heartbeat is not None:
        yield from _address(settings.heartbeat.url, ("alerts", "heartbeat", "url"), document, is_service=False)
    if settings.last_resort is not None:
        yield from _address(settings.last_resort, ("alerts", "last_resort"), document)


def _address(url: SecretUrl, loc: Loc, document: Document, *, is_service: bool = True) -> Iterator[Problem]:
    """A secret that cannot be read, or is no address. The address itself is never repeated."""
    import apprise

    from alerts.delivery.receivers import ReceiversRefused, secret

    try:
        found = secret(url)
    except ReceiversRefused as err:
        yield _said(str(err), loc, document)
        return
    if is_service and apprise.Apprise.instantiate(found) is None:
        what, expected = "it holds no address that Apprise knows", "such as mailtos://…, slack://…, pagerduty://…, json://…"
        yield problem(document, loc, what, expected=expected, advice="write the address as Apprise's documentation has it")
    if not is_service and not found.startswith(("http://", "https://")):
        yield problem(document, loc, "it holds no address", expected="http:// or https://", advice="write the whole address")


def _alertmanagers(config: Config, document: Document) -> Iterator[Problem]:
    for position, each in enumerate(config.alerts.alertmanagers):
        if each.credentials is not None and each.credentials not in config.credentials:
            loc: Loc = ("alerts", "alertmanagers", position, "credentials")
            what = f"{each.credentials!r} is no entry of credentials"
            yield problem(
                document, loc, what, expected=f"one of {', '.join(config.credentials) or 'credentials'}", advice="add it"
            )


def _nothing(config: Config, document: Document) -> Iterator[Problem]:
    """A heartbeat or a last resort that waits for evaluations that nobody makes would raise the alarm for ever."""
    settings = config.alerts
    if settings.shipped_rules or settings.rules or settings.findings or not evaluates(config):
        return
    for name, given in (("heartbeat", settings.heartbeat), ("last_resort", settings.last_resort)):
        if given is not None:
            what = "it watches over evaluations, and nothing is evaluated: no shipped rules, no rules, no findings"
            advice = "evaluate something (alerts.shipped_rules, alerts.rules, alerts.findings), or leave it out"
            yield problem(document, ("alerts", name), what, advice=advice)


def _said(text: str, loc: Loc, document: Document) -> Problem:
    setting = dotted(loc, document.data)
    if text.startswith(f"{setting}."):  # it names its place itself, and more closely
        place, _, text = text.partition(": ")
        loc = tuple(place.split("."))
    what, _, advice = text.partition("; ")
    return problem(document, loc, what, advice=advice or "correct it")
