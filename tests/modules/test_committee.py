from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from skedema.modules.committee import Committee

pytestmark = pytest.mark.numerical


class Answer(nn.Module):
    """A linear network of clinical values, which remembers how many patients it was asked of."""

    n_outputs = 2

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 2).double()
        self.asked = []

    def forward(self, clinical, present, features=None):
        self.asked.append(len(clinical))
        scan = 0 if features is None else features.mean(dim=(1, 2))[:, None]
        return self.layer(clinical) + scan


CLINICAL = torch.randn(5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
PRESENT = torch.tensor([True, False, True, True, False])
FEATURES = torch.arange(10.0, dtype=torch.float64).reshape(5, 1, 2)


def test_all_members_answer_side_by_side():
    committee = Committee([Answer(), Answer(), Answer()])
    answers = committee(CLINICAL, PRESENT, FEATURES)
    assert answers.shape == (5, 3, committee.n_outputs)
    for position, member in enumerate(committee.members):
        assert_close(answers[:, position], member(CLINICAL, PRESENT, FEATURES))


def test_who_is_not_asked_gives_nan_and_computes_nothing():
    committee = Committee([Answer(), Answer()])
    asked = torch.tensor([[True, False]] * 3 + [[False, False]] * 2)
    answers = committee(CLINICAL, PRESENT, FEATURES, asked)
    assert [member.asked for member in committee.members] == [[3], []]
    assert (~answers.isnan()).all(dim=2).equal(asked)
    first = committee.members[0]
    assert_close(answers[:3, 0], first(CLINICAL[:3], PRESENT[:3], FEATURES[:3]))
