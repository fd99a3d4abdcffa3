import h5py
import numpy as np
import pytest
import xarray as xr
from care_histories import GROUPING, histories_of, truth

from mtfs.flows.fitting import fit_occurrences
from mtfs.io import load_flow, save_flow
from mtfs.vocabulary import MtfsError, PlanError


@pytest.fixture(scope="module")
def model():
    counted = histories_of(truth(1000, seed=7), 1, seed=8)[0].occurrences
    return fit_occurrences(counted, council="Northshire")


@pytest.fixture
def saved(model, tmp_path):
    return save_flow(model, tmp_path / "flow.nc")


def test_a_flow_is_the_same_after_saving(model, saved):
    again = load_flow(saved)
    assert again == model
    assert again.digest == model.digest


def test_the_file_is_readable_without_the_library(model, saved):
    with xr.open_dataset(saved, engine="h5netcdf") as ds:
        assert float(ds["in_care"].sum()) == model.census.count
        assert ds["age"].to_numpy().tolist() == list(GROUPING.age_names)
        rate = ds["exit_rate"].sel(group="other", age="10 to 15", placement="residential")
        np.testing.assert_array_equal(rate, model.rates.mean().exits[0, 3, 3, :, 0])
        np.testing.assert_array_equal(ds["average"], model.average.array)
        assert ds["move_rate"].attrs["units"] == "1/year"
        in_care = ds["in_care"].sel(group="other").sum("age").to_numpy()
    stock = np.bincount(np.array(model.census.placement), minlength=7)
    np.testing.assert_array_equal(in_care, stock)


def edited(saved, **attrs):
    with h5py.File(saved, "r+") as file:
        for name, value in attrs.items():
            if value is None:
                del file.attrs[name]
            else:
                file.attrs[name] = value
    return saved


def test_wrong_files_are_answered(model, saved, tmp_path):
    with pytest.raises(MtfsError, match="there is no such file"):
        load_flow(tmp_path / "none.nc")
    text = tmp_path / "text.nc"
    text.write_text("rates")
    with pytest.raises(MtfsError, match=r"text.nc: is not a NetCDF file"):
        load_flow(text)
    with pytest.raises(MtfsError, match=r"folder .* does not exist"):
        save_flow(model, tmp_path / "away" / "flow.nc")
    with pytest.raises(MtfsError, match="its digest differs"):
        load_flow(edited(saved, digest="0" * 32))
    with pytest.raises(MtfsError, match="'model' is not JSON"):
        load_flow(edited(saved, model="{"))
    with pytest.raises(PlanError, match=r"flow.nc"):
        load_flow(edited(saved, model="{}"))
    with pytest.raises(MtfsError, match=r"is not a fitted flow: expected the attribute 'model'$"):
        load_flow(edited(saved, model=None))
    with pytest.raises(MtfsError, match=r"holds a projection: mtfs.io.load_gap"):
        load_flow(edited(saved, plan="{}"))
