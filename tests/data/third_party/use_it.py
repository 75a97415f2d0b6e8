"""What a user of the package does: everything by name, without importing it."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from skedema import AttentionMixerClassifier, VolumeReader, load, save
from skedema.encoders import PretrainedEncoder, list_encoders, make_encoder
from skedema.encoders.pretrained import list_recipes, make_recipe
from skedema.evaluation import evaluate
from skedema.fusion import list_fusions
from skedema.refiners import list_refiners

torch.set_num_threads(1)
assert "third_party_encoder" in list_encoders()
assert "third_party_fusion" in list_fusions()
assert "third_party_refiner" in list_refiners()
assert "third_party_recipe" in list_recipes()
assert "third_party_plugins" not in sys.modules

rng = np.random.default_rng(0)
lesion = rng.normal(size=40)
scans = [Path(sys.argv[1], f"{patient}.counted") for patient in range(40)]
for path, hypodense in zip(scans, 10 * lesion, strict=True):
    voxels = rng.normal(40, 2, (6, 6, 6)) - hypodense
    path.write_bytes(np.array(voxels.shape, "<i4").tobytes() + voxels.astype("<i2").tobytes())
X = pd.DataFrame({"scan": [str(path) for path in scans], "sodium": rng.normal(138, 5, 40)})
X.loc[3, "scan"] = X.loc[5, "sodium"] = None
y = (lesion > 0).astype(int)

classifier = AttentionMixerClassifier(
    image="scan",
    encoder="third_party_encoder",
    fusion="third_party_fusion",
    refiner="third_party_refiner",
    volume=VolumeReader(spacing=None, shape=6),
    max_epochs=60,
    lr=5e-2,
    weight_decay=0.0,
    random_state=0,
)
classifier.fit(X, y)
for part, name in (("encoder", "_SliceMeans"), ("fusion", "_Total"), ("refiner", "_Gate")):
    module = getattr(classifier.net_.module_, part)
    assert type(module).__name__ == name, module
assert classifier.score(X, y) > 0.9
assert np.array_equal(
    pickle.loads(pickle.dumps(classifier)).predict_proba(X), classifier.predict_proba(X)
)

twin = clone(classifier)
assert twin.encoder == "third_party_encoder"
assert np.array_equal(twin.fit(X, y).predict_proba(X), classifier.predict_proba(X))

grid = {"encoder": ["cnn", "third_party_encoder"], "fusion": ["concat", "third_party_fusion"]}
search = GridSearchCV(clone(classifier).set_params(max_epochs=2), grid, cv=2).fit(X, y)
assert np.isfinite(search.cv_results_["mean_test_score"]).all()

nested = clone(classifier).set_params(encoder=make_encoder("third_party_encoder"), max_epochs=2)
search = GridSearchCV(nested, {"encoder__dim": [2, 3]}, cv=2).fit(X, y)
assert search.best_estimator_.encoder_.embed.out_features == search.best_params_["encoder__dim"]

weights = Path(sys.argv[1], "weights.pth")
recipe = make_recipe("third_party_recipe")
torch.save(recipe.state(recipe.build(in_channels=1, shape=(6, 6, 6))), weights)
pretrained = PretrainedEncoder(weights, recipe="third_party_recipe").fit()
assert pretrained.transform(scans[:2]).shape == (2, 4)
save(pretrained, Path(sys.argv[1], "encoder.skedema"))
assert load(Path(sys.argv[1], "encoder.skedema")).origin_["title"] == "means of slices"

models = {"mixer": clone(classifier).set_params(max_epochs=2)}
evaluation = evaluate(models, X, y, cv=2, metrics=["roc_auc", "third_party_metric"], random_state=0)
figures = evaluation.summary().set_index("metric")["pooled"]
assert figures["third_party_metric"] == evaluation.predictions["predicted"].mean()

with pytest.raises(ValueError, match="Did you mean 'third_party_encoder'"):
    clone(classifier).set_params(encoder="third_party_encodr").fit(X, y)
