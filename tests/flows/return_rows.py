"""Rows of SSDA903 returns, written in short for tests."""

import pandas as pd

_DATES = ("start", "end", "born", "born_was", "uasc_until", "year_start", "year_end")


def rows(*given):
    """Make rows of a return: each a mapping of what differs from an ordinary foster placement."""
    usual = {
        "council": "Anyshire",
        "child": "1",
        "start": "2018-06-01",
        "end": None,
        "place": "U4",
        "provider": "PR1",
        "status": "C2",
        "reason": "S",
        "born": "2010-01-01",
        "born_was": None,
        "uasc": False,
        "uasc_until": None,
        "file": "2018-episodes.csv",
        "year_start": "2018-04-01",
        "year_end": "2019-03-31",
    }
    table = pd.DataFrame([usual | {"line": line + 2} | row for line, row in enumerate(given)])
    return table.assign(**{name: pd.to_datetime(table[name]) for name in _DATES})


def year(end):
    """Give what rows of a return of the year to 31 March of ``end`` have."""
    return {
        "file": f"{end}-episodes.csv",
        "year_start": f"{end - 1}-04-01",
        "year_end": f"{end}-03-31",
    }
