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
    fewer_than_none,
    people_changes,
    prevention_problems,
    unlikely_prevention,
)
from mtfs.lines.programme import Programme, Scheme, schemes_of
from mtfs.lines.savings import (
    Delay,
    Deliverable,
    Delivery,
    Saving,
    SavingsTarget,
    ServiceShare,
)

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
    "Deliverable",
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
    "Programme",
    "RiskLine",
    "Saving",
    "SavingsTarget",
    "Scheme",
    "ServiceShare",
    "Source",
    "fewer_than_none",
    "people_changes",
    "prevention_problems",
    "schemes_of",
    "unlikely_prevention",
]
