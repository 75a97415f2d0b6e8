"""A run from its parameters to its end, checkpoints included."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from numbers import Integral
from pathlib import Path
from typing import Any

from sklearn.base import clone
from sklearn.utils import check_random_state

from skedema._caching.memory import memory_folder
from skedema._checkpoints import Checkpoints, folder_of_run
from skedema._pretraining.fingerprint import fingerprint
from skedema._pretraining.loop import Stage, Training
from skedema._pretraining.resumable import problem_of_state
from skedema._rng import isolated_rng
from skedema.modules.autoencoder_sizes import SIZES, AutoencoderSize
from skedema.modules.masked_autoencoder import MaskedAutoencoder
from skedema.scans import VolumeReader

#: The parameters of the estimator that replace a part of its `size`, beside `patch`.
WIDTHS = ("dim", "depth", "n_heads", "decoder_dim", "decoder_depth", "decoder_heads")
_NAME = "vit_autoencoder"  # of checkpoints


def size_of(params: Mapping[str, Any]) -> AutoencoderSize:
    """Give the widths, depths, heads and patch of the network."""
    given = {name: params[name] for name in WIDTHS}
    if params["patch"] is not None:
        patch = params["patch"]
        sides = (patch,) * 3 if isinstance(patch, Integral) else patch
        given["patch"] = tuple(int(side) for side in sides)
    return replace(SIZES[params["size"]], **{k: v for k, v in given.items() if v is not None})


def first_reader(params: Mapping[str, Any]) -> VolumeReader:
    """Give how a first fit reads scans."""
    if params["volume"] is None:
        big = params["size"] == "base"
        return VolumeReader() if big else VolumeReader(spacing=6.75, shape=32)
    reader: VolumeReader = clone(params["volume"])
    reader.settings()
    return reader


def first_stage(params: Mapping[str, Any], reader: VolumeReader) -> Stage:
    """Give what a first fit begins with: the network that the parameters describe, and a seed."""
    seed = int(check_random_state(params["random_state"]).randint(2**31))
    return Stage(new_module(params, reader, seed), reader, seed, [], is_new=True)


def new_module(params: Mapping[str, Any], reader: VolumeReader, seed: int) -> MaskedAutoencoder:
    """Make the network that the parameters describe, with random weights."""
    with isolated_rng(seed):
        return MaskedAutoencoder(
            reader.n_channels,
            reader.settings().shape,
            size_of(params),
            params["mask_ratio"],
            "batch" if params["reference_compat"] else "layer",
        )


def train(training: Training) -> KeyboardInterrupt | None:
    """Train to the end, from the newest checkpoint on if there is one.

    An interrupt after the first finished epoch is given, not raised; the weights are then those of
    the best one.
    """
    checkpoints = None if training.endless or not training.n_epochs else _checkpoints(training)
    try:
        training.run(checkpoints)
    except KeyboardInterrupt as error:
        if training.best is None or training.endless:
            raise
        training.module.load_state_dict(training.best)
        return error
    if training.n_epochs:  # otherwise nothing was read that could be told of
        training.source.tell_odd()
    return None


def _checkpoints(training: Training) -> Checkpoints | None:
    """Open the folder of checkpoints, and go to where the newest was."""
    params, is_new = training.params, training.start.is_new
    memory = memory_folder(params["memory"])
    if params["checkpoint_dir"] is not None:
        folder, cache = Path(params["checkpoint_dir"]).expanduser(), False
    # Without a seed no later fit is the same run.
    elif memory is not None and isinstance(params["random_state"], Integral) and is_new:
        folder, cache = memory / "skedema" / "pretraining", True
    else:
        return None
    run = fingerprint(params, training, None if is_new else training.module)
    folder = folder_of_run(folder, _NAME, run)
    checkpoints = Checkpoints(folder, _NAME, run, params["checkpoint_minutes"], cache=cache)
    state = checkpoints.load(partial(problem_of_state, training))
    if state is not None:
        training.restore(state)
    return checkpoints
