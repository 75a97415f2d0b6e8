"""Commands on a table of addresses."""

from __future__ import annotations

import pandas as pd
import pytest

from skedema.scans._remote.store import forget

from ._options import COLUMNS, SMALL


@pytest.fixture
def far(cohort, s3, tmp_path):
    table = pd.read_csv(cohort, dtype=str, keep_default_na=False)
    for name in table["scan"]:
        s3.upload_file(str(cohort.parent / name), "exams", name)
    table["scan"] = "s3://exams/" + table["scan"]
    table.to_csv(tmp_path / "far.csv", index=False)
    return tmp_path / "far.csv"


def test_nothing_is_fetched_unless_asked(run, far):
    done = run("embed", far, "--image", "scan", "-q")
    assert done.code == 1
    assert "line 2: s3://exams/scans/" in done.err
    assert "nothing is fetched unless --remote DIR names a folder for copies" in done.err


def test_embed_and_predict_give_what_they_give_of_the_files(run, far, cohort, model, tmp_path):
    encoder = ["--image", "scan", "--encoder", "cnn", "--set", "volume__shape=8", "-q"]
    here = run("embed", cohort, *encoder, "-o", tmp_path / "here.csv")
    there = run("embed", far, *encoder, "--remote", tmp_path / "r", "-o", tmp_path / "there.csv")
    assert here.code == there.code == 0, there.err
    tables = [pd.read_csv(tmp_path / f"{name}.csv") for name in ("here", "there")]
    pd.testing.assert_frame_equal(*(table.drop(columns="scan") for table in tables))
    forget()
    here = run("predict", model, cohort, "-q")
    there = run("predict", model, far, "--remote", tmp_path / "r", "-q")
    assert there.out == here.out.replace("scans/", "s3://exams/scans/")


def test_a_model_fitted_of_addresses_names_none(run, far, tmp_path):
    how = [*COLUMNS, *SMALL, "-q", "--remote", tmp_path / "r", "-o", tmp_path / "m.skedema"]
    done = run("fit", far, "--target", "edema", *how)
    assert done.code == 0, done.err
    assert b"s3://" not in (tmp_path / "m.skedema").read_bytes()


def test_check_tells_addresses_with_nothing_there(run, far, s3, tmp_path):
    first = pd.read_csv(far)["scan"][0]
    s3.delete_object(Bucket="exams", Key=first.removeprefix("s3://exams/"))
    done = run("check", far, "--image", "scan", "--remote", tmp_path / "r", "--no-heads", "-q")
    assert done.code == 1
    assert "there is no such file; correct the address" in done.out
