"""The room that opens paths: plans in, results out."""

from mtfs.io.plans import check_plan, example_file, example_names, load_example, load_plan
from mtfs.io.results import load_gap, plan_of, save_gap

__all__ = [
    "check_plan",
    "example_file",
    "example_names",
    "load_example",
    "load_gap",
    "load_plan",
    "plan_of",
    "save_gap",
]
