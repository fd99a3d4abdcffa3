"""What the page on panels says is what its code gives."""

import re
from pathlib import Path

import numpy as np

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "panel.md"


def test_the_page_says_what_its_code_gives(capsys):
    text = PAGE.read_text(encoding="utf-8")
    held = {}
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(block, held)  # noqa: S102 - the page's own code
    found = held["levels"].sel(council="Nottinghamshire").quantile([0.1, 0.5, 0.9], "draw")
    said = [
        [float(cell.replace(",", "")) for cell in line.split("|")[2:6]]
        for line in re.findall(r"^\| P[159]0 .*$", text, re.MULTILINE)
    ]
    assert np.abs(np.array(said) - found.transpose("quantile", "year").to_numpy()).max() <= 1.5
    printed = capsys.readouterr().out
    wanted = re.search(r"```text\n(.*?)```", text, re.DOTALL)[1]
    numbers = [re.findall(r"-?\d+\.\d+", each) for each in (printed, wanted)]
    assert len(numbers[0]) == len(numbers[1]) > 8
    for one, other in zip(*numbers, strict=True):
        assert abs(float(one) - float(other)) <= max(0.02 * abs(float(other)), 1e-3)
    level = held["found"].level.round(3)
    assert level.loc["driver", ["P10", "P90"]].tolist() == [0.722, 1.172]
    assert level.loc["forecast", ["P10", "P90"]].tolist() == [0.729, 1.176]
