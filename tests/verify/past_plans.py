"""Published figures of councils' own past plans."""

from mtfs.verify import PastPlan

# East Sussex County Council, gap as cumulative levels, GBP m: budget of February 2025 (with a
# deficit of 11.449 carried forward), State of the County July 2025, cabinet papers of autumn and
# December 2025, budget of early 2026.
EAST_SUSSEX = [
    PastPlan(made=made, values={year: value * 1e6 for year, value in levels.items()})
    for made, levels in {
        "2025-02": {"2026/27": 37.365, "2027/28": 56.096},
        "2025-07": {"2026/27": 36.5, "2027/28": 56.2, "2028/29": 70.8},
        "2025-10": {"2026/27": 55.844, "2027/28": 65.653, "2028/29": 88.312},
        "2025-12": {"2026/27": 54.198, "2027/28": 66.91, "2028/29": 94.0},
        "2026-02": {"2026/27": 55.631, "2027/28": 74.173, "2028/29": 111.066},
    }.items()
]

# Brighton & Hove City Council, Medium Term Financial Strategy tables of five years: pay awards
# assumed. The month is that of the budget but for the second, which was made in the middle of 2022.
BRIGHTON_PAY = [
    PastPlan(made="2022-02", values={"2022/23": 0.015, "2023/24": 0.015, "2024/25": 0.02}),
    PastPlan(
        made="2022-07", values={"2023/24": 0.035, "2024/25": 0.02, "2025/26": 0.02, "2026/27": 0.02}
    ),
    PastPlan(
        made="2024-02",
        values={"2024/25": 0.03, "2025/26": 0.025, "2026/27": 0.025, "2027/28": 0.025},
    ),
    PastPlan(
        made="2025-02",
        values={"2025/26": 0.0275, "2026/27": 0.025, "2027/28": 0.025, "2028/29": 0.025},
    ),
]
# What the National Joint Council settled, as the least that anybody's pay rose by: GBP 1,925 in
# 2022/23 (4.04%) and 2023/24 (3.88%), 2.5% in 2024/25, 3.2% in 2025/26.
PAY_SETTLED = {"2022/23": 0.0404, "2023/24": 0.0388, "2024/25": 0.025, "2025/26": 0.032}
