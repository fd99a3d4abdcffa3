"""``ds.mtfs``: one-line doors to what can be asked of a projection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import xarray as xr

from mtfs import ledger, measures

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pandas as pd
    from matplotlib.axes import Axes

    from mtfs import attribution, bridges
    from mtfs.contributions import ItemKind
    from mtfs.explanation import Explanation
    from mtfs.plan import Plan
    from mtfs.shifts import Shift


@xr.register_dataset_accessor("mtfs")
class GapAccessor:
    """What can be asked of a projection; registered as ``ds.mtfs``."""

    def __init__(self, ds: xr.Dataset) -> None:
        self._ds = ds

    def summary(self, *, variable: str = "gap", unit: measures.Unit = "GBP m") -> pd.DataFrame:
        """See :func:`mtfs.summary`."""
        return measures.summary(self._ds, variable=variable, unit=unit)

    def quantiles(
        self, q: Sequence[float] = (0.1, 0.5, 0.9), *, variable: str = "gap"
    ) -> xr.DataArray:
        """See :func:`mtfs.quantiles`."""
        return measures.quantiles(self._ds, q, variable=variable)

    def probability(
        self,
        variable: str = "gap",
        *,
        above: float | xr.DataArray | None = None,
        below: float | xr.DataArray | None = None,
    ) -> xr.DataArray:
        """See :func:`mtfs.probability`."""
        return measures.probability(self._ds, variable, above=above, below=below)

    def reserve_risk(self) -> pd.DataFrame:
        """See :func:`mtfs.reserve_risk`."""
        return measures.reserve_risk(self._ds)

    def pressures(
        self,
        *,
        by: ledger.By = "cause",
        convention: ledger.Convention = "cumulative",
        service: str | None = None,
    ) -> xr.DataArray:
        """See :func:`mtfs.pressures`."""
        return ledger.pressures(self._ds, by=by, convention=convention, service=service)

    def pressure_table(
        self,
        *,
        by: ledger.By = "cause",
        convention: ledger.Convention = "cumulative",
        service: str | None = None,
        year: str | None = None,
        unit: measures.Unit = "GBP m",
    ) -> pd.DataFrame:
        """See :func:`mtfs.pressure_table`."""
        return ledger.pressure_table(
            self._ds, by=by, convention=convention, service=service, year=year, unit=unit
        )

    def savings_by_service(self, *, variable: str = "saving_delivered") -> xr.DataArray:
        """See :func:`mtfs.savings_by_service`."""
        return measures.savings_by_service(self._ds, variable=variable)

    def bridge(
        self,
        *,
        view: bridges.View = "component",
        start: attribution.Start = "base",
        groups: Mapping[str, Iterable[str]] | Literal["each"] | None = None,
        variable: attribution.Stage = "gap",
        convention: attribution.Steps = "cumulative",
    ) -> xr.Dataset:
        """See :func:`mtfs.bridge`."""
        from mtfs import bridges  # noqa: PLC0415 - keeps `import mtfs` light

        return bridges.bridge(
            self._ds,
            view=view,
            start=start,
            groups=groups,
            variable=variable,
            convention=convention,
        )

    def explain(
        self,
        *,
        line: str,
        year: str | None = None,
        draw: int | Literal["plan"] | None = None,
        item_kind: ItemKind | None = None,
    ) -> Explanation:
        """See :func:`mtfs.explain`."""
        from mtfs import explanation  # noqa: PLC0415 - keeps `import mtfs` light

        return explanation.explain(self._ds, line=line, year=year, draw=draw, item_kind=item_kind)

    def sensitivity_table(
        self,
        *,
        shifts: Shift | Iterable[Shift | Mapping[str, Any]] | None = None,
        basis: Literal["plan", "draws"] = "plan",
        convention: ledger.Convention = "cumulative",
        unit: measures.Unit = "GBP m",
    ) -> pd.DataFrame:
        """See :func:`mtfs.sensitivity_table`; draws are those of the projection."""
        from mtfs import sensitivity  # noqa: PLC0415 - keeps `import mtfs` light

        return sensitivity.sensitivity_table(
            self._ds, shifts=shifts, basis=basis, convention=convention, unit=unit
        )

    def tornado(
        self,
        *,
        year: str | None = None,
        variable: str = "gap",
        prob: float = 0.8,
        by: Literal["driver"] | Mapping[str, Sequence[str]] = "driver",
        unit: measures.Unit = "GBP m",
    ) -> pd.DataFrame:
        """See :func:`mtfs.tornado`; draws are those of the projection."""
        from mtfs import sensitivity  # noqa: PLC0415 - keeps `import mtfs` light

        return sensitivity.tornado(
            self._ds, year=year, variable=variable, prob=prob, by=by, unit=unit
        )

    @property
    def plan(self) -> Plan:
        """The plan the projection was made from."""
        from mtfs.io import plan_of  # noqa: PLC0415 - keeps `import mtfs` light

        return plan_of(self._ds)

    @property
    def plot(self) -> PlotAccessor:
        """Pictures of the projection."""
        return PlotAccessor(self._ds)

    def __repr__(self) -> str:
        attrs = self._ds.attrs
        if "plan" not in attrs or "gap" not in self._ds:
            return "<mtfs: not a projection>"
        table = self.summary()
        shown = table[[c for c in table if not str(c).endswith("_se")]].copy()
        if "plan_enough" in shown:
            shown["plan_enough"] = shown["plan_enough"].map("{:.0%}".format)
        years = self._ds["year"].to_numpy()
        return (
            f"{attrs['council']}: gap {years[0]} to {years[-1]}, GBP m ({attrs['n_draws']:,} draws"
            + (f", seed {attrs['seed']}" if "seed" in attrs else "")
            + f", closure {attrs['closure']})\n{shown.to_string(float_format='{:.1f}'.format)}"
        )


class PlotAccessor:
    """Pictures of a projection; ``ds.mtfs.plot``."""

    def __init__(self, ds: xr.Dataset) -> None:
        self._ds = ds

    def fan(self, *, variable: str = "gap", ax: Axes | None = None) -> Axes:
        """Draw the fan of a variable with the plan's own line. See :func:`mtfs.plot.fan`."""
        from mtfs import plot  # noqa: PLC0415 - keeps `import mtfs` light

        bands = measures.quantiles(
            self._ds, (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95), variable=variable
        )
        planned = self._ds.get(f"planned_{variable}")
        axes = plot.fan(bands, planned=planned, ax=ax)
        axes.set_title(str(self._ds.attrs.get("council", "")))
        return axes

    def waterfall(
        self,
        *,
        year: str | None = None,
        view: bridges.View = "component",
        by: attribution.By = "component",
        start: attribution.Start = "base",
        variable: attribution.Stage = "gap",
        convention: attribution.Steps = "cumulative",
        ax: Axes | None = None,
    ) -> Axes:
        """Draw the bridge to the gap of a year. See :func:`mtfs.plot.waterfall`."""
        from mtfs import attribution, plot  # noqa: PLC0415 - keeps `import mtfs` light

        bridge = GapAccessor(self._ds).bridge(
            view=view, start=start, variable=variable, convention=convention
        )
        return plot.waterfall(attribution.bridge_table(bridge, by=by, year=year), ax=ax)

    def tornado(
        self,
        *,
        year: str | None = None,
        variable: str = "gap",
        prob: float = 0.8,
        by: Literal["driver"] | Mapping[str, Sequence[str]] = "driver",
        ax: Axes | None = None,
    ) -> Axes:
        """Draw how far each driver alone swings a variable. See :func:`mtfs.plot.tornado`."""
        from mtfs import plot  # noqa: PLC0415 - keeps `import mtfs` light

        table = GapAccessor(self._ds).tornado(year=year, variable=variable, prob=prob, by=by)
        axes = plot.tornado(table, ax=ax)
        axes.set_title(str(self._ds.attrs.get("council", "")))
        return axes
