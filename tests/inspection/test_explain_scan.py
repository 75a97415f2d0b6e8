from __future__ import annotations

import copy
import sys

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from torch import Tensor, nn

from skedema import AttentionMixerClassifier, ViTAutoencoder, VolumeReader, _features
from skedema._features import features
from skedema.encoders import CNN, Density, Encoder, MirroredTokens, ViT
from skedema.inspection import _occlusion, explain_scan
from skedema.inspection._gradient import gradient
from skedema.inspection._rollout import rollout
from skedema.inspection._seen import Seen
from skedema.scans.cache import volumes

READER = VolumeReader(spacing=11, shape=18)


class Corner(Encoder):
    """See nothing but the right front upper eighth of the volume."""

    def build(self, *, in_channels, shape):
        return _Corner()


class _Corner(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([[1.0, -1.0]]))

    def forward(self, volumes: Tensor) -> Tensor:
        x, y, z = (n // 2 for n in volumes.shape[2:])
        return volumes[:, 0, x:, y:, z:].mean(dim=(1, 2, 3))[:, None, None] * self.weight


def model(encoder, X, y, **parameters):
    clf = AttentionMixerClassifier(image="scan", encoder=encoder, volume=READER, random_state=0)
    clf.set_params(trusted_columns=[column for column in X if column == "gcs"])
    return clf.set_params(max_epochs=2, n_members=1, **parameters).fit(X, y)


@pytest.fixture(scope="module")
def corner(heads):
    return model(Corner(), *heads)


@pytest.fixture(scope="module")
def mirrored(heads):
    encoder = MirroredTokens(ViT(dim=12, depth=2, n_heads=2, patch=6), n_components=3)
    return model(encoder, *heads).set_params(n_members="auto")


@pytest.mark.parametrize("method", ["occlusion", "gradient"])
@pytest.mark.parametrize("row", [0, 1], ids=["LPS", "as it is"])
def test_only_what_the_encoder_sees_is_relevant(corner, heads, method, row):
    X, _ = heads
    found = explain_scan(corner, X.iloc[row], method=method, size=22)
    image = nib.load(X["scan"].iloc[row])
    assert_array_equal(found.affine, image.affine)
    assert found.relevance.shape == image.shape
    assert found.relevance.dtype == np.float32
    assert np.abs(found.relevance).max() > 0
    index = np.argwhere(found.relevance)
    mm = index @ image.affine[:3, :3].T + image.affine[:3, 3]
    middle = image.affine @ [*(np.array(image.shape) - 1) / 2, 1]
    reach = 2.1 * 11 if method == "occlusion" else 1.1 * 11  # a box, and what is interpolated
    assert (mm > middle[:3] - reach).all()
    assert found.baseline == corner.predict_proba(X.iloc[[row]])[0, 1]


def test_a_box_has_the_change_of_the_probability(corner, heads, monkeypatch):
    X, _ = heads
    seen = Seen(corner, X.iloc[0])
    everything = (slice(0, 18),) * 3
    monkeypatch.setattr(_occlusion, "_boxes", lambda seen, size: [everything])
    monkeypatch.setattr(_occlusion, "_LEAST", 0)
    found = _occlusion.occlusion(seen, None)
    hidden = torch.where(torch.from_numpy(seen.brain), seen.fill, seen.volume)
    expected = seen.baseline - seen.probability(hidden[None]).item()
    assert_allclose(np.unique(found), sorted([0, expected]))
    assert seen.found
    assert 20 < seen.hu < 45


@pytest.mark.parametrize("name", ["corner", "mirrored"])
def test_the_probability_of_the_volume_is_that_of_the_scan(request, heads, name):
    clf = request.getfixturevalue(name)
    seen = Seen(clf, heads[0].iloc[2])
    assert_allclose(seen.probability(seen.volume[None]).item(), seen.baseline, atol=1e-6)
    assert_array_equal(seen.volume.numpy(), clf.volume_.read(heads[0]["scan"].iloc[2]))


@pytest.mark.parametrize("name", ["corner", "mirrored"])
def test_gradients_sum_to_the_difference_of_the_probabilities(request, heads, name):
    seen = Seen(request.getfixturevalue(name), heads[0].iloc[1])
    hidden = torch.where(torch.from_numpy(seen.brain), seen.fill, seen.volume)
    expected = seen.baseline - seen.probability(hidden[None]).item()
    found = gradient(seen)
    assert_allclose(found.sum(), expected, rtol=0.05, atol=1e-4)
    assert not found[~seen.brain].any()


def test_several_members_are_averaged(heads):
    X, y = heads
    X = X.drop(columns="gcs")
    encoder = MirroredTokens(ViT(dim=12, depth=1, n_heads=2, patch=6))
    clf = AttentionMixerClassifier(image="scan", encoder=encoder, volume=READER, random_state=0)
    clf.set_params(max_epochs=1, n_members=2).fit(X, y)
    for method in ("occlusion", "gradient"):
        found = explain_scan(clf, X.iloc[0], method=method, size=60)
        assert found.relevance.any()
    assert clf.predict_proba(X.iloc[[0]])[0, 1] == found.baseline


def test_rollout_is_a_share_of_the_attention(mirrored, heads):
    X, y = heads
    vit = ViT(dim=12, depth=2, n_heads=2, patch=6)
    autoencoder = ViTAutoencoder(size="tiny", patch=6, max_epochs=0)
    for clf in (mirrored, model(vit, X, y), model(autoencoder, X, y, fine_tune=False)):
        seen = Seen(clf, X.iloc[0])
        found = rollout(seen)
        assert found.min() >= 0
        assert_allclose(found.sum(), 1)
        assert not found[~seen.brain].any()
        assert explain_scan(clf, X.iloc[0], method="rollout").relevance.max() > 0


def test_rollout_where_a_copy_computes_on_another_device(mirrored, heads, monkeypatch):
    seen = Seen(mirrored, heads[0].iloc[0])
    expected = rollout(seen)
    monkeypatch.setattr(_features, "on_device", lambda module, device: copy.deepcopy(module))
    assert_array_equal(rollout(seen), expected)


def test_rollout_of_one_block_is_its_attention(heads):
    clf = model(ViT(dim=12, depth=1, n_heads=2, patch=9), *heads)
    seen = Seen(clf, heads[0].iloc[0])
    seen.brain[:] = True
    network = clf.encoder_
    with torch.no_grad():
        block = network.blocks[0]
        tokens = network.embed(seen.volume[None]).flatten(2).transpose(1, 2) + network.positions
        joint = block.query_key_value(block.attention_norm(tokens)).reshape(8, 3, 2, 6)
        query, key, _ = joint.permute(1, 2, 0, 3)
        weights = (query @ key.mT / 6**0.5).softmax(dim=-1).mean(dim=0)
    expected = ((weights + torch.eye(8)) / 2).mean(dim=0)
    found = rollout(seen)[::9, ::9, ::9].ravel()
    assert_allclose(found / found.sum(), expected.numpy(), rtol=1e-5)


def test_a_transformer_that_reads_scans_itself(heads):
    X, y = heads
    clf = model(Density(edges=(20, 40)), X, y)
    found = explain_scan(clf, X.iloc[0], size=80)
    assert found.relevance.any()
    assert found.relevance.shape == (42, 42, 42)
    with pytest.raises(TypeError, match=r"Density reads scans itself.*method='occlusion' works"):
        explain_scan(clf, X.iloc[0], method="gradient")
    with pytest.raises(TypeError, match=r"Density has none.*method='occlusion' works"):
        explain_scan(clf, X.iloc[0], method="rollout")


def test_encoders_side_by_side(heads, mirrored):
    X, y = heads
    union = model([("a", mirrored.encoder), ("b", mirrored.encoder)], X, y)
    assert Seen(union, X.iloc[0]).takes_volumes
    assert explain_scan(union, X.iloc[0], method="gradient").relevance.any()
    mixed = model([("a", mirrored.encoder), ("d", Density(edges=[30]))], X, y)
    assert not Seen(mixed, X.iloc[0]).takes_volumes
    assert explain_scan(mixed, X.iloc[0], size=90).relevance.any()


def test_an_array_without_geometry(heads):
    X, y = heads
    arrays = [np.asarray(nib.load(path).dataobj, dtype=np.float32) for path in X["scan"]]
    table = X.assign(scan=pd.Series(arrays, dtype=object, index=X.index))
    clf = model(Corner(), table, y)
    found = explain_scan(clf, table.iloc[0])
    assert found.affine is None
    assert found.within == "head"
    assert found.relevance.shape == (42, 42, 42)
    assert found.to_nifti().shape == (42, 42, 42)


def test_it_is_the_same_again_and_draws_nothing(mirrored, heads):
    state = torch.get_rng_state()
    first, second = (explain_scan(mirrored, heads[0].iloc[0], size=50) for _ in range(2))
    assert_array_equal(first.relevance, second.relevance)
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize("own", [False, True])
def test_hidden_scans_are_kept_nowhere(heads, tmp_path, own):
    X, y = heads
    encoder, memory = Density(edges=[30]), tmp_path
    if own:  # a part that takes volumes has a memory of its own, which is no None of the classifier
        part = ViTAutoencoder(size="tiny", max_epochs=1, random_state=0, memory=memory)
        encoder, memory = [("a", part), ("d", encoder)], None
    clf = model(encoder, X, y, memory=memory)
    clf.predict_proba(X.iloc[:1])
    files = sorted(tmp_path.rglob("*"))
    assert files
    before = len(volumes), volumes._about.nbytes, features.nbytes
    explain_scan(clf, X.iloc[0], size=90)
    assert sorted(tmp_path.rglob("*")) == files
    assert (len(volumes), volumes._about.nbytes, features.nbytes) == before
    assert clf.memory == memory


def test_the_target(corner, heads):
    X, _ = heads
    positive, negative = (explain_scan(corner, X.iloc[0], target=k, size=50) for k in (1, 0))
    assert_allclose(positive.relevance, -negative.relevance, atol=1e-6)
    assert positive.target == explain_scan(corner, X.iloc[0], size=90).target == 1
    of_predict = explain_scan(corner, X.iloc[0], target=np.int64(1), size=90)
    assert str(of_predict).split(", ")[0].endswith("for 1")  # a label out of y or predict
    with pytest.raises(ValueError, match=r"target=3 is no class; give one of \[0, 1\]"):
        explain_scan(corner, X.iloc[0], target=3)
    of_three = model(Corner(), X, np.arange(12) % 3)
    found = explain_scan(of_three, X.iloc[0], size=90)
    assert found.target == of_three.predict(X.iloc[[0]])[0]


def test_what_cannot_be_explained_is_said_with_a_remedy(corner, heads):
    X, y = heads
    with pytest.raises(ValueError, match=r"has no scan \(column 'scan' is empty\)"):
        explain_scan(corner, X.iloc[0].drop("scan"))
    table = AttentionMixerClassifier(max_epochs=1, random_state=0).fit(X[["age", "gcs"]], y)
    with pytest.raises(ValueError, match=r"without scans \(image=None or encoder=None\)"):
        explain_scan(table, X[["age", "gcs"]].iloc[0])
    assert table.attention(X[["age", "gcs"]].iloc[0]).shape == (1, 2)  # as the message says
    with pytest.raises(TypeError, match=r"Pipeline cannot be looked into.*model\[-1\]"):
        explain_scan(make_pipeline(FunctionTransformer(), corner), X.iloc[0])
    with pytest.raises(ValueError, match="there are 12 rows"):
        explain_scan(corner, X)
    with pytest.raises(ValueError, match="method='lime': give one of 'occlusion', 'gradient'"):
        explain_scan(corner, X.iloc[0], method="lime")
    for size in (0, -3, np.nan, "wide"):
        with pytest.raises(ValueError, match="give the side of a box in mm"):
            explain_scan(corner, X.iloc[0], size=size)
    with pytest.raises(TypeError, match="needs an encoder of transformer blocks"):
        explain_scan(model(CNN(width=4), X, y), X.iloc[0], method="rollout")


def test_gradients_without_captum(corner, heads, monkeypatch):
    monkeypatch.setitem(sys.modules, "captum.attr", None)
    with pytest.raises(ImportError, match="needs captum: pip install captum"):
        explain_scan(corner, heads[0].iloc[0], method="gradient")


def test_what_takes_long_is_said_beforehand(corner, heads, monkeypatch, caplog):
    explain_scan(corner, heads[0].iloc[0], size=40)
    assert not caplog.messages
    monkeypatch.setattr(_occlusion, "_LONG", 0.0)
    explain_scan(corner, heads[0].iloc[0], size=40)
    assert "parts of the brain one after the other, about" in caplog.text


@pytest.mark.parametrize("takes_volumes", [True, False])
def test_it_is_said_after_the_first_of_them(takes_volumes, corner, heads, monkeypatch, caplog):
    monkeypatch.setattr(_occlusion, "_LONG", 0.0)
    monkeypatch.setattr(Seen, "takes_volumes", takes_volumes)
    hidden = []
    for name in ("_on_grid", "_in_scan"):

        def change(seen, boxes):
            hidden.append((len(boxes), len(caplog.messages)))
            return np.zeros(len(boxes))

        monkeypatch.setattr(_occlusion, name, change)
    explain_scan(corner, heads[0].iloc[0], size=40)
    assert hidden[:3] == [(8 if takes_volumes else 1, said) for said in (0, 1, 1)]
    assert len(caplog.messages) == 1


def test_plain_imports_bring_neither_matplotlib_nor_captum():
    import subprocess

    code = "import sys, skedema.inspection; print({'matplotlib', 'captum'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
