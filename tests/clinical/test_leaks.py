from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine

import skedema.datasets._patients as simulated
from skedema.clinical.leaks import find_leaks, warn_of_leaks
from skedema.frames import read_table

from ._table import CLEAN, RNG, N, Y


def texts(X, y=Y, **arguments):
    return [str(leak) for leak in find_leaks(read_table(X), y, **arguments)]


def with_column(values):
    return CLEAN.assign(leak=values)


def test_a_sound_table_has_none():
    assert texts(CLEAN) == []


@pytest.mark.parametrize(
    ("values", "why"),
    [
        (np.where(Y, "yes", "no"), "a value of its own for each class"),
        (Y + 1, "a value of its own for each class"),
        (1 - Y.astype(float), "a value of its own for each class"),
        (pd.Series(np.where(Y, "yes", "no")).where(RNG.random(N) > 0.2), "a value of its own"),
        (np.where(Y, RNG.choice(["left", "right"], N), "none"), "tells y by itself (AUC 1.000"),
        (Y * RNG.integers(1, 4, N), "tells y by itself"),
        (Y + RNG.normal(0, 0.1, N), "tells y by itself"),
        (-Y + RNG.normal(0, 0.1, N), "tells y by itself"),
        (
            np.where(Y, RNG.normal(0, 0.1, N), RNG.choice([-2, 2], N) + RNG.normal(0, 0.5, N)),
            "tells",
        ),
        (np.where(Y, RNG.normal(size=N), np.nan), "by where it is missing (AUC 1.000)"),
    ],
)
def test_a_column_that_gives_the_label_is_found(values, why):
    (text,) = texts(with_column(values))
    assert text.startswith("column 'leak'")
    assert why in text


@pytest.mark.parametrize("n", [20, 24])
def test_agreement_of_few_patients_is_not_enough(n):
    y = np.arange(n) % 2
    X = pd.DataFrame({"sign": y, "value": y + RNG.normal(0, 0.1, n), "age": RNG.normal(size=n)})
    assert texts(X, y) == []


def test_a_value_that_only_one_class_has_is_found():
    y = (np.arange(400) % 5 < 2).astype(int)
    noise = RNG.normal(size=(2, 400))
    drug = np.where((np.arange(400) % 5 == 0) & (np.arange(400) < 200), 1, 0)
    X = pd.DataFrame({"a": noise[0], "b": noise[1], "osmotherapy": drug})
    assert texts(X, y) == ["column 'osmotherapy' is 1 in 40 patients, all of class 1"]
    dose = pd.Series(np.where(drug, RNG.normal(20, 3, 400), np.nan))
    assert "is there in 40 patients, all of class 1" in texts(X.assign(osmotherapy=dose), y)[0]
    assert "is not 0 in 40 patients" in texts(X.assign(osmotherapy=dose.fillna(0)), y)[0]
    once = drug.copy()
    once[np.flatnonzero(y == 0)[0]] = 1  # an exception
    assert texts(X.assign(osmotherapy=once), y) == []
    assert texts(X[:140].assign(osmotherapy=drug[:140]), y[:140]) == []  # 28 without exception


def test_kinds_of_a_disease_are_found_together():
    kind = np.where(Y, RNG.integers(0, 4, N), -1)
    kinds = pd.DataFrame({f"kind_{k}": (kind == k).astype(int) for k in range(4)})
    X = pd.concat([CLEAN, kinds], axis=1)
    (text,) = texts(X)
    assert text.startswith("columns 'kind_0', 'kind_1', 'kind_2', 'kind_3' tell class 1 together")
    assert "'kind_2' is 1" in text
    assert f"{Y.sum()} of its {Y.sum()} patients, and of 0 others" in text
    volumes = kinds * RNG.lognormal(size=(N, 4)).round(1)
    assert "tell class 1 together" in texts(pd.concat([CLEAN, volumes], axis=1))[0]
    assert texts(X, RNG.permutation(Y)) == []


@pytest.mark.parametrize("seed", range(10))
def test_many_columns_of_chance_do_not_tell_a_class_together(seed):
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(rng.random((60, 40)) < rng.uniform(0.02, 0.5, 40)).astype(int)
    assert texts(X.add_prefix("sign"), (rng.random(60) < 0.4).astype(int)) == []


def test_several_classes_are_told_apart_as_well():
    y = np.arange(N) % 3
    assert "a value of its own for each class" in texts(with_column(y + 10.0), y)[0]
    assert "tells y by itself" in texts(with_column(y + RNG.normal(0, 0.05, N)), y)[0]
    assert "tells y by itself" in texts(with_column((y == 1) * 1.0), y)[0]  # one class of three
    assert texts(CLEAN, y) == []


def test_classes_that_are_far_apart_in_most_columns_are_no_leak():
    far = pd.DataFrame(Y[:, None] * 9 + RNG.normal(size=(N, 3)))
    assert texts(far) == []
    others = pd.DataFrame(RNG.normal(size=(N, 6)), columns=list("abcdef"))
    assert len(texts(pd.concat([far.add_prefix("v"), others], axis=1))) == 3


@pytest.mark.parametrize("load", [load_breast_cancer, load_iris, load_wine, load_digits])
def test_toy_datasets_of_scikit_learn_have_none(load):
    X, y = load(return_X_y=True, as_frame=True)
    assert texts(X, y) == []


@pytest.mark.parametrize("n", [20, 50, 100, 400])
def test_simulated_cohorts_have_none(n, monkeypatch):
    monkeypatch.setattr(simulated, "posteriors", lambda *_: None)
    for seed in range(10):
        drawn = simulated.draw_patients(n, 0.15, np.random.SeedSequence([n, seed]))
        assert texts(drawn.clinical, drawn.target) == []


def test_real_exams(real_data):
    cohort = pd.read_csv(real_data / "ct_ich" / "cohort.csv")
    y, X = cohort["ich"], cohort[["age", "sex", "n_slices", "fracture_yes_no"]]
    assert texts(X, y) == []
    assert "'patient' is named like" in texts(X.assign(patient=cohort["patient"]), y)[0]
    assert "strictly increasing" in texts(X.assign(v=cohort["patient"]), y)[0]
    assert "each class of y" in texts(X.assign(bleeds=y.map({0: "no", 1: "yes"})), y)[0]
    kinds = ["intraventricular", "intraparenchymal", "subarachnoid", "epidural", "subdural"]
    (text,) = texts(cohort[[*X, *kinds]], y)
    assert "tell class 1 together" in text
    assert all(kind in text for kind in kinds)


def test_same_table_same_answer_whatever_the_container():
    X = with_column(np.where(Y, "yes", "no"))
    wanted = texts(X)
    assert texts(pl.DataFrame(X.to_dict("list"))) == wanted
    assert texts(X, np.where(Y, "edema", "clear")) == wanted
    assert texts(X.to_numpy(dtype=object)) == [wanted[0].replace("'leak'", "6")]


def test_odd_numbers_and_labels_of_any_kind_are_no_error():
    y = pd.Series(np.where(Y, "edema", "clear"), dtype=object)
    kinds = pd.DataFrame({k: (np.arange(N) % 2 == k) & (Y == 1) for k in range(2)})
    X = pd.concat([CLEAN, kinds.add_prefix("kind")], axis=1)
    assert "tell class 'edema' together" in texts(X, y)[0]
    odd = np.where(Y, 1e300, -1e300) * RNG.uniform(0.1, 1, N)
    odd[::11] = np.inf
    assert "tells y by itself" in texts(with_column(odd))[0]


def test_identifiers_are_found_without_labels():
    assert "increasing" in texts(with_column(np.arange(N)), None)[0]


def test_trusted_columns_are_left_in_peace():
    X = with_column(Y).assign(mrn=RNG.permutation(N))
    assert len(texts(X)) == 2
    assert len(texts(X, trusted=["leak"])) == len(texts(X, trusted=[-2])) == 1
    assert texts(X, trusted=["leak", "mrn"]) == []
    with pytest.raises(ValueError, match=r"trusted_columns='leek'.*'leak'"):
        texts(X, trusted=["leek"])
    with pytest.raises(TypeError, match=r"must be a list of columns, such as \['leak'\]"):
        texts(X, trusted="leak")


def test_one_warning_tells_all_and_its_remedies_work():
    X = with_column(Y).assign(mrn=RNG.permutation(N))
    table = read_table(X)
    with pytest.warns(UserWarning, match="may read the answer off") as caught:
        warn_of_leaks(find_leaks(table, Y), table)
    (message,) = (str(each.message) for each in caught)
    for text in ("column 'leak'", "column 'mrn'", "X.drop(columns=['leak', 'mrn'])"):
        assert text in message
    assert message.endswith("trusted_columns=['leak', 'mrn'].")
    assert texts(eval(message.split("Leave out (")[1].split(") what")[0], {"X": X})) == []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_leaks([], table)


def test_large_tables_are_sampled():
    n = 60_000
    y = np.arange(n) % 2
    noise = RNG.normal(size=(n, 3))
    X = pd.DataFrame(noise, columns=list("abc")).assign(leak=y[::-1] + 0.01 * noise[:, 0])
    assert len(texts(X, 1 - y)) == 1
