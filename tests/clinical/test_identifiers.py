from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from skedema.clinical._identifiers import identifying, is_identifier_name
from skedema.frames import read_table

RNG = np.random.default_rng(0)


def found(values, name="x"):
    (column,) = read_table(pd.DataFrame({name: values})).columns
    return identifying(name, column)


@pytest.mark.parametrize(
    "name",
    [
        *("id", "ID", "Id1", "patient_id", "PatientID", "study id", "subject-id", "patientid"),
        *("StudyInstanceUID", "mrn", "MRN", "accession", "accession_number", "index", "case"),
        *("patient_no", "patient.nr", "hospital_number", "row_index", "scanNo"),
    ],
)
def test_names_of_identifiers_are_known(name):
    assert is_identifier_name(name)
    assert "named like an identifier" in found(RNG.integers(0, 9999, 30) + 0.0, name)


@pytest.mark.parametrize(
    "name",
    [
        *("acid", "hybrid", "width", "lipid", "lipids", "uric_acid", "opioids", "covid", "rapid"),
        *("body_mass_index", "shock index", "no_of_lesions", "number_of_lesions", "site_code"),
        *("idh_mutation", "dosage", "steroid", "hematocrit", "midline_shift", "icp_key_value"),
    ],
)
def test_names_with_the_letters_of_one_are_not(name):
    assert not is_identifier_name(name)


def test_a_name_alone_is_not_enough():
    assert found([1.0, 2.0] * 20, "case") is None  # case or control
    assert found(RNG.integers(0, 5, 40), "site_id") is None
    assert found(RNG.normal(size=40), "index") is None
    assert "20 values in 40 rows" in found(np.repeat([f"P{k}" for k in range(20)], 2), "patient_id")


def test_integers_that_only_rise_or_fall_count_rows():
    rising = np.cumsum(RNG.integers(1, 90, 12))
    assert "strictly increasing" in found(rising)
    assert "strictly decreasing" in found(-rising)
    assert found(rising[RNG.permutation(12)]) is None
    assert found(np.sort(RNG.normal(size=12))) is None  # a table that was sorted by a measurement
    assert found(np.sort(RNG.integers(18, 95, 300))) is None
    assert found(rising[:9]) is None
    assert "strictly increasing" in found([*rising, np.nan])


def test_numbers_that_are_all_different_in_a_narrow_range_number_patients():
    assert "no two of them equal" in found(RNG.permutation(82) + 49)
    assert "no two of them equal" in found(RNG.choice(150, 82, replace=False))
    assert found(np.append(RNG.permutation(81), 7)) is None
    assert "eight digits" in found(RNG.integers(10**7, 10**9, 30))


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("n", [10, 20, 50])
def test_measurements_that_are_all_different_by_chance_are_not(seed, n):
    rng = np.random.default_rng(seed)
    for values in (
        rng.permutation(np.arange(18, 98))[:n],  # ages, made all different
        np.exp(rng.normal(5.6, 0.6, n)).round(),  # enzymes
        rng.normal(1.3e6, 1e5, n).round(),  # mm3
        rng.normal(235_000, 62_000, n).round(-3),  # platelets a microlitre
        rng.normal(4.5e12, 5e11, n).round(-10),  # red cells a litre
    ):
        assert found(values) is None or len(set(values)) ** 2 > 20 * np.ptp(values)


DAYS = pd.date_range("2019-11-03", periods=60, freq="37D")


@pytest.mark.parametrize(
    ("values", "what"),
    [
        (DAYS.strftime("%Y%m%d").astype(int), "year, month, day"),
        (DAYS.strftime("%d%m%Y").astype(int), "day, month, year"),
        (DAYS.strftime("%Y%m").astype(int), "year, month"),
        (DAYS.year, "years, from 2019 to 2025"),
        (DAYS.as_unit("s").asi8, "seconds since 1970"),
        (DAYS.as_unit("ms").asi8, "milliseconds since 1970"),
        ((DAYS - pd.Timestamp("1899-12-30")).days, "days of a spreadsheet"),
    ],
)
def test_dates_as_numbers_are_told(values, what):
    values = np.array(values)[RNG.permutation(60)]
    assert what in found(values)
    assert what in found([*values, np.nan])


def test_numbers_in_the_range_of_dates_are_none():
    assert found(RNG.normal(1300, 100, 60).round()) is None  # ml
    assert found(RNG.integers(32, 50, 60) * 1000) is None  # albumin, mg/l
    assert found(RNG.integers(10, 20, 60) * 1e8) is None  # white cells a litre
    assert found(RNG.integers(1500, 2600, 60)) is None
