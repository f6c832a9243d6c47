"""How a manager is asked: by a client certificate of a profile that may read, or by user and password."""

from __future__ import annotations

import base64
import ssl

import aiohttp

from collectors.frame.tls import Contexts
from collectors.frame.web import Web
from wattstat.config import Config
from wattstat.config.devices import BaseCommand
from wattstat.inventory import Tls


def manager(config: Config, settings: BaseCommand, contexts: Contexts) -> Web:
    """The manager's interface. Raises `ValueError` and `OSError` for settings that cannot be used."""
    where = f"bcm {settings.name}"
    if not settings.url.startswith("https:"):
        raise ValueError(f"{where}: {settings.url}: expected https://, by default on port 8081")
    try:
        trust = _trust(settings, contexts)
    except (ValueError, OSError) as err:
        raise ValueError(f"{where}: tls: {err}") from err
    headers = {}
    if settings.credentials is not None:
        entry = config.credentials.get(settings.credentials)
        if entry is None:
            raise ValueError(f"{where}: no credentials named {settings.credentials!r} in wattstat.yaml")
        secret = entry.password().get_secret_value()
        headers["Authorization"] = "Basic " + base64.b64encode(f"{entry.username}:{secret}".encode()).decode()
    elif settings.certificate is None:
        raise ValueError(f"{where}: neither certificate nor credentials; name a client certificate with its key, or a user")
    return Web(url=settings.url.rstrip("/"), timeout_seconds=settings.timeout_seconds, tls=trust, headers=headers)


def _trust(settings: BaseCommand, contexts: Contexts) -> ssl.SSLContext | aiohttp.Fingerprint:
    tls = settings.tls
    if settings.certificate is None:
        return contexts.of(Tls(verify=tls.verify, ca_file=tls.ca_file, fingerprint=tls.fingerprint))
    if tls.fingerprint is not None:
        raise ValueError("a pinned fingerprint and a client certificate do not go together; name the authority as `ca_file`")
    context = ssl.create_default_context(cafile=tls.ca_file)
    if not tls.verify:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    # A key that asks for a pass phrase would ask at the terminal of a service; with an empty one it is refused.
    context.load_cert_chain(settings.certificate, settings.key, password="")
    return context
