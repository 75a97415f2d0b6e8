"""An autoencoder whose decoder looks at what is shown alone, through all that an estimator does."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_array_equal
from torch.testing import assert_close

import skedema
from skedema import AttentionMixerClassifier, ViTAutoencoder, VolumeReader
from skedema._pretraining.loop import Training
from skedema._pretraining.ranks import Ranks
from skedema.modules.autoencoder_objective import PretrainingLosses

from .conftest import same_weights

CROSS = {"decoder": "cross", "predicted_share": 0.4, "check": 0}


@pytest.fixture
def fitted(autoencoder, scans):
    return autoencoder(**CROSS, max_epochs=2).fit(scans)


def test_features_and_reconstructions(fitted, autoencoder, scans):
    assert fitted.transform(scans).shape == (10, 16)
    rebuilt = fitted.reconstruct(scans)
    volumes = fitted.volume_.transform(scans)
    changed = (rebuilt != volumes).reshape(10, 3, 4, 3, 4, 3, 4).any(axis=(2, 4, 6)).sum((1, 2, 3))
    assert_array_equal(changed, [27 - 6] * 10)  # all that is hidden, not a share of it
    # What was rebuilt in training is of no concern to a place.
    every = pickle.loads(pickle.dumps(fitted))
    every.module_.n_asked = 21
    assert_array_equal(every.reconstruct(scans), rebuilt)


def test_it_is_saved_and_loaded(fitted, scans, tmp_path):
    skedema.save(fitted, tmp_path / "model.skedema")
    fitted.save_pretrained(tmp_path / "folder")
    for found in (
        skedema.load(tmp_path / "model.skedema"),
        ViTAutoencoder.from_pretrained(tmp_path / "folder"),
        pickle.loads(pickle.dumps(fitted)),
    ):
        assert (found.module_.decoder, found.module_.predicted_share) == ("cross", 0.4)
        assert_array_equal(found.reconstruct(scans), fitted.reconstruct(scans))
        assert found.partial_fit(scans).n_iter_ == 3


@pytest.mark.parametrize("fine_tune", [True, False])
def test_it_encodes_within_a_classifier(autoencoder, scans, tmp_path, fine_tune):
    X = pd.DataFrame({"scan": pd.Series(scans, dtype=object), "age": np.arange(10) * 7 % 11})
    encoder = autoencoder(**CROSS, max_epochs=1)
    clf = AttentionMixerClassifier(
        image="scan", encoder=encoder, fine_tune=fine_tune, max_epochs=1, random_state=0
    ).fit(X, np.arange(10) % 2)
    skedema.save(clf, tmp_path / "model.skedema")
    again = skedema.load(tmp_path / "model.skedema")
    assert_array_equal(again.predict_proba(X), clf.predict_proba(X))


class Killed(Exception):
    pass


def test_a_run_that_was_stopped_goes_on_and_no_other_does(
    autoencoder, scans, tmp_path, monkeypatch
):
    settings = {"checkpoint_dir": tmp_path, "checkpoint_minutes": 0}
    step = Training.step

    def stopping(self, rows):
        if self.n_steps_done == 5:
            raise Killed
        return step(self, rows)

    with monkeypatch.context() as patch:
        patch.setattr(Training, "step", stopping)
        with pytest.raises(Killed):
            autoencoder(**CROSS, **settings).fit(scans)
    assert len(list(tmp_path.iterdir())) == 1
    taken = []
    monkeypatch.setattr(Training, "step", lambda self, rows: taken.append(1) or step(self, rows))
    found = autoencoder(**CROSS, **settings).fit(scans)
    assert len(taken) == 3 * 3 - 5
    assert same_weights(found, autoencoder(**CROSS).fit(scans))
    for other in ({"predicted_share": 1.0}, {"predicted_share": 1.0, "decoder": "self"}):
        autoencoder(**CROSS | other, **settings, max_epochs=1).fit(scans)
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize("share", [1.0, 0.4])
def test_losses_of_parts_of_a_batch_add_up_to_its_own(autoencoder, scans, share):
    # 10 voxels are no multiple of a patch, so that scans ask for different numbers of voxels.
    reader = VolumeReader(spacing=None, shape=(12, 12, 10))
    params = {**CROSS, "predicted_share": share, "volume": reader, "dtype": "float32"}
    training = autoencoder(**params)._training(scans, goes_on=False, n_epochs=1)
    training.set_scale()
    batch = torch.from_numpy(np.stack([training.source[row] for row in range(4)]))
    whole = training.losses(batch)
    summed = torch.zeros(4)
    for rank, part in enumerate((slice(0, 1), slice(1, 4))):
        losses = training.losses(batch[part], (4, part))
        training.ranks = Ranks(rank, 2)
        summed += torch.stack(training._share_of(losses, 4, part)).detach()
    assert_close(PretrainingLosses(*summed), PretrainingLosses(*(v.detach() for v in whole)))


def test_the_reference_has_no_such_decoder(autoencoder, scans):
    model = autoencoder(decoder="cross", reference_compat=True)
    with pytest.raises(ValueError, match="reference_compat=True needs decoder='self'"):
        model.fit(scans)
    model.set_params(decoder="self", max_epochs=1).fit(scans)
    with pytest.raises(ValueError, match=r"predicted_share=0\.5 is for decoder='cross'"):
        model.set_params(predicted_share=0.5).fit(scans)
    cross = autoencoder(decoder="cross", max_epochs=1).fit(scans)
    with pytest.raises(ValueError, match="reference_compat=True needs decoder='self'"):
        cross.set_params(reference_compat=True).partial_fit(scans)


def test_what_it_costs_is_measured_on_its_own_network(autoencoder, scans):
    own = autoencoder(check=0).estimate(scans).n_parameters
    assert autoencoder(**CROSS).estimate(scans).n_parameters != own
