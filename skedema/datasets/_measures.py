"""How a clinical variable comes about and how a chart shows it: rounded, clipped, or not at all."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr

FloatArray = NDArray[np.float64]
ByPattern = tuple[float, float, float, float]
"""One number for each of ``PATTERNS``: none, infarct, haemorrhage, diffuse."""

NOWHERE: ByPattern = (0.0, 0.0, 0.0, 0.0)


class Gaps(NamedTuple):
    """Why a value is not in the table.

    With probability ``never`` it does not exist. Otherwise it is recorded with probability
    ``(1 - missing) ** power``, where the power is multiplied by the site's and by
    ``exp(on_factor f + on_label (y - 1/2))``.
    """

    power: float = 1.0
    on_factor: float = 0.0
    on_label: float = 0.0
    never: ByPattern = NOWHERE

    def absence(
        self,
        missing: float,
        site_power: FloatArray,
        pattern: NDArray[np.intp] | int,
        y: NDArray[np.int64] | int,
        factor: FloatArray,
    ) -> FloatArray:
        """P(absent | site, pattern, label, factor); the arguments are broadcast."""
        power = self.power * np.exp(self.on_factor * factor + self.on_label * (y - 0.5))
        lost = -np.expm1(power * site_power * np.log1p(-missing))
        never = np.take(self.never, pattern)
        return np.asarray(never + (1 - never) * lost, dtype=np.float64)


class Measure(NamedTuple):
    """A measured variable: its latent model by pattern, and how the chart shows it.

    ``gaps=None`` means always recorded; ``only_if`` names a yes-or-no column without which the
    variable does not exist.
    """

    name: str
    scale: Literal["linear", "log"]
    center: float
    spread: float
    step: float
    low: float
    high: float
    loading: float = 0.0
    effect: ByPattern = NOWHERE
    shift: ByPattern = NOWHERE
    link: ByPattern = NOWHERE
    gaps: Gaps | None = Gaps()
    only_if: str | None = None

    def mean(
        self,
        pattern: NDArray[np.intp] | int,
        y: NDArray[np.int64] | int,
        residual: FloatArray | float,
        factor: FloatArray,
    ) -> FloatArray:
        """Mean of the latent value given everything that it shares with other variables."""
        by_label = np.take(self.effect, pattern) * (y - 0.5) + np.take(self.shift, pattern)
        shared = self.loading * factor + np.take(self.link, pattern) * residual
        return np.asarray(by_label + shared, dtype=np.float64)

    def noise(self, pattern: NDArray[np.intp] | int) -> FloatArray:
        """Spread of the latent value's own part; it leaves a variance of 1 given the label."""
        shared = self.loading**2 + np.take(self.link, pattern) ** 2
        return np.asarray(np.sqrt(1 - shared), dtype=np.float64)

    def report(self, z: FloatArray) -> FloatArray:
        """Bring latent values to the unit, rounded to the step and clipped to the range."""
        if self.scale == "linear":
            value = self.center + self.spread * z
        else:
            value = self.center * np.exp(self.spread * z)
        steps = np.clip(np.rint(value / self.step), self.low / self.step, self.high / self.step)
        return np.round(steps * self.step, 3)

    def latent(self, value: FloatArray) -> FloatArray:
        """Bring values in the unit to the latent scale."""
        if self.scale == "linear":
            return (value - self.center) / self.spread
        return np.log(value / self.center) / self.spread

    def interval(self, reported: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Bounds of the latent values that are reported as ``reported``, shape (n,) each."""
        a = self.latent(reported - self.step / 2)
        b = self.latent(reported + self.step / 2)
        sign = np.sign(self.spread)
        a = np.where(reported <= self.low + self.step / 4, -sign * np.inf, a)
        b = np.where(reported >= self.high - self.step / 4, sign * np.inf, b)
        return np.minimum(a, b), np.maximum(a, b)


class Category(NamedTuple):
    """A variable with few values: ``share[v][p][y]`` is P(value v | pattern p, label y)."""

    name: str
    values: tuple[object, ...]
    share: tuple[tuple[tuple[float, float], ...], ...]
    gaps: Gaps | None = None


def log_normal_mass(low: FloatArray, high: FloatArray) -> FloatArray:
    """log(Phi(high) - Phi(low)) without cancellation in either tail; low < high."""
    flip = low > 0
    a = np.where(flip, -high, low)
    b = np.where(flip, -low, high)
    top = log_ndtr(b)
    return np.asarray(top + np.log1p(-np.exp(log_ndtr(a) - top)), dtype=np.float64)
