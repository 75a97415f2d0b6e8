"""What every fusion that has a name has to do, whatever its formula."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose
from torch import nn
from torch.testing import assert_close

from skedema import AttentionMixerClassifier, VolumeReader
from skedema.encoders import CNN
from skedema.fusion import list_fusions, make_fusion

NAMES = list_fusions()
ALONE = {"rtol": 1e-12, "atol": 1e-12}  # rounding depends on the shape of a batch


@pytest.mark.parametrize("n_variables", [0, 1, 4])
@pytest.mark.parametrize("n_queries", [1, 3])
@pytest.mark.parametrize("name", NAMES)
def test_patients_alone_are_as_in_a_batch(small, name, n_queries, n_variables):
    module = small.build(make_fusion(name), n_queries, n_variables)
    batch = small.draw(n_queries, n_variables)
    for tensor in batch:
        tensor.requires_grad_()
    sequence, _ = module(*batch)
    assert sequence.shape == (4, module.n_tokens, 6)
    for i in range(4):
        alone, _ = module(*(tensor[i : i + 1] for tensor in batch))
        assert_close(alone[0], sequence[i], **ALONE)
        gradients = torch.autograd.grad(
            sequence[i].sum(), batch, retain_graph=True, materialize_grads=True
        )
        for gradient in gradients:
            assert not gradient[torch.arange(4) != i].any()


# That one leaves the interaction to the refiner.
@pytest.mark.parametrize("name", sorted({*NAMES} - {"cross_attention"}))
def test_it_learns_that_the_sign_of_a_finding_depends_on_a_variable(name):
    def patients(seed, n):
        rng = torch.Generator().manual_seed(seed)
        signs = 2.0 * torch.randint(0, 2, (n, 2), generator=rng) - 1
        queries, tokens = (0.1 * torch.randn(n, k, 8, generator=rng) for k in (3, 2))
        queries += signs[:, :1, None] * directions[:3]
        tokens[:, 0] += signs[:, 1:] * directions[3]
        return queries, tokens, (signs.prod(dim=1) > 0).float()

    directions = torch.randn(4, 8, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    fusion = make_fusion(name).build(dim=8, n_heads=2, n_queries=3, n_variables=2, dropout=0.0)
    head = nn.Sequential(nn.LayerNorm(8), nn.Linear(8, 1))

    def logits(queries, tokens):
        return head(fusion(queries, tokens)[0]).mean(dim=(1, 2))

    optimiser = torch.optim.Adam([*fusion.parameters(), *head.parameters()], lr=0.01)
    queries, tokens, label = patients(1, 100)
    for _ in range(100):
        optimiser.zero_grad()
        nn.functional.binary_cross_entropy_with_logits(logits(queries, tokens), label).backward()
        optimiser.step()
    queries, tokens, label = patients(2, 200)
    assert ((logits(queries, tokens) > 0) == (label > 0)).float().mean() > 0.9


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", NAMES)
def test_the_classifier_takes_it_by_its_name(name, dtype):
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"age": rng.normal(60, 10, 8), "sex": ["f", "m"] * 4})
    X["scan"] = [rng.normal(35, 5, (8, 8, 8)) for _ in range(8)]
    X.loc[1, ["age", "scan"]] = None
    reader = VolumeReader(spacing=None, shape=8)
    clf = AttentionMixerClassifier(
        image="scan",
        fusion=name,
        encoder=CNN(width=2, depth=2),
        volume=reader,
        dtype=dtype,
        dropout=0.2,
        max_epochs=2,
        random_state=0,
    )
    y = [0, 0, 1, 1] * 2
    clf.fit(X, y)
    assert next(clf.net_.module_.fusion.parameters()).dtype == getattr(torch, dtype)
    assert np.isfinite(clf.history_["train_loss"]).all()
    assert set(clf.predict(X)) <= {0, 1}
    assert_allclose(clf.predict_proba(X[1:2]), clf.predict_proba(X)[1:2], rtol=1e-5)
