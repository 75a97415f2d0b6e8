"""The paper's refiner: a light MLP-Mixer."""

from __future__ import annotations

from torch import nn

from skedema.modules.mixer import MixerLayer
from skedema.refiners.base import Refiner


class Mixer(Refiner):
    """MLP-Mixer layers: token mixing, then channel mixing.

    Parameters
    ----------
    expansion : float, default=2.0
        Hidden sizes as a multiple of the number of tokens and of the width. Above 0.

    Examples
    --------
    >>> from skedema import AttentionMixerClassifier
    >>> from skedema.refiners import Mixer
    >>> clf = AttentionMixerClassifier(refiner=Mixer(expansion=1.0), depth=2)
    >>> clf.get_params()["refiner__expansion"]
    1.0
    """

    def __init__(self, *, expansion: float = 2.0) -> None:
        self.expansion = expansion

    def build(self, *, dim: int, n_tokens: int, depth: int, dropout: float) -> nn.Module:
        if not self.expansion > 0:
            raise ValueError(f"expansion must be above 0, got {self.expansion!r}.")
        layers = (MixerLayer(n_tokens, dim, self.expansion, dropout) for _ in range(depth))
        return nn.Sequential(*layers)
