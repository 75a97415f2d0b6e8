"""What a model may use while it goes through scans."""

from __future__ import annotations

from dataclasses import dataclass

from joblib import Memory


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
