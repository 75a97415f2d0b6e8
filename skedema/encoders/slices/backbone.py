"""A 2-D network, where it comes from, and what images it takes."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from torch import nn

from skedema._extras import how_to_install
from skedema.encoders.pretrained._files import Weights, WeightsError, read_weights
from skedema.encoders.pretrained._fitting import PretrainedWeightsError, _prefix, shortened
from skedema.modules.reference_weights import WeightsReport

#: What stands before the name of a backbone.
LIBRARIES = ("timm", "transformers")
#: What `weights` says where the random ones are meant.
RANDOM = "random"
_WRAPPERS = re.compile(r"^(?:module\.|_orig_mod\.)+")
_ENTRIES = ("state_dict_ema", "model_ema", "state_dict", "model_state_dict", "model", "teacher")


class Wanted(NamedTuple):
    """What is asked for.

    Parameters
    ----------
    library : {"timm", "transformers"}
        Which makes it.
    name : str
        Its name there, or a folder.
    weights : str, path or None
        Where its weights lie; None for those that are published under the name, or in the folder.
    arguments : dict
        What else the library is told.
    size : int or None
        Pixels a side of an image.
    revision : str or None
        Of the hub.
    local_files_only : bool
        Whether the hub may be asked.
    """

    library: str
    name: str
    weights: Any
    arguments: dict[str, Any]
    size: int | None
    revision: str | None
    local_files_only: bool

    @property
    def is_folder(self) -> bool:
        return Path(self.name).is_dir()

    def title(self, kind: str) -> str:
        """Name it without a place of this machine: in a folder, by its kind."""
        return kind if self.is_folder else self.name

    def read(self, place: str | os.PathLike[str]) -> Weights:
        """Read weights from a file or folder, under their names without torch's wrappers."""
        found = read_weights(place, None, _ENTRIES)
        bare = {_WRAPPERS.sub("", key): value for key, value in found.state.items()}
        return found._replace(state=bare)


@dataclass(frozen=True)
class Backbone:
    """A network with its weights.

    Parameters
    ----------
    module : Module
        ``(N, channels, size, size) -> (N, D)``, in evaluation mode.
    size, channels : int
        Of its images.
    mean, std : tuple of float or None
        By which they are normalised, from 0 to 1; None where nobody says.
    report : WeightsReport
        What became of every key.
    origin : dict of str to str
        Where the weights come from.
    """

    module: nn.Module
    size: int
    channels: int
    mean: tuple[float, ...] | None
    std: tuple[float, ...] | None
    report: WeightsReport
    origin: dict[str, str]

    def normalised_by(self, mean: Any, std: Any) -> Backbone:
        """Give it with a mean and a spread of the user's, where there are any."""
        mean = self.mean if mean is None else tuple(map(float, mean))
        std = self.std if std is None else tuple(map(float, std))
        if mean is None or std is None or {len(mean), len(std)} != {self.channels}:
            raise ValueError(
                f"{self.origin['title']} takes images of {self.channels} channels, and nobody says "
                f"how they are normalised: got mean={mean}, std={std}. Give mean= and std=, "
                f"{self.channels} numbers each, of images from 0 to 1, as in its training."
            )
        return replace(self, mean=mean, std=std)


def find_backbone(backbone: str | os.PathLike[str]) -> tuple[str, str]:
    """Tell the library and the name, or folder, of a backbone.

    Raises
    ------
    ValueError
        When neither shows.
    """
    given = os.fspath(backbone)
    library, _, name = given.partition(":")
    if library not in LIBRARIES or not name:
        library, name = "", given
    if Path(name).is_dir():
        return _library_of(Path(name), library), name
    if library:
        return library, name
    what = (
        "is a file of weights, which does not say of which network: give that as backbone, and "
        f"weights={given!r}"
        if Path(name).is_file()
        else "is neither a folder nor a name of one of these"
    )
    raise ValueError(
        f"backbone={given!r} {what}. A backbone is 'timm:vit_small_patch16_224', "
        "'transformers:facebook/dinov2-small', or a folder with config.json and model.safetensors "
        "that one of the two has written."
    )


def _library_of(folder: Path, library: str) -> str:
    config = read_json(folder / "config.json")
    found = "transformers" if "model_type" in config else "timm" if "architecture" in config else ""
    if not found or library not in ("", found):
        has = f"has the keys of {found}" if found else "has neither model_type nor architecture"
        raise ValueError(
            f"{folder}: its config.json {has}, so that it is no backbone of "
            f"{library or 'timm or transformers'}. Give a folder that it has written."
        )
    return found


def read_json(path: Path) -> dict[str, Any]:
    """Read a file of settings; nothing where there is none."""
    if not path.is_file():
        return {}
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise WeightsError(f"{path}: is no JSON ({error}). Get a whole copy of it.") from error
    return held if isinstance(held, dict) else {}


def from_hub(ask: Any, repository: str, wanted: Wanted, **what: Any) -> Path:
    """Ask a function of huggingface_hub for files, over the network only where that is allowed."""
    how = {"revision": wanted.revision, "local_files_only": wanted.local_files_only}
    try:
        return Path(ask(repository, **what, **how))
    except FileNotFoundError as error:  # what it raises of a cache that lacks the files
        if not wanted.local_files_only:
            raise
        raise FileNotFoundError(
            f"The weights of {wanted.library}:{wanted.name} are not in the cache of the hub on "
            f"this machine ({repository}). local_files_only=False fetches them over the network; "
            "weights= takes a file or a folder that you hold."
        ) from error


def hub() -> Any:
    """Give the package that knows of the hub's files."""
    try:
        import huggingface_hub
    except ImportError as error:
        raise ImportError(
            f"Published weights by their name need huggingface_hub: {how_to_install('hub')}."
        ) from error
    return huggingface_hub


def needs(library: str, error: ImportError) -> ImportError:
    """Say how to install a library."""
    return ImportError(
        f"backbone='{library}:...' needs {library}: {how_to_install('slices')} ({error})."
    )


def without_heads(
    report: WeightsReport, state: Mapping[str, Any], own: Mapping[str, Any]
) -> WeightsReport:
    """Ignore keys of parts that the network has not, such as a classifier or a decoder."""
    prefix = _prefix(dict.fromkeys(state, ""), own)
    parts = {name.partition(".")[0] for name in own}
    mine = [
        key
        for key in report.unexpected
        if {key.partition(".")[0], key.removeprefix(prefix).partition(".")[0]} & parts
    ]
    others = tuple(key for key in report.unexpected if key not in mine)
    return replace(report, unexpected=tuple(mine), ignored=report.ignored + others)


def check_fit(report: WeightsReport, where: str, title: str) -> None:
    """Refuse weights that do not fit."""
    if report.fits:
        return
    remedy = (
        "Give the size that they were trained on as size=, and as arguments= what else makes the "
        f"network another than that of {title}; or name the backbone that they are of."
    )
    raise PretrainedWeightsError(
        f"{where}: these weights do not fit {title}, and nothing was loaded: {shortened(report)}. "
        f"{remedy}",
        report,
    )
