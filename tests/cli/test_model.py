from __future__ import annotations

from types import SimpleNamespace

import joblib
import pytest

import skedema
from skedema.cli._codes import DataError, UsageError
from skedema.cli._model import (
    ModelOptions,
    configured,
    find_encoder,
    load_model,
    make_autoencoder,
    make_model,
    save_model,
)


def made(make=make_model, encoder=None, **values):
    run = SimpleNamespace(model=values, jobs=None, verbose=False, shown=0)
    options = ModelOptions(encoder=encoder, seed=3)
    return make(options, run, memory=None, **({"image": "scan"} if make is make_model else {}))


def test_parameters_of_a_part_that_is_a_name_or_none_can_be_set():
    clf = made(
        encoder="cnn",
        encoder__depth=4,
        fusion__query="tokens",
        metadata__warn_unusual=False,
        lr=0.01,
    )
    assert clf.encoder.depth == 4
    assert clf.fusion.query == "tokens"
    assert clf.metadata.warn_unusual is False
    assert (clf.lr, clf.random_state, clf.image) == (0.01, 3, "scan")


def test_the_reader_keeps_what_the_encoder_would_do():
    assert made(volume__max_bytes=10**9).volume.template == "head"
    assert made(encoder="cnn", volume__shape=16).volume.template is None
    size = made(make_autoencoder, size="tiny", volume__max_bytes=10**9)
    assert size.volume.shape == 32


def test_an_unknown_name_gets_the_nearest():
    with pytest.raises(UsageError, match="Did you mean 'encoder__depth'"):
        made(encoder="cnn", encoder__dpeth=4)
    with pytest.raises(UsageError, match="Did you mean 'max_epochs'"):
        made(max_epoch=4)
    with pytest.raises(UsageError, match="Did you mean 'vit_ae'"):
        find_encoder("vit_ea")


def test_a_value_out_of_range_is_refused_at_once():
    with pytest.raises(ValueError, match="'depth' parameter"):
        made(depth=0)


def test_the_order_of_settings_does_not_matter():
    clf = configured(made(), {"encoder__depth": 2, "encoder": "cnn"})
    assert clf.encoder.depth == 2


def test_files_that_are_no_models_are_refused(tmp_path):
    path = tmp_path / "model.skedema"
    path.write_bytes(b"nothing")
    with pytest.raises(DataError, match="no model file of skedema"):
        load_model(path, "classifier")
    joblib.dump({"a": 1}, path)
    with pytest.raises(DataError, match="no model file of skedema"):
        load_model(path, "classifier")
    save_model(path, made(make_autoencoder))
    with pytest.raises(UsageError, match="give a file of skedema fit"):
        load_model(path, "classifier")


def test_a_file_that_save_has_written_serves_as_well(tmp_path):
    skedema.save(made(), tmp_path / "model.skedema")
    held = load_model(tmp_path / "model.skedema", "classifier")
    assert (held["image"], held["ids"]) == ("scan", [])


@pytest.mark.parametrize("told", [{"ids": 5}, {"ids": [["a"]]}, {"image": []}, {"ids": None}])
def test_columns_that_no_fit_has_told_are_refused(told, tmp_path):
    path = tmp_path / "model.skedema"
    save_model(path, made(), **told)
    with pytest.raises(DataError, match="what it tells of its columns"):
        load_model(path, "classifier")


def test_what_cannot_be_held_is_told(tmp_path):
    with pytest.raises(DataError, match=r"callbacks"):
        save_model(tmp_path / "model.skedema", made().set_params(callbacks=[print]))


def test_another_version_is_told(tmp_path, monkeypatch):
    path = tmp_path / "model.skedema"
    with monkeypatch.context() as patched:
        patched.setattr(skedema, "__version__", "0.0.1")
        save_model(path, made())
    with pytest.warns(UserWarning, match=r"written by skedema 0\.0\.1, and this is"):
        load_model(path, "classifier")
