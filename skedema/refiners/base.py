"""The contract of a refiner, and the registry of their names."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from sklearn.base import BaseEstimator
from torch import nn

from skedema._plugins import resolve
from skedema._registry import Registry

_REFINERS = Registry("refiner", "skedema.refiners")


class Refiner(BaseEstimator, ABC):
    """Hyper-parameters of a refiner; `build` makes its module.

    A subclass stores its parameters in ``__init__`` and nothing else, as scikit-learn's
    estimators do, so that it can be cloned and searched over as ``refiner__<parameter>``.

    Examples
    --------
    >>> from torch import nn
    >>> from skedema.refiners import Refiner
    >>> class Feedforward(Refiner):
    ...     def build(self, *, dim, n_tokens, depth, dropout):
    ...         layers = [nn.Linear(dim, dim), nn.GELU(), nn.Dropout(dropout)]
    ...         return nn.Sequential(*layers * depth)

    It is given as an object, or by a name that `register_refiner` makes known:

    >>> import pandas as pd
    >>> from skedema import AttentionMixerClassifier
    >>> X = pd.DataFrame({"sodium": [128.0, 140.0, 126.0, 142.0], "sex": ["f", "m", "m", "f"]})
    >>> clf = AttentionMixerClassifier(refiner=Feedforward(), random_state=0)
    >>> clf.fit(X, [1, 0, 1, 0]).predict(X)
    array([1, 0, 1, 0])
    """

    @abstractmethod
    def build(self, *, dim: int, n_tokens: int, depth: int, dropout: float) -> nn.Module:
        """Make the module.

        Parameters
        ----------
        dim : int
            Width d of a token.
        n_tokens : int
            Length S of the sequence.
        depth : int
            The model's number of layers.
        dropout : float
            The model's dropout.

        Returns
        -------
        Module
            ``(B, S, d) -> (B, S, d)``. No patient may influence another.

        Raises
        ------
        ValueError
            When a parameter has a value that it may not have.
        """


def register_refiner(name: str, factory: Callable[[], Any]) -> None:
    """Make a refiner known by name.

    Parameters
    ----------
    name : str
        What users write as ``refiner=``.
    factory : callable
        Gives a `Refiner` with its default parameters; usually its class.

    Examples
    --------
    >>> from skedema.refiners import Mixer, make_refiner, register_refiner
    >>> register_refiner("wide_mixer", lambda: Mixer(expansion=4.0))
    >>> make_refiner("wide_mixer")
    Mixer(expansion=4.0)
    """
    _REFINERS.register(name, factory)


def list_refiners() -> list[str]:
    """List the refiners that can be given by name.

    Returns
    -------
    list of str
        Sorted, those of installed packages (entry-point group ``skedema.refiners``) included.

    Examples
    --------
    >>> from skedema.refiners import list_refiners
    >>> list_refiners()
    ['mixer'...]
    """
    return _REFINERS.names()


def make_refiner(refiner: Any) -> Any:
    """Resolve a name or an object to a refiner.

    Parameters
    ----------
    refiner : str, Refiner or None
        The value of the ``refiner`` parameter.

    Returns
    -------
    Refiner or None
        With `build`; None for no refinement.

    Raises
    ------
    ValueError
        When the name is unknown.
    TypeError
        When it is something else.

    Examples
    --------
    >>> from skedema.refiners import Mixer, make_refiner
    >>> make_refiner("mixer")
    Mixer()
    >>> make_refiner(Mixer(expansion=1.0))
    Mixer(expansion=1.0)
    """
    return None if refiner is None else resolve(refiner, _REFINERS)
