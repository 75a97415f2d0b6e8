"""What a model may use while it goes through scans."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from joblib import Memory
from sklearn.utils.validation import check_memory


@dataclass(frozen=True)
class Resources:
    """Where to keep what was computed, how many processes to use, and whether to tell.

    Attributes
    ----------
    memory : joblib.Memory or None
        Where volumes and features are kept between runs.
    n_jobs : int or None
        Processes that read scans.
    verbose : int
        Above 0, progress is shown.
    """

    memory: Memory | None
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
            When `memory` is neither a folder nor a joblib.Memory.
        """
        memory = None if estimator.memory is None else check_memory(estimator.memory)
        return cls(memory, estimator.n_jobs, int(estimator.verbose))
