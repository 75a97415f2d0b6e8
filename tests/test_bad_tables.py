"""Tables as they should not be, and tables that only look so: no case may be silently wrong."""

# ruff: noqa: E501 - a case is a line of its table

from __future__ import annotations

import datetime
import decimal
import re
import warnings
from functools import cache

import nibabel
import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import Callback

from skedema import AttentionMixerClassifier, ClinicalTokenizer, ScanError, VolumeReader
from skedema.encoders import CNN, Encoder

N = 24
Y = np.arange(N) % 2
EPOCHS: list[int] = []


class Watch(Callback):
    """Notes every epoch that ends, so that errors can be shown to come before the first."""

    def on_epoch_end(self, net, **kwargs):
        EPOCHS.append(len(net.history))


def make(**parameters) -> AttentionMixerClassifier:
    settings = {
        "max_epochs": 2,
        "dim": 8,
        "random_state": 0,
        "volume": VolumeReader(shape=8),
        "encoder": CNN(width=4, depth=1),
        "callbacks": [Watch()],
    }
    return AttentionMixerClassifier(**{**settings, **parameters})


def table(**columns) -> pd.DataFrame:
    """Clinical variables of 24 patients, with some columns set or added."""
    rng = np.random.default_rng(0)
    clean = {
        "age": rng.integers(30, 90, N).astype(float),
        "sodium": rng.normal(138, 5, N).round(1),
        "sex": ["f", "m", "m"] * (N // 3),
    }
    return pd.DataFrame({**clean, **columns}, index=range(N))


def polars(frame: pd.DataFrame) -> pl.DataFrame:
    """The same table without pyarrow, which polars' own conversion asks for."""
    return pl.DataFrame(
        {c: [None if pd.isna(v) else v for v in frame[c].tolist()] for c in frame}, strict=False
    )


def cells(values) -> list:
    return [*values][:N] + [None] * (N - len(values))


def but_scan(row: int, value) -> pd.Series:
    column = volumes()
    column[row] = value
    return pd.Series(column, dtype=object)


def every(*values) -> list:
    """The values over and over, one for each patient."""
    return [values[i % len(values)] for i in range(N)]


def but(column: str, row: int, value, dtype=object) -> pd.Series:
    """A clean column with one other cell."""
    values = table()[column].tolist()
    values[row] = value
    return pd.Series(values, dtype=dtype)


def volumes() -> list[np.ndarray]:
    return list(np.random.default_rng(1).normal(40, 10, (N, 8, 8, 8)).astype(np.float32))


def scans(**columns) -> pd.DataFrame:
    """The table with a column of scans."""
    frame = table(**columns)
    if "scan" not in frame:
        frame.insert(0, "scan", pd.Series(volumes(), dtype=object))
    return frame


def fit(X, y=Y, weight=None, **parameters):
    return make(**parameters).fit(X, y, sample_weight=weight)


def again(**parameters) -> AttentionMixerClassifier:
    """A classifier to go on with, whose first training does not count."""
    estimator = fit(table(), **parameters)
    EPOCHS.clear()
    return estimator


@cache
def fitted(kind: str) -> AttentionMixerClassifier:
    if kind == "scans":
        return fit(scans(), image="scan")
    if kind == "array":
        return fit(table()[["age", "sodium"]].to_numpy())
    if kind == "labels":
        return fit(table().set_axis([7, 8, 9], axis=1))
    return fit(table())


def predict(X, kind: str = "table") -> np.ndarray:
    estimator = fitted(kind)
    EPOCHS.clear()
    return estimator.predict_proba(X)


class Bent(Encoder):
    """An encoder whose output has the wrong number of axes."""

    def build(self, *, in_channels, shape):
        return torch.nn.Conv3d(in_channels, 4, 1)


class NoModule(Encoder):
    def build(self, *, in_channels, shape):
        return "no module"


class Features(TransformerMixin, BaseEstimator):
    """A transformer of scans that gives what it was made with."""

    def __init__(self, output="nan"):
        self.output = output

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        if self.output == "nan":
            return np.full((len(X), 3), np.nan)
        if self.output == "rows":
            return np.ones((len(X) - 1, 3))
        return np.array([["text"]] * len(X))


class Infinite(Features):
    """A metadata transformer that gives infinities."""

    def transform(self, X):
        return np.full((len(X), 2), np.inf)


def shuffled(y) -> pd.Series:
    return pd.Series(y).sample(frac=1, random_state=0)


def touch(folder, name: str, content: bytes = b"") -> str:
    path = folder / name
    path.write_bytes(content)
    return str(path)


def absent_from(folder, n_absent: int) -> pd.DataFrame:
    """Scans of which the first few are paths of no file."""
    column = volumes()
    column[:n_absent] = [str(folder / f"gone_{i}.nii.gz") for i in range(n_absent)]
    return scans(scan=pd.Series(column, dtype=object))


def four_d(folder) -> str:
    path = folder / "functional.nii.gz"
    nibabel.save(nibabel.Nifti1Image(np.zeros((4, 4, 4, 3), np.float32), np.eye(4)), path)
    return str(path)


def with_scan(row: int, cell) -> pd.DataFrame:
    column = volumes()
    column[row] = cell
    return scans(scan=pd.Series(column, dtype=object))


DAYS = pd.date_range("2024-03-01", periods=N)
NAN, INF = float("nan"), float("inf")

# id, what is called (with a folder for files), the error, and what its message must say.
BAD = [
    # --- which column is the scan
    ("image_typo", lambda d: fit(scans(), image="scann"), ValueError, "image='scann'", "no such column", "mean 'scan'"),
    ("image_no_such_name", lambda d: fit(table(), image="ct"), ValueError, "image='ct'", "Known: 'age', 'sex', 'sodium'"),
    ("image_position_too_large", lambda d: fit(table(), image=3), ValueError, "image=3", "3 columns", "between 0 and 2"),
    ("image_position_too_small", lambda d: fit(table(), image=-4), ValueError, "image=-4", "3 columns"),
    ("image_name_for_array", lambda d: fit(table().to_numpy(), image="scan"), ValueError, "image='scan'", "no column names", "position as an integer"),
    ("image_bool", lambda d: fit(scans(), image=True), TypeError, "image must be", "True"),
    ("image_float", lambda d: fit(scans(), image=0.0), TypeError, "image must be", "name or the position"),
    ("image_of_numbers", lambda d: fit(scans(), image=("scan", "age")), ValueError, "Column 'age' holds numbers, not scans"),
    ("image_twice", lambda d: fit(scans(), image=["scan", "scan"]), ValueError, r"image=\['scan', 'scan'\]", "'scan' twice"),
    ("image_set", lambda d: fit(scans(), image={"scan"}), TypeError, "image must be", "a list of them", "order"),
    ("image_empty", lambda d: fit(scans(), image=[]), ValueError, r"image=\[\]", "give None"),
    ("scans_in_a_cell", lambda d: fit(scans(scan=but_scan(3, volumes()[:2])), image="scan"), ValueError, "other things in row 3: 'list'", "takes one scan", "groups="),
    ("paths_in_a_cell", lambda d: fit(scans(scan=but_scan(3, ("/a/b.nii", "/a/c.nii.gz"))), image="scan"), ValueError, "other things in row 3: 'tuple'", "takes one scan"),
    ("one_scan_missing_on_disk", lambda d: fit(scans(scan=but_scan(3, "/a/b.nii")), image="scan"), ValueError, f"1 of {N} scans in column 'scan' is not there, in row 3"),
    ("image_label_or_position", lambda d: fit(table().set_axis([1, 0, 2], axis=1), image=0), ValueError, "image=0", "label of one column", r"astype\(str\)"),
    ("image_not_set_paths", lambda d: fit(table(ct=[f"ct/{i}.nii.gz" for i in range(N)])), ValueError, "'ct'", "looks like scans", "image='ct'"),
    ("image_not_set_arrays", lambda d: fit(scans()), ValueError, "'scan'", "looks like scans", "image='scan'"),
    ("image_not_set_few_paths", lambda d: fit(table(note=but("sex", 5, "ct/7.nii"))), ValueError, "'note'", "row 5", "ct/7.nii"),
    ("two_scan_columns", lambda d: fit(scans(ct2=pd.Series(volumes(), dtype=object)), image="scan"), ValueError, "'ct2'", "looks like scans", r"image=\[\.\.\., 'ct2'\]", "drop the column", "takes one scan"),
    # --- what the scan column holds
    ("scan_numbers", lambda d: fit(table(), image="age"), ValueError, "'age'", "numbers, not scans"),
    ("scan_sex", lambda d: fit(table(), image="sex"), ValueError, "'sex'", "rows 0, 1", "'f'", r"\.nii"),
    ("scan_dates", lambda d: fit(table(day=DAYS), image="day"), ValueError, "'day'", "dates or times"),
    ("scan_blank", lambda d: fit(with_scan(4, " "), image="scan"), ValueError, "'scan'", "row 4", "None"),
    ("scan_list", lambda d: fit(with_scan(4, [1, 2]), image="scan"), ValueError, "'scan'", "row 4", "list", "3-D array"),
    ("scan_slice", lambda d: fit(with_scan(4, np.zeros((4, 4))), image="scan"), ValueError, "'scan'", "row 4", "3-D array"),
    ("scan_number_among_scans", lambda d: fit(with_scan(4, 7), image="scan"), ValueError, "'scan'", "row 4", "int"),
    ("scan_one_absent", lambda d: fit(absent_from(d, 1), image="scan"), ScanError, "1 of 24", "'scan'", "row 0", "gone_0", "Mend the paths"),
    ("scan_ten_absent", lambda d: fit(absent_from(d, 10), image="scan"), ScanError, "10 of 24", *[f"gone_{i}" for i in range(10)]),
    ("scan_eleven_absent", lambda d: fit(absent_from(d, 11), image="scan"), ScanError, "11 of 24", "gone_9", "11 in all"),
    ("scan_absent_at_predict", lambda d: predict(absent_from(d, 2), "scans"), ScanError, "2 of 24", "rows 0, 1", "gone_1"),
    ("scan_absent_relative", lambda d: fit(with_scan(3, "nowhere/a.nii"), image="scan"), ScanError, "row 3", "nowhere/a.nii", "working directory"),
    ("scan_absent_index", lambda d: fit(absent_from(d, 1).set_axis([f"P{i}" for i in range(N)]), Y, image="scan"), ScanError, "row 0", "'P0'"),
    ("scan_all_missing", lambda d: fit(scans(scan=None), image="scan"), ValueError, "'scan'", "no scan at all", "encoder=None"),
    ("scan_all_missing_nan", lambda d: fit(scans(scan=NAN), image="scan"), ValueError, "'scan'", "no scan at all"),
    ("scan_empty_file", lambda d: fit(with_scan(2, touch(d, "empty.nii.gz")), image="scan"), ScanError, "empty.nii.gz", "cannot be read"),
    ("scan_garbage", lambda d: fit(with_scan(2, touch(d, "junk.nii", b"junk" * 99)), image="scan"), ScanError, "junk.nii", "cannot be read", "convert"),
    ("scan_garbage_npy", lambda d: fit(with_scan(2, touch(d, "junk.npy", b"junk")), image="scan"), ScanError, "junk.npy", "numpy.save"),
    ("scan_format", lambda d: fit(with_scan(2, touch(d, "a.nrrd", b"NRRD")), image="scan"), ScanError, "a.nrrd", "dcm2niix"),
    ("scan_four_d", lambda d: fit(with_scan(2, four_d(d)), image="scan"), ScanError, "functional", "4 dimensions"),
    ("scan_nan_voxels", lambda d: fit(with_scan(2, np.full((8, 8, 8), NAN)), image="scan"), ScanError, "NaN", "-1024"),
    ("scan_garbage_at_predict", lambda d: predict(with_scan(2, touch(d, "junk.nii", b"junk")), "scans"), ScanError, "junk.nii"),
    # --- numbers that are none
    ("decimal_commas", lambda d: fit(table(crp=every("5,1", "7,25", "0,3"))), ValueError, "'crp'", "numbers as text", "'5,1'", "rows 0, 1", "to_numeric"),
    ("one_decimal_comma", lambda d: fit(table(crp=but("sodium", 7, "5,1"))), ValueError, "'crp'", "row 7", "'5,1'", "decimal comma"),
    ("below_detection", lambda d: fit(table(crp=but("sodium", 7, "<0.5"))), ValueError, "'crp'", "row 7", "'<0.5'", "to_numeric"),
    ("below_detection_all_text", lambda d: fit(table(crp=every("<0.5", "1.2", "3"))), ValueError, "'crp'", "numbers as text", "'<0.5'"),
    ("thousands", lambda d: fit(table(plt=every("150,000", "1 200", "3'000"))), ValueError, "'plt'", "numbers as text"),
    ("units", lambda d: fit(table(dose=every("5 mg", "10mg", "2.5 mg/kg"))), ValueError, "'dose'", "numbers as text", "'5 mg'", "unit"),
    ("units_temperature", lambda d: fit(table(temp=every("37.5 °C", "38,1°C"))), ValueError, "'temp'", "numbers as text"),
    ("laboratory_flags", lambda d: fit(table(k=every("5.2 H", "3.1 L", "4.0"))), ValueError, "'k'", "numbers as text"),
    ("blood_pressure", lambda d: fit(table(bp=every("120/80", "135 / 85"))), ValueError, "'bp'", "numbers as text"),
    ("percent", lambda d: fit(table(hct=every("41%", "38.5 %"))), ValueError, "'hct'", "numbers as text", "'41%'"),
    ("numbers_as_text", lambda d: fit(table(age=[str(i) for i in range(N)])), ValueError, "'age'", "numbers as text", "to_numeric"),
    ("numbers_as_text_array", lambda d: fit(table().astype(str).to_numpy()), ValueError, "Column 0", "numbers as text"),
    ("numbers_few_among_words", lambda d: fit(table(trop=[*["negative"] * 16, *map(str, range(8))])), ValueError, "'trop'", "numbers as text", "rows 16, 17"),
    ("numbers_as_text_nullable", lambda d: fit(table(age=pd.array(every("1", "2"), dtype="string"))), ValueError, "'age'", "numbers as text"),
    ("numbers_as_text_polars", lambda d: fit(pl.DataFrame({"age": every("1", "2")})), ValueError, "'age'", "numbers as text"),
    ("words_among_numbers", lambda d: fit(table(age=but("age", 3, "unknown"))), ValueError, "'age'", "row 3", "'unknown'", "mixes numbers with text"),
    ("words_at_predict", lambda d: predict(table(age=but("age", 3, "unknown"))), ValueError, "'age' is numeric", "row 3", "'unknown'", "to_numeric"),
    ("all_words_at_predict", lambda d: predict(table(age="old")), ValueError, "'age' is numeric", "24 in all", "'old'"),
    ("number_as_text_at_predict", lambda d: predict(table(age=table()["age"].astype(str))), ValueError, "'age' is numeric", "to_numeric"),
    ("word_category_at_predict", lambda d: predict(table(age=pd.Categorical(every("old", "1")))), ValueError, "'age' is numeric", "'old'"),
    ("inf_fit", lambda d: fit(table(age=but("age", 3, INF, float))), ValueError, "'age'", "inf", "row 3", "Use NaN"),
    ("minus_inf_fit", lambda d: fit(table(age=but("age", 3, -INF, float))), ValueError, "'age'", "inf", "row 3"),
    ("inf_predict", lambda d: predict(table(age=but("age", 3, INF, float))), ValueError, "'age'", "inf", "row 3"),
    ("minus_inf_predict", lambda d: predict(table(age=but("age", 3, -INF, float))), ValueError, "'age'", "inf", "row 3"),
    ("inf_float32", lambda d: fit(table(age=but("age", 3, INF, np.float32))), ValueError, "'age'", "inf", "row 3"),
    ("inf_object", lambda d: fit(table(age=but("age", 3, INF))), ValueError, "'age'", "inf", "row 3"),
    ("inf_decimal", lambda d: fit(table(age=but("age", 3, decimal.Decimal("inf")))), ValueError, "'age'", "inf", "row 3"),
    ("inf_nullable", lambda d: fit(table(age=but("age", 3, INF, "Float64"))), ValueError, "'age'", "inf", "row 3"),
    ("inf_polars", lambda d: fit(polars(table(age=but("age", 3, INF, float)))), ValueError, "'age'", "inf", "row 3"),
    ("inf_array", lambda d: fit(np.where(np.arange(N)[:, None] == 3, INF, np.ones((N, 2)))), ValueError, "Column 0", "inf", "row 3"),
    ("inf_longdouble", lambda d: fit(table(age=but("age", 3, np.longdouble("1e400"), np.longdouble))), ValueError, "'age'", "inf", "row 3"),
    ("inf_number_of_a_category", lambda d: predict(table(sex=INF)), ValueError, "'sex'", "inf"),
    ("inf_declared_category", lambda d: fit(table(age=but("age", 3, INF, float)), metadata=ClinicalTokenizer(categorical_features=["age"])), ValueError, "'age'", "inf"),
    ("huge_integer", lambda d: fit(table(age=but("age", 3, 10**400))), ValueError, "'age'", "too large", "row 3"),
    ("huge_integer_predict", lambda d: predict(table(age=but("age", 3, -(10**400)))), ValueError, "'age'", "too large", "row 3"),
    ("complex", lambda d: fit(table(z=1j)), ValueError, "'z'", "[Cc]omplex"),
    ("complex_array", lambda d: fit(np.full((N, 2), 1j)), ValueError, "Complex", "column 0"),
    ("complex_cell", lambda d: fit(table(z=but("age", 3, 1j))), ValueError, "'z'", "[Cc]omplex"),
    # --- text that is no category
    ("free_text", lambda d: fit(table(note=[f"patient {i} fell" for i in range(N)])), ValueError, "'note'", "24 different texts", "Drop the column"),
    ("identifiers", lambda d: fit(table(id=[f"P{i:03}" for i in range(N)])), ValueError, "'id'", "identifiers", r"astype\('category'\)"),
    ("identifiers_few_patients", lambda d: fit(table(id=[f"P{i:03}" for i in range(N)]).iloc[:12], Y[:12]), ValueError, "'id'", "12 different texts"),
    ("blank_text", lambda d: fit(table(sex=but("sex", 3, " "))), ValueError, "'sex'", "blank text", "row 3", "None"),
    ("empty_text", lambda d: fit(table(sex=but("sex", 3, ""))), ValueError, "'sex'", "blank text", "row 3"),
    ("blank_text_predict", lambda d: predict(table(sex=but("sex", 3, "\t"))), ValueError, "'sex'", "blank text", "row 3"),
    ("blank_in_number_at_predict", lambda d: predict(table(age=but("age", 3, ""))), ValueError, "'age' is numeric", "row 3"),
    ("nan_as_text", lambda d: fit(table(sex=but("sex", 3, "nan"))), ValueError, "'sex'", "'nan' as text", "row 3", "Use None"),
    ("excel_error", lambda d: fit(table(sex=but("sex", 3, "#N/A"))), ValueError, "'sex'", "#N/A", "row 3", "Use None"),
    ("excel_error_predict", lambda d: predict(table(sex=but("sex", 3, "#DIV/0!"))), ValueError, "'sex'", "#DIV/0!", "row 3"),
    ("dict_cell", lambda d: fit(table(age=but("age", 3, {"a": 1}))), TypeError, "'age'", "dict", "row 3", "number or a text"),
    ("list_cell", lambda d: fit(table(lab=pd.Series([[1, 2]] * N))), TypeError, "'lab'", "list", "row"),
    ("array_cell", lambda d: fit(table(lab=pd.Series([np.ones(3)] * N))), TypeError, "'lab'", "ndarray", "row"),
    ("object_cell", lambda d: fit(table(sex=but("sex", 3, object()))), TypeError, "'sex'", "object", "row 3"),
    ("bytes_cell", lambda d: fit(table(sex=but("sex", 3, b"f"))), TypeError, "'sex'", "bytes", "row 3", "decode"),
    ("dict_cell_predict", lambda d: predict(table(age=but("age", 3, {"a": 1}))), (TypeError, ValueError), "'age'", "row 3"),
    ("list_category_predict", lambda d: predict(table(sex=but("sex", 3, ["f"]))), TypeError, "'sex'", "list", "row 3"),
    ("struct_polars", lambda d: fit(pl.DataFrame({"a": [{"x": 1}] * N})), TypeError, "'a'", "dict"),
    # --- dates and times
    ("datetime", lambda d: fit(table(day=DAYS)), ValueError, "'day'", "dates or times", "hours since"),
    ("datetime_tz", lambda d: fit(table(day=DAYS.tz_localize("Europe/Rome"))), ValueError, "'day'", "dates or times"),
    ("timedelta", lambda d: fit(table(stay=DAYS - DAYS[0])), ValueError, "'stay'", "total_seconds"),
    ("period", lambda d: fit(table(month=DAYS.to_period("M"))), ValueError, "'month'", "dates or times"),
    ("datetime_objects", lambda d: fit(table(day=pd.Series(cells([datetime.datetime(2024, 3, 1)]), dtype=object))), ValueError, "'day'", "dates or times", "row 0"),
    ("date_among_numbers", lambda d: fit(table(age=but("age", 3, datetime.date(1950, 1, 1)))), ValueError, "'age'", "dates or times", "row 3"),
    ("datetime_array", lambda d: fit(DAYS.to_numpy()[:, None]), ValueError, "Column 0", "dates or times"),
    ("date_text_iso", lambda d: fit(table(day=DAYS.strftime("%Y-%m-%d"))), ValueError, "'day'", "dates or times as text", "to_datetime"),
    ("date_text_european", lambda d: fit(table(day=DAYS.strftime("%d.%m.%Y"))), ValueError, "'day'", "dates or times as text"),
    ("date_text_stamp", lambda d: fit(table(day=DAYS.strftime("%Y-%m-%dT%H:%M:%SZ"))), ValueError, "'day'", "dates or times as text"),
    ("date_text_month", lambda d: fit(table(day=every("3 Mar 2024", "11-Apr-24"))), ValueError, "'day'", "dates or times as text"),
    ("clock_text", lambda d: fit(table(time=every("10:35", "23:05:10"))), ValueError, "'time'", "dates or times as text"),
    ("datetime_predict", lambda d: predict(table(age=DAYS)), ValueError, "'age'", "dates or times"),
    ("polars_date", lambda d: fit(pl.DataFrame({"a": [datetime.date(2024, 1, 1)] * N})), ValueError, "'a'", "dates or times"),
    ("polars_datetime", lambda d: fit(pl.DataFrame({"a": [datetime.datetime(2024, 1, 1)] * N})), ValueError, "'a'", "dates or times"),
    ("polars_duration", lambda d: fit(pl.DataFrame({"a": [datetime.timedelta(hours=1)] * N})), ValueError, "'a'", "dates or times"),
    # --- columns
    ("duplicate_columns", lambda d: fit(pd.concat([table(), table()["age"]], axis=1)), ValueError, "more than one column named 'age'", "duplicated"),
    ("duplicate_columns_predict", lambda d: predict(pd.concat([table(), table()["age"]], axis=1)), ValueError, "more than one column named 'age'"),
    ("mixed_names", lambda d: fit(table().rename(columns={"age": 1})), TypeError, "Column names", r"astype\(str\)"),
    ("column_missing", lambda d: predict(table().drop(columns="sodium")), ValueError, "missing now: 'sodium'", "column of missing values"),
    ("column_extra", lambda d: predict(table(crp=1.0)), ValueError, "not seen in fit: 'crp'"),
    ("column_missing_and_extra", lambda d: predict(table().rename(columns={"sodium": "Sodium "})), ValueError, "missing now: 'sodium'", "not seen in fit: 'Sodium '"),
    ("column_missing_polars", lambda d: predict(polars(table()[["age", "sodium"]])), ValueError, "missing now: 'sex'"),
    ("column_missing_labels", lambda d: predict(table().set_axis([7, 8, 10], axis=1), "labels"), ValueError, "missing now: 9", "not seen in fit: 10"),
    ("scan_column_missing", lambda d: predict(table(), "scans"), ValueError, "missing now: 'scan'"),
    ("array_too_narrow", lambda d: predict(np.ones((3, 2))), ValueError, "2 features", "expecting 3"),
    ("array_too_wide", lambda d: predict(np.ones((3, 3)), "array"), ValueError, "3 features", "expecting 2"),
    ("categorical_unknown", lambda d: fit(table(), metadata=ClinicalTokenizer(categorical_features=["site"])), ValueError, "categorical_features='site'", "no such column"),
    ("categorical_out_of_range", lambda d: fit(table(), metadata=ClinicalTokenizer(categorical_features=[9])), ValueError, "categorical_features=9", "3 columns"),
    ("categorical_a_name", lambda d: fit(table(), metadata=ClinicalTokenizer(categorical_features="sex")), ValueError, "categorical_features='sex'", r"\['sex'\]"),
    ("categorical_none", lambda d: fit(table(), metadata=ClinicalTokenizer(categorical_features=None)), ValueError, "categorical_features=None", "from_dtype"),
    ("row_numbers", lambda d: fit(table(**{"Unnamed: 0": range(N)})), ValueError, "'Unnamed: 0'", "row numbers", "index_col=0"),
    ("label_left_in_table", lambda d: fit(table(edema=Y), pd.Series(Y, name="edema")), ValueError, "'edema' of X is y itself", "drop"),
    ("label_left_in_table_text", lambda d: fit(table(edema=every("no", "yes")), table(edema=every("no", "yes"))["edema"]), ValueError, "'edema' of X is y itself"),
    ("label_left_in_table_bool", lambda d: fit(polars(table(edema=Y == 1)), pl.Series("edema", Y == 1)), ValueError, "'edema' of X is y itself"),
    # --- what is no table
    ("none", lambda d: fit(None), ValueError, "Expected 2D array", "NoneType"),
    ("dict", lambda d: fit(table().to_dict("list")), ValueError, "Expected 2D array", "dict", "pd.DataFrame"),
    ("string", lambda d: fit("cohort.csv"), ValueError, "Expected 2D array", "str", "read_csv"),
    ("one_dimension", lambda d: fit(np.ones(N)), ValueError, "1D array", "Reshape"),
    ("three_dimensions", lambda d: fit(np.ones((N, 2, 2))), ValueError, "3D array"),
    ("series", lambda d: fit(table()["age"]), ValueError, "Series", "to_frame"),
    ("row", lambda d: fit(table().iloc[0]), ValueError, "Series", r"table\.iloc\[\[0\]\]"),
    ("dict_of_columns", lambda d: fit(table().to_dict("list")), ValueError, "got dict", r"pd\.DataFrame\(X\)"),
    ("dict_of_values", lambda d: fit(table().iloc[0].to_dict()), ValueError, "got dict", r"pd\.DataFrame\(\[X\]\)"),
    ("swapped", lambda d: fit(Y, table()), ValueError, "look swapped", r"fit\(X, y\)"),
    ("swapped_series", lambda d: fit(pd.Series(Y), scans(), image="scan"), ValueError, "look swapped"),
    ("swapped_lists", lambda d: fit(Y.tolist(), table().to_numpy().tolist()), ValueError, "look swapped"),
    ("swapped_array", lambda d: fit(Y, table().to_numpy()), ValueError, "look swapped"),
    ("swapped_polars", lambda d: fit(pl.Series(Y), polars(table())), ValueError, "look swapped"),
    ("swapped_column", lambda d: fit(pd.DataFrame({"edema": Y}), table()), ValueError, "look swapped"),
    ("swapped_in_partial_fit", lambda d: make().partial_fit(Y, table(), classes=[0, 1]), ValueError, "look swapped"),
    ("polars_series", lambda d: fit(pl.Series("a", [1.0] * N)), ValueError, "Series", "to_frame"),
    ("lazy_frame", lambda d: fit(polars(table()).lazy()), TypeError, "lazy", "collect"),
    ("sparse_matrix", lambda d: fit(sparse.eye_array(N, format="csr")), TypeError, "[Ss]parse", "toarray"),
    ("no_rows", lambda d: fit(table().iloc[:0], Y[:0]), ValueError, r"0 sample\(s\)"),
    ("no_rows_predict", lambda d: predict(table().iloc[:0]), ValueError, r"0 sample\(s\)"),
    ("no_columns", lambda d: fit(table()[[]]), ValueError, r"0 feature\(s\)"),
    ("ragged_rows", lambda d: fit([[1, 2], [3]], [0, 1]), ValueError, "rows of X differ in length", "1, 2"),
    # --- labels
    ("y_one_class", lambda d: fit(table(), np.zeros(N, int)), ValueError, "one class, 0"),
    ("y_one_class_text", lambda d: fit(table(), ["no"] * N), ValueError, "one class, 'no'"),
    ("y_one_class_after_weights", lambda d: fit(table(), Y, (Y == 0).astype(float)), ValueError, "one class, 0", "weight"),
    ("y_nan", lambda d: fit(table(), np.where(np.arange(N) == 3, NAN, Y)), ValueError, "y contains NaN", "row 3", "notna"),
    ("y_none", lambda d: fit(table(), cells([0, 1, 0, None])), ValueError, "y contains NaN", "rows 3, 4"),
    ("y_na", lambda d: fit(table(), pd.Series(cells([0, 1, 0, None]), dtype="Int64")), ValueError, "y contains NaN", "rows 3"),
    ("y_nan_in_text", lambda d: fit(table(), ["a", "b", NAN] * 8), ValueError, "y contains NaN", "rows 2, 5"),
    ("y_none_polars", lambda d: fit(table(), pl.Series(cells(["a", "b"]))), ValueError, "y contains NaN", "rows 2, 3"),
    ("y_masked", lambda d: fit(table(), np.ma.array(Y, mask=np.arange(N) == 3)), ValueError, "y contains NaN", "row 3"),
    ("y_blank", lambda d: fit(table(), ["a", "b", ""] * 8), ValueError, "y holds no label", "rows 2, 5"),
    ("y_nan_as_text", lambda d: fit(table(), ["a", "b", "nan"] * 8), ValueError, "y holds no label", "'nan'", "rows 2, 5"),
    ("y_inf", lambda d: fit(table(), np.where(np.arange(N) == 3, INF, Y)), ValueError, "y contains inf", "row 3"),
    ("y_continuous", lambda d: fit(table(), np.linspace(0, 1, N)), ValueError, "continuous"),
    ("y_multi_output", lambda d: fit(table(), np.stack([Y, Y + 1], axis=1)), ValueError, "column 1 holds 2 in", "MultiOutput"),
    ("y_frame", lambda d: fit(table(), pd.DataFrame({"a": Y, "b": Y + 1})), ValueError, "column 'b' holds 2 in", "MultiOutput"),
    ("y_dates", lambda d: fit(table(), DAYS), ValueError, "Unknown label type", "datetime"),
    ("y_mixed", lambda d: fit(table(), ["a", 1] * 12), ValueError, "Unknown label type", "int, text", r"astype\(str\)"),
    ("y_too_short", lambda d: fit(table(), Y[:-1]), ValueError, "24 and 23"),
    ("y_too_short_series", lambda d: fit(table(), pd.Series(Y[:-1])), ValueError, "24 and 23"),
    ("y_is_none", lambda d: fit(table(), None), ValueError, "requires y"),
    ("y_shuffled", lambda d: fit(table(), shuffled(Y)), ValueError, "same row labels in another order", r"y\.loc\[X\.index\]"),
    ("y_other_rows", lambda d: fit(table(), pd.Series(Y, index=range(5, N + 5))), ValueError, "do not have the same row labels", "index 0 of X, 5 of y", "to_numpy"),
    ("y_other_labels", lambda d: fit(table(), pd.Series(Y, index=[f"P{i}" for i in range(N)])), ValueError, "do not have the same row labels", "'P0' of y"),
    # --- weights
    ("weight_negative", lambda d: fit(table(), Y, np.where(np.arange(N) == 3, -1.0, 1)), ValueError, "Negative", "sample_weight", "row 3"),
    ("weight_nan", lambda d: fit(table(), Y, np.where(np.arange(N) == 3, NAN, 1)), ValueError, "sample_weight contains NaN", "row 3"),
    ("weight_inf", lambda d: fit(table(), Y, np.where(np.arange(N) == 3, INF, 1)), ValueError, "sample_weight", "inf", "row 3"),
    ("weight_text", lambda d: fit(table(), Y, ["1"] * 23 + ["x"]), ValueError, "sample_weight", "text", "row 23"),
    ("weight_huge", lambda d: fit(table(), Y, np.full(N, 1e308)), ValueError, "sample_weight is too large"),
    ("weight_zero", lambda d: fit(table(), Y, np.zeros(N)), ValueError, "sample_weight", "not zero"),
    ("weight_too_short", lambda d: fit(table(), Y, np.ones(N - 1)), ValueError, "sample_weight", "23 weights for 24"),
    ("weight_two_d", lambda d: fit(table(), Y, np.ones((N, 2))), ValueError, "[Ss]ample.weight"),
    ("weight_shuffled", lambda d: fit(table(), Y, shuffled(np.ones(N))), ValueError, "X and sample_weight", "another order"),
    ("class_weight_unknown", lambda d: fit(table(), Y, class_weight={0: 1, 2: 5}), ValueError, "class_weight", "without one: 1", "unknown: 2"),
    ("class_weight_text_keys", lambda d: fit(table(), Y, class_weight={"0": 1, "1": 5}), ValueError, "class_weight", "unknown: '0', '1'"),
    ("class_weight_negative", lambda d: fit(table(), Y, class_weight={0: 1, 1: -5}), ValueError, "class_weight", "0 or more"),
    ("class_weight_nan", lambda d: fit(table(), Y, class_weight={0: 1, 1: NAN}), ValueError, "class_weight", "finite"),
    ("class_weight_word", lambda d: fit(table(), Y, class_weight="balance"), ValueError, "class_weight", "balanced"),
    # --- plug-ins
    ("encoder_typo", lambda d: fit(scans(), image="scan", encoder="cn"), ValueError, "Unknown encoder 'cn'", "mean 'cnn'"),
    ("encoder_typo_without_scans", lambda d: fit(table(), encoder="vitt"), ValueError, "Unknown encoder 'vitt'", "mean 'vit'"),
    ("fusion_typo", lambda d: fit(table(), fusion="concatenate"), ValueError, "Unknown fusion", "mean 'concat'"),
    ("refiner_typo", lambda d: fit(table(), refiner="mixr"), ValueError, "Unknown refiner", "mean 'mixer'"),
    ("monai_typo", lambda d: fit(scans(), image="scan", encoder="monai:DenseNet12"), ValueError, "MONAI has no network 'DenseNet12'", "mean 'DenseNet121'"),
    ("encoder_class", lambda d: fit(scans(), image="scan", encoder=CNN), TypeError, "CNN is a class", r"CNN\(\)"),
    ("encoder_module", lambda d: fit(scans(), image="scan", encoder=torch.nn.Flatten()), TypeError, "live torch module", "build"),
    ("encoder_number", lambda d: fit(scans(), image="scan", encoder=3), TypeError, "encoder must be", "'cnn'"),
    ("encoder_output_shape", lambda d: fit(scans(), image="scan", encoder=Bent()), TypeError, "tokens, dim", "gave"),
    ("encoder_no_module", lambda d: fit(scans(), image="scan", encoder=NoModule()), TypeError, "NoModule.build must return a torch module", "str"),
    ("transformer_nan", lambda d: fit(scans(), image="scan", encoder=Features("nan")), ValueError, "Features", "not finite"),
    ("transformer_rows", lambda d: fit(scans(), image="scan", encoder=Features("rows")), ValueError, "Features", r"\(0, 3\)", "for 1"),
    ("transformer_text", lambda d: fit(scans(), image="scan", encoder=Features("text")), ValueError, "Features", "numbers"),
    ("transformer_fine_tune", lambda d: fit(scans(), image="scan", encoder=Features(), fine_tune=True), ValueError, "fine_tune=True", "Features", "fine_tune=False"),
    ("metadata_infinite", lambda d: fit(table(), metadata=Infinite()), ValueError, "Infinite", "finite numbers"),
    ("metadata_on_text", lambda d: fit(table(), metadata=StandardScaler()), ValueError, "could not convert string to float"),
    # --- parameters
    ("dim_zero", lambda d: fit(table(), dim=0), ValueError, "'dim'", "0"),
    ("heads_do_not_divide", lambda d: fit(table(), dim=8, n_heads=3), ValueError, "n_heads=3", "dim=8"),
    ("dropout_one", lambda d: fit(table(), dropout=1), ValueError, "'dropout'"),
    ("lr_negative", lambda d: fit(table(), lr=-1), ValueError, "'lr'", "-1"),
    ("lr_nan", lambda d: fit(table(), lr=NAN), ValueError, "'lr'", "nan"),
    ("epochs_zero", lambda d: fit(table(), max_epochs=0), ValueError, "'max_epochs'"),
    ("batch_size_word", lambda d: fit(table(), batch_size="all"), ValueError, "'batch_size'", "auto"),
    ("validation_fraction_zero", lambda d: fit(table(), early_stopping=True, validation_fraction=0), ValueError, "'validation_fraction'"),
    ("early_stopping_few", lambda d: fit(table().iloc[:6], Y[:6], early_stopping=True), ValueError, "early_stopping", "every class", "early_stopping=False"),
    ("volume_type", lambda d: fit(scans(), image="scan", volume=(8, 8, 8)), ValueError, "'volume'", "VolumeReader"),
    ("volume_shape", lambda d: fit(scans(), image="scan", volume=VolumeReader(shape=0)), ValueError, "shape=0", "above 0"),
    ("nested_on_name", lambda d: make(encoder="cnn").set_params(encoder__depth=2), ValueError, "encoder__depth", "encoder='cnn'", r"CNN\(\)"),
    ("nested_on_none", lambda d: make(volume=None).set_params(volume__shape=8), ValueError, "volume__shape", "volume=None", r"VolumeReader\(\)"),
    ("nested_unknown", lambda d: make().set_params(encoder__widht=2), ValueError, "widht", "CNN"),
    # --- going on from an earlier fit
    ("partial_fit_no_classes", lambda d: make().partial_fit(table(), Y), ValueError, "classes must be passed"),
    ("partial_fit_one_class", lambda d: make().partial_fit(table(), Y * 0, classes=[0]), ValueError, "one class"),
    ("partial_fit_label_not_in_classes", lambda d: make().partial_fit(table(), Y + 1, classes=[0, 1]), ValueError, r"none of the classes \[0, 1\]", "rows 1, 3", ": 2"),
    ("partial_fit_new_label", lambda d: again().partial_fit(table(), Y * 2), ValueError, r"none of the classes \[0, 1\]", ": 2"),
    ("partial_fit_other_classes", lambda d: again().partial_fit(table(), Y, classes=[0, 2]), ValueError, r"\[0, 2\] differ", r"\[0, 1\]"),
    ("warm_start_other_columns", lambda d: again(warm_start=True).fit(table(crp=1.0), Y), ValueError, "not seen in fit: 'crp'"),
    ("not_fitted", lambda d: make().predict_proba(table()), ValueError, "not fitted yet"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("call", "error", "patterns"),
    [(*case[1:3], case[3:]) for case in BAD],
    ids=[c[0] for c in BAD],
)
def test_bad_input_says_what_is_wrong(call, error, patterns, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    EPOCHS.clear()
    with pytest.raises(error) as caught:
        call(tmp_path)
    message = str(caught.value)
    assert [p for p in patterns if not re.search(p, message)] == [], message
    assert len(message) < 3000
    assert EPOCHS == [], "the error came after an epoch of training"


def learn(X, y=Y, **parameters) -> np.ndarray:
    return fit(X, y, **parameters).predict_proba(X)


def tiny() -> pd.Series:
    """Values whose range is the smallest that a float64 can tell."""
    return pd.Series(1e-300 * np.arange(N))


def replaced(column: str, row: int, value) -> np.ndarray:
    return predict(table(**{column: but(column, row, value)}))


def fit_with(warning: str, X) -> AttentionMixerClassifier:
    """A classifier whose fit warned of this alone."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        estimator = fit(X)
    assert [bool(re.search(warning, str(w.message))) for w in caught] == [True]
    return estimator


BOOLS = pd.Series(every(True, False, True, True))
CODES = every(1, 2, 3)
UNSEEN = "Treated as missing, since fit did not see them"
EMPTY = "'crp' holds no value at all"
UNLIKE_FIT = "Values unlike all that fit saw: 'age' holds {} in row"

# id, what gives probabilities, what they must equal (None: nothing particular), and the one
# warning that must come (None: none at all).
LEGAL = [
    ("empty_column_in_fit", lambda: learn(table(crp=None)), None, EMPTY),
    ("empty_column_of_floats_in_fit", lambda: learn(table(crp=NAN)), lambda: fit_with(EMPTY, table(crp=None)).predict_proba(table(crp=None)), EMPTY),
    ("empty_columns_in_fit", lambda: learn(table(crp=NAN, pct=None)), None, "Columns 'crp', 'pct' hold no value at all"),
    ("value_where_fit_saw_none", lambda: fit_with(EMPTY, table(crp=None)).predict_proba(table(crp=5.0)), lambda: fit_with(EMPTY, table(crp=None)).predict_proba(table(crp=None)), f"{UNSEEN}: 'crp': no value was seen"),
    ("constant_column", lambda: learn(table(crp=5.0)), None, None),
    ("constant_that_changes", lambda: fit(table(crp=5.0)).predict_proba(table(crp=6.0)), lambda: learn(table(crp=5.0)), None),
    ("one_value_in_fit", lambda: learn(table(crp=cells([5.0]))), None, None),
    ("1e300_in_fit", lambda: learn(table(age=but("age", 3, 1e300))), None, "'age' holds 1e.300 in row 3 .all others 30 to 88"),
    ("1e300_both_signs_in_fit", lambda: learn(table(age=every(1.7e308, -1.7e308, 0.0))), None, None),
    ("1e300_in_predict", lambda: replaced("age", 3, 1e300), lambda: fit(table(), metadata=ClinicalTokenizer(warn_unusual=False)).predict_proba(table(age=but("age", 3, 1e200))), UNLIKE_FIT.format("1e.300")),
    ("1e300_in_predict_float32", lambda: fit(table(), dtype="float32").predict_proba(table(age=-1e300)), None, UNLIKE_FIT.format("-1e.300")),
    ("tiny_range", lambda: learn(table(age=tiny())), None, None),
    ("subnormal_range", lambda: learn(table(age=tiny() * 1e-20)), None, None),
    ("tiny_range_far_off_in_predict", lambda: fit(table(age=tiny())).predict_proba(table(age=1e300)), None, UNLIKE_FIT.format("1e.300")),
    ("unseen_category", lambda: replaced("sex", 3, "x"), lambda: replaced("sex", 3, None), f"{UNSEEN}: 'sex': 'x'"),
    ("unseen_categories_of_two_columns", lambda: fit(table(ward=every("a", "b"))).predict_proba(table(ward="c", sex="x")), None, f"{UNSEEN}: 'sex': 'x'; 'ward': 'c'"),
    ("number_where_fit_saw_text", lambda: replaced("sex", 3, 7), lambda: replaced("sex", 3, None), f"{UNSEEN}: 'sex': '7'"),
    ("categories_by_case_alone", lambda: learn(table(sex=every("m", "M ", "f"))), lambda: learn(table(sex=every("M", "M", "f"))), "case or blanks alone"),
    ("words_of_polars_for_missing", lambda: predict(polars(table(sex=but("sex", 3, "NA")))), lambda: predict(table(sex=but("sex", 3, None))), "'NA' in column 'sex', row 3"),
    ("minus_999", lambda: learn(table(age=but("age", 3, -999))), None, "'age' holds -999 in row 3"),
    ("9999", lambda: learn(table(age=but("age", 3, 9999.0))), None, "'age' holds 9999 in row 3"),
    ("codes_of_two_columns", lambda: learn(table(age=but("age", 3, -9), sodium=but("sodium", 4, 888.0))), None, "'age' holds -9 in row 3 .*'sodium' holds 888 in row 4"),
    ("minus_9_in_predict", lambda: replaced("age", 3, -9), None, UNLIKE_FIT.format(-9)),
    ("an_age_of_350_in_predict", lambda: replaced("age", 3, 350), None, UNLIKE_FIT.format(350)),
    ("999_among_others", lambda: learn(table(age=np.arange(N) // 2 + 990)), None, None),
    ("minus_99_among_others", lambda: learn(table(age=np.arange(N) // 2 - 100)), None, None),
    ("everything_missing_in_predict", lambda: predict(table(age=None, sodium=NAN, sex=pd.NA)), None, None),
    ("everything_missing_of_a_patient_in_fit", lambda: learn(table().mask(pd.Series(np.arange(N) == 3), None)), None, None),
    ("everything_missing_with_scans", lambda: predict(scans(scan=None, age=None, sodium=None, sex=None), "scans"), None, None),
    ("scan_missing_every_spelling", lambda: predict(with_scan(3, pd.NA), "scans"), lambda: predict(with_scan(3, None), "scans"), None),
    ("scan_missing_nan", lambda: predict(with_scan(3, NAN), "scans"), lambda: predict(with_scan(3, None), "scans"), None),
    ("one_patient", lambda: predict(table().iloc[3:4]), lambda: predict(table())[3:4], None),
    ("one_scan", lambda: predict(scans().iloc[3:4], "scans"), lambda: predict(scans(), "scans")[3:4], None),
    ("nullable_dtypes", lambda: learn(table(age=but("age", 3, None, "Int64"), sodium=but("sodium", 4, None, "Float64"), sex=but("sex", 5, None, "string"))), lambda: learn(table(age=but("age", 3, NAN), sodium=but("sodium", 4, NAN), sex=but("sex", 5, None))), None),
    ("pandas_str", lambda: learn(table(sex=but("sex", 5, None, "str"))), lambda: learn(table(sex=but("sex", 5, None))), None),
    ("text_as_category", lambda: learn(table(sex=but("sex", 5, None, "category"))), lambda: learn(table(sex=but("sex", 5, None))), None),
    ("bool_then_objects", lambda: fit(table(dm=BOOLS)).predict_proba(table(dm=[None, *BOOLS[1:]])), lambda: fit(table(dm=BOOLS.astype(float))).predict_proba(table(dm=[NAN, *BOOLS[1:].astype(float)])), None),
    ("bool_nullable", lambda: learn(table(dm=BOOLS.astype("boolean"))), lambda: learn(table(dm=BOOLS.astype(int))), None),
    ("bool_category_then_bool", lambda: fit(table(dm=BOOLS.astype("category"))).predict_proba(table(dm=BOOLS)), lambda: learn(table(dm=BOOLS.astype("category"))), None),
    ("int_category_then_text", lambda: fit(table(site=pd.Categorical(CODES))).predict_proba(table(site=list(map(str, CODES)))), lambda: learn(table(site=pd.Categorical(CODES))), None),
    ("int_category_then_float", lambda: fit(table(site=pd.Categorical(CODES))).predict_proba(table(site=list(map(float, CODES)))), lambda: learn(table(site=pd.Categorical(CODES))), None),
    ("number_then_category", lambda: predict(table(age=table()["age"].astype("category"))), lambda: predict(table()), None),
    ("numbers_said_to_be_codes", lambda: learn(table(site=pd.Categorical(list(map(str, CODES))))), lambda: learn(table(site=CODES), metadata=ClinicalTokenizer(categorical_features=["site"])), None),
    ("age_groups", lambda: learn(table(age=pd.cut(table()["age"], [0, 50, 70, 120]))), None, None),
    ("identifiers_on_purpose", lambda: learn(table(site=pd.Categorical([f"P{i}" for i in range(N)]))), None, None),
    ("column_names_int", lambda: learn(table().set_axis([0, 1, 2], axis=1)), lambda: learn(table()), None),
    ("column_names_int_reordered", lambda: predict(table().set_axis([7, 8, 9], axis=1)[[9, 7, 8]], "labels"), lambda: predict(table().set_axis([7, 8, 9], axis=1), "labels"), None),
    ("column_names_tuples", lambda: learn(table().set_axis(pd.MultiIndex.from_product([["x"], ["a", "b", "c"]]), axis=1)), lambda: learn(table()), None),
    ("reordered_columns", lambda: predict(table()[["sex", "sodium", "age"]]), lambda: predict(table()), None),
    ("reordered_scan_column", lambda: predict(scans()[["sex", "sodium", "scan", "age"]], "scans"), lambda: predict(scans(), "scans"), None),
    ("row_labels", lambda: learn(table().set_axis([f"P{i}" for i in range(N)])), lambda: learn(table()), None),
    ("row_labels_twice", lambda: learn(table().set_axis([0] * N)), lambda: learn(table()), None),
    ("row_labels_shared_with_y", lambda: learn(table().iloc[::-1], pd.Series(Y).iloc[::-1]), None, None),
    ("single_column", lambda: learn(table()[["age"]]), None, None),
    ("single_column_of_scans", lambda: learn(scans()[["scan"]], image="scan"), None, None),
    ("image_position", lambda: learn(scans(), image=0), lambda: learn(scans(), image="scan"), None),
    ("image_negative_position", lambda: learn(scans()[["age", "scan"]], image=-1), lambda: learn(scans()[["age", "scan"]], image=np.int64(1)), None),
    *[(f"dtype_{t}", lambda t=t: predict(table(age=table()["age"].astype(t))), lambda: predict(table()), None) for t in ("uint8", "int8", "int64", "float16", "float32", "longdouble", "UInt8", "Sparse[float]")],
    ("decimals", lambda: predict(table(age=[decimal.Decimal(int(a)) for a in table()["age"]])), lambda: predict(table()), None),
    ("numpy_scalars", lambda: predict(table(age=pd.Series([np.float32(a) for a in table()["age"]], dtype=object))), lambda: predict(table()), None),
    ("polars", lambda: learn(polars(table(age=but("age", 3, None), sex=but("sex", 4, None)))), lambda: learn(table(age=but("age", 3, NAN), sex=but("sex", 4, None))), None),
    ("polars_categories", lambda: learn(polars(table()).with_columns(pl.col("sex").cast(pl.Categorical))), lambda: learn(table()), None),
    ("polars_decimals", lambda: predict(polars(table()).with_columns(pl.col("age").cast(pl.Decimal(10, 2)))), lambda: predict(table()), None),
    ("polars_null_column", lambda: predict(polars(table()).with_columns(sodium=None)), lambda: predict(table(sodium=None)), None),
    ("polars_scans", lambda: learn(pl.DataFrame({"scan": pl.Series(volumes(), dtype=pl.Object), "age": table()["age"].tolist()}), image="scan"), lambda: learn(scans()[["scan", "age"]], image="scan"), None),
    ("array_where_fit_saw_names", lambda: predict(table().to_numpy(dtype=object)), lambda: predict(table()), None),
    ("rows_where_fit_saw_names", lambda: predict(table().to_numpy(dtype=object).tolist()), lambda: predict(table()), None),
    ("names_where_fit_saw_an_array", lambda: predict(table()[["age", "sodium"]], "array"), lambda: predict(table()[["age", "sodium"]].to_numpy(), "array"), "was fitted without feature names"),
    ("masked_array", lambda: predict(np.ma.array(np.full((2, 2), 50.0), mask=[[0, 1], [0, 0]]), "array"), lambda: predict([[50, None], [50, 50]], "array"), None),
    ("fortran_order", lambda: predict(np.asfortranarray(table()[["age", "sodium"]].to_numpy()), "array"), lambda: predict(table()[["age", "sodium"]].to_numpy(), "array"), None),
    ("frame_left_as_it_was", lambda: _unchanged(table(sex=but("sex", 3, None))), None, None),
    ("y_text", lambda: learn(table(), np.where(Y, "yes", "no")), lambda: learn(table()), None),
    ("y_bool", lambda: learn(table(), Y == 1), lambda: learn(table()), None),
    ("y_nullable", lambda: learn(table(), pd.Series(Y, dtype="Int64")), lambda: learn(table()), None),
    ("y_category", lambda: learn(table(), pd.Series(Y).astype(str).astype("category")), lambda: learn(table()), None),
    ("y_polars", lambda: learn(table(), pl.Series(Y)), lambda: learn(table()), None),
    ("y_named_as_a_column", lambda: learn(table(), pd.Series(Y, name="age")), lambda: learn(table()), None),
    ("y_by_case_alone", lambda: learn(table(), every("no", "yes", "Yes")), None, "y has categories .* case or blanks alone: |kept apart"),
    ("column_without_a_name", lambda: learn(table().rename(columns={"age": "Unnamed: 3"})), lambda: learn(table()), None),
    ("y_column", lambda: learn(table(), pd.DataFrame({"y": Y})), lambda: learn(table()), "column-vector y"),
    ("weights_of_one", lambda: fit(table(), Y, pd.Series(np.ones(N))).predict_proba(table()), lambda: learn(table()), None),
    ("infinity_of_a_patient_without_weight", lambda: fit(table(age=[1e300, *table()["age"][1:]]), Y, [0, *[1] * 23]).predict_proba(table()), None, None),
    ("class_weight_of_all", lambda: learn(table(), class_weight={0: 1, 1: 1}), lambda: learn(table()), None),
]  # fmt: skip


def _unchanged(frame: pd.DataFrame) -> np.ndarray:
    before = frame.copy()
    probabilities = learn(frame)
    pd.testing.assert_frame_equal(frame, before)
    return probabilities


@pytest.mark.parametrize(
    ("call", "same", "warning"), [case[1:] for case in LEGAL], ids=[case[0] for case in LEGAL]
)
def test_strange_but_legal_input_gives_probabilities(call, same, warning):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        probabilities = call()
    assert [re.search(warning or "^$", str(w.message)) for w in caught].count(None) == 0, caught
    assert len(caught) == (warning is not None)
    assert np.isfinite(probabilities).all()
    assert (probabilities >= 0).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    if same is not None:
        # A batch of another size is summed in another order.
        close = 1e-6 if len(probabilities) == 1 else 0
        np.testing.assert_allclose(probabilities, same(), rtol=close)


@pytest.mark.parametrize("lr", [1e3, 1e30, 1e150, 1e300])
def test_training_that_explodes_is_an_error_and_never_gives_nan(lr):
    try:
        probabilities = learn(table(), lr=lr, max_epochs=1)
    except FloatingPointError as error:
        message = str(error)
    else:
        message = "Lower lr" if np.isfinite(probabilities).all() else "NaN"
    assert "ower lr" in message
