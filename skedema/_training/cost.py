"""What a fit or a cross-validation will cost: seconds and bytes, in words and as a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import pandas as pd

from skedema._measured import duration


class Step(NamedTuple):
    """A step of a fit: its name, how often it is taken, and the seconds it takes each time."""

    step: str
    times: int
    seconds_each: float

    @property
    def seconds(self) -> float:
        """Of all times together."""
        return self.times * self.seconds_each


@dataclass(frozen=True, eq=False, repr=False)
class Estimate:
    """What a fit or a cross-validation will cost on this machine.

    Attributes
    ----------
    n_fits : int
        Fits: one a fold, or one on all patients.
    n_train : int
        Patients that each learns from, at most.
    steps : tuple of Step
        What takes time: ``step``, ``times``, ``seconds_each`` and ``seconds``.
    bytes : int
        Memory that the process will have held at its peak, libraries included; processes that read
        scans (`n_jobs`) and memory of a GPU come on top.
    cache_bytes : int
        Of them, volumes and features of scans that are kept for the next fit.
    n_scans : int
        Scans on which it was measured.
    took : float
        Seconds that it took to measure it.
    """

    n_fits: int
    n_train: int
    steps: tuple[Step, ...]
    bytes: int
    cache_bytes: int
    n_scans: int
    took: float

    @property
    def seconds(self) -> float:
        """Seconds that all steps take, one fit after the other."""
        return sum(step.seconds for step in self.steps)

    def table(self) -> pd.DataFrame:
        """Give a row a step.

        Returns
        -------
        DataFrame of shape (n_steps, 4)
            ``step``, ``times``, ``seconds_each`` and ``seconds``.
        """
        rows = [(*step, step.seconds) for step in self.steps]
        return pd.DataFrame(rows, columns=["step", "times", "seconds_each", "seconds"])

    def __str__(self) -> str:
        fits = "one fit on" if self.n_fits == 1 else f"{self.n_fits} fits, each on"
        lines = [
            f"about {duration(self.seconds)} and {self.bytes / 1e9:.2f} GB "
            f"({self.cache_bytes / 1e9:.2f} GB of it kept for the next fit): "
            f"{fits} {self.n_train} patients"
        ]
        width = max(len(step.step) for step in self.steps)
        lines += [
            f"  {step.step:{width}}  {duration(step.seconds):>10}  "
            f"{step.times} of {step.seconds_each:.2g} s"
            for step in self.steps
        ]
        scans = f" and {self.n_scans} scans" if self.n_scans else ""
        return "\n".join([*lines, f"measured on a few epochs{scans} in {self.took:.1f} s"])

    __repr__ = __str__
