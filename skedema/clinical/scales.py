"""How wide a numeric column is, by a measure that no single value can move."""

from __future__ import annotations

import numpy as np


def robust_scale(values: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
    """Give the centre of a column and the factor of the deviation from it.

    The factor is one over the interquartile range. Where the quartiles coincide, the range says
    nothing of the values that are not the median, such as the ones of a rare 0/1 variable or the
    doses of the few who had any; then it is twice that of their median distance from the median.
    That is the median absolute deviation (Hampel, "The influence curve and its role in robust
    estimation", JASA 69, 1974, 383-393; breakdown point one half) of those values alone. The
    factor 2 puts the rare value of a 0/1 variable where dividing by half the range does (RealMLP,
    see `ClinicalTokenizer`); the range itself would be moved by a single typing error.

    Values are finite and weights above 0; an integer weight equals a repeated value. The factor is
    0 for a constant, and for a width that is too large or too small for a float64.
    """
    q25, median, q75 = _quantiles(values, weight, [0.25, 0.5, 0.75])
    with np.errstate(over="ignore", divide="ignore"):
        width = q75 - q25
        off = values != median
        if width == 0 and off.any():
            width = _quantiles(np.abs(values[off] - median), weight[off], [0.5])[0] / 2
        scale = 1 / width
    return float(median), float(scale) if np.isfinite(scale) else 0.0


def _quantiles(values: np.ndarray, weight: np.ndarray, at: list[float]) -> np.ndarray:
    """Quantiles of the inverted distribution function."""
    return np.asarray(np.quantile(values, at, weights=weight, method="inverted_cdf"))
