"""Sensible spaces for the classifier's head, its encoder, and pre-training.

Each is a dict of parameter names to Optuna distributions: join them by ``|``, take entries out,
put others in. Every value of every space is valid, and so is every combination.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from sklearn.frozen import FrozenEstimator

from skedema.autoencoder import ViTAutoencoder
from skedema.encoders import CNN, ViT
from skedema.refiners import list_refiners

Distributions: TypeAlias = dict[str, BaseDistribution]


def head_space(prefix: str = "") -> Distributions:
    """Give a space for all that comes after the encoder.

    Where the encoder's features are computed once (it is frozen, or ``fine_tune=False``), trials
    over it encode nothing anew.

    Parameters
    ----------
    prefix : str, default=""
        Put before each name: ``"clf__"`` for a step of that name in a pipeline.

    Returns
    -------
    dict of str to distribution
        For `skedema.AttentionMixerClassifier`.

    Notes
    -----
    - ``lr`` from 1e-4 to 1e-2, logarithmic: a factor of ten to both sides of 1e-3, AdamW's usual
      one, and around the 3e-3 that several members have by default.
    - ``weight_decay`` from 1e-3 to 1, logarithmic. AdamW multiplies it by `lr`, so that decay over
      a fit of a few hundred steps is from none to a tenth of the weights.
    - ``dropout`` from 0 to 0.5: beyond a half, a head of 32 units learns too slowly.
    - ``input_dropout`` from 0 to 0.6, around the default of 0.3.
    - ``dim`` 16, 32, 64, 128 and ``n_heads`` 1, 2, 4, 8: powers of two, so that heads always divide
      the width. Cohorts of some hundred patients do not carry more.
    - ``refiner`` out of the registered ones and None, ``depth`` from 1 to 3 of its layers (without
      a refiner it does nothing). The fusion is not in it, since the others are there to compare
      with; a search over them takes ``CategoricalDistribution(list_fusions())``.
    - ``max_epochs`` from 20 to 150, logarithmic, around the defaults of 30 and 50. Where nothing
      is watched (see `early_stopping`) nothing else stops a fit, and the time of a trial grows.

    Examples
    --------
    >>> from skedema.search import head_space
    >>> space = head_space()
    >>> del space["refiner"]
    >>> sorted(space)
    ['depth', 'dim', 'dropout', 'input_dropout', 'lr', 'max_epochs', 'n_heads', 'weight_decay']
    """
    return _prefixed(
        prefix,
        {
            "lr": FloatDistribution(1e-4, 1e-2, log=True),
            "weight_decay": FloatDistribution(1e-3, 1.0, log=True),
            "dropout": FloatDistribution(0.0, 0.5),
            "input_dropout": FloatDistribution(0.0, 0.6),
            "dim": CategoricalDistribution([16, 32, 64, 128]),
            "n_heads": CategoricalDistribution([1, 2, 4, 8]),
            "refiner": CategoricalDistribution([None, *list_refiners()]),
            "depth": IntDistribution(1, 3),
            "max_epochs": IntDistribution(20, 150, log=True),
        },
    )


def encoder_space(encoder: Any, prefix: str = "encoder__") -> Distributions:
    """Give a space for the architecture of an encoder.

    The classifier to tune must hold the encoder as an object, since a name has no parameters. Each
    trial trains its encoders anew.

    Parameters
    ----------
    encoder : CNN, ViT or ViTAutoencoder
        The encoder object, ``clf.encoder``.
    prefix : str, default="encoder__"
        Put before each name; the default is right for a classifier that holds the encoder.

    Returns
    -------
    dict of str to distribution
        For the parameters of that encoder.

    Raises
    ------
    TypeError
        For a name, a frozen encoder, and one of another kind.

    Notes
    -----
    - `CNN`: ``width`` 8, 16, 32 and ``depth`` from 2 to 5. Each stage halves the grid: two leave
      regions of some cm on a coarse grid, five a few cells of 96 cubed voxels.
    - `ViT`: ``dim`` 48, 96, 192, which ``n_heads`` 2, 4, 8 all divide; ``depth`` from 2 to 8;
      ``patch`` 8 or 16 voxels, of which 8 makes eight times as many tokens; ``dropout`` from 0 to
      0.3. A transformer from scratch on a few hundred scans overfits beyond that size.
    - `ViTAutoencoder`: ``size`` "tiny" or "small" and ``depth`` from 2 to 8. "base" takes days
      without a GPU; add it where there is one. A width that was set is kept instead of ``size``.

    Examples
    --------
    >>> from skedema.encoders import CNN
    >>> from skedema.search import encoder_space
    >>> sorted(encoder_space(CNN()))
    ['encoder__depth', 'encoder__width']
    """
    if isinstance(encoder, CNN):
        space: Distributions = {
            "width": CategoricalDistribution([8, 16, 32]),
            "depth": IntDistribution(2, 5),
        }
    elif isinstance(encoder, ViT):
        space = {
            "dim": CategoricalDistribution([48, 96, 192]),
            "n_heads": CategoricalDistribution([2, 4, 8]),
            "depth": IntDistribution(2, 8),
            "patch": CategoricalDistribution([8, 16]),
            "dropout": FloatDistribution(0.0, 0.3),
        }
    elif isinstance(encoder, ViTAutoencoder):
        space = {"depth": IntDistribution(2, 8)}
        widths = ("dim", "n_heads", "decoder_dim", "decoder_heads")
        if all(getattr(encoder, width) is None for width in widths):
            space = {"size": CategoricalDistribution(["tiny", "small"])} | space
    else:
        raise TypeError(_no_space(encoder))
    return _prefixed(prefix, space)


def pretraining_space(prefix: str = "encoder__") -> Distributions:
    """Give a space for the pre-training of a `skedema.ViTAutoencoder`.

    What counts is the score of the classifier that uses the features, not a loss of pre-training:
    an easier task has a lower one. Each trial pre-trains on each training fold.

    Parameters
    ----------
    prefix : str, default="encoder__"
        Put before each name; the default is right for a classifier whose ``encoder`` is a
        `ViTAutoencoder`, ``"vitautoencoder__"`` for a pipeline by ``make_pipeline``.

    Returns
    -------
    dict of str to distribution
        For `skedema.ViTAutoencoder`.

    Notes
    -----
    - ``mask_ratio`` from 0.5 to 0.9: He et al. ("Masked autoencoders are scalable vision
      learners", CVPR 2022) found 0.4 to 0.8 to serve alike and 0.75 best.
    - ``contrast_weight`` from 1e-3, the reference's, to 1; ``edge_weight`` from 1e-3 to 1e-1, a
      factor of ten to both sides of the reference's. Logarithmic.
    - ``lr`` from 1e-4 to 3e-3 and ``weight_decay`` from 0.01 to 0.2, logarithmic, around the
      defaults. A higher rate diverges in some runs.
    - ``pool`` "mean" or "cls", what becomes of the tokens.

    ``max_epochs`` is not in it: more is better for as long as one can wait.

    Examples
    --------
    >>> from skedema.search import head_space, pretraining_space
    >>> space = head_space() | pretraining_space()
    >>> space["encoder__mask_ratio"].high
    0.9
    """
    return _prefixed(
        prefix,
        {
            "mask_ratio": FloatDistribution(0.5, 0.9),
            "contrast_weight": FloatDistribution(1e-3, 1.0, log=True),
            "edge_weight": FloatDistribution(1e-3, 1e-1, log=True),
            "lr": FloatDistribution(1e-4, 3e-3, log=True),
            "weight_decay": FloatDistribution(0.01, 0.2, log=True),
            "pool": CategoricalDistribution(["mean", "cls"]),
        },
    )


def _prefixed(prefix: str, space: Distributions) -> Distributions:
    return {f"{prefix}{name}": distribution for name, distribution in space.items()}


def _no_space(encoder: Any) -> str:
    if isinstance(encoder, str):
        return (
            f"The encoder {encoder!r} is a name, which has no parameters to search over. Give the "
            "classifier and this function the object, such as skedema.encoders.CNN()."
        )
    if isinstance(encoder, FrozenEstimator):
        return (
            "A frozen encoder is used as it is, there is nothing to search over. Search over "
            "head_space(), or give the encoder without FrozenEstimator."
        )
    return (
        f"There is no ready space for an encoder of type {type(encoder).__name__}, only for CNN, "
        "ViT and ViTAutoencoder. Write a dict of its parameters' names, 'encoder__<parameter>', "
        "to distributions of optuna.distributions."
    )
