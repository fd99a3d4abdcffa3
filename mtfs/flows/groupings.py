"""The standard grouping of placements, by the codes of the SSDA903 return."""

from __future__ import annotations

from mtfs.flows.states import Grouping, Placement

# Codes: Department for Education, "Children looked-after by local authorities in England: guide to
# the SSDA903 collection", placement codes (PLACE) and providers (PLACE_PROVIDER). K3, registered
# supported accommodation, is in the lists since such homes have to register (2023); H5 is not
# registered. T0 to T4 and Z1 bear no provider; a foster home without one is neither in-house nor
# independent, and unknown.
_FOSTER = ("U4", "U5", "U6", "Q2")  # with other carers; Q2 in returns up to 2015
OWN = ("PR1",)  # own provision by the council
_OTHERS = ("PR2", "PR3", "PR4", "PR5")  # other councils, other public, private, voluntary
STANDARD = Grouping(
    placements=(
        Placement(name="in-house foster", codes=_FOSTER, providers=OWN),
        Placement(name="independent foster", codes=_FOSTER, providers=_OTHERS),
        Placement(name="kinship", codes=("U1", "U2", "U3", "Q1")),  # with relatives or friends
        # children's homes, care homes, residential schools
        Placement(name="residential", codes=("K2", "R1", "S1")),
        # semi-independent and supported accommodation, independent living, residential employment
        Placement(name="supported", codes=("H5", "K3", "P2", "P3"), from_age=16),
        Placement(name="secure", codes=("K1", "R5")),  # secure homes; young offender institutions
        # with parents, placed for adoption, NHS and family centres, temporary, other
        Placement(
            name="other",
            codes=(
                *("P1", "A3", "A4", "A5", "A6", "R2", "R3"),
                *("T0", "T1", "T2", "T3", "T4", "Z1"),
            ),
        ),
    )
)
"""in-house and independent foster, kinship, residential, supported (from 16), secure, other"""
