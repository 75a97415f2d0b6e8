from __future__ import annotations

import pandas as pd
import pytest

from ._options import SMALL

PAIR = ["--image", "baseline", "--image", "followup"]


@pytest.fixture(scope="module")
def pairs(cohort, tmp_path_factory):
    """Write a table of a patient's scans in two columns, some of them missing."""
    table = pd.read_csv(cohort).rename(columns={"scan": "baseline"})
    table["followup"] = table["baseline"].iloc[::-1].to_numpy()
    table.loc[[2, 5], "followup"] = None
    path = cohort.parent / "pairs.csv"
    table[["patient", "baseline", "followup", "age", "gcs", "edema"]].to_csv(path, index=False)
    return path


def test_a_model_of_two_scans_is_fitted_and_asked(run, pairs, tmp_path):
    model = tmp_path / "model.skedema"
    ended = run("fit", pairs, "--target", "edema", "--id", "patient", *PAIR, *SMALL, "-o", model)
    assert ended.code == 0, ended.err
    ended = run("predict", model, pairs, "-o", tmp_path / "told.csv")
    assert ended.code == 0, ended.err
    told = pd.read_csv(tmp_path / "told.csv")
    assert told["missing"].str.contains("followup", na=False).sum() == 2
    line = ["--row", 2]
    for options, message in (
        (["--scan"], "--image baseline or --image followup"),
        (["--image", "age"], "the model has the scans 'baseline', 'followup'"),
    ):
        ended = run("explain", model, pairs, *line, *options)
        assert ended.code != 0
        assert message in " ".join(ended.err.split())


def test_columns_are_named_once(run, pairs):
    for other in ("baseline", "edema"):
        ended = run("check", pairs, "--target", "edema", *PAIR, "--image", other)
        assert ended.code != 0
        assert f"'{other}' is given as --image" in " ".join(ended.err.split())


def test_one_column_in_a_file_of_options_may_stand_by_itself(run, pairs, tmp_path):
    options = tmp_path / "options.toml"
    for image in ('"baseline"', '["baseline"]'):
        options.write_text(f'image = {image}\nid = "patient"\ndrop = "followup"\n')
        ended = run("embed", pairs, "--config", options, *SMALL, "-o", tmp_path / "numbers.csv")
        assert ended.code == 0, ended.err
    assert len(pd.read_csv(tmp_path / "numbers.csv")) == 40
    ended = run("embed", pairs, *PAIR, *SMALL, "-o", tmp_path / "numbers.csv")
    assert ended.code == 0, ended.err
    both = pd.read_csv(tmp_path / "numbers.csv")
    assert both.filter(like="followup: ").isna().any(axis=1).sum() == 2
