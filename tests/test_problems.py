"""What is wrong, in the words of the plan and not in those of the library that checks it."""

import json
import math
import re
import warnings

import pytest
from councils import BUDGET, council

from mtfs import Plan, PlanError, PlanWarning, load_example, load_example_monitoring

NAME = "expected a name: it starts with a letter from A to Z, a digit or an underscore, has at most"
SPREAD = {"name": "d", "shape": "pert", "central": 0.5, "stated_as": "mode", "persistence": 0}
FACTOR = {"factor": "economy", "loadings": []}


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ({"council": ""}, "council: found ''; expected text with at least 1 character$"),
        ({"lines": [BUDGET | {"name": "*x"}]}, NAME + " 80 characters and no line break$"),
        ({"lines": [BUDGET | {"name": "x\ny"}]}, r"found 'x\\ny'; " + NAME),
        ({"lines": [BUDGET | {"name": "“roads”"}]}, "no line break; take the curly quotes off"),
        (
            {"lines": [BUDGET | {"growth": "\u2018cpi\u2019"}]},
            "growth: .*take the curly quotes off",
        ),
        ({"lines": [BUDGET | {"growth": "£5k"}]}, "found text '£5k'; .* write 5000$"),
        ({"lines": [BUDGET | {"name": "x" * 81}]}, "expected text with at most 80 characters$"),
        ({"drivers": [SPREAD | {"bounds": [0.1]}]}, "value 2 of the list is missing"),
        ({"drivers": [SPREAD | {"bounds": [0, 1, 2]}]}, "expected a list of at most 2$"),
        ({"correlations": [FACTOR]}, r"loadings: found \[\]; expected a list of at least 2$"),
        ({"reserves": {"closure": {"delivery": 70}}}, r"delivery: .*write 70% as 0\.7$"),
        ({7: 5}, "found 7; expected a key that is text"),
    ],
)
def test_an_error_is_in_the_words_of_the_plan(parts, says):
    with pytest.raises(PlanError, match=says):
        Plan.model_validate({"council": "Anyshire", "first_year": "2026/27"} | parts)


def test_a_wrong_value_of_a_list_is_said_once():
    scheme = {"name": "s", "levels": 1.0, "run_off": ["a"]}
    says = r"^savings\[0\] 's', run_off\[0\]: found 'a'; expected a number$"
    with pytest.raises(PlanError, match=says):
        council(lines=[BUDGET], savings=[scheme])


ODD = [
    *(None, True, -1, 5, 2.5, math.nan, 1e20, 10**400, "", "x", "x" * 100, "“x”", "x\ny", "£5"),
    *([], [1], ["a"] * 3, [[]], {}, {"a": 1}, {1: 2}, {"profile": "linear"}, {"by_year": 5}, b"x"),
]
PYDANTICS = re.compile("should|valid|[Ii]nput|tuple|string|parse|pattern|validation")


def every_place(node, path=()):
    """List the places of a mapping, one of each list's items of one form."""
    yield path
    if isinstance(node, dict):
        for key, value in node.items():
            yield from every_place(value, (*path, key))
    elif isinstance(node, list):
        for number, value in enumerate(node):
            yield from every_place(value, (*path, number))


def put(node, path, value):
    if not path:
        return value
    if isinstance(node, dict):
        return {**node, path[0]: put(node[path[0]], path[1:], value)}
    return [put(held, path[1:], value) if n == path[0] else held for n, held in enumerate(node)]


@pytest.mark.parametrize(
    "document", [load_example("gateshead_2020"), load_example_monitoring("rotherham_2018")]
)
def test_pydantics_own_words_do_not_show_through(document):
    data = json.loads(document.to_json())
    tried = {}
    for path in every_place(data):
        tried.setdefault(tuple(step if isinstance(step, str) else 0 for step in path), path)
    for path in tried.values():
        for odd in ODD:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", PlanWarning)
                try:
                    type(document).model_validate(put(data, path, odd))
                except PlanError as error:
                    for problem in error.problems:
                        said = problem.message.replace(repr(odd), "")
                        assert not PYDANTICS.search(said), (path, odd, said)
