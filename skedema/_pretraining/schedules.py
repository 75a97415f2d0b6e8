"""How the learning rate and the edge weight change over a run, as functions of where it is."""

from __future__ import annotations

import math


def learning_rate(step: int, n_steps: int | None, peak: float, warmup_fraction: float) -> float:
    """Rise linearly, then fall by half a cosine.

    ``peak (t + 1) / w`` while t < w, the first `warmup_fraction` of the steps; then
    ``peak (1 + cos(pi (t - w) / (T - w))) / 2`` (Loshchilov and Hutter, "SGDR", ICLR 2017, equation
    5, without restarts, after the warm-up of Goyal et al., arXiv 1706.02677, section 2.2).

    Parameters
    ----------
    step : int
        Number t of the step, from 0.
    n_steps : int or None
        Steps T of the run; None where its end is not known: then it is `peak` throughout.
    peak : float
        The highest rate.
    warmup_fraction : float
        Share of the steps that rise.

    Returns
    -------
    float
        The rate of this step.

    Examples
    --------
    >>> [round(learning_rate(t, 10, 1.0, 0.2), 3) for t in (0, 1, 2, 6, 9)]
    [0.5, 1.0, 1.0, 0.5, 0.038]
    """
    if n_steps is None:
        return peak
    warmup = round(n_steps * warmup_fraction)
    if step < warmup:
        return peak * (step + 1) / warmup
    return peak * (1 + math.cos(math.pi * (step - warmup) / (n_steps - warmup))) / 2


def edge_weight(epoch: int, n_epochs: int | None, start: float) -> float:
    """Fall linearly, an epoch a step, to what would be zero after the last.

    Parameters
    ----------
    epoch : int
        Number of the epoch, from 0.
    n_epochs : int or None
        Epochs of the run; None where its end is not known: then it stays at `start`.
    start : float
        The weight in the first epoch.

    Returns
    -------
    float
        The weight in this epoch, as in the reference implementation of ViT-AE++.

    Examples
    --------
    >>> [edge_weight(epoch, 4, 0.01) for epoch in range(4)]
    [0.01, 0.0075, 0.005, 0.0025]
    """
    return start if n_epochs is None else start * (1 - epoch / n_epochs)
