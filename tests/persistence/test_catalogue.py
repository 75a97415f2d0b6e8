from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import BaseEstimator, TransformerMixin

import skedema
from skedema.encoders import MirroredTokens, register_encoder
from skedema.encoders.catalogue import _ENCODERS
from skedema.fusion import register_fusion
from skedema.fusion.base import _FUSIONS
from skedema.persistence import ModelFileError
from skedema.persistence._catalogue import PARTS, name_of
from skedema.refiners import register_refiner

from ._models import again, classifier, load_parts, make_table

X, y = make_table()
FEW = X.head(6)


@pytest.fixture
def plug_ins(monkeypatch):
    """Register the parts of another package, as an installed one does."""
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "data" / "third_party")
    from third_party_plugins.encoder import SliceMeans
    from third_party_plugins.fusion import Total
    from third_party_plugins.refiner import Gate

    register_encoder("slice_means", SliceMeans)
    register_fusion("total", Total)
    register_refiner("gate", Gate)
    yield {"encoder": SliceMeans(dim=3), "fusion": Total(), "refiner": Gate()}
    for name in [name for name in sys.modules if name.startswith("third_party_plugins")]:
        del sys.modules[name]


class Means(TransformerMixin, BaseEstimator):
    """A transformer of another package, from scans to features."""

    def __init__(self, scale=1.0):
        self.scale = scale

    def fit(self, X, y=None):
        self.center_ = float(np.mean([np.mean(scan) for scan in X]))
        self._private = {"n": len(X)}
        return self

    def transform(self, X):
        return np.array([[self.scale * (np.mean(s) - self.center_), np.std(s)] for s in X])


def test_parts_of_another_package_come_back_while_it_is_there(plug_ins, tmp_path, monkeypatch):
    clf = classifier(n_members=1, **plug_ins).fit(X, y)
    expected = clf.predict_proba(FEW)
    assert np.array_equal(again(clf, tmp_path).predict_proba(FEW), expected)
    parts = ((_ENCODERS, "encoder", "slice_means"), (_FUSIONS, "fusion", "total"))
    for registry, kind, name in parts:
        with monkeypatch.context() as patched:
            patched.delitem(registry._factories, name)
            with pytest.raises(
                ModelFileError, match=f"the {kind} '{name}' of another package, which is not inst"
            ):
                skedema.load(tmp_path / "model.skedema")
    skedema.load(tmp_path / "model.skedema")  # the remedy: it is registered again


def test_a_part_without_a_name_is_told_the_remedy(plug_ins, tmp_path, monkeypatch):
    clf = classifier(n_members=1, **plug_ins).fit(X, y)
    with monkeypatch.context() as patched:
        patched.delitem(_ENCODERS._factories, "slice_means")
        with pytest.raises(ModelFileError, match=r"SliceMeans.* register_encoder"):
            skedema.save(clf, tmp_path / "model.skedema")
    skedema.save(clf, tmp_path / "model.skedema")


def test_a_fitted_transformer_of_another_package_comes_back(tmp_path):
    register_encoder("means", Means)
    clf = classifier(encoder=Means(scale=2.0), mirror=False).fit(X, y)
    expected = clf.predict_proba(FEW)
    loaded = again(clf, tmp_path)
    assert np.array_equal(loaded.predict_proba(FEW), expected)
    assert vars(loaded.encoder_) == vars(clf.encoder_)


def test_every_part_has_a_class_and_is_known_by_it():
    for name, part in PARTS.items():
        if name in ("module.built", "sklearn.TemperatureScaling"):
            continue
        arguments = getattr(part.cls, "_fields", ())  # of a named tuple
        assert name_of(part.cls.__new__(part.cls, *arguments)) == name


def test_a_broken_plug_in_is_in_nobodys_way(tmp_path):
    register_encoder("broken", lambda: 1 / 0)
    with pytest.raises(ModelFileError, match="Means"):
        skedema.save(Means(), tmp_path / "model.skedema")


@pytest.mark.parametrize("name", ["encoder:vit_ae", "encoder:mirrored_tokens", "refiner:mixer"])
def test_no_file_calls_a_part_of_ours_a_plug_in(name, tmp_path):
    # What a plug-in may hold is not limited: such a model would write where the file says.
    with pytest.raises(ModelFileError, match="a plug-in, which is none"):
        load_parts(tmp_path, [f"plug-in:{name}", {"memory": "elsewhere"}])


def test_a_plug_in_made_of_a_part_of_ours_keeps_no_places(tmp_path, monkeypatch):
    class Own(MirroredTokens):
        pass

    monkeypatch.setitem(_ENCODERS._factories, "own_tokens", Own)
    loaded = again(Own(n_components=3, memory="a-folder"), tmp_path)
    assert (type(loaded), loaded.n_components, loaded.memory) == (Own, 3, None)
    with pytest.raises(ModelFileError, match="no attribute 'memory'"):
        load_parts(tmp_path, ["plug-in:encoder:own_tokens", {"memory": "elsewhere"}])
