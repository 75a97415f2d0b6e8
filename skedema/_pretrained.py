"""Estimators that can be kept in the layout of Hugging Face's hub."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import import_module
from typing import Any, Self, cast


class Pretrained:
    """The two methods of an estimator that writes itself to a folder, and is read from one."""

    def save_pretrained(
        self, directory: str | os.PathLike[str], *, metrics: Mapping[str, float] | None = None
    ) -> None:
        """Write the fitted estimator to a folder, in Hugging Face's layout.

        ``config.json``, ``model.safetensors`` and a model card ``README.md``: ready for
        ``hf upload``. Whoever only wants to keep a model has one file by `skedema.save`.

        Parameters
        ----------
        directory : str or path
            The folder; it is made if need be. It must not hold a model already.
        metrics : mapping of str to float, default=None
            Figures for the model card, such as the AUC out of fold.

        Raises
        ------
        skedema.persistence.ModelFileError
            When a part of the estimator cannot be held, and when there is a model already.
        OSError
            When it cannot be written; without its ``config.json``, which is written last, a folder
            is no model.
        """
        _files().save_folder(self, directory, metrics)

    @classmethod
    def from_pretrained(
        cls,
        directory_or_id: str | os.PathLike[str],
        *,
        revision: str | None = None,
        local_files_only: bool = True,
    ) -> Self:
        """Read an estimator that `save_pretrained` has written; no code of it is run.

        Parameters
        ----------
        directory_or_id : str or path
            The folder, or the id of a model of the hub, such as ``"hospital/edema"``.
        revision : str, default=None
            Of a model of the hub, the commit, tag or branch. Only a commit is always the same.
        local_files_only : bool, default=True
            Whether to take a model of the hub from the cache of this machine alone. False asks the
            hub over the network, and fetches what the cache lacks. A folder needs no network.

        Returns
        -------
        estimator
            As it was saved.

        Raises
        ------
        skedema.persistence.ModelFileError
            When a file is damaged, of a later version, or holds another kind of estimator.
        FileNotFoundError
            When there is no such folder, and no such model in the cache.
        ImportError
            When an id is given, and huggingface_hub is not installed.
        """
        where = _files().find_folder(directory_or_id, revision, local_files_only)
        return cast(Self, _files().load_folder(cls, where))


def _files() -> Any:
    return import_module("skedema.persistence._pretrained")  # by name, so that no import points up
