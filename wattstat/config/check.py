"""Does a configuration hold together, by itself and with the machine that it is on?"""

from __future__ import annotations

import os
import ssl
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from wattstat.config.devices import BaseCommand, Ufm
from wattstat.config.schedulers import Kubernetes, Slurm
from wattstat.config.settings import Config, Credentials, InferenceService
from wattstat.document import Document, Loc, Problem, dotted
from wattstat.explain import alternatives, nearest
from wattstat.inventory.devices import Snmp, Tls
from wattstat.inventory.models import Inventory
from wattstat.values import address, is_loopback, shows_secrets


def check(config: Config, document: Document) -> Iterator[Problem]:
    """What no single setting can know to be wrong."""
    for name, entry in config.credentials.items():
        if entry.password_file is None and entry.password_env is None:
            loc: Loc = ("credentials", name)
            yield problem(
                document, loc, "has no password", expected="password_file or password_env", advice="add one of the two"
            )
    prometheus = config.store.prometheus
    if prometheus is not None and prometheus.credentials not in {None, *config.credentials}:
        yield _no_credentials(document, ("store", "prometheus", "credentials"), str(prometheus.credentials), config)
    service = config.energy.carbon.service
    if service is not None and service.credentials not in {None, *config.credentials}:
        yield _no_credentials(document, ("energy", "carbon", "service", "credentials"), str(service.credentials), config)
    for loc, credentials in _named(config):
        if credentials not in {None, *config.credentials}:
            yield _no_credentials(document, loc, str(credentials), config)
    yield from _twice(document, ("collectors", "inference"), [each.name for each in config.collectors.inference])
    yield from _twice(document, ("schedulers", "commands"), [each.name for each in config.schedulers.commands])
    yield from _clusters(config, document)
    if address(config.core.listen)[1] == 0:
        what = "port 0 is another one at every start, and web could not find core"
        yield problem(document, ("core", "listen"), what, expected="a port such as 9838", advice="choose a free port")
    if config.inventory.file is None and config.inventory.http_sd is None and config.inventory.bcm is None:
        yield problem(document, ("inventory",), "has neither file nor http_sd", expected="one of the two, or bcm")
    yield from _managers(config, document)


def check_secrets(config: Config, document: Document) -> Iterator[Problem]:
    """Warnings about files with secrets that others may read."""
    for loc, path in _secret_files(config):
        try:
            mode = path.stat().st_mode
        except OSError:
            continue  # whether it must be there is the affair of who needs it: an agent has no BMC's password
        if mode & stat.S_IROTH:
            what = f"everybody on this machine may read {path}"
            yield problem(document, loc, what, advice=f"chmod 600 {path}", warning=True)


def check_machine(config: Config, document: Document) -> Iterator[Problem]:
    """What this machine lacks: secrets, folders; and what it would show to the world."""
    for name, entry in config.credentials.items():
        yield from _usable(entry, ("credentials", name), document)
    if (tokens := config.access.tokens_file) is not None and not os.access(tokens, os.R_OK):
        what, advice = f"{tokens} cannot be read", "check the path and its owner; `wattstat token NAME --file` makes it"
        yield problem(document, ("access", "tokens_file"), what, advice=advice)
    if (token := config.agent.token_file) is not None and not os.access(token, os.R_OK):
        yield problem(document, ("agent", "token_file"), f"{token} cannot be read", advice="check the path and its owner")
    for group, listen, insecure in (("web", config.web.listen, config.web.insecure), ("core", config.core.listen, False)):
        guarded = group == "web" and config.access.somebody_can_log_in
        if not is_loopback(address(listen)[0]) and not insecure and not guarded:
            what = f"{listen} can be reached by others, without authentication"
            advice = "listen on 127.0.0.1 behind a proxy that authenticates"
            advice += ", or list tokens under access.tokens (`wattstat token` makes them)" if group == "web" else ""
            advice += ", or write `insecure: true` to take the risk" if group == "web" else ""
            yield problem(document, (group, "listen"), what, advice=advice, warning=True)
    folder = config.data_dir
    existing = next((path for path in (folder, *folder.parents) if path.exists()), folder)
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        yield problem(
            document, ("data_dir",), f"{existing} cannot be written", advice="choose another folder, or change its owner"
        )


def check_credentials(config: Config, inventory: Inventory, document: Document) -> Iterator[Problem]:
    """Entries of the inventory (whose document this is) that name credentials which the configuration lacks."""
    for loc, name in _asked_with(inventory):
        if name is not None and name not in config.credentials:
            yield _no_credentials(document, loc, name, config)


def check_authorities(inventory: Inventory, document: Document) -> Iterator[Problem]:
    """Authority files that the inventory (whose document this is) names and that cannot be used."""
    tried: dict[Path, str] = {}
    for loc, tls in _trusted(inventory):
        path = tls.ca_file
        if path is None:
            continue
        if path not in tried:
            tried[path] = unusable_authority(path)
        if tried[path]:
            advice = "check the path and its owner; it holds one or more `-----BEGIN CERTIFICATE-----`"
            yield problem(document, (*loc, "ca_file"), tried[path], expected="a PEM file with certificates", advice=advice)


def _asked_with(inventory: Inventory) -> Iterator[tuple[Loc, str | None]]:
    """The credentials that every entry names, and where."""
    for position, node in enumerate(inventory.nodes):
        for part, device in (("bmc", node.bmc), ("agent", node.agent)):
            if device is not None:
                yield ("nodes", position, part, "credentials"), device.credentials
    agents: list[tuple[Loc, Snmp | None]]
    agents = [(("switches", number, "snmp"), switch.snmp) for number, switch in enumerate(inventory.switches)]
    agents += [(("pdus", number, "snmp"), pdu.snmp) for number, pdu in enumerate(inventory.pdus)]
    for loc, snmp in agents:
        if snmp is not None:
            yield (*loc, "credentials"), snmp.credentials
            yield (*loc, "privacy"), snmp.privacy
    for number, switch in enumerate(inventory.switches):
        if switch.rest is not None:
            yield ("switches", number, "rest", "credentials"), switch.rest.credentials
    yield from ((("storage", number, "credentials"), cluster.credentials) for number, cluster in enumerate(inventory.storage))


def _trusted(inventory: Inventory) -> Iterator[tuple[Loc, Tls]]:
    """How the certificate of every entry that has one is checked, and where that stands."""
    for position, node in enumerate(inventory.nodes):
        for part, device in (("bmc", node.bmc), ("agent", node.agent)):
            if device is not None:
                yield ("nodes", position, part, "tls"), device.tls
    for number, switch in enumerate(inventory.switches):
        if switch.rest is not None:
            yield ("switches", number, "rest", "tls"), switch.rest.tls
    yield from ((("storage", number, "tls"), cluster.tls) for number, cluster in enumerate(inventory.storage))


def unusable_authority(path: Path) -> str:
    """Why a file cannot vouch for certificates; empty when it can."""
    try:
        ssl.create_default_context(cafile=path)
    except ssl.SSLError:
        return f"{path} holds no certificate that can be read"
    except OSError as err:
        return f"{path} cannot be read: {err.strerror}"
    return ""


def _named(config: Config) -> Iterator[tuple[Loc, str | None]]:
    """Entries of `credentials` that schedulers and services name."""
    groups: tuple[tuple[Loc, Sequence[Slurm | Kubernetes | InferenceService | BaseCommand | Ufm]], ...] = (
        (("schedulers", "slurm"), config.schedulers.slurm),
        (("schedulers", "kubernetes"), config.schedulers.kubernetes),
        (("collectors", "inference"), config.collectors.inference),
        (("collectors", "bcm"), config.collectors.bcm),
        (("collectors", "ufm"), config.collectors.ufm),
    )
    for loc, entries in groups:
        yield from (((*loc, position, "credentials"), entry.credentials) for position, entry in enumerate(entries))


def _twice(document: Document, loc: Loc, names: Sequence[str]) -> Iterator[Problem]:
    for position, name in enumerate(names):
        if name in names[:position]:
            advice = "choose another name"
            yield problem(document, (*loc, position, "name"), f"{name!r} stands twice", expected="each once", advice=advice)


def _managers(config: Config, document: Document) -> Iterator[Problem]:
    """Fabric and cluster managers: by what they are asked, and which of them the inventory means."""
    yield from _twice(document, ("collectors", "ufm"), [entry.name for entry in config.collectors.ufm])
    managers: tuple[tuple[str, Sequence[Ufm | BaseCommand]], ...] = (
        ("ufm", config.collectors.ufm),
        ("bcm", config.collectors.bcm),
    )
    for kind, entries in managers:
        for position, manager in enumerate(entries):
            if shows_secrets(manager.url):
                what, expected = f"{manager.url} is not encrypted", "https://: who asks is told there"
                advice = "switch HTTPS on at the manager; `tls` says how its certificate is checked"
                yield problem(document, ("collectors", kind, position, "url"), what, expected=expected, advice=advice)
    names = [entry.name for entry in config.collectors.bcm]
    yield from _twice(document, ("collectors", "bcm"), names)
    for position, entry in enumerate(config.collectors.bcm):
        loc: Loc = ("collectors", "bcm", position)
        if entry.certificate is None and entry.credentials is None:
            expected = "certificate and key of a profile that may read, or credentials"
            yield problem(document, loc, "says nowhere who asks", expected=expected, advice="add one of the two")
        if entry.certificate is not None and entry.tls.fingerprint is not None:
            what, advice = "does not go together with a client certificate", "name the manager's authority as ca_file"
            yield problem(document, (*loc, "tls", "fingerprint"), what, advice=advice)
    if config.inventory.bcm not in {None, *names}:
        what, meant = f"there is no manager {config.inventory.bcm!r}", nearest(str(config.inventory.bcm), names)
        advice = f"did you mean {meant}?" if meant else "list it under collectors.bcm"
        yield problem(document, ("inventory", "bcm"), what, expected="the name of an entry of collectors.bcm", advice=advice)


def _clusters(config: Config, document: Document) -> Iterator[Problem]:
    clusters = [entry.cluster for entry in config.schedulers.slurm]
    for position, cluster in enumerate(clusters):
        if cluster in clusters[:position]:
            what = f"the cluster {cluster!r} stands twice" if cluster else "a second cluster without a name"
            advice = "give each entry its cluster's name; their jobs cannot be told apart otherwise"
            loc: Loc = ("schedulers", "slurm", position, "cluster")
            yield problem(document, loc, what, expected="each once", advice=advice)


def _secret_files(config: Config) -> Iterator[tuple[Loc, Path]]:
    for name, entry in config.credentials.items():
        if entry.password_file is not None:
            yield ("credentials", name, "password_file"), entry.password_file
    if config.agent.token_file is not None:
        yield ("agent", "token_file"), config.agent.token_file
    for position, manager in enumerate(config.collectors.bcm):
        if manager.key is not None:
            yield ("collectors", "bcm", position, "key"), manager.key


def _usable(entry: Credentials, loc: Loc, document: Document) -> Iterator[Problem]:
    if entry.password_file is None and entry.password_env is None:
        return  # said already
    try:
        entry.password()
    except ValueError as err:
        what, _, advice = str(err).partition("; ")
        inner = "password_env" if entry.password_file is None else "password_file"
        yield problem(document, (*loc, inner), what, advice=advice)


def _no_credentials(document: Document, loc: Loc, name: str, config: Config) -> Problem:
    known = sorted(config.credentials)
    meant = nearest(name, known)
    advice = f"did you mean {meant}?" if meant else f"add `{name}:` to `credentials` in wattstat.yaml"
    expected = alternatives(known) or "an entry of `credentials` in wattstat.yaml"
    return problem(document, loc, f"there are no credentials {name!r}", expected=expected, advice=advice)


def problem(document: Document, loc: Loc, what: str, *, expected: str = "", advice: str = "", warning: bool = False) -> Problem:
    """A problem of the setting at `loc`."""
    setting = dotted(loc, document.data)
    return Problem(place=document.place(loc), setting=setting, what=what, expected=expected, advice=advice, warning=warning)
