"""A run from its parameters to its end, checkpoints included."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
from skedema._pretraining.source import tell_odd
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
            params["decoder"],
            params["predicted_share"],
        )


def train(training: Training) -> KeyboardInterrupt | None:
    """Train to the end, from the newest checkpoint on if there is one.

    An interrupt after the first finished epoch is given, not raised; the weights are then those of
    the best one.
    """
    ranks = training.ranks
    _check_together(training)
    checkpoints: list[Checkpoints] = []

    def begin() -> dict[str, Any]:
        if not training.endless and training.n_epochs:
            checkpoints.extend(_checkpoints(training))
        training.set_scale()
        return training.state()

    state = ranks.of_first(begin, training.device)
    if not ranks.is_first:
        training.restore(state)
    try:
        training.run(*checkpoints)
    except KeyboardInterrupt as error:
        if training.best is None or training.endless:
            raise
        training.module.load_state_dict(training.best)
        return error
    if ranks.size > 1:  # to the bit, and with the same seconds, on machines that round otherwise
        training.restore(ranks.of_first(training.state, training.device))
    if training.n_epochs:  # otherwise nothing was read that could be told of
        tell_odd(training.source, ranks, training.device)
    return None


def _check_together(training: Training) -> None:
    """Refuse processes that do not train the same, or cannot."""
    params, ranks = training.params, training.ranks
    if ranks.size == 1:
        return
    if params["reference_compat"]:
        raise ValueError(
            "reference_compat=True normalises over the scans of a batch, and can be pre-trained in "
            f"one process only, got {ranks.size}."
        )
    if training.n_epochs and training.batch_size < ranks.size:
        raise ValueError(
            f"{ranks.size} processes share each batch, of {training.batch_size} scans: give "
            "batch_size= at least as many, for it is the whole batch, or start fewer processes."
        )
    free = {"verbose", "n_jobs", "memory", "checkpoint_dir", "device", "random_state"}
    own = {name: repr(value) for name, value in params.items() if name not in free}
    own["the number of scans"] = str(len(training.source))
    for rank, found in enumerate(ranks.gathered(own, training.device)):
        if differing := [name for name in own if found.get(name) != own[name]]:
            raise ValueError(
                "All processes of a group pre-train together, from the same scans and parameters, "
                f"but process {rank} differs from process {ranks.rank} in {', '.join(differing)}."
            )


def _checkpoints(training: Training) -> Iterator[Checkpoints]:
    """Open the folder of checkpoints, if there is one, and go to where the newest was."""
    params, is_new = training.params, training.start.is_new
    memory = memory_folder(params["memory"])
    if params["checkpoint_dir"] is not None:
        folder, cache = Path(params["checkpoint_dir"]).expanduser(), False
    # Without a seed no later fit is the same run.
    elif memory is not None and isinstance(params["random_state"], Integral) and is_new:
        folder, cache = memory / "skedema" / "pretraining", True
    else:
        return
    run = fingerprint(params, training, None if is_new else training.module)
    folder = folder_of_run(folder, _NAME, run)
    checkpoints = Checkpoints(folder, _NAME, run, params["checkpoint_minutes"], cache=cache)
    state = checkpoints.load(partial(problem_of_state, training))
    if state is not None:
        training.restore(state)
    yield checkpoints
