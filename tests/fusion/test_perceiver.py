from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from skedema.fusion import Perceiver

pytestmark = pytest.mark.numerical


def cross(small, w, name, x, tokens):
    seen = small.norm(w, f"{name}.token_norm", tokens, 1e-5)
    query = small.linear(w, f"{name}.attend.query", small.norm(w, f"{name}.query_norm", x, 1e-5))
    key, value = np.split(small.linear(w, f"{name}.attend.key_value", seen), 2, axis=-1)
    x = x + small.linear(w, f"{name}.attend.output", small.attend(query, key, value, 2))
    return x + small.mlp(w, f"{name}.mlp", small.norm(w, f"{name}.mlp_norm", x, 1e-5))


@pytest.mark.parametrize(("n_latents", "depth"), [(8, 1), (3, 2)])
def test_it_encodes_processes_and_decodes(small, n_latents, depth):
    module = small.build(Perceiver(n_latents=n_latents, depth=depth))
    queries, tokens, present = small.draw()
    sequence, weights = module(queries, tokens, present)
    w = small.arrays(module)
    assert w["latents"].shape == (n_latents, 6)
    for i in range(len(queries)):
        scan, table = queries[i].numpy() + w["modality"][0], tokens[i].numpy() + w["modality"][1]
        x = cross(small, w, "encode", w["latents"], np.concatenate([scan, table]))
        for layer in range(depth):
            x = small.block(w, f"process.{layer}", x, n_heads=2)
        small.assert_same(sequence[i].detach(), cross(small, w, "decode", w["query"], x))
    assert weights is None
    assert module.n_tokens == 1


def test_the_order_of_variables_does_not_matter(small):
    module = small.build(Perceiver())
    queries, tokens, present = small.draw()
    assert_close(module(queries, tokens.flip(1), present)[0], module(queries, tokens, present)[0])


def test_the_mask_reads_as_if_there_were_no_such_token(small):
    module = small.build(Perceiver(missing="mask"), 3, 4)
    queries, tokens, _ = small.draw(3, 4)
    present = torch.tensor([[True, True, False, True, False]]).expand(4, -1)
    sequence, _ = module(queries, tokens, present)
    assert_close(sequence, module(queries, tokens[:, [0, 2]], present[:, [0, 1, 3]])[0])
    no_scan = present & (torch.arange(5) > 0)
    sequence, _ = module(queries, tokens, no_scan)
    assert_close(sequence, module(queries[:, :0], tokens, no_scan)[0])


@pytest.mark.parametrize("name", ["n_latents", "depth"])
def test_no_latents_and_no_blocks_are_an_error(small, name):
    with pytest.raises(ValueError, match=f"{name} must be at least 1, got 0"):
        small.build(Perceiver(**{name: 0}))
