from __future__ import annotations

import shutil

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

from skedema.evaluation import evaluate
from skedema.evaluation._patients import warn_of_shared_patients

from ._cohort import OfNumbers

RNG = np.random.default_rng(0)
X = pd.DataFrame(RNG.normal(size=(80, 3)), columns=["sodium", "glucose", "age"])
Y = (X["sodium"] + RNG.normal(size=80) > 0.3).astype(int)
PATIENTS = np.repeat(np.arange(40), 2)
MODELS = {"lr": LogisticRegression(), "prevalence": DummyClassifier()}
FOLDS = StratifiedKFold(4, shuffle=True, random_state=3)


def test_patient_in_several_rows_is_warned_of():
    indexed = X.set_index(pd.Index([f"P{i}" for i in PATIENTS]))
    with pytest.warns(UserWarning, match=r"40 labels in several rows, such as 'P0'.*groups="):
        evaluate(MODELS, indexed, Y.to_numpy(), cv=3)
    evaluate(MODELS, X.set_index(pd.Index(np.arange(80)[::-1])), Y.to_numpy(), cv=3)
    evaluate(MODELS, indexed, Y.to_numpy(), cv=3, groups=PATIENTS)


def test_scan_in_several_rows_is_warned_of():
    paths = [f"scans/{i}.nii.gz" for i in PATIENTS]
    sex = ["f", "m"] * 40
    for table in (
        pd.DataFrame({"scan": paths, "sex": sex}),
        pl.DataFrame({"scan": paths, "sex": sex}),
        np.array([paths, sex], dtype=object).T,
    ):
        with pytest.warns(UserWarning, match=r"40 scans of column .*0.nii.gz.*groups="):
            evaluate({"any": OfNumbers()}, table, Y, cv=2)
    evaluate({"any": OfNumbers()}, pd.DataFrame({"sex": sex}), Y, cv=2)


@pytest.mark.parametrize("other", ["dotted", "link", "copy"])
def test_one_scan_under_two_names_is_warned_of(tmp_path, other):
    paths = [str(tmp_path / f"{k}.npy") for k in range(80)]
    for k, path in enumerate(paths):
        np.save(path, np.full((2, 2, 2), k))
    table = pd.DataFrame({"scan": paths, "sex": ["f", "m"] * 40})
    evaluate({"any": OfNumbers()}, table, Y, cv=2)
    second = tmp_path / "other.npy"
    if other == "dotted":
        second = str(tmp_path / "." / "3.npy").replace("/3.npy", "/./3.npy")
    elif other == "link":
        second.symlink_to(paths[3])
    else:
        shutil.copy(paths[3], second)
    table.loc[50, "scan"] = str(second)
    with pytest.warns(
        UserWarning, match=r"1 scan of column 'scan' is in several rows.*in rows 3, 50.*groups="
    ):
        evaluate({"any": OfNumbers()}, table, Y, cv=2)
    groups = np.arange(80)
    with pytest.warns(UserWarning, match="one value in groups="):
        evaluate({"any": OfNumbers()}, table, Y, cv=2, groups=groups)
    groups[50] = 3
    evaluate({"any": OfNumbers()}, table, Y, cv=2, groups=groups)


def test_rows_with_the_same_measurements_are_warned_of():
    twice = X.copy()
    twice.iloc[71] = X.iloc[4]
    for table in (twice, pl.DataFrame(twice.to_dict("list")), twice.to_numpy()):
        with pytest.warns(
            UserWarning, match=r"2 rows have the clinical values.*rows 4, 71.*groups="
        ):
            evaluate(MODELS, table, Y, cv=FOLDS)
    all_twice = X[:40].loc[np.repeat(np.arange(40), 2)].reset_index(drop=True)
    with pytest.warns(UserWarning, match="80 rows have the clinical values of another one"):
        evaluate(MODELS, all_twice, Y, cv=FOLDS)
    evaluate(MODELS, all_twice, Y, cv=4, groups=PATIENTS)


def test_rows_that_agree_in_values_which_others_have_too_are_not():
    coarse = X.round(0)
    coarse.iloc[71] = coarse.iloc[4]
    evaluate(MODELS, coarse, Y, cv=FOLDS)
    signs = (X > 0).astype(int)
    evaluate(MODELS, signs, Y, cv=FOLDS)


def test_the_follow_up_of_one_patient_is_not_the_baseline_of_another():
    table = pd.DataFrame({"sex": ["f", "m"] * 40})
    table["baseline"] = [f"scans/{k}-1.nii.gz" for k in range(80)]
    table["followup"] = [f"scans/{k}-2.nii.gz" for k in range(80)]
    carried = table.assign(followup=table["followup"].where(table.index != 3, table["baseline"]))
    evaluate({"any": OfNumbers()}, carried, Y, cv=2)  # a patient's own
    table.loc[50, "followup"] = "scans/7-1.nii.gz"
    message = r"1 scan of columns 'baseline' or 'followup' is in several rows.*in rows 7, 50\."
    with pytest.warns(UserWarning, match=message):
        evaluate({"any": OfNumbers()}, table, Y, cv=2)
    with pytest.warns(UserWarning, match="the scan of columns 'baseline' or 'followup' of 1 pat"):
        warn_of_shared_patients(table[:40], table[40:])
