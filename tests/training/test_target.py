"""A kind of target that the package has not: several findings a patient, some of them unknown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose
from skorch.callbacks import EpochScoring
from skorch.utils import noop
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from skedema._training.cohort import split_patients
from skedema._training.members import count_members, shared_out
from skedema._training.net import FusionNet
from skedema._training.patients import Patients
from skedema._training.target import Target, TargetKind, WeightedLoss, read_column
from skedema.frames import read_table

pytestmark = pytest.mark.numerical


class KnownFindings(WeightedLoss):
    def of_each(self, outputs: Tensor, target: Tensor) -> Tensor:
        known = ~target.isnan()
        each = binary_cross_entropy_with_logits(
            outputs, target.nan_to_num(), weight=known.to(outputs.dtype), reduction="none"
        )
        return each.sum(dim=1) / known.sum(dim=1).clamp_min(1)


@dataclass(frozen=True)
class Findings(TargetKind):
    n_outputs: int
    group: ClassVar[tuple[str, str]] = ("finding", "findings")

    def loss(self) -> WeightedLoss:
        return KnownFindings()

    def said_by(self, outputs: Tensor) -> Tensor:
        return outputs.sigmoid()

    def answer(self, predicted: np.ndarray) -> np.ndarray:
        return (predicted > 0.5).astype(float)

    def sizes(self, values: np.ndarray) -> np.ndarray:
        return np.concatenate([np.nansum(values, axis=0), np.nansum(1 - values, axis=0)])


class Linear(nn.Module):
    def __init__(self, n_members: int | None = None) -> None:
        super().__init__()
        self.n_members = n_members
        self.layer = nn.Linear(3, 2 * (n_members or 1)).double()

    def forward(self, clinical, present, asked=None):
        found = self.layer(clinical)
        if self.n_members is None:
            return found
        found = found.reshape(len(clinical), self.n_members, 2)
        return found if asked is None else torch.where(asked.unsqueeze(2), found, torch.nan)


def findings(n: int = 40) -> tuple[np.ndarray, Target]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, 3))
    values = (x[:, :2] > 0).astype(float)
    values[rng.random((n, 2)) < 0.2] = np.nan
    strata = np.unique(values, axis=0, return_inverse=True)[1].ravel()  # a NaN is equal to no other
    return x, Target(Findings(2), values, np.ones(n), strata)


def to_learn(x: np.ndarray, target: Target) -> Patients:
    present = np.zeros(len(x), dtype=bool)
    return Patients(x, present, target=target.values, weight=target.weight, dtype=torch.float64)


def net(module: nn.Module, *callbacks: object) -> FusionNet:
    torch.manual_seed(0)
    how = {"optimizer": torch.optim.Adam, "lr": 0.1, "batch_size": 100, "verbose": 0}
    how["callbacks__print_log__sink"] = noop
    return FusionNet(module, kind=Findings(2), seed=0, callbacks=list(callbacks), **how)


def test_a_kind_of_target_needs_no_other_net():
    x, target = findings()
    learned = net(Linear())
    learned.train_epochs(to_learn(x, target), None, 60)
    losses = learned.history[:, "train_loss"]
    assert losses[-1] < 0.4 * losses[0]
    first = KnownFindings()(torch.zeros(40, 2), torch.tensor(target.values), torch.ones(40))
    known_at_all = ~np.isnan(target.values).all(axis=1)
    assert_allclose(first, np.log(2) * known_at_all.mean(), rtol=1e-6)
    said = learned.predict_proba(to_learn(x, target))
    known = ~np.isnan(target.values)
    assert ((said > 0.5) == target.values)[known].mean() > 0.9


def test_members_of_any_kind_learn_from_all_but_those_whom_they_leave_out():
    x, target = findings()
    everyone = to_learn(x, target)
    learn, watch = shared_out(everyone, target.strata, 3, seed=0)
    committee = net(Linear(3))
    committee.train_epochs(learn, watch, 1)
    outputs = committee.module_(everyone.clinical, everyone.present)
    of_member = committee.kind.said_by(outputs)[torch.arange(40), watch.asked.int().argmax(dim=1)]
    of_who_left_out = outputs.masked_fill(~watch.asked.unsqueeze(2), torch.nan)
    assert_allclose(committee.kind.predictions(of_who_left_out).detach(), of_member.detach())
    assert np.isfinite(committee.history[-1, "valid_loss"])


def test_what_counts_for_members_and_splits_is_the_kinds_to_say():
    _, target = findings()
    assert target.sizes.min() >= 10
    assert count_members("auto", target, trained=False) == 4
    rare = target.values.copy()
    rare[1:, 0] = 0
    rare[0, 0] = 1
    few = Target(Findings(2), rare, target.weight, target.strata)
    assert count_members("auto", few, trained=False) == 1
    with pytest.raises(ValueError, match=r"needs two patients of each finding.* the findings have"):
        count_members(3, few, trained=False)
    # Strata of a single patient are no reason to refuse a split of this kind.
    assert np.bincount(target.strata).min() == 1
    asked = {"early_stopping": True, "validation_fraction": 0.25, "seed": 0}
    train, valid = split_patients(target, **asked)
    assert (len(train), len(valid)) == (30, 10)


def test_callbacks_score_what_the_kind_answers():
    x, target = findings()
    known = np.flatnonzero(~np.isnan(target.values).any(axis=1))
    x, target = x[known], target.take(known)
    module = Linear()
    scoring = EpochScoring("neg_mean_absolute_error", on_train=True, name="error")
    learned = net(module, scoring)
    before = module.layer(torch.tensor(x)).detach().numpy() > 0
    learned.train_epochs(to_learn(x, target), None, 1)
    assert_allclose(learned.history[-1, "error"], -np.abs(before - target.values).mean())


def test_one_column_of_targets_is_read_with_its_rows():
    table = read_table(pd.DataFrame({"a": range(3)}, index=list("xyz")))
    assert read_column([1.5, 2, 3], table, "Model").tolist() == [1.5, 2, 3]
    with pytest.raises(ValueError, match="Model requires y to be passed"):
        read_column(None, table, "Model")
    with pytest.raises(ValueError, match=r"y contains NaN .* in row 1"):
        read_column(pd.Series([1.5, None, 3], index=list("xyz")), table, "Model")
