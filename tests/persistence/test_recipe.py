from __future__ import annotations

import pytest
from numpy.testing import assert_array_equal
from sklearn.frozen import FrozenEstimator

import skedema
from skedema import ViTAutoencoder, VolumeReader
from skedema.encoders import PretrainedEncoder
from skedema.persistence import ModelFileError
from skedema.persistence._recipe import SavedAutoencoder

from ..encoders.pretrained._tiny import heads

READER = VolumeReader(spacing=2.5, shape=16)


@pytest.fixture(scope="module")
def autoencoder() -> ViTAutoencoder:
    sizes = {"dim": 12, "depth": 2, "n_heads": 2, "decoder_depth": 1, "patch": 8}
    made = ViTAutoencoder(size="tiny", volume=READER, max_epochs=1, random_state=0, **sizes)
    return made.fit(heads(4))


def encode(path, **parameters) -> PretrainedEncoder:
    return PretrainedEncoder(path, recipe=SavedAutoencoder(), **parameters).fit()


@pytest.mark.parametrize("form", ["file", "folder", "frozen"])
def test_features_are_those_of_the_autoencoder(autoencoder, tmp_path, form):
    path, scans = tmp_path / "autoencoder", heads(3)
    if form == "folder":
        autoencoder.save_pretrained(path)
    else:
        skedema.save(FrozenEstimator(autoencoder) if form == "frozen" else autoencoder, path)
    encoder = encode(path)
    assert_array_equal(encoder.transform(scans), autoencoder.transform(scans))
    for pool in ("cls", "patches"):
        autoencoder.set_params(pool=pool)
        found = encoder.set_params(pool=pool).fit().transform(scans)
        assert_array_equal(found, autoencoder.transform(scans))
    autoencoder.set_params(pool="mean")
    assert encoder.network(pool="tokens").grid == (2, 2, 2)
    assert encoder.volume_.settings() == READER.settings()
    again = tmp_path / "again"
    skedema.save(encoder, again)
    assert_array_equal(skedema.load(again).transform(scans), encoder.transform(scans))


def test_files_of_something_else_and_scans_read_otherwise(autoencoder, tmp_path):
    skedema.save(READER, tmp_path / "reader")
    with pytest.raises(ModelFileError, match="holds a VolumeReader, and no ViTAutoencoder"):
        encode(tmp_path / "reader")
    skedema.save(autoencoder, tmp_path / "file")
    with pytest.raises(ValueError, match=r"otherwise than .*file was pre-trained on"):
        encode(tmp_path / "file", volume=VolumeReader(spacing=3, shape=16))
    assert encode(tmp_path / "file", volume=VolumeReader(spacing=2.5, shape=16)).n_jobs is None
    with pytest.raises(ValueError, match="leave entry=None"):
        encode(tmp_path / "file", entry="model")
