"""The patients of the simulated cohort: label, image finding, clinical variables, exact posterior.

The model, in the order in which a patient is drawn:

1. What the scan shows and whether there is edema: ``(pattern, y)`` from a table. Patterns are none,
   infarct, haemorrhage and diffuse swelling.
2. The image finding's severity ``u = d (y - 1/2) + r`` with ``r ~ N(0, 1)`` and a separation ``d``
   of the pattern. Everything the scan shows of the finding is decided by the pattern, ``u`` and
   chance that knows nothing of the label; where the pattern is none, nothing is shown and
   ``d = 0``.
3. How ill the patient is, ``f ~ N(0, 1)``, independent of all that.
4. The measured clinical variables. Given pattern and label,
   ``z_j = effect_j (y - 1/2) + shift_j + loading_j f + link_j r + noise`` with variance 1, where
   effect, shift and link depend on the pattern. So the scan says which variable matters and in
   which direction, and through ``r`` what its finding is worth: the water uptake of an infarct
   grows with the hours since onset, so that the same uptake tells more at 3 h than at 40 h. A
   monotone map brings ``z_j`` to its unit, where it is rounded and clipped the way a chart would
   show it. The categorical variables are tables P(value | pattern, y). With ``interaction`` some
   effects are turned in infarcts, so that a value speaks for edema or against it by the pattern.
5. Missing values: by chance, at a rate that depends on the site; osmolality is ordered for the
   sick and the stroke scale not scored in the sickest, so that their absence tells of ``f`` and, of
   osmolality, of ``y``; the scale does not exist for who had no stroke, the anticoagulant's level
   for who takes none, and the time of onset for who woke up with it.

Age, sex and site, on which anatomy and scanner depend, depend on nothing but ``f``.

The numbers are in :mod:`skedema.datasets._variables`, the posterior of all this in
:mod:`skedema.datasets._posterior`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skedema.datasets._measures import Category, FloatArray, Measure
from skedema.datasets._posterior import posteriors
from skedema.datasets._subject import PATTERNS
from skedema.datasets._variables import (
    PATTERN_AND_LABEL,
    SEPARATION,
    SITE,
    SITE_POWER,
    VARIABLES,
    with_interaction,
)


class Drawn(NamedTuple):
    """Patients without their scans, n of each."""

    clinical: pd.DataFrame
    target: NDArray[np.int64]
    pattern: NDArray[np.str_]
    severity: FloatArray
    oracle: pd.DataFrame


class _Causes(NamedTuple):
    """What a patient's variables depend on, shape (n,) each."""

    pattern: NDArray[np.intp]
    y: NDArray[np.int64]
    residual: FloatArray
    factor: FloatArray


def draw_patients(
    n_samples: int, missing: float, seed: np.random.SeedSequence, *, interaction: float = 0.0
) -> Drawn:
    """Draw label, finding and clinical variables, and work out the exact posteriors.

    Every variable has a stream of its own and takes its numbers in the order of the patients:
    a larger cohort begins with the smaller one.
    """
    streams = iter([np.random.default_rng(child) for child in seed.spawn(3 + 2 * len(VARIABLES))])
    bounds = np.cumsum(PATTERN_AND_LABEL)[:-1]
    cell = np.searchsorted(bounds, next(streams).random(n_samples), side="right")
    causes = _Causes(
        pattern=cell // 2,
        y=(cell % 2).astype(np.int64),
        residual=next(streams).standard_normal(n_samples),
        factor=next(streams).standard_normal(n_samples),
    )
    severity = np.take(SEPARATION, causes.pattern) * (causes.y - 0.5) + causes.residual
    site_power = np.ones(n_samples)
    columns: dict[str, NDArray[np.generic] | pd.Series] = {}
    variables = with_interaction(interaction)
    for variable in variables:
        values, gaps = next(streams), next(streams)
        absent = np.zeros(n_samples, dtype=bool)
        if variable.gaps is not None:
            rate = variable.gaps.absence(
                missing, site_power, causes.pattern, causes.y, causes.factor
            )
            absent = gaps.random(n_samples) < rate
        if isinstance(variable, Measure):
            if variable.only_if is not None:
                absent |= ~columns[variable.only_if].astype(bool)
            columns[variable.name] = _draw_measure(variable, causes, values, absent)
        else:
            code = _draw_category(variable, causes, values)
            columns[variable.name] = _name_category(variable, code, absent)
            if variable is SITE:
                site_power = np.take(SITE_POWER, code)
    clinical = pd.DataFrame(columns)
    measures = [variable for variable in variables if isinstance(variable, Measure)]
    oracle = posteriors(clinical, causes.pattern, severity, missing, measures)
    return Drawn(clinical, causes.y, np.array(PATTERNS)[causes.pattern], severity, oracle)


def _draw_measure(
    measure: Measure, causes: _Causes, rng: np.random.Generator, absent: NDArray[np.bool_]
) -> NDArray[np.generic]:
    noise = measure.noise(causes.pattern) * rng.standard_normal(len(absent))
    reported = measure.report(measure.mean(*causes) + noise)
    if measure.gaps is None and measure.step == 1:
        return reported.astype(np.int64)
    return np.where(absent, np.nan, reported)


def _draw_category(
    category: Category, causes: _Causes, rng: np.random.Generator
) -> NDArray[np.intp]:
    bounds = np.cumsum(category.share, axis=0)[:-1, causes.pattern, causes.y]
    return np.asarray((rng.random(len(causes.y)) >= bounds).sum(axis=0), dtype=np.intp)


def _name_category(
    category: Category, code: NDArray[np.intp], absent: NDArray[np.bool_]
) -> NDArray[np.bool_] | pd.Series:
    if isinstance(category.values[0], bool):
        return np.array(category.values, dtype=bool)[code]
    return pd.Series([category.values[i] for i in code]).mask(absent)
