from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.base import clone

from skedema import VolumeReader
from skedema.scans.cache import volumes

from .._autoencoders import make, make_cohort, same_weights

pytestmark = pytest.mark.numerical


@pytest.fixture(scope="module")
def scans():
    return list(make_cohort(6)[0])


def test_without_epochs_no_scan_is_read_and_all_fits_are_equal(scans, tmp_path):
    before = volumes.n_reads
    one = make(max_epochs=0, memory=tmp_path, checkpoint_dir=tmp_path / "runs").fit(scans)
    other = make(max_epochs=0).fit([scan * 0 - 3000 for scan in scans[:2]])  # it would be told of
    assert volumes.n_reads == before
    assert same_weights(one, other)
    assert one.n_iter_ == 0
    assert one.history_.empty
    assert not list(tmp_path.iterdir())
    assert one.features_digest() == other.features_digest()
    assert not same_weights(one, make(max_epochs=0, random_state=1).fit(scans))


def test_without_epochs_voxels_are_taken_to_fill_their_window(scans):
    kept = make(max_epochs=0, volume=VolumeReader(shape=12, windows=["brain", "bone"])).fit(scans)
    evenly = np.linspace(0, 1, 10_001)
    standardize = kept.module_.standardize
    np.testing.assert_allclose(standardize.mean, [evenly.mean()] * 2, rtol=1e-6)
    np.testing.assert_allclose(standardize.spread, [evenly.std()] * 2, rtol=1e-3)
    raw = make(max_epochs=0, volume=VolumeReader(shape=12, windows=None)).fit(scans)
    hu = np.linspace(-1000, 1000, 10_001)
    np.testing.assert_allclose(raw.module_.standardize.spread, [hu.std()], rtol=1e-3)
    plain = make(max_epochs=0, reference_compat=True).fit(scans)
    assert plain.module_.standardize.spread.tolist() == [1.0]


def test_training_goes_on_from_the_initial_weights(scans):
    initial = make(max_epochs=0).fit(scans)
    trained = clone(initial).fit(scans).partial_fit(scans)
    assert trained.n_iter_ == 1
    assert not same_weights(initial, trained)
    for name in ("mean", "spread"):
        figures = [getattr(each.module_.standardize, name) for each in (initial, trained)]
        assert torch.equal(*figures)
    warm = make(max_epochs=0, warm_start=True).fit(scans)
    assert warm.set_params(max_epochs=2).fit(scans).n_iter_ == 2
    assert warm.set_params(max_epochs=0).fit(scans).n_iter_ == 2


def test_what_takes_no_step_is_estimated_to_cost_nothing(scans, capsys):
    before = volumes.n_reads
    cost = make(max_epochs=0).estimate(scans)
    assert volumes.n_reads == before
    assert (cost.n_steps, cost.seconds) == (0, 0.0)
    assert cost.n_parameters == make().estimate(scans).n_parameters
    assert cost.memory == 4 * cost.n_parameters
    capsys.readouterr()
