"""Cables to reseat, the gravest first; and where traffic is held up. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dashboard import address, markup, words
from dashboard.components import parts
from dashboard.fabricharm import ERROR_SECONDS, FLAP_SECONDS, Dark, Evidence, Job, Suspect
from dashboard.fabricstate import Place
from dashboard.markup import Children, Markup, tag
from dashboard.problem import Level

_MOST, _MOST_JOBS = 25, 2
_DARK_DBM = -10.0
_PFC = "Priority flow control (PFC): a receiver whose buffers fill asks the sender to pause."
_CONGESTION = {
    "Paused by its peer": f"{_PFC} Pause frames that the port received, in a second.",
    "Pauses its peer": f"{_PFC} Pause frames that the port sent, in a second.",
    "ECN marks": "Explicit congestion notification (ECN): packets marked in a second, so that senders slow down.",
}
ORDER = "First what is down, slow, flapping or losing data, then rising errors; in each, most waiting GPUs first."


def table(found: Sequence[Suspect], search: str, dark: Sequence[Dark] = ()) -> Children:
    """Apart from the cables, switches that took theirs along; a line for each cable, who waits for it."""
    return [*(_dark(each, search) for each in dark), _single(found, search, is_any_dark=bool(dark))]


def _dark(each: Dark, search: str) -> Markup:
    """One line for all links of a switch: no cable is to blame."""
    count = words.plural(each.down, "link") if each.down >= each.links else f"{each.down} of {each.links} links"
    name = tag("a", each.switch, href="/fabric" + address.changed(search, leaf=each.switch), data_link=True, class_="row-link")
    what = " answers, yet all its " if each.answers else " does not answer: "
    said = [name, what, tag("strong", f"{count} {'are ' * each.answers}down")]
    waiting = f"{words.plural(each.gpus, 'GPU')} behind it; " if each.jobs else "no job runs behind it; "
    why = tag("span", f"{waiting}look at the switch and its supplies, not at its cables", class_="below")
    return tag("p", [parts.shape(Level.CRITICAL), tag("span", [*said, why])], class_="check dark")


def _single(found: Sequence[Suspect], search: str, *, is_any_dark: bool) -> Markup:
    if not found:
        text = "No cable: no flaps, no errors that matter, every known link is up and as fast as its neighbours."
        if is_any_dark:
            text = "Beside these, no cable: no flaps, no errors that matter."
        return tag("p", [parts.shape(Level.OK), tag("span", text)], class_="check")
    rows = [_row(each, search) for each in found[:_MOST]]
    order = tag("p", ORDER, class_="quiet")
    whole = markup.table(("Cable", "Evidence", "Behind it"), rows, class_="table members", aria_label="Cables to reseat")
    if len(found) <= _MOST:
        return tag("div", [order, whole])
    return tag("div", [order, whole, tag("p", f"and {len(found) - _MOST} that do less harm", class_="quiet")])


def _row(each: Suspect, search: str) -> Markup:
    cable = each.cable
    place = f"{each.switch} {each.port}".rstrip()
    if cable is None:
        name: Children = [place, tag("span", "no server is known behind it", class_="below")]
    else:
        where = f"rail {cable.rail}, {cable.device}" if cable.rail is not None else cable.device
        server = tag("a", cable.node, href=address.to_node(cable.node, search), data_link=True, class_="row-link")
        name = [server, f" {where}", tag("span", f"at {place}", class_="below")]
    return tag("tr", [
        tag("th", name, scope="row"),
        tag("td", [parts.shape(each.evidence.level), " ", tag("span", evidence(each.evidence))], class_="evidence"),
        tag("td", behind(each, search)),
    ], class_=each.evidence.level.name.lower())  # fmt: skip


def evidence(seen: Evidence) -> str:
    """In words, the worst first."""
    said: list[str] = []
    if seen.is_down:
        said.append("down")
    if seen.speed is not None and seen.expected is not None:
        said.append(f"{words.line_rate(seen.speed)}, its neighbours {words.line_rate(seen.expected)}")
    if seen.flaps is not None:
        said.append(f"came and went {seen.flaps:.0f} times in {words.duration(FLAP_SECONDS)}")
    if seen.bit_error_ratio is not None:
        said.append(f"bit error ratio {words.tiny(seen.bit_error_ratio)} after correction")
    if seen.symbol_errors is not None:
        said.append(f"{seen.symbol_errors:,.0f} symbol errors in {words.duration(ERROR_SECONDS)}")
    if seen.packet_errors is not None:
        said.append(f"{seen.packet_errors:,.0f} broken packets in {words.duration(ERROR_SECONDS)}")
    if seen.light_dbm is not None and (seen.is_down or seen.light_dbm < _DARK_DBM):
        said.append(f"receives {seen.light_dbm:.1f}{words.THIN}dBm" + (" of light: dark" if seen.light_dbm < _DARK_DBM else ""))
    return "; ".join(said)


def behind(each: Suspect, search: str) -> Children:
    """Whose GPUs wait."""
    if not each.jobs:
        return tag("span", "no job runs there", class_="quiet")
    more = f" and {len(each.jobs) - _MOST_JOBS} more" if len(each.jobs) > _MOST_JOBS else ""
    names = [piece for job in each.jobs[:_MOST_JOBS] for piece in (", ", job_link(job, search))][1:]
    return [tag("strong", words.plural(each.gpus, "GPU")), tag("span", [*names, more], class_="below")]


def job_link(job: Job, search: str) -> Markup:
    """To the job's own page."""
    text = f"{job.job_id} {job.name}".rstrip()
    return tag("a", text, href=address.to_job(job.job_id, None, search, job.scheduler), data_link=True, class_="row-link")


def congestion(
    pauses: Mapping[tuple[str, str, str], float], marks: Mapping[Place, float], servers: Mapping[Place, str], search: str
) -> Markup:
    """Ports of Ethernet that had to pause or to mark packets, the most first."""
    places = {(switch, port) for switch, port, _ in pauses} | marks.keys()
    if not places:
        text = "No port pauses (PFC) or marks packets (ECN), or no Ethernet switch tells."
        return tag("p", [parts.shape(Level.OK), tag("span", text)], class_="check")

    def received(place: Place) -> float:
        return pauses.get((*place, "receive"), 0.0)

    ordered = sorted(
        places, key=lambda place: -(received(place) + pauses.get((*place, "transmit"), 0.0) + marks.get(place, 0.0))
    )
    rows = [
        tag("tr", [
            tag("th", [" ".join(place), _server(servers.get(place), search)], scope="row"),
            *(tag("td", _a_second(value))
              for value in (pauses.get((*place, "receive")), pauses.get((*place, "transmit")), marks.get(place))),
        ])
        for place in ordered[:12]
    ]  # fmt: skip
    head = ("Port", *(tag("span", text, title=title) for text, title in _CONGESTION.items()))
    return markup.table(head, rows, class_="table members", aria_label="Congestion of Ethernet ports")


def _server(name: str | None, search: str) -> Markup | None:
    if not name:
        return None
    return tag("span", tag("a", name, href=address.to_node(name, search), data_link=True, class_="row-link"), class_="below")


def _a_second(value: float | None) -> str:
    return words.NOTHING if value is None else f"{words.rate(value)}/s" if value >= 1 else f"<1{words.THIN}/s"
