"""What pre-training brought: lesions put into training scans, told apart with it and without."""

from __future__ import annotations

import sys
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from skedema._device import full_float32, on_device
from skedema._each import bar
from skedema._pretraining.lesions import with_lesion
from skedema._pretraining.loop import Training
from skedema._pretraining.run import new_module
from skedema.modules.mirror import SideTokens
from skedema.modules.pooled_encoder import PooledEncoder

Floats = NDArray[np.float64]

_FEWEST, _MOST = 20, 200
_SEEN = 20  # times as many scans the training has seen: the check then takes a tenth of its time
_FOLDS, _REPEATS, _C = 5, 3, 0.03
_STREAM = 18_041_965  # of random numbers: what a training draws from its seed is something else
_NORMAL = 1.959964  # the normal distribution's 97.5th percentile


class Worth(NamedTuple):
    """What pre-training brought over the random weights that it began with.

    Attributes
    ----------
    n_scans : int
        Training scans that were looked at, half of them with a lesion put in.
    auc : float
        How well these are told from the others by the pre-trained weights.
    auc_random : float
        The same of the initial weights.
    low, high : float
        95 % interval of the difference.
    """

    n_scans: int
    auc: float
    auc_random: float
    low: float
    high: float

    @property
    def difference(self) -> float:
        """AUC with the pre-trained weights less that with random ones."""
        return self.auc - self.auc_random

    def __str__(self) -> str:
        text = (
            f"Pre-training: {self.n_scans} training scans, half of them with a lesion put in, are "
            f"told apart with an AUC of {self.auc:.3f}, and with {self.auc_random:.3f} by the "
            f"random weights that it began with: {self.difference:+.3f} (95 %: {self.low:+.3f} to "
            f"{self.high:+.3f})."
        )
        if self.low > 0:
            return text
        what = "That is worse" if self.high < 0 else "That is no clear gain"
        return f"{text} {what}; max_epochs=0 keeps the random weights, and takes no time."


def n_to_check(check: int | str, n_scans: int, n_epochs: int) -> int:
    """Give the number of scans that the check looks at; 0: there is none."""
    most = min(_MOST, n_scans * n_epochs // _SEEN) if isinstance(check, str) else check
    n_checked = min(most, n_scans) if n_epochs else 0
    return n_checked if n_checked >= _FEWEST else 0


def told_worth(training: Training) -> Worth | None:
    """Compare as `worth` does, and tell it on standard error; the first of several processes."""
    ranks = training.ranks
    found: Worth | None = ranks.of_first(lambda: worth(training), training.device)
    if found is not None and ranks.is_first:
        print(found, file=sys.stderr)
    return found


def worth(training: Training) -> Worth | None:
    """Compare the weights at the end of a training with the random ones that it began with.

    None where it began with others, and where there are too few scans, or too few of heads. Nothing
    of the training changes.
    """
    params, source, reader = training.params, training.source, training.start.reader
    n_scans = n_to_check(params["check"], len(source), training.n_epochs)
    if not (n_scans and training.start.is_new):
        return None
    initial = new_module(params, reader, training.seed).eval()
    initial.standardize.load_state_dict(training.module.standardize.state_dict())
    modules = [
        on_device(SideTokens(PooledEncoder(module, "tokens")).eval(), training.device)
        for module in (training.module, initial)
    ]
    rng = np.random.default_rng([_STREAM, training.seed])
    rows = np.sort(rng.permutation(len(source))[:n_scans])
    label = rng.permutation(np.arange(n_scans) % 2 == 1)
    ranges = reader.settings().ranges
    tokens: list[list[NDArray[Any]]] = [[], []]  # in half precision: there may be many
    with bar("checking", "scan", n_scans, shown=params["verbose"]) as progress:
        for number, volume in enumerate(source.stream(rows)):
            if label[number]:
                changed = with_lesion(volume, ranges, np.random.default_rng(rng.integers(2**63)))
                volume, label[number] = (volume, False) if changed is None else (changed, True)
            batch = torch.tensor(volume[None], device=training.device)
            with torch.inference_mode(), full_float32(training.device):
                for module, of_module in zip(modules, tokens, strict=True):
                    of_module.append(module(batch)[0].half().cpu().numpy())
            progress.update()
    if min(label.sum(), (~label).sum()) < _FOLDS:
        return None
    wins, wins_random = (_wins(label, _scores(label, np.stack(found))) for found in tokens)
    low, high = _interval(wins - wins_random)
    return Worth(n_scans, float(wins.mean()), float(wins_random.mean()), low, high)


def _scores(label: NDArray[np.bool_], tokens: NDArray[Any]) -> Floats:
    """Predict each scan from the others, by the components of its sides: (_REPEATS, n)."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    from skedema.encoders._components import learn_components, usual_number

    parts = tokens.reshape(len(tokens), 2, -1).swapaxes(0, 1)
    components = [learn_components(part, usual_number(len(part))) for part in parts]
    X = [[*components[0](one), *components[1](other)] for one, other in zip(*parts, strict=True)]
    model = LogisticRegression(C=_C, max_iter=1000)
    folds = [StratifiedKFold(_FOLDS, shuffle=True, random_state=k) for k in range(_REPEATS)]
    return np.stack(
        [cross_val_predict(model, X, label, cv=cv, method="decision_function") for cv in folds]
    )


def _wins(label: NDArray[np.bool_], scores: Floats) -> Floats:
    """Tell of each pair of a scan with a lesion and one without how often the first is ahead."""
    ahead = scores[:, label, None] - scores[:, None, ~label]
    return np.asarray((np.sign(ahead) / 2 + 0.5).mean(axis=0))


def _interval(wins: Floats) -> tuple[float, float]:
    """Give the 95 % interval of the mean of pairs (DeLong et al., Biometrics 1988)."""
    parts = wins.mean(axis=1), wins.mean(axis=0)
    error = np.sqrt(sum(part.var(ddof=1) / len(part) for part in parts))
    return float(wins.mean() - _NORMAL * error), float(wins.mean() + _NORMAL * error)
