"""The pages on learning show what the code on them prints."""

import re
from pathlib import Path

import pytest

PAGES = Path(__file__).parents[2] / "docs" / "how-to"


@pytest.mark.parametrize("page", ["calibrate.md", "elicit.md"])
def test_the_page_shows_what_its_code_prints(page, capsys):
    text = (PAGES / page).read_text(encoding="utf-8")
    shown = re.findall(r"```text\n(.*?)```", text, re.DOTALL)
    codes = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    held = {}
    for code, printed in zip(codes, shown, strict=True):
        exec(code, held)  # noqa: S102 - our own page
        assert capsys.readouterr().out == printed
