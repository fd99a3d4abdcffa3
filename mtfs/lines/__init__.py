"""What a council spends, saves and receives; one file a kind."""

from __future__ import annotations

from typing import Annotated

from pydantic import Discriminator

from mtfs.lines.base import Amounts, Line
from mtfs.lines.care import CareLine, Dispersion
from mtfs.lines.contracts import BudgetLine, FeesLine
from mtfs.lines.financing import BalancesLine, CapitalLine
from mtfs.lines.funding import (
    BusinessRates,
    CollectionFund,
    CouncilTax,
    Grant,
    OtherFunding,
    Source,
)
from mtfs.lines.pay import PayLine
from mtfs.lines.pressures import ChangeLine, ContingencyLine, RiskLine
from mtfs.lines.prevention import (
    Instead,
    PeopleChange,
    PreventionLine,
    people_changes,
    prevention_problems,
)
from mtfs.lines.savings import Delay, Delivery, Saving

LINE_KINDS: tuple[type[Line], ...] = (
    CareLine,
    PayLine,
    BudgetLine,
    FeesLine,
    ChangeLine,
    RiskLine,
    ContingencyLine,
    PreventionLine,
    CapitalLine,
    BalancesLine,
)
SOURCE_KINDS: tuple[type[Source], ...] = (
    CouncilTax,
    BusinessRates,
    Grant,
    OtherFunding,
)

AnyLine = Annotated[
    CareLine
    | PayLine
    | BudgetLine
    | FeesLine
    | ChangeLine
    | RiskLine
    | ContingencyLine
    | PreventionLine
    | CapitalLine
    | BalancesLine,
    Discriminator("kind"),
]
AnySource = Annotated[
    CouncilTax | BusinessRates | Grant | OtherFunding,
    Discriminator("kind"),
]

__all__ = [
    "LINE_KINDS",
    "SOURCE_KINDS",
    "Amounts",
    "AnyLine",
    "AnySource",
    "BalancesLine",
    "BudgetLine",
    "BusinessRates",
    "CapitalLine",
    "CareLine",
    "ChangeLine",
    "CollectionFund",
    "ContingencyLine",
    "CouncilTax",
    "Delay",
    "Delivery",
    "Dispersion",
    "FeesLine",
    "Grant",
    "Instead",
    "Line",
    "OtherFunding",
    "PayLine",
    "PeopleChange",
    "PreventionLine",
    "RiskLine",
    "Saving",
    "Source",
    "people_changes",
    "prevention_problems",
]
