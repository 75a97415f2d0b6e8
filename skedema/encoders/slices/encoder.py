"""SliceEncoder: a network of images looks at the slices of a scan."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import Any, ClassVar, Literal, Self, cast

from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from skedema._all_or_nothing import all_or_nothing
from skedema._device import find_device
from skedema._rng import isolated_rng
from skedema._torch_state import own_torch_state
from skedema.encoders._loaded import LoadedEncoder
from skedema.encoders.pretrained._files import weights_key
from skedema.encoders.slices.backbone import Wanted, find_backbone
from skedema.encoders.slices.loading import load, reader_for, width_of
from skedema.modules.slice_network import SliceNetwork, SlicePool
from skedema.scans import VolumeReader


class SliceEncoder(LoadedEncoder):
    """Features of axial slices, by any 2-D network of timm or transformers.

    Each slice is an image whose three channels are HU windows, shown as radiologists see it and
    normalised as in the training of the network. The features of the slices are pooled to one
    vector a scan, or are a token each, at which a classifier looks one by one. `fit` loads, and
    learns nothing from scans.

    As ``encoder=`` of a classifier it is used as it is with ``fine_tune=False``, so that each scan
    is encoded once, and otherwise trained further, with ``layer_decay`` making the first blocks
    learn more slowly.

    Parameters
    ----------
    backbone : str or path
        ``"timm:vit_small_patch16_224"``, ``"transformers:facebook/dinov2-small"``, or a folder
        with ``config.json`` and ``model.safetensors`` that one of the two has written.
    weights : str, path or None, default=None
        A ``.pth`` or ``.safetensors`` file, or a folder, whose every key has to fit. None: what
        is published under the name of the backbone, from the cache of the hub on this machine, or
        stands in its folder. ``"random"``: random ones.
    pool : {"mean", "max", "attention", "slices"}, default="mean"
        ``"mean"`` and ``"max"``: over the slices that show anything. ``"slices"``: a token each,
        with its position in the order, from the base up. ``"attention"``: these, pooled by gated
        attention that is learned with the classifier, also where the encoder is fixed (Ilse et
        al., ICML 2018).
    n_slices : int or None, default=None
        Slices of a scan. None: all those of `volume`, 32 without one.
    size : int or None, default=None
        Pixels a side of the images, to which slices are brought; None as in the training of the
        network.
    mean, std : sequence of float or None, default=None
        By which images from 0 to 1 are normalised, of each channel; None as in its training.
    arguments : dict or None, default=None
        What else the network is made with: arguments of ``timm.create_model``, such as
        ``{"in_chans": 1}``, or settings of the configuration of transformers.
    volume : VolumeReader or None, default=None
        How scans are read. None is a grid of 224 x 224 x 160 mm around the centre of the field of
        view, as many voxels in plane as the images have pixels, and the windows brain (80, 40),
        subdural (200, 80) and wide bone (2800, 600); brain alone where the network takes one
        channel.
    local_files_only : bool, default=True
        Whether published weights are taken from the cache of this machine alone. False asks the
        hub over the network, and fetches what the cache lacks.
    revision : str or None, default=None
        Of the hub, the commit, tag or branch. Only a commit is always the same.
    memory : str, path, joblib.Memory or None, default=None
        A folder where volumes and features are kept between runs and processes.
    dtype : {"float32", "bfloat16"}, default="float32"
        Precision of the computation; features are float32.
    device : str or torch.device, default="auto"
        Where to compute; ``"auto"`` is a CUDA device if there is one.
    n_jobs : int or None, default=None
        Processes that read scans.
    random_state : int, default=0
        Decides weights where ``weights="random"``.
    verbose : int, default=0
        Above 0, shows progress on standard error.

    Attributes
    ----------
    module_ : SliceNetwork
        Volumes to features.
    volume_ : VolumeReader
        How scans are read.
    token_order_ : str
        Of ``"slices"`` and ``"attention"`` only: what a classifier makes of a token a slice.
    weights_report_ : WeightsReport
        What became of every key.
    origin_ : dict of str to str
        What the weights are, and the SHA-256 of their file.

    See Also
    --------
    PretrainedEncoder : Three-dimensional networks by published weights.

    Notes
    -----
    Batch normalisation, as in a ResNet, keeps to what it has learned where the encoder is fixed;
    such a network cannot be trained further, since patients would influence each other.

    Examples
    --------
    A network in a size that nobody has published, with random weights:

    >>> import numpy as np
    >>> from transformers import Dinov2Config
    >>> sizes = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2}
    >>> Dinov2Config(**sizes, image_size=28, patch_size=14).save_pretrained("tiny")
    >>> from skedema.encoders import SliceEncoder
    >>> usual = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
    >>> encoder = SliceEncoder("tiny", weights="random", n_slices=4, **usual).fit()
    >>> encoder.transform([np.full((16, 16, 8), 40.0)]).shape
    (1, 24)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "backbone": [str, os.PathLike],
        "weights": [str, os.PathLike, None],
        "pool": [StrOptions({"mean", "max", "attention", "slices"})],
        "n_slices": [Interval(Integral, 1, None, closed="left"), None],
        "size": [Interval(Integral, 1, None, closed="left"), None],
        "mean": ["array-like", None],
        "std": ["array-like", None],
        "arguments": [Mapping, None],
        "volume": [VolumeReader, None],
        "local_files_only": ["boolean"],
        "revision": [str, None],
        "random_state": [Integral],
        **LoadedEncoder._parameter_constraints,
    }

    module_: SliceNetwork
    token_order_: str

    def __init__(
        self,
        backbone: str | os.PathLike[str],
        *,
        weights: str | os.PathLike[str] | None = None,
        pool: str = "mean",
        n_slices: int | None = None,
        size: int | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        arguments: Mapping[str, Any] | None = None,
        volume: VolumeReader | None = None,
        local_files_only: bool = True,
        revision: str | None = None,
        memory: Any = None,
        dtype: str = "float32",
        device: Any = "auto",
        n_jobs: int | None = None,
        random_state: int = 0,
        verbose: int = 0,
    ) -> None:
        self.backbone = backbone
        self.weights = weights
        self.pool = pool
        self.n_slices = n_slices
        self.size = size
        self.mean = mean
        self.std = std
        self.arguments = arguments
        self.volume = volume
        self.local_files_only = local_files_only
        self.revision = revision
        self.memory = memory
        self.dtype = dtype
        self.device = device
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    @own_torch_state()
    @all_or_nothing
    def fit(self, X: object = None, y: object = None) -> Self:
        """Load the network.

        Parameters
        ----------
        X, y : object, default=None
            Ignored.

        Returns
        -------
        SliceEncoder
            The fitted transformer.

        Raises
        ------
        FileNotFoundError
            When there are no weights; of published ones, when the cache of this machine lacks
            them.
        ImportError
            When the library of the backbone is not installed.
        skedema.encoders.pretrained.PretrainedWeightsError
            When a weight is missing, left over, or of another shape; all are named.
        ValueError
            When the backbone or its parameters cannot be used.
        """
        self._validate_params()
        find_device(self.device)
        if "" in (self.weights, self.backbone):
            raise ValueError(
                f"backbone={self.backbone!r}, weights={self.weights!r}: a file of a model does not "
                "say where weights lay that it holds. To load them anew, set_params(...) of what "
                "is ''."
            )
        with isolated_rng(int(self.random_state)):
            backbone = load(self._wanted()).normalised_by(self.mean, self.std)
        self.volume_ = reader_for(backbone, self.volume, self.n_slices)
        self._width = width_of(backbone)
        pooled = cast(SlicePool, self.pool if self.pool in ("mean", "max") else "slices")
        self.module_ = SliceNetwork(
            backbone.module,
            backbone.size,
            cast(tuple[float, ...], backbone.mean),
            cast(tuple[float, ...], backbone.std),
            self.volume_.settings().shape[2],
            pooled,
            backbone.origin,
        ).eval()
        self.weights_report_, self.origin_ = backbone.report, backbone.origin
        self.__dict__.pop("token_order_", None)
        if pooled == "slices":
            self.token_order_ = "attention" if self.pool == "attention" else "tokens"
        return self

    @own_torch_state()
    def network(self, pool: Literal["tokens"] | None = None) -> SliceNetwork:
        """Copy the encoder as a torch module, to be trained further with a classifier.

        Parameters
        ----------
        pool : "tokens" or None, default=None
            ``"tokens"``: a token a slice, and the module tells their ``grid``. None: as `pool`
            says.

        Returns
        -------
        SliceNetwork
            ``(B, C, X, Y, Z) -> (B, 1, dim)``, or ``(B, Z, dim)`` of a token a slice.
        """
        check_is_fitted(self)
        return self.module_.with_pool("slices" if pool == "tokens" else self.module_.pool)

    @property
    def _n_features_out(self) -> int:
        n_tokens = self.module_.grid[2] if self.module_.pool == "slices" else 1
        return n_tokens * self._width

    def _wanted(self) -> Wanted:
        library, name = find_backbone(self.backbone)
        arguments = dict(self.arguments or {})
        hub = self.revision, bool(self.local_files_only)
        return Wanted(library, name, self.weights, arguments, self.size, *hub)

    def _named(self) -> tuple[Any, ...]:
        """Tell the files that `backbone` and `weights` name now, where they are not loaded yet."""
        if hasattr(self, "module_"):
            return ()
        return tuple(weights_key(each) for each in (self.backbone, self.weights) if each)
