"""Where the checkpoints of a fit lie: what decides a training, so that none takes up another."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from skedema._caching.identity import identity
from skedema._caching.meaning import digest
from skedema._checkpoints import Checkpoints, folder_of_run, make_folder
from skedema._training.course import Course
from skedema._training.net import FusionNet
from skedema._training.patients import Patients
from skedema._training.schedule import Schedule
from skedema._volumes import Volumes

_NAME = "classifier"  # of checkpoints


def checkpoint_folder(parameters: Any, goes_on: bool) -> Path | None:
    """Make the folder that `checkpoint_dir` names, or refuse it before anything is read.

    A fit that `goes_on` from the last has the seed of that.
    """
    given = parameters.checkpoint_dir
    if given is None:
        return None
    if not isinstance(given, str | os.PathLike):
        raise ValueError(f"checkpoint_dir must be the path of a folder, got {given!r}.")
    if parameters.random_state is None and not goes_on:
        raise ValueError(
            "checkpoint_dir needs a random_state, such as random_state=0: without one the next "
            "call of fit is another fit, and would not go on from what this one leaves."
        )
    folder = Path(given).expanduser()
    make_folder(folder)
    return folder


def open_course(
    folder: Path,
    net: FusionNet,
    groups: Sequence[tuple[Patients, Volumes]],
    plan: Schedule,
    *,
    warm: bool,
) -> Course:
    """Find how far a training of these patients, and of those watched, has come.

    The end of one that is `warm` holds the optimizer's moments.
    """
    if not net.initialized_:
        net.initialize()
    run = fingerprint(net, groups, plan) | {"warm": str(bool(warm))}
    own = folder_of_run(folder, _NAME, run)
    return Course(net, Checkpoints(own, _NAME, run, None, lenient=True), plan.n_epochs)


def fingerprint(
    net: FusionNet, groups: Sequence[tuple[Patients, Volumes]], plan: Schedule
) -> dict[str, str]:
    """Say what decides a training; equal for those that come to the same weights.

    It is what training begins with, and not what the user gave: whatever scales, features or
    initial weights were made of, where they differ in one bit the training is another one. How
    often something is shown and where it is computed decides nothing.
    """
    callbacks, stopper = net.callbacks[:-1], net.callbacks[-1]
    falls = "" if plan.rate is None else ", with a rate that falls"
    try:
        given = digest(callbacks, "callbacks")
    except TypeError as error:
        raise ValueError(
            "checkpoint_dir needs callbacks that can be pickled, and so be told from others in a "
            f"later session; got {callbacks!r}. Leave one of them out."
        ) from error
    return {
        "network": _identity(net.module_),
        "learned": _identity(net.kind),
        "optimizer": _identity(net.optimizer_.state_dict()),
        "patients": " and ".join(_identity(_parts(*group)) for group in groups),
        "course": f"seed {net.seed}, {net.batch_size} a step, {plan.n_epochs} epochs after "
        f"{len(net.history)}{falls}, patience {stopper.patience}",
        "callbacks": given,
    }


def _parts(patients: Patients, volumes: Volumes) -> Any:
    return (
        patients.clinical,
        patients.present,
        patients.target,
        patients.weight,
        patients.asked,
        patients.features,
        patients.mirrored,
        patients.mirror,
        None if patients.volume is None else volumes.digest(),
    )


def _identity(thing: Any) -> str:
    found = identity(thing)
    if found is None:
        raise ValueError(
            "checkpoint_dir needs a network that can be pickled, and so be told from others in a "
            "later session. Leave checkpoint_dir out, or give parts (encoder, fusion, refiner) "
            "whose modules can be pickled."
        )
    return found[:32]
