"""The contract of a fusion, and the registry of their names."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from sklearn.base import BaseEstimator
from torch import nn

from skedema._plugins import resolve
from skedema._registry import Registry

_FUSIONS = Registry("fusion", "skedema.fusions")


class Fusion(BaseEstimator, ABC):
    """Hyper-parameters of a fusion; `build` makes its module.

    A subclass stores its parameters in ``__init__`` and nothing else, as scikit-learn's
    estimators do, so that it can be cloned and searched over as ``fusion__<parameter>``.

    Examples
    --------
    >>> from torch import nn
    >>> from skedema.fusion import Fusion
    >>> class Total(Fusion):
    ...     def __init__(self, *, scale=1.0):
    ...         self.scale = scale
    ...
    ...     def build(self, *, dim, n_heads, n_queries, n_variables, dropout):
    ...         return TotalModule(self.scale)
    >>> class TotalModule(nn.Module):
    ...     n_tokens = 1
    ...
    ...     def __init__(self, scale):
    ...         super().__init__()
    ...         self.scale = scale
    ...
    ...     def forward(self, queries, tokens, present):
    ...         total = queries.mean(dim=1, keepdim=True) + tokens.sum(dim=1, keepdim=True)
    ...         return self.scale * total, None

    It is given as an object, or by a name that `register_fusion` makes known:

    >>> import pandas as pd
    >>> from skedema import AttentionMixerClassifier
    >>> X = pd.DataFrame({"sodium": [128.0, 140.0, 126.0, 142.0], "sex": ["f", "m", "m", "f"]})
    >>> clf = AttentionMixerClassifier(fusion=Total(scale=0.5), random_state=0)
    >>> clf.fit(X, [1, 0, 1, 0]).predict(X)
    array([1, 0, 1, 0])
    """

    @abstractmethod
    def build(
        self, *, dim: int, n_heads: int, n_queries: int, n_variables: int, dropout: float
    ) -> nn.Module:
        """Make the module.

        Parameters
        ----------
        dim : int
            Width d of every token.
        n_heads : int
            Attention heads of the model, for fusions that attend.
        n_queries : int
            Tokens T of a scan, at least 1. Where a patient has several scans, those of all of them
            and of the changes from each to the next: q sets, each of T / q.
        n_variables : int
            Clinical variables K; 0 for a model of scans alone.
        dropout : float
            The model's dropout.

        Returns
        -------
        Module
            ``forward(queries, tokens, present)`` takes the scan's tokens (B, T, d), the variables'
            (B, K, d), and what there is (B, q + K), of bool: the first q columns say which sets of
            the scan's tokens stand for something that is there, and the others whether each
            variable has a value. Where a patient has one scan, q is 1. In a model without scans the
            first column is False.

            It returns the fused sequence (B, S, d) and the attention a variable got (B, K), summing
            to 1 a patient (or 0 where nothing was attended to), or None where there is none to
            report, as with K = 0. No patient may influence another. The module has an attribute
            ``n_tokens``, the length S.

            Where each token of the scan attends by itself, it may have a method
            ``attention_by_token`` that takes the same and gives what each attended to, (B, T, K),
            or None.

        Raises
        ------
        ValueError
            When a parameter has a value that it may not have.

        Notes
        -----
        What is missing comes as a token like any other, a learnable vector of the scan's or of the
        variable's own. Most fusions take it as such and need not look at `present`; one that leaves
        out what is missing goes by `present`.
        """


def register_fusion(name: str, factory: Callable[[], Any]) -> None:
    """Make a fusion known by name.

    Parameters
    ----------
    name : str
        What users write as ``fusion=``.
    factory : callable
        Gives a `Fusion` with its default parameters; usually its class.

    Examples
    --------
    >>> from skedema.fusion import CrossAttention, make_fusion, register_fusion
    >>> register_fusion("every_region", lambda: CrossAttention(query="tokens"))
    >>> make_fusion("every_region")
    CrossAttention(query='tokens')
    """
    _FUSIONS.register(name, factory)


def list_fusions() -> list[str]:
    """List the fusions that can be given by name.

    Returns
    -------
    list of str
        Sorted, those of installed packages (entry-point group ``skedema.fusions``) included.

    Examples
    --------
    >>> from skedema.fusion import list_fusions
    >>> list_fusions()
    ['concat', 'cross_attention', 'daft', ...]

    So the choice is a parameter to search over:

    >>> from sklearn.model_selection import GridSearchCV
    >>> from skedema import AttentionMixerClassifier
    >>> search = GridSearchCV(AttentionMixerClassifier(), {"fusion": list_fusions()})
    """
    return _FUSIONS.names()


def make_fusion(fusion: Any) -> Any:
    """Resolve a name or an object to a fusion.

    Parameters
    ----------
    fusion : str or Fusion
        The value of the ``fusion`` parameter.

    Returns
    -------
    Fusion
        With `build`.

    Raises
    ------
    ValueError
        When the name is unknown.
    TypeError
        When it is something else.

    Examples
    --------
    >>> from skedema.fusion import make_fusion
    >>> make_fusion("film")
    FiLM()
    >>> make_fusion("flim")
    Traceback (most recent call last):
        ...
    ValueError: Unknown fusion 'flim'. Did you mean 'film'? Known: 'concat', ...
    """
    return resolve(fusion, _FUSIONS)
