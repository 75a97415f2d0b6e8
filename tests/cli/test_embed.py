from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

import skedema
from skedema._features import features
from skedema.encoders import Density, EncoderUnion, MirroredTokens, PretrainedEncoder
from skedema.encoders.pretrained import FMHCT
from skedema.encoders.pretrained.recipe import RECIPES
from skedema.scans.cache import volumes
from skedema.scans.files import load_scan

from ..encoders.pretrained._tiny import TINY, saved, state_of
from ._options import SMALL

pytestmark = pytest.mark.filterwarnings("ignore:.*scans (is|are)")  # they are coarse
WHOLE = [*("--image", "scan", "--id", "patient"), *("--set", "encoder=cnn")]
READ = SMALL[2:6]


@pytest.fixture
def few(cohort, tmp_path):
    table = pd.read_csv(cohort, dtype=str, keep_default_na=False).tail(5)
    table["scan"] = [str(cohort.parent / scan) for scan in table["scan"]]
    table.to_csv(tmp_path / "few.csv", index=False)
    return tmp_path / "few.csv"


def test_columns_are_named_by_the_encoder_and_rows_keep_who_they_are(run, few, tmp_path):
    ended = run("embed", few, "--image", "scan", "--id", "patient", "--encoder", "density", "-q")
    assert ended.code == 0, ended.err
    (tmp_path / "out.csv").write_text(ended.out)
    found, given = pd.read_csv(tmp_path / "out.csv", dtype={"patient": str}), pd.read_csv(few)
    assert list(found)[:3] == ["row", "patient", "scan"]
    assert list(found)[3:] == list(Density().get_feature_names_out())
    assert found["patient"].tolist() == given["patient"].astype(str).tolist()
    assert found["scan"].tolist() == given["scan"].tolist()
    expected = Density().fit_transform(given["scan"])
    np.testing.assert_allclose(found.iloc[:, 3:], expected, rtol=1e-9)


def test_any_fitted_encoder_of_a_file_is_used_as_it_is(run, few, tmp_path):
    scans = pd.read_csv(few)["scan"]
    tokens = MirroredTokens(n_components=2, volume=skedema.VolumeReader(shape=16, spacing=13))
    union = EncoderUnion([("tokens", tokens), ("density", Density(edges=[30]))]).fit(scans)
    skedema.save(union, tmp_path / "union.skedema")
    arguments = ["--image", "scan", "--encoder", tmp_path / "union.skedema"]
    ended = run("embed", few, *arguments, "-q", "-o", tmp_path / "out.tsv")
    assert ended.code == 0, ended.err
    found = pd.read_csv(tmp_path / "out.tsv", sep="\t")
    assert list(found)[2:] == list(union.get_feature_names_out())
    np.testing.assert_allclose(found.iloc[:, 2:], union.transform(scans), rtol=1e-6)
    skedema.save(skedema.VolumeReader(), tmp_path / "reader.skedema")
    ended = run("embed", few, "--image", "scan", "--encoder", tmp_path / "reader.skedema")
    assert ended.code == 2
    assert "holds a VolumeReader; give a file of skedema pretrain" in ended.err


def test_bare_weights_are_refused_and_the_remedy(run, few, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tiny = FMHCT(dim=24, depth=1, n_heads=2, patch=8, shape=16)
    torch.save(tiny.state(tiny.build(in_channels=3, shape=(16, 16, 16))), "weights.pth")
    arguments = ["embed", few, "--image", "scan", "-q", "--encoder"]
    ended = run(*arguments, "weights.pth")
    assert ended.code == 2
    assert 'skedema.save(PretrainedEncoder("weights.pth", recipe="...").fit()' in ended.err
    encoder = PretrainedEncoder("weights.pth", recipe=tiny).fit()
    skedema.save(encoder, tmp_path / "encoder.skedema")
    ended = run(*arguments, "encoder.skedema", "-o", "out.csv")
    assert ended.code == 0, ended.err
    found = pd.read_csv("out.csv")
    assert list(found)[2:] == list(encoder.get_feature_names_out())


@pytest.mark.parametrize("name", ["out.xlsx", "out.csv.gz", "out.PQ"])
def test_an_ending_of_another_format_is_refused(run, few, tmp_path, name):
    ended = run("embed", few, *WHOLE, "-o", tmp_path / name)
    assert ended.code == 2
    assert "tables are written as .csv, .tsv or .parquet" in ended.err
    assert not (tmp_path / name).exists()


def test_an_interrupted_call_goes_on_where_it_stopped(run, few, tmp_path, monkeypatch):
    whole = [few, *WHOLE, *READ, "--memory", tmp_path / "memory", "-o", tmp_path / "out.csv"]
    load, n_left = load_scan, [3]

    def three(*arguments, **options):
        n_left[0] -= 1
        if n_left[0] < 0:
            raise KeyboardInterrupt
        return load(*arguments, **options)

    with monkeypatch.context() as patched:
        patched.setattr("skedema.scans._reading.load_scan", three)
        ended = run("embed", *whole)
    assert ended.code == 130
    assert "what was encoded is kept in --memory" in ended.err
    assert not (tmp_path / "out.csv").exists()
    features.clear()
    volumes.clear()
    before = features.n_encoded
    assert run("embed", *whole, "-q").code == 0
    assert features.n_encoded - before == 2
    found = pd.read_csv(tmp_path / "out.csv")
    assert list(found)[2:5] == ["scan", "cnn0", "cnn1"]
    assert len(found) == 5


def test_published_weights_are_used_by_their_recipe(run, few, tmp_path, monkeypatch):
    table = pd.read_csv(few)
    table["later"] = table["scan"].iloc[::-1].to_numpy()
    table.loc[[1], "later"] = None
    table.to_csv(few, index=False)
    monkeypatch.setitem(RECIPES._factories, "tiny_hct", lambda: TINY)
    weights = saved(state_of(), tmp_path)
    fitted = PretrainedEncoder(weights, recipe="tiny_hct").fit()
    named = ["--recipe", "tiny_hct", "--weights", weights]
    arguments = [few, *named, "-q", "-o", tmp_path / "out.csv"]
    ended = run("embed", *arguments, "--image", "scan", "--image", "later")
    assert ended.code == 0, ended.err
    found = pd.read_csv(tmp_path / "out.csv")
    for column in ("scan", "later"):
        there = table[column].notna().to_numpy()
        own = found[[f"{column}: {name}" for name in fitted.get_feature_names_out()]]
        assert own[~there].isna().all(axis=None)
        expected = fitted.transform(table[column][there])
        np.testing.assert_allclose(own[there], expected, rtol=1e-6)
    ended = run("embed", *arguments, "--image", "scan", "--set", "encoder__pool=patches")
    assert ended.code == 0, ended.err
    assert pd.read_csv(tmp_path / "out.csv").shape == (5, 2 + 8 * 24)


def test_recipe_and_weights_go_together(run, few, tmp_path):
    weights = saved(state_of(), tmp_path)
    for options, message in (
        (["--weights", weights], "both of --recipe and --weights; recipes are ct_fm, fm_hct, "),
        (["--recipe", "fm_hct"], "both of --recipe and --weights"),
        (["--recipe", "fm_hct", "--weights", weights, "--encoder", "cnn"], "leave --encoder out"),
        (["--recipe", "fm_htc", "--weights", weights], "Did you mean 'fm_hct'?"),
        (["--recipe", "fm_hct", "--weights", tmp_path / "none.pth"], "does not exist"),
    ):
        ended = run("embed", few, "--image", "scan", *options)
        assert ended.code == 2, ended.err
        assert message in " ".join(ended.err.split())
