"""Small councils for tests: made from mappings, run on a few draws."""

from mtfs import Plan, project_gap

YEARS = ("2026/27", "2027/28", "2028/29", "2029/30")


def council(**parts):
    """Make a four-year plan of Anyshire from 2026/27."""
    return Plan.model_validate(
        {"council": "Anyshire", "first_year": YEARS[0], "horizon": 4} | parts
    )


def run(plan, n_draws=2, seed=1, **options):
    """Project a plan on a few draws."""
    return project_gap(plan, n_draws=n_draws, seed=seed, **options)


def first(array):
    """Give the first draw by year as a list, an item's label left out where there is one item."""
    return array.isel(draw=0).squeeze(drop=True).values.tolist()


def line_cost(line, **parts):
    """Give the cost by year of one line without draws of its own."""
    ds = run(council(lines=[line], **parts), n_draws=1)
    return ds["cost"].sel(line=line["name"]).isel(draw=0).values.tolist()


def income_of(source, **parts):
    """Give each row of income by year of one source without draws of its own."""
    ds = run(council(funding=[source], **parts), n_draws=1)
    return {
        str(name): ds["income"].sel(source=name).isel(draw=0).values.tolist()
        for name in ds["source"].values
    }


BUDGET = {"kind": "budget", "name": "roads", "base": 1000.0}
