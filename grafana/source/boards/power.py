"""Power and policies: for whoever answers for the limits."""

from grafana.source import board
from grafana.source.board import Board, Page, Row, Variable
from grafana.source.boards.power_caps import CAPS
from grafana.source.charts import lines, states
from grafana.source.expressions import counted, kept, share_of_limit
from grafana.source.kit import About, Query, bars, number
from grafana.source.links import to_board, to_page
from grafana.source.looks import AMBER, BLUE, MAGENTA, Word, above, below
from grafana.source.tables import Column, Key, rows

_CHOSEN = 'kind=~"$kind",budget=~"$budget"'
_LIMITED = "budget, kind"


def _over(one: str, other: str, at: str = "") -> str:
    """One figure of every chosen limit over another."""
    above_line, below_line = (f"wattstat_budget_{name}_watts{{{_CHOSEN}}}{at}" for name in (one, other))
    return f"{above_line} / on (budget, kind) {below_line}"


def _fullest(one: str, other: str) -> str:
    return kept(12, _LIMITED, _over(one, other), _over(one, other, " @ end()"))


_POLICY = "max by (policy, kind, mode, state, version) (wattstat_policy_info)"


def _budget(name: str) -> str:
    """A figure of every chosen limit, with the labels of the table's rows alone."""
    return f"max by ({_LIMITED}) (wattstat_budget_{name}{{{_CHOSEN}}})"


_NOW = Row(
    panels=[
        number(
            "The site",
            Query('max(wattstat_budget_power_watts{kind="site"})', "draws"),
            Query('max(wattstat_budget_envelope_watts{kind="site"})', "could draw"),
            Query('max(wattstat_budget_limit_watts{kind="site"})', "may draw"),
            about=About(
                what="Power of the site, the most that it could draw under the caps that were read back, and its limit.",
                normal="Draws is below may draw. Could draw is what breakers must hold if nobody is in control.",
            ),
            unit="watt",
            none="no budgets",
            size=(8, 4),
        ),
        number(
            "Mode",
            Query("max by (mode) (wattstat_controller_mode) == 1", "{{mode}}"),
            about=About(
                what="What the controller may do: observe only looks, advise says what it would set, enforce sets caps.",
                normal="What the site has decided.",
            ),
            unit="none",
            words=(Word(1, "on"),),
            none="no controller",
            size=(3, 4),
        ),
        number(
            "Controllers that lead",
            Query("sum(wattstat_controller_leader)"),
            about=About(
                what="Holders of the lease. Only one may write caps.",
                normal="One. With none, caps stay as they are and agents lower theirs to safe values.",
            ),
            unit="none",
            words=(Word(0, "nobody", MAGENTA), Word(1, "one")),
            none="no controller",
            size=(3, 4),
        ),
        number(
            "Devices known",
            Query("min(wattstat_controller_view_ratio)"),
            about=About(
                what="Share of the devices whose caps and power are known now. What is not known is charged in full.",
                normal="100 %. Below 95 % no cap rises.",
            ),
            unit="percentunit",
            decimals=1,
            steps=below(0.999, 0.95),
            none="no controller",
            size=(3, 4),
            links=[to_board("wattstat-self", "Wattstat itself")],
        ),
        number(
            "Limits not safe",
            Query(counted("wattstat_budget_safe == 0", "wattstat_budget_safe")),
            about=About(
                what="Breakers that could trip if everything behind them drew what its cap allows.",
                normal="None.",
            ),
            unit="none",
            steps=above(None, 1),
            none="no breakers",
            size=(3, 4),
        ),
        number(
            "Trouble",
            Query(counted("max by (node, why) (wattstat_cap_broken) == 1", "wattstat_cap_state"), "caps"),
            Query(counted("wattstat_controller_emergency == 1", "wattstat_controller_mode"), "emergencies"),
            about=About(
                what="Caps that do not hold or are refused, and emergencies that somebody declared.",
                normal="None of either. A server whose cap does not hold is charged with all that it could draw.",
            ),
            unit="none",
            steps=above(1),
            none="no controller",
            links=[to_page("/power", "Power page")],
        ),
        rows(
            "Limits",
            [
                Key(label="kind", name="Kind", width=90),
                Key(label="budget", name="Limit", links=[to_page("/power", "Power page")]),
            ],
            Column(
                name="Used",
                expr=f"max by ({_LIMITED}) ({share_of_limit(_CHOSEN)})",
                unit="percentunit",
                bar=(0, 1),
                steps=above(0.9, 1, plain=BLUE),
                decimals=0,
            ),
            Column(name="Draws", expr=_budget("power_watts"), unit="watt"),
            Column(name="May draw", expr=_budget("limit_watts"), unit="watt"),
            Column(name="Headroom", expr=_budget("headroom_watts"), unit="watt", steps=below(0)),
            Column(name="Could draw", expr=_budget("envelope_watts"), unit="watt"),
            Column(name="Trip-safe", expr=_budget("trip_safe_watts"), unit="watt"),
            Column(name="Safe", expr=_budget("safe"), words=(Word(1, "yes"), Word(0, "no", MAGENTA)), width=70),
            Column(name="Caps move", expr=_budget("coverage_ratio"), unit="percentunit", decimals=0, width=100),
            about=About(
                what="Every limit: what is drawn, what may be, what could be at worst under the confirmed caps, what a breaker "
                "holds, and the share of the worst case that caps can move.",
                normal="Headroom above 0, and could draw below trip-safe.",
            ),
            none="no budgets",
            sort="Used",
            size=(24, 9),
        ),
        lines(
            "Power over limit",
            Query(_fullest("power", "limit"), "{{kind}} {{budget}}"),
            about=About(
                what="Power over limit, of the twelve limits that are fullest at the end of the time shown.",
                normal="Below 90 %. At 100 % the controller sheds.",
            ),
            unit="percentunit",
            decimals=0,
            steps=above(0.9, 1),
            least=0,
            none="no budgets",
            links=[to_page("/power", "Power page")],
        ),
        lines(
            "Worst case over trip-safe",
            Query(_fullest("envelope", "trip_safe"), "{{kind}} {{budget}}"),
            about=About(
                what="The most that could be drawn under the confirmed caps, over what the breaker surely holds; the twelve "
                "breakers that are nearest.",
                normal="Below 100 %: then no breaker trips, whatever the jobs do and whoever is dead.",
            ),
            unit="percentunit",
            decimals=0,
            steps=above(None, 1),
            least=0,
            none="no breakers",
        ),
    ],
)

_POLICIES = Row(
    title="Policies",
    panels=[
        rows(
            "Policies",
            [
                Key(label="policy", name="Policy", links=[to_page("/policies", "Policies page")]),
                Key(label="kind", name="Asks for"),
                Key(label="mode", name="Mode"),
                Key(label="state", name="State"),
                Key(label="version", name="Version", width=80),
            ],
            Column(name="Known", expr=_POLICY, hidden=True),
            Column(
                name="Devices bound",
                expr=f"{_POLICY} * on (policy) group_left () max by (policy) (wattstat_policy_binding_devices)",
            ),
            about=About(
                what="Policies that are known, and on how many devices each decides the cap now.",
                normal="A policy that binds nothing is not wrong: its time or condition may not hold.",
            ),
            none="no policies",
            sort="Devices bound",
            size=(14, 8),
        ),
        lines(
            "Devices bound by policy",
            Query("max by (policy) (wattstat_policy_binding_devices)", "{{policy}}"),
            about=About(
                what="On how many devices a policy decides the cap; the others are decided by another, or by none.",
                normal="Steps at the times when policies begin and end.",
            ),
            unit="none",
            least=0,
            none="no policies",
            size=(10, 8),
        ),
    ],
)

_CONTROLLER = Row(
    title="Controller",
    panels=[
        bars(
            "Over the limit within a day",
            Query(
                f"sort_desc(topk(10, sum by ({_LIMITED}) (increase(wattstat_power_breach_seconds_total{{{_CHOSEN}}}[1d]))))",
                "{{kind}} {{budget}}",
            ),
            about=About(
                what="For how long more was drawn than a limit allows.",
                normal="0 s. Seconds are the time that it takes to shed; minutes are a limit that cannot be kept.",
            ),
            unit="s",
            steps=above(6, 60, plain=BLUE),
            none="no budgets",
        ),
        lines(
            "Time for a decision",
            Query("max(wattstat_controller_cycle_seconds)", "decision"),
            about=About(what="How long the newest decision took.", normal="Below 0.2 s; it decides every second."),
            unit="s",
            steps=above(0.5),
            least=0,
            none="no controller",
            size=(8, 8),
        ),
        states(
            "Who controlled when",
            Query("max by (mode) (wattstat_controller_mode)", "{{mode}}"),
            Query("2 * max by (scope) (wattstat_controller_emergency)", "emergency {{scope}}"),
            about=About(
                what="The controller's mode over time, and emergencies.",
                normal="One mode throughout, without emergencies.",
            ),
            words=(Word(0, "off"), Word(1, "on", BLUE), Word(2, "emergency", AMBER)),
            none="no controller",
            size=(8, 8),
        ),
    ],
)

BOARD = Board(
    uid="wattstat-power",
    title="Power and policies",
    question="For those who answer for the power: is every limit kept, by whose wish, and would it be with nobody in control?",
    rows=[_NOW, CAPS, _POLICIES, _CONTROLLER],
    page=Page(title="Power page", path="/power"),
    variables=[
        Variable(name="kind", title="Kind", metric="wattstat_budget_limit_watts", several=True),
        Variable(name="budget", title="Limit", metric='wattstat_budget_limit_watts{kind=~"$kind"}', several=True),
    ],
    annotations=[board.alerts('component="power"'), board.caps(), board.emergencies()],
)
