"""Tokens of both sides of the head, compared, and brought down to a few numbers."""

from __future__ import annotations

import math
from numbers import Integral
from typing import Any, ClassVar, Self, cast

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from skedema._all_or_nothing import all_or_nothing
from skedema._caching.digest import digest
from skedema._caching.memory import memory_folder, memory_for_others
from skedema._device import device_at_hand, find_device
from skedema._features import (
    DerivedEncoder,
    FittedEncoder,
    ModuleEncoder,
    View,
    features,
    features_of,
    has_own_way,
)
from skedema._scan_column import take_every_scan
from skedema._torch_state import own_torch_state
from skedema._volumes import Volumes
from skedema.encoders._components import Piece, learn_components, usual_number
from skedema.encoders._regions import MOST, regions_of
from skedema.encoders._token_network import token_network
from skedema.modules.mirror import SideTokens
from skedema.scans import VolumeReader
from skedema.scans._remarks import told_once

#: What the sides come to: the name of each kind of number, and which part of `SideTokens` it is.
_KINDS: dict[str, dict[str, int]] = {
    "paired": {"mean of the sides": 0, "difference of the sides": 1},
    "mean": {"mean of the sides": 0},
    "difference": {"difference of the sides": 1},
    "apart": {"component": 0},
}
_LEAST = 2  # components of a region, "auto"


class MirroredTokens(TransformerMixin, BaseEstimator):
    """Compare the tokens of a head with those of its mirror image, region by region.

    An encoder that gives a token a region sees each scan and its mirror image. At each place of one
    half of the head, the mean of both tokens tells what is alike on both sides, such as swelling,
    and their absolute difference what is not, such as a bleeding. Means and differences each come
    down to their principal components over the training scans, with or without labels, and each
    component to unit spread. A scan that is mirrored has the same features.

    Tokens are computed and kept once, whatever folds, repeats and heads ask for them. The weights
    of an encoder that learns nothing from scans are the same in every fit, so that all share them.

    Parameters
    ----------
    encoder : str, Encoder, transformer or None, default=None
        What gives tokens. An encoder object, such as `ViT`, is built with random weights.
        `ViTAutoencoder` is pre-trained on the scans of `fit`, or used as it is in a
        `sklearn.frozen.FrozenEstimator`. None is a `ViTAutoencoder` of size "small" with its
        initial weights (``max_epochs=0``), its patch 8 voxels, or a quarter of a side below 32.
        Tokens are computed in float32.
    n_components : int or "auto", default="auto"
        Components of each kind and region, at most; there are fewer than scans. "auto" is twice the
        square root of the number of training scans, up to 32, shared out among regions with at
        least 2 to each.
    sides : {"paired", "mean", "difference", "apart"}, default="paired"
        ``"paired"``: mean and difference; or one of them. ``"apart"``: the tokens of both sides as
        they are, without a mirror image, for where the side matters, such as a hemiparesis of the
        left or a difference in speech.
    regions : tuple of 3 int or None, default=None
        How many parts of the head have components of their own: across each half (1, or 2 for outer
        and inner), from back to front (1 to 3), and from the base up (1 to 3). ``(1, 3, 2)`` is
        back, middle and front, each lower and upper. A classifier then makes a token of each, which
        asks by itself: see `token_widths_`. None: the whole head, one token.
    volume : VolumeReader or None, default=None
        How scans are read, where `encoder` does not tell; None is
        ``VolumeReader(template="head")``.
    memory : str, path, joblib.Memory or None, default=None
        A folder where volumes and tokens are kept between runs and processes.
    n_jobs : int or None, default=None
        Processes that read scans.
    device : str or torch.device, default="auto"
        Where tokens are computed, and where an encoder whose own is ``"auto"`` is pre-trained;
        ``"auto"`` is a CUDA device if there is one.
    random_state : int, RandomState instance or None, default=0
        Decides random weights. With an integer, as by default, all fits have the same.
    verbose : int, default=0
        Above 0, shows progress on standard error.

    Attributes
    ----------
    module_ : SideTokens
        Volumes to the tokens that are compared.
    volume_ : VolumeReader
        How scans are read.
    token_widths_ : dict of str to int
        With `regions` only: the number of features of each region, in their order.

    See Also
    --------
    ViTAutoencoder : The encoder, and how to pre-train it.
    Density : Features of both sides without a network.

    Notes
    -----
    The components are those of the matrix of products of scans, which is small where tokens are
    many. Signs are fixed by the largest weight.

    Examples
    --------
    >>> from skedema.datasets import make_head_ct_cohort
    >>> from skedema.encoders import MirroredTokens, ViT
    >>> cohort = make_head_ct_cohort(6, "scans", shape=[48] * 3, spacing=[4.5] * 3, random_state=0)
    >>> tokens = MirroredTokens(ViT(dim=12, depth=1, n_heads=2, patch=8), n_components=2)
    >>> tokens.set_output(transform="pandas").fit_transform(cohort.frame["scan"]).shape
    (6, 4)
    >>> tokens.get_feature_names_out()[2]
    'difference of the sides 1'

    It is the default encoder of a classifier, and has its name in ``encoder="mirrored_tokens"``.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "encoder": "no_validation",
        "n_components": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "sides": [StrOptions(set(_KINDS))],
        "regions": [tuple, list, None],
        "volume": [VolumeReader, None],
        "memory": "no_validation",
        "n_jobs": [Integral, None],
        "device": [str, torch.device],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    module_: SideTokens
    volume_: VolumeReader
    token_widths_: dict[str, int]
    _pieces: list[Piece]
    _digest: str
    _learned: bool

    def __init__(
        self,
        encoder: Any = None,
        *,
        n_components: int | str = "auto",
        sides: str = "paired",
        regions: tuple[int, int, int] | None = None,
        volume: VolumeReader | None = None,
        memory: Any = None,
        n_jobs: int | None = None,
        device: Any = "auto",
        random_state: Any = 0,
        verbose: int = 0,
    ) -> None:
        self.encoder = encoder
        self.n_components = n_components
        self.sides = sides
        self.regions = regions
        self.volume = volume
        self.memory = memory
        self.n_jobs = n_jobs
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    @told_once()
    @own_torch_state()
    @all_or_nothing
    def fit(self, X: Any, y: object = None) -> Self:
        """Find the components of training scans.

        Parameters
        ----------
        X : sequence of n scans
            As `VolumeReader.transform` takes: a list, Series, column or table of one column.
        y : object, default=None
            Ignored: there are no labels.

        Returns
        -------
        MirroredTokens
            The fitted transformer.

        Raises
        ------
        ScanError
            When scans are missing (the message names the rows) or cannot be read.
        TypeError
            When the encoder does not tell which region a token is of.
        ValueError
            When there are more regions than tokens.

        Warns
        -----
        UserWarning
            Once, with the rows, of scans that are odd; see `VolumeReader`.
        """
        self._validate_params()
        find_device(self.device)  # or refuse it before anything is looked at
        reader = VolumeReader(template="head") if self.volume is None else clone(self.volume)
        scans = take_every_scan(X, reader.remote)
        context = {
            "device": self.device,
            "memory": memory_for_others(memory_folder(self.memory)),
            "n_jobs": self.n_jobs,
            "verbose": self.verbose,
        }
        network, self.volume_, self._learned = token_network(
            self.encoder, reader, X, self.random_state, context
        )
        self.module_ = SideTokens(network, self.sides != "apart").eval()
        regions = self._regions(self.module_.grid)
        volumes = self._open(scans)
        tokens = features_of(self._source(), volumes, volumes.rows)[0]
        n_components = self._n_components(len(tokens), len(regions))
        self._pieces = []
        for region, cells in regions.items():
            for kind, part in _KINDS[self.sides].items():
                rows = tokens[:, part] if len(regions) == 1 else tokens[:, part, cells]
                found = learn_components(rows.reshape(len(rows), -1), n_components)
                self._pieces.append(Piece(region, kind, part, cells, found))
        parts = [array for p in self._pieces for array in (p.cells, *vars(p.components).values())]
        self._digest = f"{self.sides}: {digest(*parts)}"
        self._tell_widths()
        self._keep(tokens, volumes)
        volumes.tell_odd()
        return self

    def transform(self, X: Any) -> NDArray[np.float32]:
        """Describe each scan; its features do not depend on the others.

        Parameters
        ----------
        X : sequence of n scans
            As in `fit`.

        Returns
        -------
        ndarray of shape (n, n_features), float32
            In the order of `get_feature_names_out`; a DataFrame if `set_output` says so.

        Raises
        ------
        ScanError
            When scans are missing or cannot be read.

        Warns
        -----
        UserWarning
            As in `fit`.
        """
        return self._features(X, mirror=False)

    def transform_mirrored(self, X: Any) -> NDArray[np.float32]:
        """Describe each scan as it looks mirrored left to right; with paired sides, no otherwise.

        Parameters
        ----------
        X : sequence of n scans
            As in `fit`.

        Returns
        -------
        ndarray of shape (n, n_features), float32
            What `transform` gives of the mirrored volumes.
        """
        return self._features(X, mirror=True)

    def features_digest(self) -> str | None:
        """Tell what features depend on besides the scan: weights, reader, components, device.

        Returns
        -------
        str or None
            Equal for transformers that give equal features; None where it cannot be told.
        """
        return self._encoder().recipe()

    def get_feature_names_out(self, input_features: object = None) -> NDArray[np.object_]:
        """Name the features.

        Parameters
        ----------
        input_features : object, default=None
            Ignored.

        Returns
        -------
        ndarray of str
            Such as ``"difference of the sides 1"``, after the region where there are several.
        """
        check_is_fitted(self)
        names = []
        for piece in self._pieces:
            before = f"{piece.region}: " if piece.region else ""
            n = len(piece.components.weights)
            names += [f"{before}{piece.kind} {number}" for number in range(1, n + 1)]
        return np.array(names, dtype=object)

    @own_torch_state()
    def _features(self, X: Any, *, mirror: bool) -> NDArray[np.float32]:
        check_is_fitted(self)
        volumes = self._open(take_every_scan(X, self.volume_.remote))
        found = features_of(self._encoder(), volumes, volumes.rows, (mirror,))[0]
        volumes.tell_odd()
        return found

    def _as_encoder(self) -> FittedEncoder | None:
        """Hand over what features are computed with; None where a subclass has its own way."""
        return None if has_own_way(self, MirroredTokens) else self._encoder()

    def _encoder(self) -> DerivedEncoder:
        check_is_fitted(self)
        how = (self._derive, self._digest, self.sides != "apart", self._learned, self._derive_all)
        return DerivedEncoder(self._source(), *how)

    def _source(self) -> ModuleEncoder:
        device = device_at_hand(self.device)
        settings = ("tokens of regions",)
        return ModuleEncoder(self.module_, self.volume_, device, settings, function=_apply)

    def _derive(self, tokens: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.concatenate([piece(tokens) for piece in self._pieces])

    def _derive_all(self, tokens: Tensor) -> Tensor:
        return torch.cat([piece.of_all(tokens) for piece in self._pieces], dim=1)

    def _keep(self, tokens: NDArray[np.float32], volumes: Volumes) -> None:
        """Keep the features of training scans, whose tokens may not be held when they are asked."""
        views = [View(row, mirror=False) for row in volumes.rows.tolist()]
        features.keep(self._encoder(), volumes, views, [self._derive(each) for each in tokens])

    def _open(self, scans: Any) -> Volumes:
        memory = memory_folder(self.memory)
        return Volumes(scans, self.volume_, memory, self.n_jobs, int(self.verbose))

    def _regions(self, grid: tuple[int, int, int]) -> dict[str, NDArray[np.intp]]:
        if self.regions is None:
            return {"": np.arange(math.prod(grid))}
        given = tuple(self.regions)
        if len(given) != 3 or not all(
            isinstance(n, Integral) and 1 <= n <= most for n, most in zip(given, MOST, strict=True)
        ):
            raise ValueError(
                f"regions={self.regions!r}: give three whole numbers, 1 to {MOST[0]} across each "
                f"half, 1 to {MOST[1]} from back to front and 1 to {MOST[2]} upwards, such as "
                "(1, 3, 2), or None."
            )
        across, along, up = map(int, given)
        return regions_of(grid, (across, along, up), whole=self.sides == "apart")

    def _n_components(self, n_scans: int, n_regions: int) -> int:
        if self.n_components != "auto":
            return int(self.n_components)
        return max(_LEAST, usual_number(n_scans) // n_regions)

    def _tell_widths(self) -> None:
        self.__dict__.pop("token_widths_", None)
        if self.regions is not None:
            self.token_widths_ = dict.fromkeys([piece.region for piece in self._pieces], 0)
            for piece in self._pieces:
                self.token_widths_[piece.region] += len(piece.components.weights)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.no_validation = True
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        return tags


def _apply(module: SideTokens, volume: Tensor) -> Tensor:
    return cast(Tensor, module(volume))
