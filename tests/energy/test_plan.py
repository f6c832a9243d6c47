"""Plans: the published cases, the arithmetic, caps, intervals, boards."""

import math
import random
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy.plans import capping
from energy.plans.boards import BOARDS, board, of_model
from energy.plans.plan import Site, Wish, implied_mfu, plan
from energy.plans.quantity import Quantity, about, exact, next_of, product, total

GPT3 = {"parameters": 175e9, "tokens": 300e9}
DOCUMENT = Path(__file__).parents[2] / "docs/energy.md"

# Published sizings: what, GPUs, days, the MFU that 6ND implies. A module is 8 servers of 8 GPUs.
CASES = {
    "GPT-3 175B on 64 H100 in 112 days": ({**GPT3, "gpu": "h100-sxm", "gpus": 64, "days": 112}, 0.514),
    "GPT-3 175B on six modules in 19 days": ({**GPT3, "gpu": "h100-sxm", "gpus": 6 * 64, "days": 19}, 0.505),
    "40B on two modules in 14 days, were it 300B tokens": (
        {"parameters": 40e9, "tokens": 300e9, "gpu": "h100-sxm", "gpus": 2 * 64, "days": 14},
        0.470,
    ),
    "GPT-3 175B on 1,024 A100 in 34 days": ({**GPT3, "gpu": "a100-sxm", "gpus": 1024, "days": 34}, 0.336),
}


@pytest.mark.parametrize(("case", "mfu"), CASES.values(), ids=CASES.keys())
def test_a_published_case_implies_this_mfu_and_the_plan_gives_its_days_back(case, mfu):
    implied = implied_mfu(**case)
    days = case["days"]
    wish = Wish(**{name: value for name, value in case.items() if name != "days"}, mfu=implied, progress=1.0)

    assert implied == pytest.approx(mfu, abs=0.001)
    assert plan(wish).days.value == pytest.approx(days)


def test_megatrons_own_formula_for_34_days():
    # 8 T P / (n X) with X = 140 TFLOP/s a GPU, activations computed twice (arXiv 2104.04473): the same hardware at 8ND.
    achieved = implied_mfu(**GPT3, gpu="a100-sxm", gpus=1024, days=33.9, flops_factor=8) * board("a100-sxm").peak_flops

    assert achieved == pytest.approx(140e12, rel=0.005)


def test_forty_billion_in_14_days_cannot_have_been_trained_on_as_many_tokens_as_is_best_for_it():
    case = CASES["40B on two modules in 14 days, were it 300B tokens"][0]

    assert implied_mfu(**{**case, "tokens": 20 * 40e9}) > 1


LLAMA = {  # Llama 3.1's model card: H100 hours of the whole training, 15 trillion tokens and more
    "405B": (405e9, 15.6e12, 30.84e6),
    "70B": (70e9, 15e12, 7.0e6),
}


def test_the_gpu_hours_that_llama_405b_took_are_inside_the_interval():
    parameters, tokens, hours = LLAMA["405B"]
    found = plan(Wish(parameters=parameters, tokens=tokens, gpu="h100-sxm", gpus=16_384)).days.times(16_384 * 24)

    assert found.low < hours < found.high


def test_one_published_run_in_ten_or_more_may_lie_outside_and_the_document_names_one():
    parameters, tokens, hours = LLAMA["70B"]
    found = plan(Wish(parameters=parameters, tokens=tokens, gpu="h100-sxm", gpus=1024)).days.times(1024 * 24)
    implied = implied_mfu(parameters=parameters, tokens=tokens, gpu="h100-sxm", gpus=1, days=hours / 24)

    assert hours > found.high
    assert f"{100 * implied:.0f} %" in DOCUMENT.read_text()


@pytest.mark.parametrize(("case", "mfu"), CASES.values(), ids=CASES.keys())
def test_the_document_tells_the_same(case, mfu):
    assert f"{100 * mfu:.1f} %" in DOCUMENT.read_text()


def test_the_example_of_the_document_is_what_comes_out():
    shown = re.search(r"time +([\d.]+) days +90 %: ([\d.]+) days to ([\d.]+) days", DOCUMENT.read_text())
    found = plan(Wish(**GPT3, gpu="h100-sxm", gpus=64)).days

    assert [float(each) for each in shown.groups()] == [round(found.value, 1), round(found.low, 1), round(found.high, 1)]


def test_energy_is_power_over_time_and_money_and_carbon_follow():
    found = plan(Wish(**GPT3, gpu="h100-sxm", gpus=64, pue=1.3, price_per_kwh=0.2, grams_per_kwh=380))

    assert found.energy_joules.value == pytest.approx(found.power_watts.value * found.days.value * 86_400)
    assert found.facility_joules.value == pytest.approx(1.3 * found.energy_joules.value)
    assert found.cost.value == pytest.approx(found.facility_joules.value / 3.6e6 * 0.2)
    assert found.carbon_grams.value == pytest.approx(found.facility_joules.value / 3.6e6 * 380)
    assert found.nodes == 8


def test_a_server_of_eight_draws_what_such_servers_were_measured_to_draw():
    found = plan(Wish(**GPT3, gpu="h100-sxm", gpus=8))

    assert found.power_watts.value / found.constants["fabric"].value == pytest.approx(7750, rel=0.01)  # arXiv 2506.14551


def test_what_is_not_known_is_absent_and_said():
    found = plan(Wish(**GPT3, gpu="h100-sxm", gpus=64))

    assert (found.cost, found.carbon_grams, found.facility_joules) == (None, None, None)
    assert [word for word in ("PUE", "price", "carbon") if not any(word in note for note in found.notes)] == []


def test_energy_that_is_free_costs_nothing_which_is_not_the_same_as_unknown():
    assert plan(Wish(**GPT3, gpu="h100-sxm", gpus=64, price_per_kwh=0.0)).cost == exact(0.0, "")


def test_an_optimistic_mfu_is_called_so():
    assert "best case" in plan(Wish(**GPT3, gpu="h100-sxm", gpus=64, mfu=0.514)).notes[0]


def test_every_constant_says_where_it_comes_from():
    found = plan(Wish(**GPT3, gpu="h100-sxm", gpus=64, mfu=0.4), Site(price_per_kwh=exact(0.2, "the setting")))

    assert all(each.source for each in found.constants.values())
    assert found.constants["mfu"].source.startswith("as stated")
    assert found.constants["price_per_kwh"].source == "the setting"


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"gpu": "h1000"}, "expected one of h100-sxm"),
        ({"mfu": 40}, "mfu: 40 has no sense; expected a ratio"),
        ({"mfu": float("nan")}, "expected a positive number"),
        ({"tokens": 0}, "tokens: 0 has no sense"),
        ({"cap_watts": 100}, "expected 280 to 700 W"),
        ({"cap_watts": 701}, "expected 280 to 700 W"),
        ({"pue": 0.9}, "pue: 0.9 has no sense; expected 1 or more"),
        ({"price_per_kwh": -1}, "price: -1 has no sense; expected zero or more"),
        ({"gpus": 10_000_001}, "gpus: 10000001 has no sense; expected at most 10,000,000"),
        ({"currency": "euro"}, "currency: 'euro' is no currency; expected three capital letters"),
    ],
)
def test_what_has_no_sense_is_refused_with_what_was_expected(wrong, says):
    with pytest.raises(ValueError, match=re.escape(says)):
        plan(Wish(**{**GPT3, "gpu": "h100-sxm", "gpus": 64, **wrong}))


def test_a_lower_cap_takes_longer_and_less_power():
    plans = [plan(Wish(**GPT3, gpu="h100-sxm", gpus=64, cap_watts=cap)) for cap in (700, 600, 500, 400, 300)]

    assert sorted(each.days.value for each in plans) == [each.days.value for each in plans]
    assert sorted((each.power_watts.value for each in plans), reverse=True) == [each.power_watts.value for each in plans]


def test_the_throughput_curve_goes_through_its_points_and_never_rises():
    h100 = board("h100-sxm")
    shares = [capping.throughput(h100, 7.0 * percent).value for percent in range(40, 101)]

    assert shares == sorted(shares)
    assert capping.throughput(h100, 560).value == pytest.approx(0.952)


def test_the_uncertainty_of_the_curve_spans_what_others_claim_for_600_of_700_watts():
    found = capping.throughput(board("h100-sxm"), 600)

    assert found.low <= 0.87
    assert found.high >= 0.95


def test_a_cap_above_what_is_drawn_changes_no_power():
    watts = about(400, 0.05, "measured")

    assert capping.drawn(watts, 700).value == watts.value
    assert capping.drawn(watts, 300).high == 300


def test_the_plan_holds_the_same_run_under_other_caps():
    found = plan(Wish(**GPT3, gpu="h100-sxm", gpus=64))

    assert [each.cap_watts for each in found.caps] == pytest.approx([700, 630, 560, 490, 420, 350])
    assert found.caps[0].energy_joules.value < found.energy_joules.value * 1.01


def test_the_intervals_are_those_of_a_simulation_of_all_constants():
    found = plan(Wish(**GPT3, gpu="h100-sxm", gpus=64, cap_watts=500))
    chance = random.Random(7)

    def one(quantity):
        return quantity.value * math.exp(chance.gauss(0, quantity.spread))

    watts, ratio = found.constants["gpu_watts"], found.constants["node_ratio"]
    device = capping.drawn(watts, 500)
    around = Quantity(value=watts.value * 0.5, low=watts.value * (ratio.low - 1), high=watts.value * (ratio.high - 1))
    days, energies = [], []
    for _ in range(20_000):
        pace = one(found.constants["mfu"]) * one(found.constants["progress"]) * one(found.constants["throughput"])
        days.append(found.flops / (64 * 989.4e12 * pace * 86_400))
        energies.append(days[-1] * 86_400 * 64 * (one(device) + one(around)) * one(found.constants["fabric"]))

    def inside(values, quantity):
        return sum(quantity.low <= each <= quantity.high for each in values) / len(values)

    assert 0.88 < inside(days, found.days) < 0.92
    assert 0.87 < inside(energies, found.energy_joules) < 0.93


positive = st.floats(0.01, 1e6)
quantities = st.builds(lambda value, ratio: about(value, ratio, ""), positive, st.floats(0, 2))


@given(st.lists(quantities, min_size=1, max_size=5))
def test_products_and_sums_stay_inside_their_bounds(factors):
    for found in (product(*factors), total(*factors), product(over=factors)):
        assert 0 < found.low <= found.value * (1 + 1e-9)
        assert found.value <= found.high * (1 + 1e-9)


def test_the_next_job_is_inside_the_interval_nine_times_of_ten():
    chance = random.Random(3)
    inside = 0
    for _ in range(3000):
        jobs = [math.exp(chance.gauss(0, 0.2)) for _ in range(7)]
        found = next_of(jobs[:6], "")
        inside += found.low <= jobs[6] <= found.high

    assert 0.88 < inside / 3000 < 0.92


def test_jobs_that_are_all_alike_leave_the_meters_error():
    found = next_of([500.0] * 6, "")

    assert found.high / found.value == pytest.approx(1.03)


@pytest.mark.parametrize(
    ("model", "key"),
    [
        ("NVIDIA H100 80GB HBM3", "h100-sxm"),
        ("NVIDIA H100 PCIe", "h100-pcie"),
        ("NVIDIA H100 NVL", "h100-nvl"),
        ("NVIDIA H200", "h200-sxm"),
        ("NVIDIA L40", "l40"),
        ("NVIDIA L40S", "l40s"),
        ("NVIDIA L4", "l4"),
        ("NVIDIA A100-SXM4-80GB", "a100-sxm"),
        ("NVIDIA A100 80GB PCIe", "a100-pcie"),
        ("NVIDIA B200", "b200"),
    ],
)
def test_a_board_is_found_by_the_name_that_nvml_tells(model, key):
    assert of_model(model).key == key
    assert sum(re.search(each.pattern, model, re.IGNORECASE) is not None for each in BOARDS) == 1


def test_an_unknown_board_is_none():
    assert of_model("NVIDIA GeForce RTX 4090") is None
