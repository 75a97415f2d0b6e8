"""Several encoders side by side, whose features keep their names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import TransformerMixin, clone
from sklearn.frozen import FrozenEstimator
from sklearn.utils.metaestimators import _BaseComposition, available_if
from sklearn.utils.validation import check_is_fitted

from skedema._caching.identity import identity
from skedema.encoders.base import is_transformer
from skedema.scans import VolumeReader
from skedema.scans._column import scan_cells
from skedema.scans._remarks import told_once


def _all_mirror(union: EncoderUnion) -> bool:
    return all(hasattr(part, "transform_mirrored") for _, part in union._parts())


class EncoderUnion(TransformerMixin, _BaseComposition):
    """Put the features of several encoders side by side, each a part with a name.

    Each part is fitted by itself on the same scans. In a classifier each becomes a token of the
    scan with a projection of its own, and is computed and kept by itself: a part that learns
    nothing, such as `Density`, is computed once for all folds. ``encoder=["density", ...]`` of the
    classifier is the short way to write it.

    Parameters
    ----------
    encoders : list of (str, transformer)
        Names and transformers from scans to features. Encoder objects that are trained on labels
        alone, such as `CNN`, are none. Parameters of a part are ``<name>__<parameter>``.

    Attributes
    ----------
    encoders_ : list of (str, transformer)
        The fitted parts.
    token_widths_ : dict of str to int
        The columns of each part, in their order; a part that has ``token_widths_`` itself counts by
        its own parts, named ``<name>__<part>``.

    Examples
    --------
    >>> from skedema.datasets import make_head_ct_cohort
    >>> from skedema.encoders import Density, EncoderUnion
    >>> scans = make_head_ct_cohort(2, "scans", random_state=0).frame["scan"]
    >>> union = EncoderUnion([("all", Density(edges=[30])), ("fine", Density(edges=[20, 30, 40]))])
    >>> union.set_params(fine__rim=8).fit_transform(scans).shape
    (2, 32)
    >>> union.token_widths_
    {'all': 12, 'fine': 20}

    As a classifier's encoder:

    >>> from skedema import AttentionMixerClassifier
    >>> clf = AttentionMixerClassifier(image="scan", encoder=union)
    >>> clf.get_params()["encoder__fine__rim"]
    8
    """

    def __init__(self, encoders: list[tuple[str, Any]]) -> None:
        self.encoders = encoders

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Give the parameters.

        Parameters
        ----------
        deep : bool, default=True
            Whether the parts and their parameters are among them.

        Returns
        -------
        dict of str to object
            Values by name.
        """
        return dict(self._get_params("encoders", deep=deep))

    def set_params(self, **params: Any) -> Self:
        """Set parameters, those of a part by ``<name>__<parameter>``, or exchange a part by name.

        Parameters
        ----------
        **params
            Values by name.

        Returns
        -------
        EncoderUnion
            The union itself.
        """
        self._set_params("encoders", **params)
        return self

    @told_once()
    def fit(self, X: Any, y: Any = None) -> Self:
        """Fit each part on the scans.

        Parameters
        ----------
        X : sequence of n scans
            As each part takes.
        y : array-like of shape (n,), default=None
            Classes, for parts that use them.

        Returns
        -------
        EncoderUnion
            The union itself.

        Raises
        ------
        TypeError, ValueError
            If the parts are none, have names that cannot be told apart, or are no transformers.
        """
        fitted = [(name, clone(part).fit(X, y)) for name, part in self._parts()]
        return self._take(fitted, scan_cells(X)[:1])

    @told_once()
    def transform(self, X: Any) -> NDArray[np.floating[Any]]:
        """Describe scans by every part.

        Parameters
        ----------
        X : sequence of n scans
            As each part takes.

        Returns
        -------
        ndarray of shape (n, n_features)
            The features of the parts side by side; a DataFrame if `set_output` says so.

        Raises
        ------
        ScanError
            If a scan cannot be read.
        """
        check_is_fitted(self)
        return np.hstack([np.asarray(part.transform(X)) for _, part in self.encoders_])

    @available_if(_all_mirror)  # type: ignore[untyped-decorator]
    @told_once()
    def transform_mirrored(self, X: Any) -> NDArray[np.floating[Any]]:
        """Describe scans as they look mirrored left to right; there if every part can.

        Parameters
        ----------
        X : sequence of n scans
            As each part takes.

        Returns
        -------
        ndarray of shape (n, n_features)
            As `transform`.

        Raises
        ------
        ScanError
            If a scan cannot be read.
        """
        check_is_fitted(self)
        return np.hstack([np.asarray(part.transform_mirrored(X)) for _, part in self.encoders_])

    def get_feature_names_out(self, input_features: object = None) -> NDArray[np.object_]:
        """Name the features.

        Parameters
        ----------
        input_features : object, default=None
            Ignored.

        Returns
        -------
        ndarray of str
            ``<name of the part>__<feature>``; numbers where a part does not name its features.
        """
        check_is_fitted(self)
        names = []
        for name, part in self.encoders_:
            own = names_of(part)
            if not own:
                width = sum(w for k, w in self.token_widths_.items() if k.split("__")[0] == name)
                own = [str(k) for k in range(width)]
            names += [f"{name}__{each}" for each in own]
        return np.array(names, dtype=object)

    def features_digest(self) -> str | None:
        """Tell all that the features of a scan depend on besides the scan.

        Returns
        -------
        str or None
            Equal for unions that give equal features; None where a part cannot tell.
        """
        check_is_fitted(self)
        digests = [
            part.features_digest() if hasattr(part, "features_digest") else identity(part)
            for _, part in self.encoders_
        ]
        return None if None in digests else f"side by side: {digests}"

    @property
    def volume_(self) -> VolumeReader:
        """How the first part reads scans that tells it; others may read them otherwise."""
        for _, part in getattr(self, "encoders_", ()):
            reader = getattr(part, "volume_", None)
            if isinstance(reader, VolumeReader):
                return reader
        raise AttributeError("no part of the union tells how it reads scans")

    def _parts(self) -> list[tuple[str, Any]]:
        """Give the parts as they were given, if they can stand side by side."""
        pairs = self.encoders
        if not isinstance(pairs, list | tuple) or not all(map(_is_pair, pairs)):
            raise TypeError(
                "encoders= of an EncoderUnion is a list of (name, encoder), such as "
                f"[('density', Density())]; got {pairs!r}. encoder=[...] of a classifier takes "
                "names and objects as well."
            )
        _check(pairs)
        return list(pairs)

    def _take(self, fitted: list[tuple[str, Any]], cells: Any) -> Self:
        """Take fitted parts; those that do not name their features are asked with a scan."""
        widths: dict[str, int] = {}
        for name, part in fitted:
            own = getattr(part, "token_widths_", None)
            if own is not None:
                widths |= {f"{name}__{token}": width for token, width in own.items()}
                continue
            widths[name] = len(names_of(part)) or np.asarray(part.transform(cells)).shape[1]
        self.encoders_, self.token_widths_ = fitted, widths
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "encoders_")


def named(given: list[Any], make: Callable[[Any], Any]) -> list[tuple[str, Any]]:
    """Name encoders, given as names, objects or (name, encoder); `make` resolves each.

    An object is called by its class in lower case, as by scikit-learn's `make_union`.
    """
    pairs = []
    for each in given:
        name, encoder = each if _is_pair(each) else ("", each)
        made = make(encoder)
        thawed = made.estimator if isinstance(made, FrozenEstimator) else made
        own = encoder if isinstance(encoder, str) else type(thawed).__name__.lower()
        pairs.append((name or own, made))
    _check(pairs)
    return pairs


def _check(pairs: Sequence[tuple[str, Any]]) -> None:
    """Refuse what cannot be put side by side under these names."""
    if not pairs:
        raise ValueError("No encoder is given: a union needs one part or more.")
    names = [name for name, _ in pairs]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ValueError(
            f"Two parts have the name {twice[0]!r}. Give names of your own: "
            f"encoder=[('one', ...), ('other', ...)]."
        )
    for name, part in pairs:
        if "__" in name or name == "encoders" or not name:
            raise ValueError(
                f"A part cannot have the name {name!r}; give it another, without '__'."
            )
        if not is_transformer(part):
            raise TypeError(
                f"The part {name!r} must be a transformer from scans to features, such as "
                f"Density() or ViTAutoencoder(); got {part!r}. An encoder that learns from labels "
                "with the classifier, such as CNN(), can only stand alone: encoder=CNN()."
            )


def _is_pair(each: Any) -> bool:
    return isinstance(each, tuple) and len(each) == 2 and isinstance(each[0], str)


def names_of(encoder: Any) -> list[str]:
    """Give how an encoder names its features; nothing where it does not."""
    try:
        return list(encoder.get_feature_names_out())
    except AttributeError:  # it has none, or a step of it has none
        return []
