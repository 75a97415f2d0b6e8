"""PretrainedEncoder: features of scans by weights that others have trained."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Any, ClassVar, Literal, Self

from sklearn.base import clone
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import check_is_fitted
from torch import nn

from skedema._all_or_nothing import all_or_nothing
from skedema._device import find_device
from skedema._told import tell
from skedema._torch_state import own_torch_state
from skedema.encoders._loaded import LoadedEncoder
from skedema.encoders.pretrained._files import weights_key
from skedema.encoders.pretrained.catalogue import make_recipe
from skedema.encoders.pretrained.recipe import AnyRecipe, tell_origin
from skedema.modules.fused import probe
from skedema.scans import VolumeReader

# What of a reader may be otherwise than in training: where a network is told, and which scan.
_FREE = ("shape", "acquisition")


class PretrainedEncoder(LoadedEncoder):
    """Features of scans by published weights, whose file you hold.

    A recipe says what a file of weights does not: how scans were read in training (windows, axes,
    spacing, crop, the order of the steps), which network it is, what its weights are called, and
    under which licence they may be used. Everything has to fit: a key that the network lacks, or
    the file, is an error that names it. `fit` loads, and learns nothing from scans.

    As ``encoder=`` of a classifier it is trained further with ``fine_tune=True``, with
    ``layer_decay`` making its first layers learn more slowly, and used as it is with
    ``fine_tune=False``, or in a `sklearn.frozen.FrozenEstimator`: each scan is then encoded once.

    Parameters
    ----------
    weights : str or path
        A ``.pth`` file (read by torch with ``weights_only=True``, so that no code in it is run), a
        ``.safetensors`` file, or a folder with ``config.json`` and ``model.safetensors``. Nothing
        is ever fetched.
    recipe : str or Recipe
        ``"fm_hct"``, ``"hlip_head_ct"``, ``"ct_fm"``, ``"monai"``, ``"vit_ae"`` for autoencoders
        of this library that were saved, or a recipe with other sizes, such as
        ``FMHCT(qkv_bias=True)``; see `skedema.encoders.pretrained.list_recipes`.
    pool : {"cls", "mean", "patches"} or None, default=None
        The features: the class token, the mean of the patch tokens, or these side by side. None is
        what the recipe's authors used.
    volume : VolumeReader or "auto", default="auto"
        How scans are read; ``"auto"`` is as in training, whatever `volume` a classifier has.
        Another shape brings the positions of a transformer to another grid. Anything else that
        differs from training brings a warning: change a reader of the recipe, such as
        ``FMHCT().reader().set_params(remote="copies")``.
    entry : str or None, default=None
        Which state of a training checkpoint is loaded, by its key in the file. None is the first
        that the recipe looks for.
    memory : str, path, joblib.Memory or None, default=None
        A folder where volumes and features are kept between runs and processes.
    dtype : {"float32", "bfloat16"}, default="float32"
        Precision of the computation; features are float32.
    device : str or torch.device, default="auto"
        Where to compute; ``"auto"`` is a CUDA device if there is one.
    n_jobs : int or None, default=None
        Processes that read scans.
    verbose : int, default=0
        Above 0, shows progress on standard error.

    Attributes
    ----------
    module_ : Module
        Volumes to features.
    volume_ : VolumeReader
        How scans are read.
    weights_report_ : WeightsReport
        What became of every key of the file.
    origin_ : dict of str to str
        What the weights are, their licence, what to cite, and the SHA-256 of their file.

    See Also
    --------
    ViTAutoencoder : An encoder to pre-train on scans of your own.

    Notes
    -----
    What was loaded, its licence and what to cite are told once in a process, by the logger
    "skedema" (``logging.getLogger("skedema").setLevel("ERROR")`` silences it).

    A model that is saved with `skedema.save` holds the weights, and does without their file. Not
    every licence lets you pass such a file on: some forbid changed weights, or any weights. What a
    file holds, and under which licence, stands in its manifest and in its model card.

    Examples
    --------
    Weights of the network of FM-HCT, in a size that nobody has published:

    >>> import nibabel as nib, numpy as np, torch
    >>> from skedema.encoders.pretrained import FMHCT, PretrainedEncoder
    >>> tiny = FMHCT(dim=24, depth=1, n_heads=2, patch=8, shape=16)
    >>> network = tiny.build(in_channels=3, shape=(16, 16, 16))
    >>> torch.save(tiny.state(network), "weights.pth")
    >>> encoder = PretrainedEncoder("weights.pth", recipe=tiny).fit()
    >>> scan = nib.Nifti1Image(np.full((8, 8, 8), 40.0), np.diag([4.0, 4.0, 4.0, 1.0]))
    >>> encoder.transform([scan]).shape
    (1, 24)
    >>> encoder.origin_["licence"]
    'CC BY-NC-ND 4.0 (repository); weights on request, under an agreement with NYU'
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "weights": [str, os.PathLike],
        "recipe": [str, AnyRecipe],
        "pool": [StrOptions({"cls", "mean", "patches"}), None],
        "volume": [VolumeReader, StrOptions({"auto"})],
        "entry": [str, None],
        **LoadedEncoder._parameter_constraints,
    }

    def __init__(
        self,
        weights: str | os.PathLike[str],
        *,
        recipe: Any,
        pool: str | None = None,
        volume: VolumeReader | Literal["auto"] = "auto",
        entry: str | None = None,
        memory: Any = None,
        dtype: str = "float32",
        device: Any = "auto",
        n_jobs: int | None = None,
        verbose: int = 0,
    ) -> None:
        self.weights = weights
        self.recipe = recipe
        self.pool = pool
        self.volume = volume
        self.entry = entry
        self.memory = memory
        self.dtype = dtype
        self.device = device
        self.n_jobs = n_jobs
        self.verbose = verbose

    @own_torch_state()
    @all_or_nothing
    def fit(self, X: object = None, y: object = None) -> Self:
        """Load the weights.

        Parameters
        ----------
        X, y : object, default=None
            Ignored.

        Returns
        -------
        PretrainedEncoder
            The fitted transformer.

        Raises
        ------
        FileNotFoundError
            When there are no weights.
        skedema.encoders.pretrained.PretrainedWeightsError
            When a weight is missing, left over, or of another shape or kind; all are named.
        ValueError
            When the file is damaged or would have to run code, when the recipe does not give
            features of this `pool`, or needs a `volume`.

        Warns
        -----
        UserWarning
            When `volume` reads scans otherwise than in training.
        """
        if self.weights is None:
            raise ValueError(
                "weights=None: a file of a model does not say where weights lie that it holds. "
                'To load them anew, set_params(weights="their file"), of a classifier '
                'set_params(encoder__weights="their file").'
            )
        self._validate_params()
        find_device(self.device)
        recipe = make_recipe(self.recipe)
        volume = clone(self.volume) if isinstance(self.volume, VolumeReader) else None
        pool: Any = self.pool
        loaded = recipe.load(self.weights, volume=volume, pool=pool, entry=self.entry)
        self.module_, self.volume_, self.origin_, self.weights_report_ = loaded
        settings = self.volume_.settings()
        _, self._width = probe(self.module_, self.volume_.n_channels, settings.shape)
        tell_origin(os.fspath(self.weights), loaded, recipe.notes)
        usual = recipe.reader()
        if volume is not None and usual is not None:
            _tell_other_reading(volume, usual, type(recipe).__name__)
        return self

    @own_torch_state()
    def network(self, pool: Literal["tokens"] | None = None) -> nn.Module:
        """Copy the network, to be trained further with a classifier.

        Parameters
        ----------
        pool : "tokens" or None, default=None
            ``"tokens"``: a token a patch, and the module tells their ``grid``. None: the features
            that `transform` gives.

        Returns
        -------
        Module
            ``(B, C, X, Y, Z) -> (B, 1, dim)``, or ``(B, 1, n_patches * dim)`` with
            ``pool="patches"``; ``(B, n_patches, dim)`` of ``"tokens"``.
        """
        check_is_fitted(self)
        copied: nn.Module = self.module_.with_pool(pool or self.module_.pool)
        return copied

    def summary(self) -> str:
        """Say what the weights are, under which licence, and how scans are read for them.

        Returns
        -------
        str
            A line each; of a fitted encoder also the SHA-256 of the file.
        """
        text = make_recipe(self.recipe).summary()
        return f"{text}\nSHA-256: {self.origin_['sha256']}" if hasattr(self, "origin_") else text

    @property
    def _n_features_out(self) -> int:
        return self._width

    def _named(self) -> tuple[Any, ...]:
        """Tell what `weights` and `recipe` name now, where that has not been loaded yet."""
        if hasattr(self, "module_"):
            return ()
        recipe = self.recipe
        with suppress(Exception):  # an unknown one is told by `fit`
            recipe = make_recipe(recipe)
        return recipe, weights_key(self.weights)


def _tell_other_reading(volume: VolumeReader, trained_on: VolumeReader, name: str) -> None:
    """Warn where scans are read otherwise than those that the weights were trained on."""
    given, usual = (reader.settings()._asdict() for reader in (volume, trained_on))
    others = [
        f"{key}={given[key]!r} and not {usual[key]!r}"
        for key in given
        if given[key] != usual[key] and key not in _FREE
    ]
    if others:
        tell(
            f"volume= reads scans otherwise than those that the weights of {name} were trained on: "
            f"{', '.join(others)}. Features may be worth little. Leave volume='auto', or change "
            f"{name}().reader()."
        )
