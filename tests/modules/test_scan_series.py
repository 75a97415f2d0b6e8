from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from skedema.modules.scan_series import ScanSeries, with_changes

pytestmark = pytest.mark.numerical


def series(width=3) -> tuple[ScanSeries, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    made = ScanSeries(width, 5, 0.0, 3).double()
    present = torch.tensor([[True] * 3, [True, False, True], [False, True, True], [False] * 3])
    return made, torch.randn(4, 3 * 2, 3, dtype=torch.float64), present


def test_each_scan_and_each_change_has_tokens_of_its_own():
    made, features, present = series()
    tokens = made(features, present).unflatten(1, (5, 2))
    first, second, third = features.unflatten(1, (3, 2)).unbind(1)
    parts = [first, second, third, second - first, third - second]
    for k, (part, own) in enumerate(zip(parts, made.sets, strict=True)):
        assert_close(tokens[0, k], own.project(part[0]))
    for each, part in zip(with_changes(features, present), parts, strict=True):
        assert torch.equal(each, part)


def test_a_change_is_there_where_both_scans_are():
    made, features, present = series()
    expected = [[1, 1, 1, 1, 1], [1, 0, 1, 0, 0], [0, 1, 1, 0, 1], [0] * 5]
    there = made.there(present)
    assert there.int().tolist() == expected
    features[~present.repeat_interleave(2, dim=1)] = 1e9  # anything finite
    tokens = made(features, present).unflatten(1, (5, 2))
    for k, own in enumerate(made.sets):
        is_missing = (tokens[:, k] == own.missing).all(dim=-1).all(dim=-1)
        assert torch.equal(is_missing, ~there[:, k])
    assert torch.equal(made(None, present)[3], torch.cat([own.missing for own in made.sets]))


def test_what_is_missing_teaches_its_own_vector_alone():
    made, features, present = series()
    made(features, present)[1].sum().backward()
    learned = [own.missing.grad.abs().sum() > 0 for own in made.sets]
    assert learned == [False, True, False, True, True]
    assert [own.project.weight.grad.any().item() for own in made.sets] == [1, 0, 1, 0, 0]


def test_parts_of_features_are_tokens_of_each_scan():
    made = ScanSeries((2, 1), 5, 0.0, 2)
    assert made(torch.zeros(4, 2, 3), torch.ones(4, 2, dtype=torch.bool)).shape == (4, 3 * 2, 5)
