"""Files of weights, read without running code."""

from __future__ import annotations

import json
import os
import pickle
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from skedema._caching.digest import file_digest
from skedema.scans._paths import file_key

_CONFIG, _WEIGHTS = "config.json", "model.safetensors"
_LISTED = 8
_ENDINGS = (".pth", ".pt", ".bin", ".ckpt", ".safetensors")
_FORMS = (
    "a .pth, .pt, .bin or .ckpt file of torch.save, a .safetensors file, or a folder with "
    f"{_CONFIG} and {_WEIGHTS}"
)


class Weights(NamedTuple):
    """What a file of weights holds.

    Parameters
    ----------
    state : dict of str to Tensor
        Weights under the names of the file.
    sha256 : str
        Digest of the file that holds them.
    entry : str
        Where in the file they stand; "" where the whole file is the state.
    config : dict
        What stands in the ``config.json`` beside it, if there is one.
    """

    state: dict[str, Tensor]
    sha256: str
    entry: str
    config: dict[str, Any]


class WeightsError(ValueError):
    """A file of weights that cannot be read, or that fits no recipe given; with the remedy.

    Examples
    --------
    >>> import torch
    >>> from skedema.encoders import PretrainedEncoder
    >>> torch.save({"epoch": 3}, "log.pth")
    >>> PretrainedEncoder("log.pth", recipe="fm_hct").fit()
    Traceback (most recent call last):
        ...
    skedema.encoders.pretrained._files.WeightsError: log.pth: holds no weights. Give a .pth...
    """


def read_weights(
    weights: str | os.PathLike[str], entry: str | None, entries: Sequence[str]
) -> Weights:
    """Read a file or a folder.

    Parameters
    ----------
    weights : str or path
        Where it lies.
    entry : str or None
        The entry of a training checkpoint that is wanted; None for the first of these that is
        there:
    entries : sequence of str
        What checkpoints call their states.

    Raises
    ------
    FileNotFoundError
        When there is nothing.
    WeightsError
        When it is damaged, would have to run code, or holds no state.
    """
    path = Path(weights)
    config: dict[str, Any] = {}
    if path.is_dir():
        config = _config(path)
        path = path / _WEIGHTS
    if not path.is_file():
        raise FileNotFoundError(
            f"{os.fspath(path)}: there is no such file. Weights are never fetched: give {_FORMS}."
        )
    held = _safetensors(path) if path.suffix == ".safetensors" else _torch(path)
    state, found = _state(path, held, entry, entries)
    return Weights(state, file_digest(path), found, config)


def weights_key(weights: str | os.PathLike[str]) -> tuple[Any, ...]:
    """Tell a file, or the files of a folder, from what took their place, without reading them."""
    path = Path(weights)
    try:
        files = [path] if path.is_file() else sorted(filter(Path.is_file, path.iterdir()))
        return tuple(file_key(os.fspath(file)) for file in files)
    except OSError:  # it is not there, which `fit` tells
        return ()


def _config(folder: Path) -> dict[str, Any]:
    missing = [name for name in (_CONFIG, _WEIGHTS) if not (folder / name).is_file()]
    if missing:
        files = sorted(str(each) for each in folder.iterdir() if each.suffix in _ENDINGS)
        remedy = f"Give the file in it, such as {files[0]}" if files else f"Give {_FORMS}"
        raise WeightsError(f"{folder}: this folder has no {' and no '.join(missing)}. {remedy}.")
    try:
        config = json.loads((folder / _CONFIG).read_text(encoding="utf-8"))
    except ValueError as error:
        raise WeightsError(
            f"{folder / _CONFIG}: is no JSON ({error}). Get a whole copy of the folder."
        ) from error
    if not isinstance(config, dict):
        return {}
    if config.get("model_type") == "skedema":
        kind = (config.get("architectures") or ["the estimator"])[0]
        raise WeightsError(
            f"{folder}: was written by save_pretrained, which is read by {kind}.from_pretrained; "
            "of a ViTAutoencoder, recipe='vit_ae' makes features."
        )
    return config


def _safetensors(path: Path) -> Any:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except SafetensorError as error:
        raise WeightsError(_damaged(path, error)) from error


def _torch(path: Path) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        name = re.search(r"(?:GLOBAL|global|class)\s+`?([\w.]+)", str(error))
        held = f" ({name[1]})" if name else ""
        raise WeightsError(
            f"{path}: is no file of weights alone: what it holds besides{held} would have to run "
            "code to be read, or it is damaged. Ask whoever made it for the bare weights, as a "
            ".safetensors file or by torch.save(model.state_dict(), path); do not load it otherwise"
            ", unless you trust its source with your machine."
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        if "TorchScript" in str(error):
            raise WeightsError(
                f"{path}: is a network of TorchScript, whose code would have to be run. Ask whoever"
                " made it for the bare weights; or, if you trust its source with your machine, "
                "torch.save(torch.jit.load(path).state_dict(), another_path), and give that."
            ) from error
        raise WeightsError(_damaged(path, error)) from error


def _damaged(path: Path, error: Exception) -> str:
    first = str(error).partition("\n")[0][:120]
    return (
        f"{path}: is damaged or cut short ({type(error).__name__}: {first}). Compare its size and "
        f"its SHA-256 with the original's, and get a whole copy. It should be {_FORMS}."
    )


def _state(
    path: Path, held: Any, entry: str | None, entries: Sequence[str]
) -> tuple[dict[str, Tensor], str]:
    """Find the state in what a file holds."""
    if entry is None and _is_state(held):
        return dict(held), ""
    inside = {
        str(name): dict(value)
        for name, value in (held.items() if isinstance(held, Mapping) else ())
        if _is_state(value)
    }
    name = entry if entry is not None else next((each for each in entries if each in inside), None)
    if name in inside:
        return inside[name], name
    asked = "" if entry is None else f" under entry={entry!r}"
    raise WeightsError(f"{path}: holds no weights{asked}. {_other_state(held, list(inside))}.")


def _other_state(held: Any, inside: Sequence[str]) -> str:
    """Say how to come by the state where it is not in the place that was looked in."""
    if inside:
        names = ", ".join(map(repr, inside[:_LISTED]))
        return f"Give entry= one of {names}, or save that one by itself"
    if _is_state(held):
        return "The whole file is one state, without entries: leave entry=None"
    values = held.values() if isinstance(held, Mapping) else ()
    if any(isinstance(each, Tensor) for each in values):
        return (
            "Other things stand among its tensors: save {key: value for key, value in "
            "state.items() if isinstance(value, torch.Tensor)} anew"
        )
    if any(isinstance(each, Mapping) and any(map(_is_state, each.values())) for each in values):
        return "Deeper in it there are some: save their dict of tensors by itself"
    return f"Give {_FORMS}"


def _is_state(held: Any) -> bool:
    return (
        isinstance(held, Mapping)
        and bool(held)
        and all(isinstance(key, str) and isinstance(each, Tensor) for key, each in held.items())
    )
