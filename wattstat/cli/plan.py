"""`wattstat plan`: days, energy, money and carbon of a training run, before it starts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

import typer

from wattstat import units
from wattstat.cli import asking
from wattstat.cli.asking import UrlOption
from wattstat.cli.options import ConfigOption, JsonOption, config_path
from wattstat.cli.output import FAILED, WRONG_USE, fail, print_json, print_table


def plan(
    *,
    parameters: Annotated[str, typer.Option(metavar="N", help="Parameters of the model: 175e9 or 175B.")],
    tokens: Annotated[str, typer.Option(metavar="N", help="Tokens that it is trained on: 300e9 or 300B.")],
    gpu: Annotated[str, typer.Option(metavar="MODEL", help="GPU model, such as h100-sxm, h100-pcie, l40 or l4.")] = "h100-sxm",
    gpus: Annotated[int, typer.Option(min=1, help="How many GPUs.")] = 8,
    mfu: Annotated[float | None, typer.Option(metavar="RATIO", help="Model FLOPs utilization, 0 to 1.")] = None,
    progress: Annotated[
        float | None, typer.Option(metavar="RATIO", help="Share of the time that makes progress, 0 to 1.")
    ] = None,
    cap_watts: Annotated[float | None, typer.Option(metavar="WATTS", help="Power limit of each GPU.")] = None,
    gpu_watts: Annotated[float | None, typer.Option(metavar="WATTS", help="What a GPU draws at work, without a limit.")] = None,
    node_ratio: Annotated[
        float | None, typer.Option(metavar="RATIO", help="A server's power over its GPUs' power, such as 1.5.")
    ] = None,
    flops_factor: Annotated[float, typer.Option(metavar="N", help="FLOPs for a parameter and token.")] = 6.0,
    pue: Annotated[float | None, typer.Option(metavar="RATIO", help="The building's power usage effectiveness.")] = None,
    price: Annotated[float | None, typer.Option(metavar="MONEY", help="Price of a kilowatt-hour.")] = None,
    currency: Annotated[str, typer.Option(metavar="CODE", help="Its currency; the site's unless given.")] = "",
    grams_per_kwh: Annotated[float | None, typer.Option(metavar="GRAMS", help="Carbon dioxide of a kilowatt-hour.")] = None,
    config: ConfigOption = None,
    url: UrlOption = "",
    offline: Annotated[
        bool, typer.Option("--offline", help="Ask nobody: published figures and the settings, not the site's jobs.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Estimate a training run: days, MWh, cost and tonnes with 90 % intervals, learning from the site's finished jobs.

    Where the web process does not answer, published figures take the place of the site's own, and that is said.
    """
    wish = {
        "parameters": parameters, "tokens": tokens, "gpu": gpu, "gpus": gpus, "mfu": mfu, "progress": progress,
        "cap_watts": cap_watts, "gpu_watts": gpu_watts, "node_ratio": node_ratio, "flops_factor": flops_factor, "pue": pue,
        "price": price, "currency": currency, "grams_per_kwh": grams_per_kwh,
    }  # fmt: skip
    found = _alone(wish, config) if offline else _asked(wish, url, config)
    if as_json:
        print_json(found)
        return
    for line in _described(found):
        typer.echo(line)
    typer.echo("")
    print_table(("power_limit", "days", "90 %", "energy", "90 % "), [_cap(each) for each in found["caps"]])
    typer.echo("")
    print_table(("constant", "value", "90 %", "source"), [_constant(each) for each in found["constants"]])
    for note in found["notes"]:
        typer.echo(f"- {note}")


def _asked(wish: Mapping[str, Any], url: str, config: Path | None) -> Any:
    address = asking.web_url(url, config)
    try:
        return asking.get(address, "/api/plan", wish)
    except asking.Refused as err:
        fail(str(err), WRONG_USE if err.status in {400, 422} else FAILED)
    except asking.NobodyAnswers as err:
        if url:
            fail(str(err))
        typer.echo(
            f"nobody answers at {address}: published figures stand for the site's own (--offline says nothing)", err=True
        )
        return _alone(wish, config)


def _alone(wish: Mapping[str, Any], config: Path | None) -> dict[str, Any]:
    from energy.http import plan_wire
    from energy.plans import learning
    from energy.plans.plan import Wish
    from energy.plans.plan import plan as planned
    from wattstat.config import Config, load

    path = config_path(config)
    settings = (Config() if path is None else load(path)).energy
    try:
        amounts = {name: units.amount(wish[name], name) for name in ("parameters", "tokens")}
        stated = {**wish, **amounts, "price_per_kwh": wish["price"]}
        asked = Wish(**{each.name: stated[each.name] for each in fields(Wish)})
        return plan_wire.told(asked, planned(asked, learning.by_settings(settings)))
    except ValueError as err:
        fail(str(err), WRONG_USE)


def _described(found: Mapping[str, Any]) -> Iterator[str]:
    servers = f"{found['gpus']} {found['gpu']} GPUs in {found['nodes']} servers"
    cap = "" if found["cap_watts"] is None else f" under {found['cap_watts']:.0f} W each"
    yield f"{found['parameters']:.3g} parameters, {found['tokens']:.3g} tokens: {found['flops']:.3g} FLOPs on {servers}{cap}"
    money, facility = found["currency"], found["facility_joules"]
    yield _figure("time", found["days"], lambda days: f"{days:,.1f} days")
    yield _figure("power", found["power_watts"], lambda watts: f"{watts / 1000:,.1f} kW")
    yield _figure("energy", found["energy_joules"], _mwh)
    if facility is not None:
        yield _figure("with PUE", facility, _mwh)
    if found["cost"] is not None:
        yield _figure("cost", found["cost"], lambda amount: units.money(round(amount), money))
    if found["carbon_grams"] is not None:
        yield _figure("carbon", found["carbon_grams"], lambda grams: f"{grams / 1e6:,.1f} t CO2")


def _figure(name: str, figure: Mapping[str, float], say: Any) -> str:
    return f"  {name:<9} {say(figure['value']):<16} 90 %: {say(figure['low'])} to {say(figure['high'])}"


def _mwh(joules: float) -> str:
    return f"{joules / 3.6e9:,.1f} MWh"


def _cap(each: Mapping[str, Any]) -> list[object]:
    days, joules = each["days"], each["energy_joules"]
    return [
        f"{each['cap_watts']:.0f} W",
        round(days["value"], 1),
        f"{days['low']:.0f} to {days['high']:.0f}",
        _mwh(joules["value"]),
        f"{joules['low'] / 3.6e9:,.0f} to {joules['high'] / 3.6e9:,.0f}",
    ]


def _constant(each: Mapping[str, Any]) -> list[object]:
    is_exact = each["low"] == each["high"]
    interval = "" if is_exact else f"{each['low']:.3g} to {each['high']:.3g}"
    return [f"{each['name']} ({each['unit']})", f"{each['value']:.4g}", interval, each["source"]]
