"""The words of a message: a subject that says how bad, what, where and how much; below it what to do first, and links."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from zoneinfo import ZoneInfo

from alerts.delivery.board import Known
from alerts.subject import Subject, subject
from wattstat.api.alerts import SEVERITIES

MOST_SHOWN = 12
"""So many alerts stand in a message in full; the others are counted."""
MOST_NAMES = 6
UNCONFIRMED = "unconfirmed"
"""The annotation that says that nobody knows whether an alert still holds."""

_WORDS = {"critical": "CRIT", "warning": "WARN", "info": "INFO"}
_PLURALS = {"switch": "switches", "storage": "storage systems", "": "alerts"}

How = Literal["fires", "ended", "came and went"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Impact:
    """What an alert hits: the jobs that run on its device. Empty where that is not known."""

    jobs: tuple[str, ...] = ()
    users: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One alert of a message."""

    known: Known
    how: How
    impact: Impact = field(default=Impact())

    @property
    def severity(self) -> str:
        """critical, warning, info or none."""
        return self.known.labels.get("severity", "none")

    @property
    def name(self) -> str:
        """Its `alertname`."""
        return self.known.labels.get("alertname", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What is sent: plain text."""

    subject: str
    body: str
    severity: str
    is_over: bool


def message_of(said: Sequence[Said], *, still: int = 0, zone: ZoneInfo, public_url: str, note: str = "") -> Message:
    """One message about all of these; `still` others of the same group fire as told before."""
    ordered = sorted(said, key=_rank)
    speaking = [each for each in ordered if each.how != "ended"] or ordered
    worst = speaking[0].severity
    is_over = all(each.how != "fires" for each in ordered)
    word = "OVER" if all(each.how == "ended" for each in ordered) else _WORDS.get(worst, "NOTE")
    lines = [_entry(each, zone) for each in ordered[:MOST_SHOWN]]
    if len(ordered) > MOST_SHOWN:
        lines.append(f"… and {len(ordered) - MOST_SHOWN:,} more: {_counted(ordered[MOST_SHOWN:])}")
    if still:
        lines.append(f"{still:,} more of this kind still {'fires' if still == 1 else 'fire'} as told before.")
    if note:
        lines.append(note)
    lines.append(f"All alerts: {public_url}/alerts")
    # One line, whatever a device calls its parts: a mail whose subject has two is refused, today and at every try.
    subject_line = " ".join(f"[{word}] {_headline(speaking)}".split())
    return Message(subject=subject_line, body="\n\n".join(lines), severity=worst, is_over=is_over)


def plain(known: Sequence[Known], count: int, public_url: str) -> Message:
    """What is said of alerts whose own words cannot be made or are not taken: nothing that came from a device or a template."""
    names = sorted({name for each in known if (name := each.labels.get("alertname", "")).isascii() and name.isidentifier()})
    severities = {each.labels.get("severity", "none") for each in known}
    severity = next((each for each in SEVERITIES if each in severities), "critical")
    what = ", ".join(names[:MOST_NAMES]) or "alerts"
    return Message(
        subject=f"[{_WORDS.get(severity, 'NOTE')}] {what}: {count:,} {'alert' if count == 1 else 'alerts'}, look at Wattstat",
        body=f"The message about this could not be written or was not taken. All alerts: {public_url}/alerts",
        severity=severity,
        is_over=bool(known) and not any(each.fires for each in known),
    )


def trial(receiver: str, by: str, public_url: str) -> Message:
    """What is sent when somebody tries a receiver."""
    return Message(
        subject=f"[TEST] Wattstat reaches {receiver}",
        body=f"{by} asked for this message. Nothing is wrong.\n\nAll alerts: {public_url}/alerts",
        severity="info",
        is_over=False,
    )


def unconfirmed(since: float, zone: ZoneInfo) -> str:
    """What is said of an alert while core gives no data."""
    return f"Not confirmed since {_clock(since, zone)}: core gives no data."


def _rank(said: Said) -> tuple[int, int, float]:
    how = {"fires": 0, "came and went": 1, "ended": 2}[said.how]
    known = said.severity if said.severity in SEVERITIES else "none"
    return how, SEVERITIES.index(known), said.known.starts_at


def _headline(said: Sequence[Said]) -> str:
    """`GpuXidFatal gpu-017 (rack r12): 1 GPU, 3 jobs`; of several, how many and which."""
    names = Counter(each.name for each in said)
    racks = {each.known.labels.get("rack", "") for each in said}
    rack = next(iter(racks)) if len(racks) == 1 else ""
    devices = list(dict.fromkeys(subject(each.known.own_labels) for each in said))
    whole = list(dict.fromkeys((each.kind, each.name) for each in devices))
    where = f" (rack {rack})" if rack and ("rack", rack) not in whole else ""
    what = next(iter(names)) if len(names) == 1 else _counted(said)
    if len(whole) == 1:
        kind, name = whole[0]
        parts = list(dict.fromkeys(each.part for each in devices if each.part))
        much = _much(parts, said)
        return f"{what} {name or kind}{where}" + (f": {much}" if much else "")
    kinds = {kind for kind, _ in whole}
    kind = kinds.pop() if len(kinds) == 1 else ""
    shown = [name or kind for kind, name in whole[:MOST_NAMES]]
    more = ", …" if len(whole) > MOST_NAMES else ""
    count = f"{len(whole)} {_plural(kind) if kind else 'devices'}"
    return f"{what}{where}: {count}{_jobs(said)}: {', '.join(shown)}{more}"


def _much(parts: Sequence[str], said: Sequence[Said]) -> str:
    """`GPU 3, 2 jobs` of one part, `8 GPUs, 2 jobs` of several of a kind."""
    words = {part.split()[0] for part in parts}
    if len(parts) == 1:
        text = parts[0]
    elif len(words) == 1:
        text = f"{len(parts)} {_plural(words.pop())}"
    else:
        text = f"{len(parts)} parts" if parts else ""
    jobs = _jobs(said)
    return text + jobs if text else jobs.removeprefix(", ")


def _jobs(said: Sequence[Said]) -> str:
    jobs = {job for each in said for job in each.impact.jobs}
    return f", {len(jobs)} {'job' if len(jobs) == 1 else 'jobs'}" if jobs else ""


def _plural(kind: str) -> str:
    return _PLURALS.get(kind, f"{kind}s")


def _counted(said: Sequence[Said]) -> str:
    names = Counter(each.name for each in said).most_common()
    shown = ", ".join(name if count == 1 else f"{count:,} {name}" for name, count in names[:MOST_NAMES])
    return shown + (", …" if len(names) > MOST_NAMES else "")


def _entry(said: Said, zone: ZoneInfo) -> str:
    known = said.known
    about = subject(known.own_labels)
    lines = [
        f"{said.severity.upper()} {said.name} {_device(about)}{f' {about.part}' if about.part else ''}",
        known.annotations.get("summary", ""),
        "" if said.how == "ended" else known.annotations.get("description", ""),
        _when(said, zone),
        known.annotations.get(UNCONFIRMED, "") if said.how == "fires" else "",
        _hit(said.impact),
        _link("Runbook", known.annotations.get("runbook_url", "")),
        _link("Look", known.annotations.get("dashboard_url", "") or known.generator_url),
    ]
    return "\n".join(line for line in lines if line)


def _device(about: Subject) -> str:
    """`rack r12`, but `rack-01`: a rack that is named as one is not called so twice."""
    return about.name if about.kind == "rack" and about.name.lower().startswith("rack") else str(about)


def _when(said: Said, zone: ZoneInfo) -> str:
    start = _clock(said.known.starts_at, zone)
    if said.known.ends_at is None:
        held = "" if said.known.active_at is None else _clock(said.known.active_at, zone)
        return f"Since {held}, firing since {start}." if held not in {"", start} else f"Firing since {start}."
    lasted = _lasted(said.known.ends_at - said.known.starts_at)
    if said.how == "ended":
        return f"Over at {_clock(said.known.ends_at, zone)}, after {lasted}."
    return f"It came at {start} and went after {lasted}, before this message could be sent."


def _hit(impact: Impact) -> str:
    jobs = (
        f"Jobs on it: {', '.join(impact.jobs[:MOST_NAMES])}{', …' if len(impact.jobs) > MOST_NAMES else ''}"
        if impact.jobs
        else ""
    )
    return jobs + (f" ({', '.join(impact.users[:MOST_NAMES])})" if jobs and impact.users else "")


def _link(word: str, url: str) -> str:
    return f"{word}: {url}" if url else ""


def _clock(at: float, zone: ZoneInfo) -> str:
    return datetime.fromtimestamp(at, zone).strftime("%Y-%m-%d %H:%M:%S %Z")


def _lasted(seconds: float) -> str:
    whole = int(seconds)
    if whole < 120:
        return f"{whole} s"
    if whole < 7200:
        return f"{whole // 60} min"
    return f"{whole // 3600} h {whole % 3600 // 60} min" if whole < 172_800 else f"{whole // 86_400} days"
