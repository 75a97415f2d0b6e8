"""The numbers of the simulated cohort's table: patterns, sites and clinical variables.

What a comment gives a source for is that source's figure. Everything else is chosen: centres and
spreads within the usual range of adult patients with an acute stroke or a coma, effects large
enough that the clinical variables together reach the AUC that they are meant to reach. Real
variables tell less. Effects, shifts and links stand in the order none, infarct, haemorrhage,
diffuse; they are in standard deviations of the variable.
"""

from __future__ import annotations

import numpy as np

from skedema.datasets._measures import Category, Gaps, Measure
from skedema.datasets._subject import PATTERNS, SITES

PREVALENCE = 0.465
"""P(edema). The value that the paper's pooled positive-class metrics would imply."""

PATTERN_AND_LABEL = np.array(((0.205, 0.045), (0.18, 0.22), (0.09, 0.11), (0.06, 0.09)))
"""P(pattern, label), shape (4, 2): chosen, with the prevalence above."""

SEPARATION = (0.0, 2.0, 1.45, 1.6)
"""Distance of the severity's two means in its standard deviations, by pattern.

Infarct: net water uptake of 18.0 +- 5.7 % against 7.1 +- 5.2 % (Broocks et al., Stroke 2018,
49:1906-1912). Diffuse: AUC 0.869 of the grey-white ratio on early CT after cardiac arrest (El Mawla
et al., BMJ Neurology Open 2026, 10.1136/bmjno-2026-001659), ``sqrt(2) Phi^-1(0.869) = 1.6``.
Haemorrhage: chosen so that the image's AUC over all patterns is 0.88.
"""

SITE_POWER = (0.7, 1.0, 1.75)
"""How much more often values are missing at sites A, B and C; 1 on average over patients."""

AGE = Measure("age", "linear", 67, 13, 1, 18, 98, loading=0.25, gaps=None)

# A clean scan with edema to come was taken early; a lesion's water grows with time, so that a late
# scan explains a severe finding. CT attenuation of the infarct against hours since onset: r = 0.82
# at early times (Mair et al., Neuroradiology 2021, 10.1007/s00234-020-02591-w). The grey-white
# ratio after cardiac arrest falls with time (Streitberger et al., Resuscitation 2019). Onset
# unknown on waking up: 14.3 % of ischaemic strokes (Mackey et al., Neurology 2011, 76:1662-1667).
HOURS = Measure(
    "hours_since_onset", "log", 9, 0.8, 0.1, 0.5, 72,
    effect=(-1.0, 0.4, 0.4, 0.3),
    link=(0.0, 0.74, 0.7, 0.5),
    gaps=Gaps(never=(0.143, 0.143, 0.143, 0.143)),
)  # fmt: skip

# Haemorrhage: medians 14 with a good and 10 with a poor outcome (Lv et al., Oxid Med Cell Longev
# 2021, 6249509). Low scores predict edema after cardiac arrest (Hinduja et al., Resuscitation 2022,
# 10.1016/j.resuscitation.2022.10.013).
GCS = Measure(
    "gcs", "linear", 12, -3, 1, 3, 15,
    loading=0.7,
    effect=(1.5, 0.9, 1.33, 1.5),
    shift=(-0.5, -0.2, 0.0, 0.6),
    link=(0.0, 0.0, 0.3, 0.0),
)  # fmt: skip

# Infarct: median 11, quartiles 5 and 19 (Mallavarapu et al., Front Neurol 2025, 16:1629434).
# Haemorrhage: median 8, and a correlation of -0.773 with the coma scale (Dusenbury et al., Stroke
# Vasc Interv Neurol 2023; -0.69 here). The score is one of stroke: half of those with a clean scan
# were not suspected of one, nor were those with diffuse swelling. The sickest are not examined.
NIHSS = Measure(
    "nihss", "linear", 10.5, 7.5, 1, 0, 42,
    loading=0.7,
    effect=(1.3, 1.8, 1.5, 0.0),
    shift=(-0.8, 0.0, -0.4, 0.0),
    link=(0.0, 0.3, 0.3, 0.0),
    gaps=Gaps(on_factor=0.6, never=(0.5, 0.0, 0.0, 1.0)),
)  # fmt: skip

# Infarct: mean 147 to 149 (Kharitonova et al., J Neurol Neurosurg Psychiatry 2009, 80:273-278).
# Haemorrhage: 167.5 +- 26.0 with a good and 176.6 +- 35.0 with a poor outcome (Lv et al.). Low
# pressure starves the whole brain.
PRESSURE = Measure(
    "systolic_bp", "linear", 148, 26, 1, 80, 260,
    loading=0.2,
    effect=(0.3, 0.2, 0.35, -0.8),
    shift=(0.0, 0.0, 0.925, -0.3),
)  # fmt: skip

# Infarct: mean 7.1, SD 2.4 to 3.1 (Kharitonova et al.). High values predict edema after cardiac
# arrest (Hinduja et al.).
GLUCOSE = Measure(
    "glucose", "log", 6.5, 0.32, 0.1, 2.5, 30,
    loading=0.4,
    effect=(0.8, 1.25, 1.2, 0.8),
)  # fmt: skip

# Diffuse: median 137, quartiles 134 and 142, and the brain swells when osmolality falls (Liotta et
# al., Crit Care Med 2018, 46:280-289, severe hepatic encephalopathy).
SODIUM = Measure(
    "sodium", "linear", 139, 4, 1, 110, 170,
    loading=0.3,
    effect=(-0.6, 0.1, 0.1, -1.2),
    shift=(0.0, 0.0, 0.0, -0.38),
)  # fmt: skip

# Stroke: 300 +- 11.4 in those who died and 293.1 +- 8.2 in survivors (Bhalla et al., Stroke 2000,
# 31:2043-2048). Diffuse: the other way round, see sodium. Ordered for the sick.
OSMOLALITY = Measure(
    "osmolality", "linear", 296.5, 9, 1, 240, 380,
    loading=0.5,
    effect=(0.2, 0.77, 0.77, -1.0),
    gaps=Gaps(power=2.75, on_factor=-0.5, on_label=-1.2),
)  # fmt: skip

PLATELETS = Measure("platelets", "linear", 235, 62, 1, 40, 520)

# Median 149.7 ng/ml under apixaban (Connolly et al., N Engl J Med 2019, 380:1326-1335).
ANTI_XA = Measure(
    "anti_xa", "log", 150, 0.6, 1, 5, 1000, effect=(0.0, 0.0, 1.8, 0.0), only_if="anticoagulated"
)

MEASURES = (
    AGE, HOURS, GCS, NIHSS, PRESSURE, GLUCOSE, SODIUM, OSMOLALITY, PLATELETS, ANTI_XA,
)  # fmt: skip

# Age bends the anatomy (ventricles and sulci widen), sex the head's size, and the site its scanner:
# all three are always recorded and none depends on pattern or label, so that what a scan betrays
# of them tells nothing about the label that `oracle` does not already count.
# Women: 48.1 % of haemorrhages (Inohara et al., JAMA 2018, 319:463-473).
SEX = Category("sex", ("female", "male"), (((0.48, 0.48),) * 4, ((0.52, 0.52),) * 4))
SITE = Category("site", SITES, (((0.5, 0.5),) * 4, ((0.3, 0.3),) * 4, ((0.2, 0.2),) * 4))
ADMISSION = Category(
    "admission",
    ("direct", "transfer", "in-hospital"),
    (
        ((0.75, 0.62), (0.60, 0.48), (0.50, 0.40), (0.50, 0.38)),
        ((0.17, 0.28), (0.34, 0.44), (0.45, 0.55), (0.20, 0.24)),
        ((0.08, 0.10), (0.06, 0.08), (0.05, 0.05), (0.30, 0.38)),
    ),
    gaps=Gaps(),
)
# Haemorrhage: 10.6 % under warfarin and 3.5 % under newer anticoagulants (Inohara et al.).
ANTICOAGULATED = Category(
    "anticoagulated",
    (False, True),
    (
        ((0.84, 0.84), (0.84, 0.78), (0.92, 0.81), (0.86, 0.86)),
        ((0.16, 0.16), (0.16, 0.22), (0.08, 0.19), (0.14, 0.14)),
    ),
)
CATEGORIES = (SEX, SITE, ADMISSION, ANTICOAGULATED)

VARIABLES: tuple[Measure | Category, ...] = (
    AGE, SEX, SITE, ADMISSION, HOURS, GCS, NIHSS, PRESSURE, GLUCOSE, SODIUM, OSMOLALITY, PLATELETS,
    ANTICOAGULATED, ANTI_XA,
)  # fmt: skip
"""In the table's order. The site comes before what its power decides on, a condition before what
exists under it only."""
COLUMNS = tuple(variable.name for variable in VARIABLES)

TURNED = ("gcs", "nihss", "glucose", "osmolality")
"""What tells the opposite of itself in an infarct when ``interaction`` is 1: the four variables
with the largest effects in the pattern with the most patients. Chosen."""


def with_interaction(interaction: float) -> tuple[Measure | Category, ...]:
    """Multiply the effects that those in ``TURNED`` have in infarcts by ``1 - 2 interaction``."""
    infarct = PATTERNS.index("infarct")

    def turned(variable: Measure | Category) -> Measure | Category:
        if not isinstance(variable, Measure) or variable.name not in TURNED:
            return variable
        effect = list(variable.effect)
        effect[infarct] *= 1 - 2 * interaction
        return variable._replace(effect=tuple(effect))  # type: ignore[arg-type]

    return tuple(turned(variable) for variable in VARIABLES)
