from __future__ import annotations

import re
import sys

import numpy as np
import pytest
import torch

from skedema.datasets import make_head_ct_cohort
from skedema.encoders.pretrained import FMHCT, register_recipe

TINY = FMHCT(dim=24, depth=1, n_heads=2, patch=8, shape=16)


@pytest.fixture(autouse=True)
def tiny_recipe():
    register_recipe("fm_hct_tiny", lambda: TINY)


@pytest.fixture
def run(monkeypatch, capsys):
    def run(*argv: object) -> str:
        from benchmarks import encoders

        monkeypatch.setattr(sys, "argv", ["encoders", *map(str, argv)])
        encoders.main()
        return capsys.readouterr().out

    return run


def weights(folder, seed):
    torch.manual_seed(seed)
    network = TINY.build(in_channels=3, shape=(16, 16, 16))
    torch.save(TINY.state(network), folder / f"{seed}.pth")
    return folder / f"{seed}.pth"


def told(output, what):
    (line,) = re.findall(rf"^{what}: (.*)$", output, re.M)
    return line


def test_the_digest_tells_weights_apart_and_is_the_same_again(run, tmp_path):
    one, again, other = (
        run("--recipe", "fm_hct_tiny", "--weights", weights(tmp_path, seed)) for seed in (0, 0, 1)
    )
    assert one == again
    assert told(one, "its features") != told(other, "its features")
    assert told(one, "reference head") == told(other, "reference head")
    assert told(one, "keys") == "17 loaded, 0 left out by name"
    assert "RANDOM" not in one


def test_the_reference_head_is_a_scan_like_any_other():
    from benchmarks.encoders import reference_head
    from skedema.scans import check

    (finding,) = check([reference_head()])["findings"][0]
    assert finding.startswith("oblique")  # so that the axes of a recipe count
    volume = FMHCT().reader().read(reference_head())
    assert 0.2 < volume[0].mean() < 0.4  # tissue fills a third of its box in the brain window


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*are not in HU:UserWarning")  # heads of so few voxels
def test_random_weights_are_said_to_be_and_every_model_has_its_interval(run, tmp_path):
    cohort = make_head_ct_cohort(24, tmp_path, shape=[32] * 3, spacing=[7] * 3, random_state=0)
    table = cohort.frame[["scan", "age"]].assign(edema=np.asarray(cohort.target))
    table.to_csv(tmp_path / "cohort.csv", index=False)
    output = run(
        *("--recipe", "fm_hct_tiny", "--random", tmp_path / "cohort.csv"),
        *("--target", "edema", "--folds", 2),
    )
    assert output.startswith("RANDOM WEIGHTS (seed 0): a try-out")
    rows = [row.split(" | ") for row in output.splitlines() if row.startswith("| ")][2:]
    assert [row[0].removeprefix("| ") for row in rows] == [
        f"{name}, {way}"
        for name in ("fm_hct_tiny", "default encoder", "density")
        for way in ("probe", "beside the clinical variables", "classifier")
        if (name, way) != ("density", "classifier")
    ] + ["clinical variables alone"]
    for name, auc, gained in rows:
        pooled, low, high = map(float, re.findall(r"\d\.\d+", auc))
        assert 0 <= low <= pooled <= high <= 1
        assert ("(" in gained) == name.startswith(("| fm_hct", "| density"))


def test_a_cohort_needs_its_target_and_faults_of_files_are_told_plainly(run, tmp_path):
    with pytest.raises(SystemExit):
        run("--recipe", "fm_hct_tiny", "--random", tmp_path / "cohort.csv")
    path = weights(tmp_path, 0)
    state = torch.load(path, weights_only=True)
    del state["norm.bias"]
    torch.save(state, path)
    with pytest.raises(SystemExit, match=r"norm\.bias"):
        run("--recipe", "fm_hct_tiny", "--weights", path)
