"""What a model may use while it goes through scans."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from skedema._caching.memory import memory_folder


@dataclass(frozen=True)
class Resources:
    """Where to keep what was computed, how many processes to use, and whether to tell.

    Attributes
    ----------
    memory : Path or None
        The folder where volumes and features are kept between runs.
    n_jobs : int or None
        Processes that read scans.
    verbose : int
        Above 0, progress is shown.
    """

    memory: Path | None
    n_jobs: int | None
    verbose: int

    @classmethod
    def of(cls, estimator: Any) -> Self:
        """Take them from an estimator's parameters.

        Parameters
        ----------
        estimator : estimator
            With `memory`, `n_jobs` and `verbose`.

        Returns
        -------
        Resources
            Checked.

        Raises
        ------
        ValueError
            When `memory` names no folder.
        """
        return cls(memory_folder(estimator.memory), estimator.n_jobs, int(estimator.verbose))
