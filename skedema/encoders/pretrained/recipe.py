"""What a recipe says of published weights, and how they are loaded by it."""

from __future__ import annotations

import logging
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, ClassVar, NamedTuple, cast

from sklearn.base import BaseEstimator
from torch import Tensor, nn

from skedema._plugins import build
from skedema._registry import Registry
from skedema._rng import isolated_rng
from skedema.encoders.base import Encoder
from skedema.encoders.pretrained._files import WeightsError, read_weights
from skedema.encoders.pretrained._fitting import (
    PretrainedWeightsError,
    fitted_weights,
    shortened,
)
from skedema.modules.pooled_tokens import PooledTokens, TokenPool
from skedema.modules.reference_weights import WeightsReport, renamed
from skedema.scans import VolumeReader

RECIPES = Registry("recipe", "skedema.recipes")

logger = logging.getLogger("skedema")
_told: set[str] = set()

# What can be wrong with the numbers of a key, whatever the network.
_PRECISION = re.compile(r"\((?:bfloat16|float16|float64) instead of ")
_BROKEN = re.compile(rf"{_PRECISION.pattern}|\(holds values")


class Loaded(NamedTuple):
    """What a recipe makes of weights.

    Parameters
    ----------
    module : Module
        Volumes to features, with a ``pool``, and a method ``with_pool`` that copies it.
    reader : VolumeReader
        How scans are read.
    origin : dict of str to str
        Where the weights come from, and under which licence.
    report : WeightsReport
        What became of every key.
    """

    module: Any
    reader: VolumeReader
    origin: dict[str, str]
    report: WeightsReport


class AnyRecipe(BaseEstimator, ABC):
    """What every recipe tells."""

    title: ClassVar[str]
    licence: ClassVar[str]
    citation: ClassVar[str]
    source: ClassVar[str]
    notes: ClassVar[tuple[str, ...]] = ()
    pools: ClassVar[tuple[str, ...]] = ("cls", "mean", "patches")
    telltale: ClassVar[str] = ""

    def reader(self) -> VolumeReader | None:
        """Make the reader of the scans that the weights were trained on; None if unknown."""
        return None

    @abstractmethod
    def load(
        self,
        weights: str | os.PathLike[str],
        *,
        volume: VolumeReader | None,
        pool: TokenPool | None,
        entry: str | None,
    ) -> Loaded:
        """Load weights from where they lie, for scans read by `volume` if that is given."""

    def summary(self) -> str:
        """Say what is known of the weights, in lines.

        Returns
        -------
        str
            Where they come from, licence, citation, how scans are read, and what to know besides.
        """
        reader = self.reader()
        lines = {
            "weights": self.title,
            "source": self.source,
            "licence": self.licence,
            "citation": self.citation,
            "scans": "as their file, or volume=, says" if reader is None else reader.summary(),
            "features": " or ".join(map(repr, self.pools)),
        }
        told = [f"{name}: {text}" for name, text in lines.items()]
        return "\n".join([*told, *(f"note: {note}" for note in self.notes)])

    def _origin(self, sha256: str) -> dict[str, str]:
        named = ("title", "licence", "citation", "source")
        told = {name: getattr(self, name) for name in named}
        return {"recipe": type(self).__name__, **told, "sha256": sha256}


class Recipe(AnyRecipe, Encoder):
    """How published weights are read and used: a network, its names in files, its scans.

    A subclass is one file: its parameters are the sizes of the network, as published unless they
    say otherwise; `build` makes it, `reader` tells how its scans were read, and class attributes
    tell the rest.

    Attributes
    ----------
    title, licence, citation, source : str
        What the weights are, under which terms they may be used, what to cite, and where to get
        them. All are told when they are loaded, and kept with them.
    notes : tuple of str
        What one has to know besides.
    pools : tuple of str
        What features may be: ``"cls"``, ``"mean"``, ``"patches"``; the first is meant.
    telltale : str
        Part of a key that only such weights have, so that they are known under another recipe.
    renamed : tuple of (str, str)
        Parts of names, ours and those of the file; see `key`.
    dropped : tuple of str
        Patterns of keys that are in files and no part of the encoder, such as ``"decoder_*"``.
    entries : tuple of str
        What training checkpoints call the state, the one that is taken first.
    remedies : tuple of (str, str)
        What to do where a key that does not fit matches a pattern (a regular expression).

    See Also
    --------
    PretrainedEncoder : Loads weights by a recipe.

    Examples
    --------
    >>> import torch
    >>> from skedema import VolumeReader
    >>> from skedema.encoders import CNN
    >>> from skedema.encoders.pretrained import PretrainedEncoder, Recipe
    >>> class OurCNN(Recipe):
    ...     title, licence = "the CNN of our hospital", "for us alone"
    ...     citation, source = "us, 2026", "the shelf"
    ...     pools = ("mean",)
    ...     renamed = (("blocks.", "features."),)
    ...
    ...     def reader(self):
    ...         return VolumeReader(spacing=13, shape=16)
    ...
    ...     def build(self, *, in_channels, shape):
    ...         return CNN(width=4, depth=2).build(in_channels=in_channels, shape=shape)
    >>> network = OurCNN().build(in_channels=1, shape=(16, 16, 16))
    >>> torch.save(OurCNN().state(network), "cnn.pth")
    >>> PretrainedEncoder("cnn.pth", recipe=OurCNN()).fit().weights_report_.fits
    True
    """

    renamed: ClassVar[tuple[tuple[str, str], ...]] = ()
    dropped: ClassVar[tuple[str, ...]] = ()
    entries: ClassVar[tuple[str, ...]] = ("state_dict", "model_state_dict", "model")
    remedies: ClassVar[tuple[tuple[str, str], ...]] = ()

    def key(self, name: str) -> str:
        """Name a weight of the network as files do, by `renamed`.

        Parameters
        ----------
        name : str
            As in the state of what `build` gives.

        Returns
        -------
        str
            Its name in a file, without what may stand before all names there.
        """
        return renamed(name, self.renamed)

    def adapt(self, name: str, value: Tensor, network: nn.Module) -> Tensor:
        """Change a weight of a file to what the network takes.

        Parameters
        ----------
        name : str
            As in the state of what `build` gives.
        value : Tensor
            What the file has.
        network : Module
            What it is for.

        Returns
        -------
        Tensor
            `value` itself, unless a recipe can do better, as with positions of another grid.
        """
        return value

    def state(self, network: nn.Module) -> dict[str, Tensor]:
        """Give a network's weights under the names of files.

        Parameters
        ----------
        network : Module
            What `build` gives.

        Returns
        -------
        dict of str to Tensor
            To be written by `torch.save`, and read by `PretrainedEncoder`.
        """
        return {self.key(name): value for name, value in network.state_dict().items()}

    def load(
        self,
        weights: str | os.PathLike[str],
        *,
        volume: VolumeReader | None,
        pool: TokenPool | None,
        entry: str | None,
    ) -> Loaded:
        if pool is not None and pool not in self.pools:
            raise ValueError(
                f"pool={pool!r}: {type(self).__name__} gives {' or '.join(map(repr, self.pools))}."
            )
        reader = self.reader() if volume is None else volume
        if reader is None:
            raise ValueError(
                f"The recipe {type(self).__name__} does not know how the scans were read that the "
                "weights were trained on: give volume=VolumeReader(...), of their spacing, shape "
                "and windows."
            )
        found = read_weights(weights, entry, self.entries)
        self.check_config(found.config, os.fspath(weights))
        with isolated_rng(0):
            network = build(self, in_channels=reader.n_channels, shape=reader.settings().shape)
        wanted = {self.key(name): (name, each) for name, each in network.state_dict().items()}
        ours, report = fitted_weights(
            found.state, wanted, self.dropped, partial(self.adapt, network=network)
        )
        if not report.fits:
            raise PretrainedWeightsError(self._misfit(os.fspath(weights), report), report)
        network.load_state_dict(ours)
        origin = self._origin(found.sha256)
        if found.entry:
            origin["entry"] = found.entry
        pooled = PooledTokens(network, pool or cast(TokenPool, self.pools[0]), origin)
        return Loaded(pooled.eval(), reader, origin, report)

    def check_config(self, config: Mapping[str, Any], where: str) -> None:
        """Compare the ``config.json`` beside the weights with the recipe's parameters.

        Parameters
        ----------
        config : mapping
            What it holds; empty where there is none.
        where : str
            The place of the weights, for messages.

        Raises
        ------
        WeightsError
            When it names a parameter of the recipe, and another value.
        """
        for name, value in self.get_params(deep=False).items():
            given = config.get(name, value)
            if _plain(given) != _plain(value):
                raise WeightsError(
                    f"{where}: its config.json says {name}={given!r}, and the recipe {name}="
                    f"{value!r}. Give recipe={type(self).__name__}({name}={given!r})."
                )

    def _misfit(self, where: str, report: WeightsReport) -> str:
        shaped = [each for each in report.misshapen if not _BROKEN.search(each)]
        wrong = "\n".join([*report.missing, *report.unexpected, *shaped])
        remedies = [
            f"They look like weights for recipe={name!r}."
            for name, telltale in _telltales()
            if telltale != self.telltale and any(telltale in key for key in report.unexpected)
        ]
        if not remedies:
            found = [text for pattern, text in self.remedies if re.search(pattern, wrong, re.M)]
            remedies = [*_twice(report), *found, *_of_kind(report)]
        if not remedies:
            remedies = [
                f"Give the sizes that the weights have as parameters of {type(self).__name__}, the "
                "recipe that they were trained for, or a whole copy of the file."
            ]
        return (
            f"{where}: these weights do not fit the recipe {type(self).__name__}, and nothing was "
            f"loaded: {shortened(report)}. {' '.join(remedies)}"
        )


def tell_origin(where: str, loaded: Loaded, notes: tuple[str, ...]) -> None:
    """Say once in a process what was loaded, and under which terms."""
    origin, report = loaded.origin, loaded.report
    if origin["sha256"] in _told:
        return
    _told.add(origin["sha256"])
    entry = f", of entry {origin['entry']!r}" if "entry" in origin else ""
    left = f", {len(report.ignored)} of other parts are left out" if report.ignored else ""
    logger.warning(
        "skedema: %s holds %s. Licence: %s. Cite: %s. SHA-256: %s. %s keys fit%s%s.%s",
        where,
        *(origin[name] for name in ("title", "licence", "citation", "sha256")),
        len(report.loaded) + len(report.regenerated),
        entry,
        left,
        "".join(f" {note}" for note in notes),
    )


def _twice(report: WeightsReport) -> list[str]:
    """Give the remedy for names that stand in a file again, after other words."""
    if report.missing:
        return []
    loaded = [key.split(".") for key in report.loaded]
    n_same = next((k for k, words in enumerate(zip(*loaded, strict=False)) if len({*words}) > 1), 0)
    bare = {".".join(words[n_same:]): ".".join(words) for words in loaded}
    for key in report.unexpected:
        words = key.split(".")
        for k in range(len(words)):
            first = bare.get(".".join(words[k:]))
            if first is not None:
                return [
                    f"{key!r} stands beside {first!r}, and nobody knows which is meant: save the "
                    "weights that you want by themselves, such as those of a teacher and not of "
                    "its student."
                ]
    return []


def _of_kind(report: WeightsReport) -> list[str]:
    """Give remedies that no recipe needs to know of."""
    found = []
    wrong = "\n".join([*report.missing, *report.unexpected, *report.misshapen])
    if _PRECISION.search(wrong):
        found.append(
            "Weights of another precision give other features than the published ones. Get the "
            "float32 file; or, to go on with these, save {key: value.float()} of each anew."
        )
    if "(holds values that are not finite)" in wrong:
        found.append("Get another copy, or an earlier checkpoint: the training had diverged.")
    if re.search(r"(?:reg_token|register)", wrong):
        found.append(
            "Register tokens are of another network, which this recipe cannot make: find the "
            "recipe that it was trained by, or write one."
        )
    return found


def _telltales() -> Iterator[tuple[str, str]]:
    for name in RECIPES.names():
        with suppress(Exception):  # one that is broken is none of these weights
            recipe = RECIPES.make(name)
            if recipe.telltale:
                yield name, recipe.telltale


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
