from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

from skedema import ClinicalTokenizer
from skedema.clinical.usual import learn_usual
from skedema.datasets._patients import draw_patients

RNG = np.random.default_rng(0)
AGE = RNG.integers(18, 96, 60).astype(float)
SODIUM = RNG.normal(138, 5, 60).round()
CRP = np.exp(RNG.normal(2, 1.6, 60)).round(1)
TROPONIN = np.exp(RNG.normal(3.5, 1.7, 60)).round()
EXCESS = RNG.normal(-1, 4, 60).round()
PLATELETS = RNG.uniform(20, 780, 60).round()
STANDARD = RNG.normal(size=60)
SMOKER = (AGE > 60).astype(float)
BLEEDS = np.where(np.arange(60) % 6 == 0, np.arange(60) / 2 + 1, 0)
SOUND = {
    "age": AGE,
    "sodium": SODIUM,
    "crp": CRP,
    "troponin": TROPONIN,
    "excess": EXCESS,
    "platelets": PLATELETS,
    "standard": STANDARD,
    "smoker": SMOKER,
    "bleeds": BLEEDS,
}


def with_value(values: np.ndarray, *others: float) -> np.ndarray:
    changed = values.copy()
    changed[3 : 3 + len(others)] = others
    return changed


def warned(call) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    return [str(w.message) for w in caught]


@pytest.mark.parametrize("name", SOUND)
def test_sound_columns_are_not_suspicious(name):
    assert learn_usual(SOUND[name]).odd == frozenset()


@pytest.mark.parametrize("rows", [12, 30, 80, 400])
@pytest.mark.parametrize("sigma", [0.3, 1.0, 2.0])
def test_laboratory_values_over_decades_are_not_suspicious(sigma, rows):
    rng = np.random.default_rng(1)
    suspicious = 0
    for _ in range(100):
        usual = learn_usual(np.exp(rng.normal(3, sigma, rows)))
        suspicious += bool(usual.odd)
        suspicious += bool(usual.is_far(np.exp(rng.normal(3, sigma, rows))).any())
    assert suspicious <= 2


def test_simulated_cohorts_are_not_suspicious():
    for seed in range(5):
        frame = draw_patients(150, 0.15, np.random.SeedSequence(seed)).clinical
        assert warned(lambda f=frame: ClinicalTokenizer().fit(f[:100]).transform(f)) == []


@pytest.mark.parametrize(
    ("values", "wrong"),
    [
        (AGE, 650),  # 65, a comma lost
        (AGE, 350),
        (SODIUM, 1400),
        (SODIUM, 14),
        (SODIUM, 13900),
        (CRP, 1e6),
        (EXCESS, 400),
        (STANDARD, -1e4),
        (np.concatenate([np.zeros(168), np.arange(32.0) + 1]), 1000),
        (np.where(np.arange(60) % 4, 15.0, 12.0), 1500),
        (np.full(60, 4.0), 400),
    ],
)
def test_a_typing_error_is_far_in_fit_and_after(values, wrong):
    assert learn_usual(with_value(values, wrong)).odd == {wrong}
    assert learn_usual(values).is_far(np.array([wrong, values[0]])).tolist() == [True, False]


def test_several_typing_errors_are_found():
    assert learn_usual(with_value(SODIUM, 1400.0, 1370.0, 14.0)).odd == {1400, 1370, 14}


CODED = [
    (AGE, -1),
    (AGE, -9),
    (AGE, 999),
    (AGE, 888),
    (SODIUM, 9999),
    (SODIUM, 777),
    (CRP, -99),
    (SMOKER, 9),
    (SMOKER, -1),
    (EXCESS, -999),
    (EXCESS, 99),
    (PLATELETS, 8888),
]


@pytest.mark.parametrize(("values", "code"), CODED)
def test_a_code_for_not_known_is_found_in_fit_and_after(values, code):
    assert learn_usual(with_value(values, code)).odd == {code}
    assert learn_usual(with_value(values, *[code] * 9)).odd == {code}
    after = learn_usual(values).is_code(np.array([code, values[0]]))
    assert after.tolist() == [True, False]


@pytest.mark.parametrize(
    ("values", "code"),
    [
        (EXCESS, -1),
        (EXCESS, -9),
        (STANDARD, -1),
        (PLATELETS, 777),
        (AGE, 99),
        (AGE, 88),
        (np.where(SMOKER == 1, 1.0, -1.0), -1),
        (np.zeros(60), 9),
    ],
)
def test_a_number_that_could_be_a_value_is_not_taken_for_a_code(values, code):
    assert code not in learn_usual(with_value(values, code)).odd
    assert not learn_usual(values).is_code(np.array([float(code)])).any()


def test_a_heap_at_the_edge_is_a_code():
    values = np.arange(100.0, 700.0, 5)
    assert learn_usual(np.append(values, 999.0)).odd == frozenset()
    assert learn_usual(np.append(values, [999.0] * 4)).odd == {999}


def test_one_warning_lists_all_columns_and_rows():
    frame = pd.DataFrame(SOUND).assign(
        age=with_value(AGE, -9.0, -9.0), sodium=with_value(SODIUM, 1400.0)
    )
    (message,) = warned(lambda: ClinicalTokenizer().fit(frame))
    assert "'age' holds -9 in rows 3, 4" in message
    assert "'sodium' holds 1400 in row 3 (all others 12" in message
    assert warned(lambda: ClinicalTokenizer(warn_unusual=False).fit(frame)) == []


def test_what_fit_warned_of_is_not_warned_of_again():
    frame = pd.DataFrame({"sodium": with_value(SODIUM, 1400.0, -9.0)})
    with pytest.warns(UserWarning, match="unlike all others"):
        tokenizer = ClinicalTokenizer().fit(frame)
    assert warned(lambda: tokenizer.transform(frame)) == []
    assert tokenizer.low_[0] == SODIUM[5:].min()
    frame.loc[7] = 1390.0
    (message,) = warned(lambda: tokenizer.transform(frame))
    assert "'sodium' holds 1390 in row 7 (fit saw" in message


def test_the_remedy_of_the_warning_works():
    df = pd.DataFrame({"sodium": with_value(SODIUM, 999.0)})
    with pytest.warns(UserWarning, match="unlike all others"):
        ClinicalTokenizer().fit(df)
    for column, value in [("sodium", 999)]:
        df[column] = df[column].replace(value, None)
    assert np.isnan(ClinicalTokenizer().fit_transform(df)[3, 0])


@pytest.mark.parametrize("factor", [100, 1000])
def test_a_slip_of_two_places_is_told_however_heavy_the_tail(factor):
    rng = np.random.default_rng(0)
    for _ in range(50):
        values = np.exp(rng.exponential(1.5, 40))  # a power law: its mean is not finite
        wrong = values.max() * factor
        assert wrong in learn_usual(np.append(values, wrong)).odd
        assert learn_usual(values[values < np.sort(values)[-3]]).is_far(np.array([wrong])).all()
