"""Mail through a real mail server: by Apprise, and by Alertmanager with the shipped configuration and its templates."""

import shutil
import time
from pathlib import Path

import pytest

from alerts.delivery.alertmanager import AlertmanagerClient, Posted
from alerts.delivery.apprise_sender import NotSent, send_now
from alerts.delivery.message import Message
from tests.support.alertmanager import alertmanager
from tests.support.processes import wait_for
from tests.support.receivers import webhook
from tests.support.smtp import mail_server
from wattstat.config.alerts import Alertmanager

SHIPPED = Path(__file__).parents[3] / "deploy" / "alertmanager"


def test_a_message_comes_as_mail_with_its_subject_and_plain_text():
    message = Message(subject="[WARN] FanFailed gpu-1: Fan 3", body="Line one\n\nLine two", severity="warning", is_over=False)
    with mail_server() as server:
        send_now(f"mailto://127.0.0.1:{server.port}/?to=ops@localhost.example&from=wattstat@localhost.example", message)
    (mail,) = server.mails

    assert mail["subject"] == "[WARN] FanFailed gpu-1: Fan 3"
    assert "ops@localhost.example" in mail["to"]
    text = mail.get_body(("plain", "html")).get_content()
    assert "Line one" in text
    assert "Line two" in text


def test_a_mail_server_that_is_away_is_a_message_that_was_not_sent():
    message = Message(subject="s", body="b", severity="warning", is_over=False)
    with mail_server() as server:
        port = server.port
    with pytest.raises(NotSent):
        send_now(f"mailto://127.0.0.1:{port}/?to=ops@localhost.example&from=wattstat@localhost.example", message)


def posted(name, *, ends_in, **labels):
    now = time.time()
    return Posted(
        labels={"alertname": name, "component": "gpu", **labels},
        annotations={
            "summary": "A fan has failed",
            "description": "Exchange it.",
            "runbook_url": "http://w/runbooks/FanFailed",
        },
        starts_at=now,  # of what began before its group_wait, Alertmanager tells at once, with what has come by then
        ends_at=now + ends_in,
        generator_url="",
    )


@pytest.mark.debian
async def test_the_shipped_configuration_reaches_pager_tickets_and_dead_man_with_our_words(tmp_path):
    shutil.copytree(SHIPPED / "templates", tmp_path / "templates")
    with mail_server() as server, webhook() as hook:
        text = (SHIPPED / "alertmanager.yml").read_text()
        text = text.replace("127.0.0.1:25", f"127.0.0.1:{server.port}").replace("127.0.0.1:9095", f"127.0.0.1:{hook.port}")
        text = text.replace("group_wait: 30s", "group_wait: 3s").replace("group_wait: 10s", "group_wait: 3s")
        (tmp_path / "alertmanager.yml").write_text(text)
        with alertmanager(tmp_path, tmp_path / "alertmanager.yml") as url:
            client = AlertmanagerClient(Alertmanager(url=url), {})
            fans = [posted("FanFailed", ends_in=300, severity="warning", node=f"gpu-{n}", rack="r12") for n in (1, 2)]
            lost = posted("GpuLost", ends_in=300, severity="critical", node="gpu-9", gpu="3")
            await client.post([*fans, lost, posted("Watchdog", ends_in=300, severity="none")])
            await client.post([posted("JobIdle", ends_in=300, severity="info", node="gpu-1")])
            wait_for("mail", lambda: server.mails)
            wait_for("pager and heartbeat", lambda: {each["receiver"] for each in hook.got} == {"pager", "heartbeat"})
            known = await client.alerts()
            await client.close()
    (mail,) = server.mails
    body = mail.get_body(("plain",)).get_content()

    assert mail["subject"] == "[WARN] FanFailed: 2 firing, 0 over (rack r12)"
    assert "WARNING FanFailed gpu-1\r\nA fan has failed\r\nExchange it.\r\nFiring since " in body.replace("\n", "\r\n").replace(
        "\r\r", "\r"
    )
    assert "Runbook: http://w/runbooks/FanFailed" in body
    assert {name for each in hook.got for alert in each["alerts"] for name in [alert["labels"]["alertname"]]} == {
        "GpuLost",
        "Watchdog",
    }
    assert len(known) == 5, "what is shown only is known, too"
