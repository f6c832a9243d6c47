"""What an attacker would look for first: certificates, old TLS, IPMI, default passwords, a host that boots anything."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass

from collectors.frame import CollectError, tls
from collectors.redfish.reader import Reader
from collectors.redfish.topic import Documents, Topic
from collectors.redfish.tree import Tree
from wattstat.catalogue import node as catalogue
from wattstat.catalogue.metric import Samples
from wattstat.members import between, flag, member, number, state, text

SOON_SECONDS = 30 * 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityReading:
    """Each check's verdict: True is a weakness, False is none; a check that could not be made is not there."""

    findings: tuple[tuple[str, bool], ...] = ()
    certificate_expires_at: float | None = None


async def fetch(reader: Reader, tree: Tree) -> Documents:
    """The documents that tell, and a TLS handshake of its own, which sees the certificate also where it is not trusted."""
    host, manager = tree.host, tree.bmc
    return {
        "attributes": await reader.get(tree.attributes_of("iDRAC")),
        "protocol": await reader.get(manager.protocol if manager else None),
        "secure_boot": await reader.get(host.secure_boot if host else None),
        **await from_outside(reader),
    }


async def from_outside(reader: Reader) -> Documents:
    """What can be said without a login."""
    return {"handshake": await _handshake(reader), "ours": _ours(reader)}


async def _handshake(reader: Reader) -> Documents | None:
    session = reader.bmc.session
    try:
        seen = await tls.handshake(session.access.url, session.access.unverified, timeout_seconds=session.timeout_seconds)
    except CollectError as err:
        reader.errors["TLS handshake"] = err
        return None
    return {**asdict(seen), "now": reader.bmc.clock()}


def _ours(reader: Reader) -> Documents:
    """What our own configuration and login show."""
    session = reader.bmc.session
    verified = session.access.trust is not session.access.unverified
    return {"verified": verified, "factory": session.factory_password, "change": session.password_change_required}


def parse(_tree: Tree, documents: Documents) -> SecurityReading:
    verdicts = ((name, check(documents)) for name, check in CHECKS.items())
    return SecurityReading(
        findings=tuple((name, verdict) for name, verdict in verdicts if verdict is not None),
        certificate_expires_at=between(0, member(documents, "handshake", "expires_at"), 1e12),
    )


def _attribute(name: str, on: str = "Enabled", off: str = "Disabled") -> Callable[[Documents], bool | None]:
    def check(documents: Documents) -> bool | None:
        return state(member(documents, "attributes", "Attributes", name), on=on, off=off)

    return check


def _not(check: Callable[[Documents], bool | None]) -> Callable[[Documents], bool | None]:
    def inverted(documents: Documents) -> bool | None:
        verdict = check(documents)
        return None if verdict is None else not verdict

    return inverted


def _protocol(name: str) -> Callable[[Documents], bool | None]:
    return lambda documents: flag(member(documents, "protocol", name, "ProtocolEnabled"))


def _either(*checks: Callable[[Documents], bool | None]) -> Callable[[Documents], bool | None]:
    """A weakness when any way of looking finds it; none when at least one looked and found nothing."""

    def check(documents: Documents) -> bool | None:
        known = [verdict for verdict in (each(documents) for each in checks) if verdict is not None]
        return any(known) if known else None

    return check


def _expires_within(seconds: float) -> Callable[[Documents], bool | None]:
    def check(documents: Documents) -> bool | None:
        ends, now = number(member(documents, "handshake", "expires_at")), number(member(documents, "handshake", "now"))
        return None if ends is None or now is None else ends - now < seconds

    return check


def _old_tls_allowed(documents: Documents) -> bool | None:
    """Dell: "TLS 1.1 and Higher", "TLS 1.2 and Higher", "TLS 1.3 Only"."""
    words = text(member(documents, "attributes", "Attributes", "WebServer.1.TLSProtocol")).split()
    version = between(1, words[1], 2) if len(words) > 1 and words[0] == "TLS" else None
    return None if version is None else version < 1.2


def _old_tls_spoken(documents: Documents) -> bool | None:
    spoken = text(member(documents, "handshake", "version"))
    return spoken not in {"TLSv1.2", "TLSv1.3"} if spoken else None


def _zero_key(documents: Documents) -> bool | None:
    """The key of nothing but zeros that Dell ships; harmless while IPMI is off."""
    if state(member(documents, "attributes", "Attributes", "IPMILan.1.Enable")) is False:
        return False
    key = member(documents, "attributes", "Attributes", "IPMILan.1.EncryptionKey")
    return set(key) == {"0"} if isinstance(key, str) and key else None


def _public_community(documents: Documents) -> bool | None:
    attributes = member(documents, "attributes", "Attributes")
    agent, community = state(member(attributes, "SNMP.1.AgentEnable")), text(member(attributes, "SNMP.1.AgentCommunity"))
    return None if agent is None or not community else agent and community.lower() in {"public", "private"}


def _own(name: str) -> Callable[[Documents], bool | None]:
    return lambda documents: flag(member(documents, "ours", name))


CHECKS: dict[str, Callable[[Documents], bool | None]] = {
    "certificate_expired": _expires_within(0),
    "certificate_expires_soon": _expires_within(SOON_SECONDS),
    "certificate_self_signed": lambda documents: flag(member(documents, "handshake", "self_signed")),
    "certificate_not_verified": _not(_own("verified")),
    "tls_old_version": _either(_old_tls_allowed, _old_tls_spoken),
    "default_password": _either(_own("factory"), _own("change")),
    "default_password_tolerated": _not(_attribute("DefaultCredentialMitigationConfigGroup.1.DefaultCredentialMitigation")),
    "ipmi_over_lan": _either(_attribute("IPMILan.1.Enable"), _protocol("IPMI")),
    "ipmi_zero_key": _zero_key,
    "snmp_known_community": _public_community,
    "telnet": _either(_attribute("Telnet.1.Enable"), _protocol("Telnet")),
    "vnc": _attribute("VNCServer.1.Enable"),
    "lockdown_off": _not(_attribute("Lockdown.1.SystemLockdown")),
    "secure_boot_off": _not(lambda documents: flag(member(documents, "secure_boot", "SecureBootEnable"))),
}


def samples(node: str, reading: SecurityReading) -> Samples:
    out = Samples()
    out.add(catalogue.BMC_CERTIFICATE_EXPIRY_TIMESTAMP_SECONDS, reading.certificate_expires_at, node)
    for check, found in reading.findings:
        out.add(catalogue.BMC_SECURITY_FINDING, found, node, check)
    return out


SECURITY = Topic(name="security", tier="slow", fetch=fetch, parse=parse, samples=samples)
