"""Models of patients whose scans lie in a bucket."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.inspection import permutation_importance

import skedema
from skedema import AttentionMixerClassifier, ViTAutoencoder, VolumeReader
from skedema._features import features
from skedema.baselines import ScanFeatures
from skedema.datasets import make_head_ct_cohort
from skedema.evaluation import evaluate
from skedema.scans import ScanError
from skedema.scans._remote.store import forget
from skedema.scans.cache import volumes

from ._web import web_server

N = 14


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cohort")
    made = make_head_ct_cohort(N, folder, shape=[16] * 3, spacing=[13] * 3, random_state=0)
    return made.frame[["scan", "age", "gcs"]].reset_index(drop=True), np.asarray(made.target)


@pytest.fixture
def far(cohort, s3):
    """The same patients, their scans in a bucket."""
    X = cohort[0].copy()
    for path in X["scan"]:
        s3.upload_file(path, "exams", f"ct/{Path(path).name}")
    X["scan"] = [f"s3://exams/ct/{Path(path).name}" for path in X["scan"]]
    return X


def model(remote=None, **others):
    reader = VolumeReader(spacing=26, shape=8, remote=remote and str(remote))
    return AttentionMixerClassifier(
        image="scan", encoder="cnn", volume=reader, max_epochs=1, random_state=0, **others
    )


def begin_anew():
    skedema.cache.clear()
    forget()


def test_a_model_of_scans_in_a_bucket_is_that_of_the_files(cohort, far, tmp_path):
    X, y = cohort
    here = model().fit(X, y).predict_proba(X)
    begin_anew()
    clf = model(tmp_path / "copies").fit(far, y)
    assert np.array_equal(clf.predict_proba(far), here)
    kept = skedema.cache.info(tmp_path / "copies").loc["remote", "on_disk"]
    assert kept == 2 * N  # a copy and its digest
    assert np.array_equal(clf.predict_proba(X), here)  # of files, too
    importance = permutation_importance(clf, far, y, n_repeats=2, random_state=0)
    assert np.isfinite(importance.importances_mean).all()


def test_evaluation_of_scans_in_a_bucket_is_that_of_the_files(cohort, far, tmp_path):
    X, y = cohort
    here = evaluate({"m": model()}, X, y, cv=2, random_state=0).summary()
    begin_anew()
    there = evaluate({"m": model(tmp_path)}, far, y, cv=2, random_state=0).summary()
    pd.testing.assert_frame_equal(there, here)


def test_volumes_and_features_of_the_files_serve_those_in_a_bucket(cohort, far, tmp_path):
    X, y = cohort
    how = {"fine_tune": False, "memory": str(tmp_path / "memory")}
    model(**how).fit(X, y)
    model(tmp_path / "copies", **how).fit(far, y)  # what their content is, is known from here on
    begin_anew()
    before = volumes.n_reads, features.n_encoded
    model(tmp_path / "copies", **how).fit(far, y)
    assert (volumes.n_reads, features.n_encoded) == before


def test_a_file_that_was_replaced_in_the_bucket_is_read_anew(cohort, far, s3, tmp_path):
    X, y = cohort
    clf = model(tmp_path).fit(far, y)
    before = clf.predict_proba(far)
    s3.upload_file(X["scan"][1], "exams", far["scan"][0].removeprefix("s3://exams/"))
    forget()  # as ten minutes do
    after = clf.predict_proba(far)
    assert np.array_equal(after[1:], before[1:])
    assert not np.array_equal(after[0], before[0])


def test_nothing_is_fetched_unless_asked_and_the_remedy_works(cohort, far, tmp_path):
    y = cohort[1]
    with pytest.raises(ScanError, match=r"'scan' holds addresses in rows 0, .*VolumeReader\(remo"):
        model().fit(far, y)
    clf = model().fit(*cohort)
    with pytest.raises(ScanError, match="holds addresses"):
        clf.predict(far)
    clf.set_params(volume__remote=str(tmp_path))  # what is told, of a model that is fitted
    assert len(clf.predict(far)) == N


def test_what_nobody_can_fetch_is_told_as_that(cohort):
    X, y = cohort
    with pytest.raises(ScanError, match=r"rows 0, .*not fetched by file://; give the path alone"):
        model().fit(X.assign(scan="file://" + X["scan"]), y)
    with pytest.raises(ScanError, match="not fetched by ftp://; copy it to a folder"):
        VolumeReader().read("ftp://host/a.nii.gz")


def test_addresses_with_nothing_there_are_told_at_once(cohort, far, tmp_path):
    far.loc[[2, 5], "scan"] = ["s3://exams/none.nii.gz", "s3://exams/ct/nobody.nii.gz"]
    before = volumes.n_reads
    with pytest.raises(
        ScanError, match=r"2 of 14 addresses in column 'scan' cannot be read, in rows 2, 5: "
    ) as caught:
        model(tmp_path).fit(far, cohort[1])
    assert "s3://exams/none.nii.gz: there is no such file; correct the address" in str(caught.value)
    assert volumes.n_reads == before


def test_what_reads_scans_itself_reads_those_in_a_bucket(cohort, far, tmp_path):
    reader = VolumeReader(spacing=26, shape=8, remote=tmp_path)
    autoencoder = ViTAutoencoder(size="tiny", patch=4, volume=reader, max_epochs=0, random_state=0)
    autoencoder.fit(far["scan"])
    plain = clone(autoencoder).set_params(volume__remote=None).fit(cohort[0]["scan"])
    found = autoencoder.transform(far["scan"])
    assert np.array_equal(found, plain.transform(cohort[0]["scan"]))
    frozen = model().set_params(encoder=FrozenEstimator(autoencoder), volume=None)
    assert len(frozen.fit(far, cohort[1]).predict(far)) == N
    scans = ScanFeatures(image="scan", encoder="cnn", volume=reader, random_state=0)
    assert len(scans.fit_transform(far[["scan"]])) == N


@pytest.mark.slow
def test_several_processes_read_them(cohort, far, tmp_path):
    X, y = cohort
    here = model().fit(X, y).predict_proba(X)
    begin_anew()
    there = model(tmp_path, n_jobs=2).fit(far, y).predict_proba(far)
    assert np.array_equal(there, here)


def test_no_model_warning_or_file_holds_what_signs_an_address(cohort, tmp_path, recwarn):
    X, y = cohort[0].copy(), cohort[1]
    secret = b"S3CRET0F1MONTH"
    with web_server(Path(X["scan"][0]).parent) as server:
        host = server.address.removeprefix("http://")
        X["scan"] = [
            f"http://me:{secret.decode()}@{host}/{Path(path).name}?X-Amz-Signature={secret.decode()}"
            for path in X["scan"]
        ]
        clf = model(tmp_path / "copies", memory=str(tmp_path / "memory")).fit(X, y)
        clf.predict(X)
        evaluate({"m": clone(clf)}, X, y, cv=2).report(tmp_path / "report.html")
        X.loc[3, "scan"] = X["scan"][3].replace("?", "-none?")
        with pytest.raises(ScanError) as caught:
            clf.predict(X)
    (tmp_path / "model.pickle").write_bytes(pickle.dumps(clf))
    told = "".join(str(each.message) for each in recwarn) + str(caught.value) + repr(clf)
    assert secret.decode() not in told
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) > 3 * N
    assert [path for path in written if secret in path.read_bytes()] == []
