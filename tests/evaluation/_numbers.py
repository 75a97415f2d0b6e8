"""Regressors, with and without quantiles, and patients for them."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import norm
from sklearn.linear_model import LinearRegression

LEVELS = (0.1, 0.5, 0.9)
N = 120
RNG = np.random.default_rng(0)
X = pd.DataFrame({"age": RNG.normal(60, 9, N), "gcs": RNG.integers(3, 16, N).astype(float)})
Y = 0.8 * X["age"] - X["gcs"] + RNG.normal(0, 3, N)
EXACT = norm.ppf(LEVELS) * 3


class WithQuantiles(LinearRegression):
    """Knows how far patients are spread around the line."""

    quantiles = LEVELS

    def predict_quantiles(self, X):
        return self.predict(X)[:, None] + EXACT
