from __future__ import annotations

import re
from html import unescape
from importlib.metadata import version

import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin

from skedema.evaluation._report import Material
from skedema.evaluation._report.methods import methods, written
from skedema.frames import Column, Table


def parameters(page, name):
    part = page.html.split(f">Parameters of {name}<")[1].split("</section>")[0]
    rows = re.findall(r"<tr>\s*<th scope=\"row\">(.*?)</th>(.*?)</tr>", part, re.DOTALL)
    return {name: re.findall(r"<td[^>]*>(.*?)</td>", cells) for name, cells in rows}


def test_every_parameter_is_listed_with_what_was_set(page, result):
    found = parameters(page, "logistic")
    assert set(found) == set(result.estimators["logistic"][0].get_params(deep=True))
    assert found["logisticregression__C"] == ["0.5", "set"]
    assert found["logisticregression__fit_intercept"] == ["True", "default"]


def test_versions_and_seed_are_told(page, result):
    text = unescape(page.html)
    for package in ("scikit-learn", "numpy", "pandas"):
        assert re.search(rf"<dt>{package}</dt><dd>{re.escape(version(package))}</dd>", text)
    assert f"seed of folds and of the bootstrap was {result.random_state}." in text
    assert "3 folds; 40 rows to train and 20 to test on" in text


class Own(ClassifierMixin, BaseEstimator):
    def __init__(self, folder=None):
        self.folder = folder


@pytest.mark.parametrize(
    "value", ["/home/anna/scans", r"C:\scans", ["/home/anna"], {"mrn": 1}, Own("/home/anna")]
)
def test_paths_and_hidden_columns_are_not_written(value):
    material = Material(None, "model", 1, 10, False)
    table = Table([Column("'mrn'", pd.Series(range(20)).to_numpy(float))], ["mrn"], 20)
    material.__dict__["_read"] = (table, {})
    text = written(value, material)
    assert "anna" not in text
    assert "mrn" not in text
    assert "scans" not in text
    assert "sigmoid" in written("sigmoid", material)


def test_without_models_their_parameters_are_not_known(result):
    import dataclasses

    bare = dataclasses.replace(result, estimators={})
    section = methods(Material(bare, "logistic", 1, 10, False))
    assert sum("return_estimator=True" in str(piece) for piece in section.pieces) == 2
