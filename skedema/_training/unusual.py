"""Scans that are unlike all that a model has learned from."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from skedema._caching.memory import memory_folder
from skedema._scan_column import Scans
from skedema._training.resources import Resources
from skedema.scans import VolumeReader
from skedema.scans._usual import Usual
from skedema.scans.cache import volumes

_SHOWN = 3  # scans whose oddity is told in full


class UsualScans:
    """What the scans of the training patients are like, as they are read.

    Parameters
    ----------
    reader : VolumeReader or None
        How they are read; None where that is not known, and nothing is told.
    encoder : object
        The encoder, which may keep volumes in a folder of its own, its `memory`.
    """

    def __init__(self, reader: VolumeReader | None, encoder: Any) -> None:
        self.reader = reader
        self.memory = getattr(encoder, "memory", None)
        self.usual: Usual | None = None

    def learn(self, scans: Scans, resources: Resources) -> None:
        """Learn from scans, in addition to those of earlier calls.

        Parameters
        ----------
        scans : Scans
            Of the training patients.
        resources : Resources
            What may be used.
        """
        found = self._measured(scans, resources)
        if found is not None:
            self.usual = Usual(found) if self.usual is None else self.usual.and_of(found)

    def warn(self, scans: Scans, resources: Resources) -> np.ndarray:
        """Warn of scans that are unlike all of those.

        Parameters
        ----------
        scans : Scans
            Of patients to predict.
        resources : Resources
            What may be used.

        Returns
        -------
        ndarray of int
            Their rows.

        Warns
        -----
        UserWarning
            Once, if there are any.
        """
        found = None if self.usual is None else self._measured(scans, resources)
        if found is None or self.usual is None:
            return np.array([], dtype=int)
        rows = np.flatnonzero(scans.present)
        unlike = {int(rows[k]): why for k, why in self.usual.unlike(found).items()}
        told = np.array(list(unlike), dtype=int)
        if not unlike:
            return told
        shown = [
            f"{scans.names(np.array([row]))} ({why})" for row, why in list(unlike.items())[:_SHOWN]
        ]
        if len(unlike) > _SHOWN:
            shown.append(f"and {scans.table.rows(np.array(list(unlike)[_SHOWN:]))}")
        warnings.warn(
            f"{len(unlike)} of {len(rows)} scans {'is' if len(unlike) == 1 else 'are'} unlike all "
            "that training saw, so that a prediction from such a scan cannot be relied on: "
            f"{'; '.join(shown)}. skedema.scans.check looks closer at scans; warn_unusual=False "
            "turns this warning off.",
            UserWarning,
            stacklevel=4,
        )
        return told

    def _measured(self, scans: Scans, resources: Resources) -> np.ndarray | None:
        if self.reader is None or not scans.present.any():
            return None
        cells = scans.cells[scans.present]
        memory = self._memory(resources)
        return np.stack([about.measures for about in volumes.about_all(self.reader, cells, memory)])

    def _memory(self, resources: Resources) -> Path | None:
        if resources.memory is None and self.memory is not None:
            return memory_folder(self.memory)
        return resources.memory
