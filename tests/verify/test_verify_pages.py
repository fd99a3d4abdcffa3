"""The how-to pages on backtests and vintages run as written and print what they show."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared" / "data"


def parts(page, language):
    text = (ROOT / "docs" / "how-to" / page).read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def lines(text):
    return [line.split() for line in text.splitlines() if line.strip()]


def test_the_page_on_vintages_prints_what_it_shows(capsys):
    exec("\n".join(parts("vintages.md", "python")), {})  # noqa: S102 - our own page
    assert lines(capsys.readouterr().out) == lines("\n".join(parts("vintages.md", "text")))


@pytest.mark.slow
@pytest.mark.skipif(not SHARED.exists(), reason="needs ../shared/data")
def test_the_page_on_backtests_prints_what_it_shows(capsys, monkeypatch):
    pytest.importorskip("matplotlib").use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415 - after the backend is chosen

    monkeypatch.chdir(SHARED)
    code = "\n".join(parts("backtest.md", "python"))
    held = {}
    exec(code, held)  # noqa: S102 - our own page
    plt.close("all")
    table, note = parts("backtest.md", "text")
    assert lines(capsys.readouterr().out) == lines(table)
    assert held["table"].attrs["note"] == note.strip()
    assert held["gaps"] == {"201": ["2024/25"]}
    assert held["table"].loc["national_drift", "skill_naive_low"] == pytest.approx(-0.08, abs=0.005)
    assert held["table"].loc["national_drift", "skill_naive_high"] == pytest.approx(0.09, abs=0.005)
