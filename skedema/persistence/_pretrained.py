"""Models in the layout of Hugging Face's hub: a folder of two files and a model card."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from skedema._caching.digest import digest
from skedema._caching.whole_files import open_file, sweep, write_whole
from skedema._extras import how_to_install
from skedema.persistence import _file, _strict_json, _tensors
from skedema.persistence._apart import put_together, take_apart
from skedema.persistence._errors import Damaged, ModelFileError, Unsupported
from skedema.persistence._frame import MEMBERS, PARAMS, check_sizes
from skedema.persistence._frame import WEIGHTS as WEIGHTS_MEMBER
from skedema.persistence._manifest import manifest_of
from skedema.persistence._model_card import model_card

CONFIG, WEIGHTS, CARD = "config.json", "model.safetensors", "README.md"
_MOST = {CONFIG: MEMBERS[PARAMS], WEIGHTS: MEMBERS[WEIGHTS_MEMBER]}  # bytes
_DIGEST = "sha256"
_ID = re.compile(r"[\w.-]+/[\w.-]+")
_ANEW = "Get a whole copy, or save the model anew with save_pretrained"


def save_folder(
    estimator: Any, directory: str | os.PathLike[str], metrics: Mapping[str, float] | None
) -> None:
    """Write an estimator; see `Pretrained.save_pretrained`."""
    folder = Path(directory)
    if (folder / CONFIG).exists():
        raise ModelFileError(
            f"{os.fspath(directory)}: holds a model already, and files cannot be replaced all at "
            "once. Give another folder, or remove that model."
        )
    try:
        params, tensors = take_apart(estimator)
        weights = _tensors.dump(tensors)
        about = manifest_of(estimator, params, tensors)
        told = {"file": WEIGHTS, "bytes": len(weights), "sha256": digest(memoryview(weights))}
        config = {
            "model_type": "skedema",
            "architectures": [type(estimator).__name__],
            **about,
            "weights": told,
            "params": params,
        }
        config[_DIGEST] = _digest_of(config)
        bodies = {WEIGHTS: weights, CONFIG: _strict_json.dump(config)}
        check_sizes(bodies, _MOST)
    except Unsupported as error:
        raise ModelFileError(
            f"{os.fspath(directory)}: was not written, since {error}. See docs/saving.md for what "
            "a file holds."
        ) from error
    card = model_card(estimator, about, metrics)
    _refuse_other_card(folder, card)
    sweep(folder, at_once=True)
    # The config is last: without it a folder is no model.
    for name, body in ((WEIGHTS, weights), (CARD, card), (CONFIG, bodies[CONFIG])):
        _write(folder / name, body)


def _refuse_other_card(folder: Path, card: bytes) -> None:
    """Keep what somebody has written: the page of a project, or a card that was filled in."""
    page = folder / CARD
    if os.path.lexists(page) and not (page.is_file() and page.read_bytes() == card):
        raise ModelFileError(
            f"{os.fspath(folder)}: holds a {CARD} already, which the model card would replace. "
            "Give another folder, or move that file."
        )


def load_folder(cls: type, directory: str | os.PathLike[str]) -> Any:
    """Read an estimator of a class; see `Pretrained.from_pretrained`."""
    place = os.fspath(directory)
    try:
        config = _config(Path(directory))
        _file._check_format(place, config)
        weights = memoryview(_read(Path(directory), WEIGHTS))
        told = {"file": WEIGHTS, "bytes": len(weights), "sha256": digest(weights)}
        if config.get("weights") != told:
            raise Damaged(f"{WEIGHTS} is not the one that {CONFIG} tells of")
        estimator = put_together(config["params"], _tensors.parse(weights))
    except Damaged as error:
        raise ModelFileError(f"{place}: {error}. {_ANEW}.") from error
    except (ModelFileError, OSError):
        raise
    except Exception as error:  # a file that was made by hand can go wrong anywhere
        raise ModelFileError(
            f"{place}: is not what this version of skedema writes ({type(error).__name__}). "
            f"{_ANEW}."
        ) from error
    if not isinstance(estimator, cls):
        kind = type(estimator).__name__
        raise ModelFileError(
            f"{place}: holds a {kind}, and not a {cls.__name__}. Read it by {kind}.from_pretrained."
        )
    _file._tell_versions(place, config)
    return estimator


def find_folder(
    directory_or_id: str | os.PathLike[str], revision: str | None, local_files_only: bool
) -> Path:
    """Give the folder of a model, which for an id of the hub is one of its cache."""
    folder = Path(directory_or_id)
    if folder.is_dir():
        if revision is not None:
            raise ValueError(
                f"revision={revision!r} is of a model of the hub, and {os.fspath(directory_or_id)} "
                "is a folder. Leave it out, or check that revision out in the folder."
            )
        return folder
    if folder.is_file():
        raise ModelFileError(
            f"{os.fspath(directory_or_id)}: is a file, and no folder of save_pretrained. "
            "skedema.load reads a file that skedema.save wrote."
        )
    if not isinstance(directory_or_id, str) or _ID.fullmatch(directory_or_id) is None:
        raise FileNotFoundError(f"There is no folder {os.fspath(directory_or_id)}.")
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise ImportError(
            f"There is no folder {directory_or_id}, and a model of the hub by that name needs "
            f"huggingface_hub: {how_to_install('hub')}."
        ) from error
    try:
        found = snapshot_download(
            directory_or_id,
            revision=revision,
            local_files_only=local_files_only,
            allow_patterns=[CONFIG, WEIGHTS, CARD],
        )
    except FileNotFoundError as error:  # what it raises of a cache that lacks the model
        if not local_files_only:
            raise
        raise FileNotFoundError(
            f"There is no folder {directory_or_id}, and the cache of the hub on this machine lacks "
            "a model of that name. local_files_only=False fetches it over the network."
        ) from error
    return Path(found)


def _config(folder: Path) -> dict[str, Any]:
    """Read the config, if it is as it was written."""
    config = _strict_json.parse(_read(folder, CONFIG), CONFIG)
    if not isinstance(config, dict) or config.get("model_type") != "skedema":
        raise Damaged(f"its {CONFIG} is not that of a model of skedema")
    told = config.pop(_DIGEST, None)
    if told != _digest_of(config):
        raise Damaged(f"its {CONFIG} is not as it was written")
    return config


def _digest_of(config: dict[str, Any]) -> str:
    return digest(memoryview(_strict_json.dump(config)))


def _read(folder: Path, name: str) -> bytes:
    try:
        file = open_file(folder / name)
    except FileNotFoundError as error:
        raise Damaged(f"it has no {name}") from error
    if file is None:
        raise Damaged(f"its {name} is no file")
    with file:
        data = file.read(_MOST[name] + 1)
    if len(data) > _MOST[name]:
        raise Damaged(f"its {name} is larger than that of any model of skedema")
    return data


def _write(path: Path, body: bytes) -> None:
    write_whole(path, lambda file: file.write(body))
