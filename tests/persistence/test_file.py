from __future__ import annotations

import subprocess
import sys
import zipfile

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

import skedema
from skedema import AttentionMixerClassifier
from skedema.persistence import ModelFileError

from .._autoencoders import make, make_cohort

rng = np.random.default_rng(0)
X = pd.DataFrame(
    {
        "sodium": rng.normal(138, 5, 60),
        "gcs": rng.integers(3, 16, 60),
        "sex": rng.choice(["f", "m"], 60),
    }
)
X.loc[3, "sodium"] = None
y = np.where(rng.random(60) < 0.5, "no", "yes")


def fitted(**parameters):
    return AttentionMixerClassifier(**{"max_epochs": 2, "random_state": 0, **parameters}).fit(X, y)


def test_a_new_process_predicts_the_same_to_the_bit(tmp_path):
    clf = fitted()
    skedema.save(clf, tmp_path / "model.skedema")
    X.to_pickle(tmp_path / "X.pickle")
    code = (
        "import sys, numpy as np, pandas as pd, skedema, torch\n"
        "torch.set_num_threads(1)\n"
        "clf = skedema.load(sys.argv[1] + '/model.skedema')\n"
        "X = pd.read_pickle(sys.argv[1] + '/X.pickle')\n"
        "np.save(sys.argv[1] + '/proba.npy', clf.predict_proba(X))\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code, tmp_path], check=True)
    assert np.array_equal(np.load(tmp_path / "proba.npy"), clf.predict_proba(X))


def test_a_file_is_an_archive_that_others_read(tmp_path):
    skedema.save(fitted(), tmp_path / "model.skedema")
    with zipfile.ZipFile(tmp_path / "model.skedema") as archive:
        assert archive.testzip() is None
        names = [each.filename for each in archive.infolist()]
        assert names == ["manifest.json", "params.json", "weights.safetensors"]
        assert {each.compress_type for each in archive.infolist()} == {zipfile.ZIP_STORED}


def test_an_autoencoder_comes_back(tmp_path):
    scans, _ = make_cohort(6)
    autoencoder = make(max_epochs=1).fit(scans)
    skedema.save(autoencoder, tmp_path / "encoder.skedema")
    again = skedema.load(tmp_path / "encoder.skedema")
    assert np.array_equal(again.transform(scans), autoencoder.transform(scans))
    assert np.array_equal(again.reconstruct(scans), autoencoder.reconstruct(scans))
    pd.testing.assert_frame_equal(again.history_, autoencoder.history_)
    assert repr(clone(again)) == repr(clone(autoencoder))


def test_what_cannot_be_held_is_named_before_anything_is_written(tmp_path):
    clf = fitted().set_params(callbacks=[print])
    with pytest.raises(ModelFileError, match=r"callbacks.*set_params\(callbacks=None\)"):
        skedema.save(clf, tmp_path / "model.skedema")
    assert list(tmp_path.iterdir()) == []
    skedema.save(clf.set_params(callbacks=None), tmp_path / "model.skedema")
