from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from skedema.fusion import CrossAttention

pytestmark = pytest.mark.numerical


def test_it_is_the_equation_of_the_paper(small):
    module = small.build(CrossAttention())
    queries, tokens, present = small.draw()
    sequence, weights = module(queries, tokens, present)
    z = queries.mean(dim=1, keepdim=True)
    attended, each = module.attend(z, tokens)
    assert_close(sequence[:, :1], z + attended)
    assert torch.equal(sequence[:, 1:], tokens)  # the refiner sees the variables as they are
    assert_close(weights, each.mean(dim=1)[:, 0])


def test_with_query_tokens_every_scan_token_asks_for_itself(small):
    module = small.build(CrossAttention(query="tokens"), 4, 3)
    queries, tokens, present = small.draw(4, 3)
    sequence, weights = module(queries, tokens, present)
    assert module.n_tokens == 7
    singly = [module.attend(queries[:, t : t + 1], tokens) for t in range(4)]
    for t, (attended, _) in enumerate(singly):
        assert_close(sequence[:, t], (queries[:, t : t + 1] + attended)[:, 0])
    assert_close(weights, torch.stack([each.mean(dim=(1, 2)) for _, each in singly]).mean(dim=0))


@pytest.mark.parametrize("missing", ["token", "mask"])
def test_what_each_token_attends_to_is_what_it_would_alone(small, missing):
    module = small.build(CrossAttention(query="tokens", missing=missing), 4, 3)
    queries, tokens, present = small.draw(4, 3)
    found = module.attention_by_token(queries, tokens, present)
    assert found.shape == (len(queries), 4, 3)
    assert_close(found.mean(dim=1), module(queries, tokens, present)[1])
    for t in range(4):
        _, alone = module(queries[:, t : t + 1], tokens, present)
        assert_close(found[:, t], alone)


@pytest.mark.parametrize("options", [{}, {"query": "tokens", "keys": "table"}])
def test_where_the_scan_asks_once_or_of_one_key_no_token_has_attention(small, options):
    module = small.build(CrossAttention(**options), 4, 3)
    assert module.attention_by_token(*small.draw(4, 3)) is None


def test_the_two_queries_are_one_for_a_scan_of_one_token(small):
    pooled, tokens = (small.build(CrossAttention(query=q), 1, 3) for q in ("pooled", "tokens"))
    batch = small.draw(1, 3)
    for a, b in zip(pooled(*batch), tokens(*batch), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("query", ["pooled", "tokens"])
def test_one_key_for_the_table_is_a_linear_embedding_of_it(small, query):
    module = small.build(CrossAttention(query=query, keys="table"), 4, 3)
    queries, tokens, present = small.draw(4, 3)
    sequence, weights = module(queries, tokens, present)
    assert weights is None
    assert module.n_tokens == sequence.shape[1] == (2 if query == "pooled" else 5)
    table = tokens.sum(dim=1, keepdim=True)
    asking = queries.mean(dim=1, keepdim=True) if query == "pooled" else queries
    value = module.attend.output(module.attend.key_value(table).chunk(2, dim=-1)[1])
    assert_close(sequence, torch.cat([asking + value, table], dim=1))


def test_one_key_for_the_table_is_that_of_the_variable_where_there_is_one(small):
    batch = small.draw(3, 1)
    one, table = (small.build(CrossAttention(keys=k), 3, 1) for k in ("variables", "table"))
    assert torch.equal(table(*batch)[0], one(*batch)[0])
    alone = small.build(CrossAttention(keys="table"), 3, 0)
    assert alone.n_tokens == 1


def test_a_masked_table_is_the_sum_of_what_is_known(small):
    module = small.build(CrossAttention(keys="table", missing="mask"), 3, 3)
    queries, tokens, _ = small.draw(3, 3)
    present = torch.tensor([[True, True, False, True]]).expand(4, -1)
    sequence, _ = module(queries, tokens, present)
    everything = torch.ones(4, 2, dtype=torch.bool)
    known = (tokens[:, 0] + tokens[:, 2]).unsqueeze(1)
    assert_close(sequence, module(queries, known, everything)[0])


def test_masked_weights_are_those_of_a_table_without_the_variable(small):
    module = small.build(CrossAttention(missing="mask"), 3, 4)
    queries, tokens, _ = small.draw(3, 4)
    present = torch.tensor([[True, True, False, True, False]]).expand(4, -1)
    _, weights = module(queries, tokens, present)
    _, expected = module(queries, tokens[:, [0, 2]], present[:, [0, 1, 3]])
    assert not weights[:, [1, 3]].any()
    assert_close(weights[:, [0, 2]], expected)


def test_to_a_patient_without_values_nothing_is_added_and_nothing_is_attended(small):
    queries, tokens, present = small.draw(4, 3)
    present[:, 1:] = False
    for keys in ("variables", "table"):
        module = small.build(CrossAttention(query="tokens", keys=keys, missing="mask"), 4, 3)
        sequence, weights = module(queries, tokens, present)
        scan = torch.where(present[:, :1, None], queries, 0)
        assert torch.equal(sequence[:, :4], scan)
        assert not sequence[:, 4:].any()
        assert weights is None or not weights.any()


@pytest.mark.parametrize("wrong", ["key", "", None, 1])
@pytest.mark.parametrize(
    ("name", "choices"),
    [
        ("query", "'pooled' or 'tokens'"),
        ("keys", "'variables' or 'table'"),
        ("missing", "'token' or 'mask'"),
    ],
)
def test_another_choice_is_an_error(small, name, choices, wrong):
    with pytest.raises(ValueError, match=f"{name} must be {choices}, got {wrong!r}"):
        small.build(CrossAttention(**{name: wrong}))
