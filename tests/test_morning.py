"""The figures in the text of the morning's notebook are those that its cells find."""

import json
import re
from pathlib import Path

import pytest

import mtfs

NOTEBOOK = Path(__file__).parents[1] / "notebooks" / "morning_nottinghamshire.ipynb"
FIGURE = re.compile(r"(?<![\w/.])\d+(?:\.\d+)?(?![\d/])")
# What the text takes from the plan or assumes: rises, a limit, a price, a minimum, probabilities.
STATED = {"2.84%", "4.99%", "6.5%", "5%", "19.0", "20%", "80%", "95%"}
MILLION, PER_CENT = 1e-6, 100


def cells(kind):
    held = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in held if cell["cell_type"] == kind]


def prose():
    return " ".join("\n".join(cells("markdown")).split())


@pytest.fixture(scope="module")
def found():
    """Give the names that the notebook's cells leave behind."""
    plt = pytest.importorskip("matplotlib.pyplot")
    plt.switch_backend("Agg")
    held = {}
    exec("\n".join(cells("code")), held)  # noqa: S102 - our own notebook
    plt.close("all")
    return held


def of(row, name="mean", scale=1.0):
    """Give a figure and its standard error."""
    return scale * row[name], scale * row[f"{name}_se"]


def at(ds, name, scale=1.0, **where):
    """Give a figure of a Dataset and its standard error."""
    here = ds.sel(**where)
    return scale * here[name].item(), scale * here[f"{name}_se"].item()


def gap(found):
    last = found["summary"].loc[found["LAST"]]
    step, group = found["by_component"]["mean"], found["by_group"].loc
    homes = [found["ds"].mtfs.explain(line=found["line"], year=found["LAST"], draw=draw)
             for draw in (None, "plan")]  # fmt: skip
    return {
        "95.2 (+/- 0.8) on average": of(last),
        "P10 of 28.0 (+/- 1.7) and a P90 of 165.3 (+/- 1.7)": of(last, "P10") + of(last, "P90"),
        "enough in 29.3% of them (+/- 0.7 points)": of(last, "plan_enough", PER_CENT),
        "Prices add 78.4, people 38.5 and mix 29.3": step[["price", "people", "mix"]],
        "58.1 by its rate and 16.4 by its base": -step[["council tax rate", "council tax base"]],
        "savings take off 40.0": [-step["savings"]],
        "of which 5.1 comes late or never": [step["savings late"] + step["savings lost"]],
        "Of the 31.2 between 64.0 and 95.2": [
            last["mean"] - last["plan"],
            last["plan"],
            last["mean"],
        ],
        "children's homes are 17.7 (+/- 0.5)": of(group["children's homes"]),
        "Adults are 6.3 (+/- 0.2)": of(group["adults: people and mix"]),
        "that come late or never 5.1 (+/- 0.04)": of(group["delivery of savings"]),
        "add only 1.9 (+/- 0.4)": of(group["pay, fees and prices"]),
        "contingency of 5.0": [-step["contingency"]],
        "homes cost 80.1, not the 101.5": [each.value * MILLION for each in homes],
    }


def matters(found):
    swings, homes = found["swings"].loc, found["homes"]
    driver, service = found["by_driver"], found["by_service"].loc
    table, line = found["sensitivity"], found["line"]
    points = table[found["LAST"]].groupby("assumption", sort=False).first()
    tax = "funding.council tax.core_increase"
    return {
        "the gap by 46.9 (+/- 0.7)": of(swings["grant settlement"], "swing"),
        "in homes by 45.8 (+/- 0.6)": of(swings[homes[0]], "swing"),
        "16.0%, 12.0% and 10.7%": PER_CENT * driver["shapley"][[homes[0], homes[2], homes[1]]],
        "each +/- 0.5 points": [PER_CENT * driver["shapley_se"][homes].max()],
        "39.3% (+/- 0.6 points)": of(service["children and families"], "shapley", PER_CENT),
        "25.0% (+/- 0.6 points)": of(service["several services"], "shapley", PER_CENT),
        "13.1% (+/- 0.5 points)": of(service["funding"], "shapley", PER_CENT),
        "point of council tax is worth 22.0": [-points[tax]],
        "of the pay award, 7.2": [points["pay award"]],
        "more in homes cost 6.4": [points[f"lines.{line}.people"]],
        "18.0 worse": table["2025/26"]["all savings"],
        "2028/29 by 4.5": [points["all savings"]],
    }


def changed(found):
    changes = found["changes"]
    (first, last), late = changes["plan"].iloc[[0, -1]], changes.loc["saving late"]
    return {
        "goes from 64.0 to 73.2": [first, last],
        "from 95.2 to 97.3": changes["mean"].iloc[[0, -1]],
        "Of the 9.2 between, 5.9": [last - first, changes["plan"]["children's price"]],
        "Pay is news, 1.7": [changes["mean"]["pay award"]],
        "the plan by 1.5 and the mean by 0.40 (+/- 0.02)": [late["plan"], *of(late)],
    }


def scenarios(found):
    rise, early, late = (
        found["table"].loc[name]
        for name in ("greatest council tax", "early help", "technology a year late")
    )
    means = found["grid"]["mean"].unstack("lever", sort=False)
    worth = (means["no decision"] - means["more early help"]).round(1)
    settlements, dearer = worth.iloc[:3].unique(), worth["dearer homes for children"]
    ends = rise[["difference_P90", "difference_P10"]]
    percentiles = [found[name]["percentile"].item() for name in ("placed", "placed_rise")]
    assert len({round(PER_CENT * each) for each in percentiles}) == 1
    return {
        "takes off 48.0, and from 47.3 to 48.7": [-rise["difference_mean"], *-ends],
        "takes off 3.8 (+/- 0.1)": [-early["difference_mean"], early["difference_mean_se"]],
        "in 84.4% of draws (+/- 0.6 points)": of(early, "better", PER_CENT),
        "for certain changes 0.05 (+/- 0.02)": of(late, "difference_mean"),
        "At the 29th percentile, both (+/- 0.7 points)": [
            PER_CENT * percentiles[0],
            PER_CENT * found["placed"]["percentile_se"].item(),
        ],
        "worth 3.8 under each settlement, and 5.4": [*settlements, dearer],
    }


def closing(found):
    most, enough, doubled = found["most"], found["enough"], found["doubled"]
    assert (most.met, enough.met, doubled.met) == (False, True, False)
    assert found["together"]["met"].all()
    return {
        "balance is 19.4% (+/- 0.6 points)": [
            PER_CENT * most.achieved,
            PER_CENT * most.achieved_se,
        ],
        "from 2.9% (+/- 0.3 points)": [PER_CENT * most.before, PER_CENT * most.before_se],
        "would take 8.72%": [PER_CENT * found["beyond"].value],
        "rise by 4.25% a year (4.21% to 4.29%": [
            PER_CENT * each for each in (enough.value, enough.value_low, enough.value_high)
        ],
        "they leave 87.4 (+/- 0.8)": [MILLION * doubled.achieved, MILLION * doubled.achieved_se],
        "3.91% will do": [PER_CENT * found["together"]["second"].iloc[-1]],
    }


def reserves(found):
    s25, adequacy, last = found["s25"], found["adequacy"], found["LAST"]
    needed = [of(adequacy.loc[policy], "opening_needed") for policy in ("none", "plan", "respond")]
    total, stress = found["register"].loc["total"], found["stress"]
    nearest = found["by_shock"]["importance"]
    assert nearest.index[0] == found["homes"][0]
    assert nearest["rates collected, growth.reset"] == 0
    return {
        "exceeds 138.7 (+/- 1.1)": at(s25, "P80_estimate", MILLION, estimate="gap", year=last),
        "87.3% (+/- 0.1 points)": at(s25, "delivered_share", PER_CENT, year=last),
        "67.0% of draws (+/- 0.7 points)": at(
            s25, "contingency_used_up", PER_CENT, contingency="contingency", year=last
        ),
        "They are 127.4": [adequacy["opening"].iloc[0]],
        "be 428 (+/- 6) if": needed[0],
        "303 (+/- 5) if": needed[1],
        "162 (+/- 2) if": needed[2],
        "in 74%, 36% and 11% of draws": PER_CENT * adequacy["exhausted"],
        "comes to 23.6 (+/- 0.1)": of(total, "expected"),
        "happens in 16.7% of draws (+/- 0.6 points)": at(stress, "chance", PER_CENT),
        "only 1.0 standard deviations": [stress["distance"].item()],
        "largest part, 28%": [PER_CENT * nearest.iloc[0]],
    }


def advice(found):
    last, after = (ds.mtfs.summary().loc[found["LAST"]] for ds in (found["ds"], found["after"]))
    rise, lasting = found["table"].loc["greatest council tax"], found["lasting"]
    none = found["balanced"]
    early = found["scenarios"]["early help"].add.lines[0]
    assert (mtfs.differences(found["side"]).sel(scenario="early help", year="2025/26") > 0).all()
    assert last["mean"] - last["plan"] < 2 * found["by_group"].loc["children's homes", "mean"]
    return {
        "Expect 95.2 (+/- 0.8)": of(last),
        "is enough in 29.3% of draws (+/- 0.7 points)": of(last, "plan_enough", PER_CENT),
        "takes off 48.0 whatever happens and leaves 47.2 (+/- 0.8)": [
            -rise["difference_mean"],
            *of(rise),
        ],
        "Less than 4.25% a year": [PER_CENT * found["enough"].value],
        "It is worth 3.8 (+/- 0.1)": [
            abs(value) for value in of(found["table"].loc["early help"], "difference_mean")
        ],
        "for 3.0 a year": [early.spend[0] * MILLION],
        "expected is 43.4 (+/- 0.8)": of(after),
        "none 21.2% (+/- 0.6 points)": [
            PER_CENT * none.item(),
            PER_CENT * none["standard_error"].item(),
        ],
        "127.4 runs out in 11.4% of draws (+/- 0.5 points)": [
            lasting["opening"],
            *of(found["adequacy"].loc["respond"], "exhausted", PER_CENT),
        ],
        "package in 7.5% (+/- 0.4 points)": of(lasting, "exhausted", PER_CENT),
        "then takes 143 (+/- 3)": of(lasting, "opening_needed"),
    }


PARTS = (gap, matters, changed, scenarios, closing, reserves, advice)


@pytest.mark.slow
@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.__name__)
def test_the_text_says_what_the_cells_find(found, part):
    text = prose()
    for said, values in part(found).items():
        assert said in text
        shown = FIGURE.findall(said)
        places = [len(number.partition(".")[2]) for number in shown]
        rounded = [f"{float(value):.{n}f}" for n, value in zip(places, values, strict=True)]
        assert rounded == shown, said


@pytest.mark.slow
def test_no_figure_of_the_text_goes_unchecked(found):
    text = prose()
    for said in (each for part in PARTS for each in part(found)):
        text = text.replace(said, "")
    left = re.findall(r"\d+\.\d+%?|\d+%", text)
    assert set(left) - STATED == set()
