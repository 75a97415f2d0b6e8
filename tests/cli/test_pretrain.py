from __future__ import annotations

import numpy as np
import pandas as pd

from skedema import ViTAutoencoder
from skedema.cli._model import load_model

from ._options import SMALL

TINY = [
    *("--set", "size=tiny", "--set", "max_epochs=1", "--set", "volume__shape=16"),
    *("--set", "volume__spacing=13", "--set", "check=0"),
]


def test_an_encoder_is_pre_trained_kept_and_used(run, cohort, tmp_path, monkeypatch):
    arguments = [cohort, "--image", "scan", *TINY, "--checkpoints", tmp_path / "checkpoints"]
    out = tmp_path / "encoder.skedema"
    ended = run("pretrain", *arguments, "-o", out, "-q")
    assert ended.code == 0, ended.err
    assert ended.out == f"{out}\n"
    assert any((tmp_path / "checkpoints").iterdir())

    table = pd.read_csv(cohort)
    scans = [str(cohort.parent / scan) for scan in table["scan"]]
    expected = load_model(out, "encoder")["model"].transform(scans)
    features = tmp_path / "features.csv"
    ended = run("embed", cohort, "--image", "scan", "--encoder", out, "-o", features, "-q")
    assert ended.code == 0, ended.err
    found = pd.read_csv(features)
    assert list(found)[:3] == ["row", "scan", "vitautoencoder0"]
    assert found["row"].tolist() == [f"line {k + 2}" for k in range(len(table))]
    np.testing.assert_allclose(found.iloc[:, 2:], expected, rtol=1e-6)

    ended = run(
        "fit", cohort, "--image", "scan", "--id", "patient", "--target", "edema", "--encoder", out,
        *SMALL[-4:], "-q", "-o", tmp_path / "model.skedema",
    )  # fmt: skip
    assert ended.code == 0, ended.err


def test_an_interrupt_says_where_checkpoints_are(run, cohort, tmp_path, monkeypatch):
    def stop(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(ViTAutoencoder, "fit", stop)
    ended = run("pretrain", cohort, "--image", "scan", "--checkpoints", tmp_path / "run")
    assert ended.code == 130
    assert f"written to {tmp_path / 'run'} every 1 minutes" in ended.err


def test_rows_without_a_scan_are_left_out_and_named(run, cohort, tmp_path):
    table = pd.read_csv(cohort).head(4)
    table["scan"] = [str(cohort.parent / scan) for scan in table["scan"]]
    table.loc[1, "scan"] = None
    table.to_csv(tmp_path / "some.csv", index=False)
    ended = run("embed", tmp_path / "some.csv", "--image", "scan", *SMALL[:6])
    assert ended.code == 0, ended.err
    assert "left out 1 of 4 rows, which have no scan: line 3" in ended.err
    assert len(ended.out.splitlines()) == 4
    assert run("embed", tmp_path / "some.csv").code == 2
