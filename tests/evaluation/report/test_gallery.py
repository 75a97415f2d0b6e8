from __future__ import annotations

import numpy as np
import pandas as pd

from skedema.evaluation import evaluate
from skedema.evaluation._report import Material
from skedema.evaluation._report.gallery import mistakes

from .._cohort import MODELS, PATIENTS, X, Y


def test_mistakes_are_the_surest_and_one_a_patient():
    result = evaluate(MODELS, X, Y, cv=3, groups=PATIENTS, random_state=0)
    found = mistakes(Material(result, "good", 5, 10, False))
    table = result.predictions.query("estimator == 'good' and label != predicted")
    sure = np.where(table["predicted"] == 1, table["probability"], 1 - table["probability"])
    by_patient = pd.Series(sure).groupby(PATIENTS[table["row"]]).max().sort_values(ascending=False)
    assert [each.probability for each in found] == by_patient.iloc[:5].tolist()
    assert [PATIENTS[each.row] for each in found] == by_patient.index[:5].tolist()
    assert all(each.label == Y[each.row] != each.predicted for each in found)


def test_without_scans_what_is_known_of_a_patient_is_told(page):
    part = page.html.split('id="error-gallery"')[1].split('id="methods"')[0]
    assert part.count("<h3") == 4
    assert "<dt>sodium</dt>" in part
    assert "The table has no scans." in part


def test_gallery_can_be_left_out(result):
    html = result.report(sections=["gallery"], n_cases=0).html
    assert "Patient 1" not in html
    assert "n_cases=0" in html
