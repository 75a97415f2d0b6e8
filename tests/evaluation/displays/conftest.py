from __future__ import annotations

import pytest
from sklearn.model_selection import RepeatedStratifiedKFold

from skedema.evaluation import evaluate

from ._drawn import EDEMA, KIND, MODELS, RNG, N, X


@pytest.fixture(autouse=True)
def _figures_closed():
    yield
    plt = pytest.importorskip("matplotlib.pyplot")
    plt.close("all")


@pytest.fixture(scope="package")
def once():
    """Two classes, each row predicted once."""
    age = {"age": 20 + 60 * RNG.random(N)}
    return evaluate(MODELS, X, EDEMA, pos_label="edema", subgroups=age, random_state=0)


@pytest.fixture(scope="package")
def twice():
    """Two classes, each row predicted in two repeats."""
    folds = RepeatedStratifiedKFold(n_splits=3, n_repeats=2, random_state=0)
    return evaluate(MODELS, X, EDEMA, cv=folds, pos_label="edema", random_state=0)


@pytest.fixture(scope="package")
def kinds():
    """Three classes."""
    return evaluate(MODELS, X, KIND, cv=3, random_state=0)
