from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from skedema.fusion import Concat

pytestmark = pytest.mark.numerical


def test_concatenation_is_one_hidden_layer_over_everything(small):
    module = small.build(Concat(), 4, 2)
    queries, tokens, present = small.draw(4, 2)
    sequence, weights = module(queries, tokens, present)
    joint = torch.cat([queries.mean(dim=1), tokens[:, 0], tokens[:, 1]], dim=1)
    linear = module.layers[0]
    expected = torch.nn.functional.gelu(joint @ linear.weight.T + linear.bias)
    assert_close(sequence, expected.unsqueeze(1))
    assert weights is None
    assert module.n_tokens == 1
