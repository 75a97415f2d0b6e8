from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from skedema.modules.tokens import ClinicalTokens, ScanTokens

pytestmark = pytest.mark.numerical

NAN = float("nan")
# numeric, 3 categories, numeric, 2 categories
KINDS = [0, 3, 0, 2]


@pytest.fixture
def embed():
    torch.manual_seed(0)
    return ClinicalTokens(KINDS, 6).double()


def patients(*rows: list[float]) -> torch.Tensor:
    return torch.tensor(rows, dtype=torch.float64)


def test_numeric_token_is_value_times_weight_plus_bias(embed):
    tokens = embed(patients([0.5, 0, -2.0, 1]))
    assert tokens.shape == (1, 4, 6)
    assert_close(tokens[0, 0], 0.5 * embed.weight[0] + embed.bias[0])
    assert_close(tokens[0, 2], -2.0 * embed.weight[2] + embed.bias[2])


def test_categorical_token_is_its_category_plus_bias(embed):
    categories = {(1, 0): 0, (1, 1): 1, (1, 2): 2, (3, 0): 3, (3, 1): 4}  # rows of one table
    for (variable, code), row in categories.items():
        values = patients([0.0, 0, 0.0, 0])
        values[0, variable] = code
        expected = embed.categories[row] + embed.bias[variable]
        assert_close(embed(values)[0, variable], expected)


def test_missing_value_is_the_vector_of_its_variable(embed):
    tokens = embed(patients([NAN] * 4, [1.0, NAN, 1.0, 1]))
    assert torch.equal(tokens[0], embed.missing)
    assert torch.equal(tokens[1, 1], embed.missing[1])
    assert len(torch.unique(embed.missing, dim=0)) == 4


def test_each_variable_is_a_token_of_its_own(embed):
    torch.manual_seed(1)
    start = patients([0.3, 2, -1.0, 0], [NAN, NAN, NAN, NAN])
    other = patients([1.7, 1, NAN, 1], [0.1, 0, 0.2, 1])
    before = embed(start)
    assert before.shape[1] == len(KINDS)
    for variable in range(len(KINDS)):
        changed = start.clone()
        changed[:, variable] = other[:, variable]
        differs = (embed(changed) != before).any(dim=-1)
        expected = torch.zeros(2, len(KINDS), dtype=torch.bool)
        expected[:, variable] = True
        assert torch.equal(differs, expected)


def gradients(embed: ClinicalTokens, values: torch.Tensor) -> dict[str, torch.Tensor]:
    embed.zero_grad()
    embed(values).square().sum().backward()
    return {name: parameter.grad for name, parameter in embed.named_parameters()}


def test_missing_value_teaches_its_missing_vector_and_nothing_else(embed):
    found = gradients(embed, patients([NAN, 0, 1.0, NAN], [NAN, 1, 2.0, NAN]))
    for name in ("weight", "bias"):
        assert not found[name][[0, 3]].any(), name
    assert not found["categories"][3:].any()
    assert found["missing"][[0, 3]].all()
    assert not found["missing"][[1, 2]].any()
    assert found["weight"][2].all()
    assert found["bias"][[1, 2]].all()
    assert found["categories"][:2].all()
    assert not found["categories"][2].any()  # nobody has it


def test_nan_never_reaches_a_gradient(embed):
    values = patients([NAN, 0, 1.0, NAN], [0.2, NAN, NAN, 1]).requires_grad_()
    found = gradients(embed, values)
    assert all(torch.isfinite(gradient).all() for gradient in found.values())
    assert torch.isfinite(values.grad).all()
    assert not values.grad[values.isnan()].any()


def test_hidden_variable_is_shown_as_missing_only_where_no_patient_lacks_it():
    torch.manual_seed(0)
    embed = ClinicalTokens([0, 2, 0], 4, lacked=[True, False, False]).double()
    values, hidden = patients([0.5, 1.0, 2.0], [NAN, NAN, 1.0]), torch.ones(2, 3, dtype=torch.bool)
    hidden[:, 2] = False
    tokens = embed(values, hidden)
    assert not tokens[:, 0].any()
    assert torch.equal(tokens[:, 1], embed.missing[1].expand(2, -1))
    assert torch.equal(tokens[:, 2], embed(values)[:, 2])


@pytest.mark.parametrize("kinds", [[], [0], [2], [0, 0, 0]])
def test_any_mix_of_kinds_will_do(kinds):
    tokens = ClinicalTokens(kinds, 4)(torch.zeros(3, len(kinds)))
    assert tokens.shape == (3, len(kinds), 4)


def test_scan_tokens_are_projected_standardised_features():
    torch.manual_seed(0)
    scan = ScanTokens(3, 5).double()
    mean, scale = patients([1.0, -2.0, 0.5])[0], patients([2.0, 4.0, 0.1])[0]
    scan.standardise(mean, scale)
    features = torch.randn(2, 4, 3, dtype=torch.float64)
    tokens = scan(features, torch.tensor([True, True]))
    expected = (features - mean) / scale @ scan.project.weight.T + scan.project.bias
    assert_close(tokens, expected)


def test_features_are_put_to_their_mean_in_training_alone():
    torch.manual_seed(0)
    scan = ScanTokens(200, 5, dropout=0.3)
    scan.standardise(torch.full((200,), 7.0), torch.full((200,), 2.0))
    scan.project = torch.nn.Identity()
    features, present = torch.full((100, 1, 200), 9.0), torch.ones(100, dtype=torch.bool)
    scan.missing = torch.nn.Parameter(torch.zeros(1, 200))
    tokens = scan(features, present)
    assert abs((tokens == 0).double().mean() - 0.3) < 0.02  # 6 standard errors
    assert_close(tokens[tokens != 0].unique(), torch.tensor([1 / 0.7]))
    assert torch.equal(scan.eval()(features, present), torch.ones(100, 1, 200))


def test_missing_scan_is_a_learnable_vector_at_every_token():
    torch.manual_seed(0)
    scan = ScanTokens(3, 5)
    features, present = torch.zeros(2, 4, 3), torch.tensor([True, False])
    tokens = scan(features, present)
    assert torch.equal(tokens[1], scan.missing.expand(4, -1))
    tokens[1].sum().backward()
    assert scan.missing.grad.all()
    assert not scan.project.weight.grad.any()
    assert not scan.project.bias.grad.any()


@pytest.mark.parametrize("in_dim", [None, 3])
def test_without_features_every_patient_has_the_missing_scan(in_dim):
    scan = ScanTokens(in_dim, 5)
    tokens = scan(None, torch.tensor([True, False, False]))
    assert tokens.shape == (3, 1, 5)
    assert torch.equal(tokens, scan.missing.expand(3, 1, -1))


def test_each_part_of_the_features_is_a_token_by_a_projection_of_its_own():
    torch.manual_seed(0)
    scan = ScanTokens((2, 3), 5).double()
    mean, scale = torch.arange(5.0).double(), torch.arange(1.0, 6).double()
    scan.standardise(mean, scale)
    features, present = torch.randn(4, 1, 5).double(), torch.tensor([True, True, False, True])
    tokens = scan(features, present)
    assert tokens.shape == (4, 2, 5)
    assert torch.equal(tokens[2], scan.missing.expand(2, -1))
    given = ((features - mean) / scale)[:, 0]
    for k, part in enumerate((given[:, :2], given[:, 2:])):
        assert_close(tokens[present, k], scan.project.each[k](part)[present])
    features[:, :, 0] += 1
    assert_close(scan(features, present)[:, 1], tokens[:, 1])  # the other part's token is as it was


def test_a_single_part_is_as_no_part():
    plain, parted = (torch.manual_seed(0) and ScanTokens(width, 5) for width in (3, (3,)))
    features, present = torch.randn(2, 1, 3), torch.tensor([True, False])
    assert torch.equal(plain(features, present), parted(features, present))
