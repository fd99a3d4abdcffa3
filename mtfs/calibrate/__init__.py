"""Drivers learnt from history, or from experts where there is none.

Names are loaded when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mtfs.lazy import loader

if TYPE_CHECKING:
    from mtfs.calibrate.correlations import FittedCorrelations, fit_correlations
    from mtfs.calibrate.delivery import FittedDelivery, fit_savings_delivery
    from mtfs.calibrate.elicitation import Elicited, elicit
    from mtfs.calibrate.overspends import FittedOverspend, fit_overspend
    from mtfs.calibrate.panel import forecast_panel
    from mtfs.calibrate.panel_drivers import PanelDriver, panel_driver
    from mtfs.calibrate.pooling import Pooled, pool_experts
    from mtfs.calibrate.priors import ENGLAND, GrowthPrior
    from mtfs.calibrate.single import FittedDriver, fit_driver
    from mtfs.calibrate.splits import FittedSplit, GrowthSplit, split_growth
    from mtfs.calibrate.texts import plan_text

_HOMES = {
    "ENGLAND": "mtfs.calibrate.priors",
    "Elicited": "mtfs.calibrate.elicitation",
    "FittedCorrelations": "mtfs.calibrate.correlations",
    "FittedDelivery": "mtfs.calibrate.delivery",
    "FittedDriver": "mtfs.calibrate.single",
    "FittedOverspend": "mtfs.calibrate.overspends",
    "FittedSplit": "mtfs.calibrate.splits",
    "GrowthPrior": "mtfs.calibrate.priors",
    "GrowthSplit": "mtfs.calibrate.splits",
    "PanelDriver": "mtfs.calibrate.panel_drivers",
    "Pooled": "mtfs.calibrate.pooling",
    "elicit": "mtfs.calibrate.elicitation",
    "fit_correlations": "mtfs.calibrate.correlations",
    "fit_driver": "mtfs.calibrate.single",
    "fit_overspend": "mtfs.calibrate.overspends",
    "fit_savings_delivery": "mtfs.calibrate.delivery",
    "forecast_panel": "mtfs.calibrate.panel",
    "panel_driver": "mtfs.calibrate.panel_drivers",
    "plan_text": "mtfs.calibrate.texts",
    "pool_experts": "mtfs.calibrate.pooling",
    "split_growth": "mtfs.calibrate.splits",
}

__all__ = [
    "ENGLAND",
    "Elicited",
    "FittedCorrelations",
    "FittedDelivery",
    "FittedDriver",
    "FittedOverspend",
    "FittedSplit",
    "GrowthPrior",
    "GrowthSplit",
    "PanelDriver",
    "Pooled",
    "elicit",
    "fit_correlations",
    "fit_driver",
    "fit_overspend",
    "fit_savings_delivery",
    "forecast_panel",
    "panel_driver",
    "plan_text",
    "pool_experts",
    "split_growth",
]


__getattr__ = loader(__name__, _HOMES)


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted(__all__)
