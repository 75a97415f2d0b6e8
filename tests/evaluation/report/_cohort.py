"""Patients whom nobody may recognise, and what is on a page of them."""

from __future__ import annotations

import base64
import gzip
import re
from html import unescape

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

N = 60
RNG = np.random.default_rng(0)
PATIENTS = [f"Ward7-{k:03d}" for k in range(N)]
NAMES = [f"Mustermann{k}" for k in range(N)]
NUMBERS = RNG.permutation(80_000_000)[:N] + 10_000_000
X = pd.DataFrame(
    {
        "sodium": RNG.normal(140, 4, N),
        "glucose": np.where(RNG.random(N) < 0.2, np.nan, RNG.normal(7, 2, N)),
        "sex": np.where(RNG.random(N) < 0.5, "female", "male"),
        "patient_name": NAMES,
        "mrn": NUMBERS,
        "admitted": [f"2021-03-{1 + k % 28:02d}" for k in range(N)],
    },
    index=pd.Index(PATIENTS),
)
Y = np.where(X["sodium"] + RNG.normal(0, 3, N) > 141, "edema", "none")
FOLDS = 3


def on(columns, model):
    chosen = make_column_transformer(("passthrough", columns))
    return make_pipeline(chosen, SimpleImputer(), model)


MODELS = {
    "logistic": on(["sodium", "glucose"], LogisticRegression(max_iter=1000, C=0.5)),
    "boosting": on(["glucose"], HistGradientBoostingClassifier(max_iter=5)),
}


def all_that_is_in(html: str) -> str:
    """Give a page as text, with what stands in it in base64, unpacked."""
    parts = [unescape(html)]
    for text in re.findall(r"[A-Za-z0-9+/]{200,}={0,2}", html):
        content = base64.b64decode(text + "=" * (-len(text) % 4))
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
        parts.append(content.decode("latin-1"))
    return "\n".join(parts)


def secrets() -> list[str]:
    """List what may be nowhere in a page."""
    return [*PATIENTS, *NAMES, *map(str, NUMBERS), "patient_name", "mrn", "2021-03-"]
