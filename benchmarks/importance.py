"""How fast variance shares are: ratios to projections of as many draws, measured in turns.

Run ``python benchmarks/importance.py``. The plans are those whose shares an analyst would ask for;
without their correlations for Sobol indices, which correlations rule out.
"""

from __future__ import annotations

import statistics

from speed import PLAN, seconds  # beside this file

import mtfs
from mtfs.factors import factors_of, that_move

N_DRAWS = 4096
ROUNDS = 7


def main() -> None:
    """Print seconds, and the ratio to ``project_gap`` of as many draws as the shares run."""
    print(f"Shares of the variance, base sample {N_DRAWS:,}, all years, {ROUNDS} rounds")
    plans = {
        "benchmark": mtfs.load_plan(PLAN),
        "nottinghamshire_2024": mtfs.load_example("nottinghamshire_2024"),
        "leicestershire_2024": mtfs.load_example("leicestershire_2024"),
    }
    for name, plan in plans.items():
        d = len(that_move(plan, factors_of(plan), "gap"))
        free = plan.with_changes({"correlations": []})
        cases = {
            "shapley, correlated": (plan, "shapley", 2 * d * N_DRAWS),
            "shapley, independent": (free, "shapley", (d + 1) * N_DRAWS),
            "sobol, independent": (free, "sobol", (d + 2) * N_DRAWS),
        }
        for case, (each, method, n_draws) in cases.items():

            def shares(each=each, method=method):
                return mtfs.variance_shares(each, method=method, n_draws=N_DRAWS, seed=1)

            def draws(each=each, n_draws=n_draws):
                return mtfs.project_gap(each, n_draws=n_draws, seed=1, keep="totals")

            shares(), draws()
            took = [(seconds(shares), seconds(draws)) for _ in range(ROUNDS)]
            whole = statistics.median(a for a, _ in took)
            low, ratio, high = statistics.quantiles([a / b for a, b in took], n=4)
            print(
                f"  {name}, {case} ({d} factors, {n_draws:,} draws): {whole:.2f} s, "
                f"{ratio:.2f} ({low:.2f} to {high:.2f}) times project_gap"
            )


if __name__ == "__main__":
    main()
