"""The room that opens paths: plans in, results out."""

from mtfs.io.documents import (
    check_monitoring,
    example_monitoring_file,
    example_monitoring_names,
    holds_monitoring,
    load_example_monitoring,
    load_monitoring,
)
from mtfs.io.episodes import load_episodes
from mtfs.io.flows import load_flow, save_flow
from mtfs.io.groupings import load_grouping
from mtfs.io.history import load_history
from mtfs.io.plans import (
    check_plan,
    example_file,
    example_names,
    load_example,
    load_plan,
    save_plan,
)
from mtfs.io.population import load_population
from mtfs.io.results import load_gap, plan_of, save_gap
from mtfs.io.scenarios import (
    check_scenarios,
    example_scenarios_file,
    example_scenarios_names,
    load_example_scenarios,
    load_scenarios,
)

__all__ = [
    "check_monitoring",
    "check_plan",
    "check_scenarios",
    "example_file",
    "example_monitoring_file",
    "example_monitoring_names",
    "example_names",
    "example_scenarios_file",
    "example_scenarios_names",
    "holds_monitoring",
    "load_episodes",
    "load_example",
    "load_example_monitoring",
    "load_example_scenarios",
    "load_flow",
    "load_gap",
    "load_grouping",
    "load_history",
    "load_monitoring",
    "load_plan",
    "load_population",
    "load_scenarios",
    "plan_of",
    "save_flow",
    "save_gap",
    "save_plan",
]
