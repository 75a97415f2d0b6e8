from __future__ import annotations

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skedema import AttentionMixerClassifier
from skedema.datasets import make_head_ct_cohort


@pytest.fixture(autouse=True)
def _figures_closed():
    yield
    plt = pytest.importorskip("matplotlib.pyplot")
    plt.close("all")


@pytest.fixture(scope="package")
def patients():
    """A table with two variables that tell the same, one that tells nothing, and labels."""
    rng = np.random.default_rng(0)
    sodium = rng.normal(138, 5, 120)
    table = pd.DataFrame(
        {
            "sodium": sodium,
            "osmolality": 2 * sodium + rng.normal(0, 0.5, 120),
            "age": rng.uniform(20, 90, 120),
            "noise": rng.normal(size=120),
        }
    )
    return table, np.where(sodium + rng.normal(0, 3, 120) < 137, "edema", "none")


@pytest.fixture(scope="package")
def logistic(patients):
    table, labels = patients
    return make_pipeline(StandardScaler(), LogisticRegression()).fit(table[::2], labels[::2])


@pytest.fixture(scope="package")
def gaps(patients):
    """The same table with gaps: age and noise together, sodium by itself."""
    table = patients[0].copy()
    table.loc[::4, ["age", "noise"]] = np.nan
    table.loc[1::8, "sodium"] = np.nan
    return table


@pytest.fixture(scope="package")
def mixer(gaps, patients):
    clf = AttentionMixerClassifier(max_epochs=3, n_members=1, random_state=0)
    return clf.fit(gaps[::2], patients[1][::2])


@pytest.fixture(scope="session")
def heads(tmp_path_factory):
    """Coarse heads and their table; the first scan is stored the other way round."""
    folder = tmp_path_factory.mktemp("heads")
    made = make_head_ct_cohort(12, folder, shape=[42] * 3, spacing=[5] * 3, random_state=0)
    X, y = made.frame[["scan", "age", "gcs"]], made.target
    image = nib.load(X["scan"].iloc[0])
    affine = image.affine @ np.diag([-1.0, -1, 1, 1])
    affine[:3, 3] += image.affine[:3, :2] @ [41, 41]
    turned = np.asarray(image.dataobj)[::-1, ::-1]
    nib.save(nib.Nifti1Image(turned, affine), folder / "first.nii.gz")
    X.loc[X.index[0], "scan"] = str(folder / "first.nii.gz")
    return pd.DataFrame(X), np.asarray(y)
