"""Model files: written whole, and read without running anything that they hold."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from skedema._caching.whole_files import open_file, write_whole
from skedema._told import tell
from skedema.persistence import _frame, _strict_json, _tensors
from skedema.persistence._apart import put_together, take_apart
from skedema.persistence._errors import Damaged, ModelFileError, Unsupported
from skedema.persistence._manifest import FORMAT, manifest_of

_ANEW = "Get a whole copy, or save the model anew with skedema.save"


def save(estimator: Any, path: str | os.PathLike[str]) -> None:
    """Write a fitted estimator to one file, which `load` reads without running code.

    The file is a zip of plain JSON and of weights: no pickle, no names of modules to import, and
    nothing of single training patients. See ``docs/saving.md`` for what it holds.

    Parameters
    ----------
    estimator : estimator
        An `AttentionMixerClassifier`, a `ViTAutoencoder` or another estimator or transformer of
        skedema; or one of scikit-learn's that hold them, such as a `Pipeline` or a
        `CalibratedClassifierCV`.
    path : str or path
        The file. What was there before is replaced once the new one is whole.

    Raises
    ------
    ModelFileError
        When a part of the estimator cannot be held by a file; the message names it and where it
        sits. Nothing is written.
    OSError
        When the file cannot be written. What was there before is still there.

    See Also
    --------
    load : Reads it.

    Examples
    --------
    >>> import pandas as pd
    >>> import skedema
    >>> X = pd.DataFrame({"sodium": [128.0, 140.0, 126.0, 142.0], "sex": ["f", "m", "m", "f"]})
    >>> clf = skedema.AttentionMixerClassifier(random_state=0).fit(X, [1, 0, 1, 0])
    >>> skedema.save(clf, "edema.skedema")
    >>> again = skedema.load("edema.skedema")
    >>> bool((again.predict_proba(X) == clf.predict_proba(X)).all())
    True
    """
    save_with(estimator, path)


def load(path: str | os.PathLike[str]) -> Any:
    """Read an estimator that `save` has written.

    Every byte of the file is checked before anything is read from it, and nothing in it can name
    code to run. Still, a model says what whoever made the file wants it to say: predictions are as
    trustworthy as the source of the file.

    Parameters
    ----------
    path : str or path
        The file.

    Returns
    -------
    estimator
        As it was saved: predictions are the same to the bit on one kind of processor.

    Raises
    ------
    ModelFileError
        When the file is damaged, of a later version of skedema, no model file at all, or holds a
        part of another package that is not installed.
    OSError
        When there is no such file, or it cannot be read.

    Warns
    -----
    UserWarning
        When it holds parts of scikit-learn and was saved with another version of it.

    See Also
    --------
    save : Writes it.

    Examples
    --------
    >>> import skedema
    >>> reader = skedema.VolumeReader(spacing=6.75, shape=32)
    >>> skedema.save(reader, "reader.skedema")
    >>> skedema.load("reader.skedema")
    VolumeReader(shape=32, spacing=6.75)
    """
    return load_with(path)[0]


def save_with(estimator: Any, path: str | os.PathLike[str], **about: Any) -> None:
    """Write an estimator, and plain values that are to be known of it."""
    try:
        params, tensors = take_apart(estimator)
        bodies = {
            _frame.PARAMS: _strict_json.dump(params),
            _frame.WEIGHTS: _tensors.dump(tensors),
        }
        manifest = manifest_of(estimator, params, tensors)
        manifest |= {"about": about, "members": _frame.digests(bodies)}
        members = {_frame.MANIFEST: _strict_json.dump(manifest), **bodies}
        _frame.check_sizes(members, _frame.MEMBERS)
    except Unsupported as error:
        raise ModelFileError(
            f"{os.fspath(path)}: was not written, since {error}. A file holds estimators of "
            "skedema, plug-ins that are registered, and the parts of scikit-learn that "
            "docs/saving.md lists."
        ) from error
    comment = _frame.comment_of(members[_frame.MANIFEST])
    write_whole(
        Path(path),
        lambda file: [file.write(piece) for piece in _frame.pieces(members, comment)],
    )


def load_with(path: str | os.PathLike[str]) -> tuple[Any, dict[str, Any]]:
    """Read an estimator, and the manifest of its file."""
    data = _read(path)
    try:
        manifest, members = _frame.open_frame(data)
    except Damaged as error:
        raise ModelFileError(f"{os.fspath(path)}: {error}. {_ANEW}.") from error
    _check_format(path, manifest)
    try:
        params = _strict_json.parse(members[_frame.PARAMS], _frame.PARAMS)
        estimator = put_together(params, _tensors.parse(members[_frame.WEIGHTS]))
    except Exception as error:  # a file that was made by hand can go wrong anywhere
        told = str(error) if isinstance(error, Damaged) else f"it cannot be read ({error!r:.200})"
        raise ModelFileError(
            f"{os.fspath(path)}: {told}. {_ANEW}, or load it with the versions that wrote it, "
            f"{_versions(manifest)}."
        ) from error
    _tell_versions(path, manifest)
    return estimator, manifest


def _read(path: str | os.PathLike[str]) -> bytes:
    try:
        file = open_file(Path(path))
    except IsADirectoryError as error:
        raise ModelFileError(
            f"{os.fspath(path)}: is a folder. One that save_pretrained wrote is read by "
            "from_pretrained of the class that wrote it, such as "
            f"AttentionMixerClassifier.from_pretrained({os.fspath(path)!r})."
        ) from error
    if file is None:
        raise ModelFileError(f"{os.fspath(path)}: is no file. Give the file of a model.")
    with file:
        data = file.read(_frame.MOST + 1)
    if len(data) > _frame.MOST:
        raise ModelFileError(
            f"{os.fspath(path)}: is larger than any model file. Give the file of a model."
        )
    return data


def _check_format(path: str | os.PathLike[str], manifest: dict[str, Any]) -> None:
    given = manifest.get("format")
    if type(given) is int and given > FORMAT:
        import skedema

        raise ModelFileError(
            f"{os.fspath(path)}: has format {given}, of skedema "
            f"{manifest.get('skedema')!s:.20}; this is skedema {skedema.__version__}, which "
            f"reads formats up to {FORMAT}. Install that version or a later one."
        )
    if type(given) is not int or given < 1:
        raise ModelFileError(f"{os.fspath(path)}: tells no format. {_ANEW}.")


def _versions(manifest: dict[str, Any]) -> str:
    """Say which versions wrote a file, as it tells."""
    packages = manifest.get("packages")
    theirs = packages.get("scikit-learn") if isinstance(packages, dict) else None
    return f"skedema {manifest.get('skedema')!s:.20} and scikit-learn {theirs!s:.20}"


def _tell_versions(path: str | os.PathLike[str], manifest: dict[str, Any]) -> None:
    """Say when parts of scikit-learn come to another version of it."""
    import sklearn

    packages, parts = manifest.get("packages"), manifest.get("parts")
    if not isinstance(packages, dict) or not isinstance(parts, list):
        return
    then = str(packages.get("scikit-learn"))
    theirs = [name for name in parts if str(name).startswith("sklearn.")]
    if theirs and then.split(".")[:2] != sklearn.__version__.split(".")[:2]:
        tell(
            f"{os.fspath(path)} holds parts of scikit-learn {then:.20}, and this is "
            f"{sklearn.__version__}: check a prediction that you know, or save the model anew."
        )
