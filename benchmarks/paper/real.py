"""Real exams: haemorrhage, whole and without the brain's rim, and edema that is put into exams."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
from scipy.ndimage import distance_transform_edt

from benchmarks.paper.models import NAME, WITH_DENSITY, comparison
from benchmarks.paper.plan import Plan, kept
from benchmarks.paper.runs import run
from benchmarks.paper.tables import COLUMNS, comparison_table
from skedema.datasets import implant_edema
from skedema.scans.brain import brain_mask

SEVERITIES, SEVERITIES_QUICK = (-1.0, 0.0, 1.0), (1.0,)
#: Of so few exams each split is a small sample: several.
SPLITS, SPLITS_QUICK = 3, 1
EXAMS_QUICK = 48
COMPARED = (
    NAME,
    f"{NAME}, {WITH_DENSITY}",
    "scan alone",
    "scan alone, linear probe",
    "scan alone, density",
    "metadata alone",
    "metadata alone, logistic regression",
    "fusion, film",
    "fusion, product of experts",
    "averaging",
    "frozen features, gradient boosting",
    "frozen features, logistic regression",
    f"frozen features, logistic regression, {WITH_DENSITY}",
    "density features, logistic regression",
)
ON_EDEMA = (
    NAME,
    "scan alone",
    "scan alone, density",
    "metadata alone",
    "frozen features, logistic regression",
)
#: Depth of the rim that is taken out of the brain mask.
RIM_MM = 5.0
_HU = (-20, 100)  # of all these exams, see there


def real_tables(plan: Plan) -> str:
    folder = os.environ.get("SKEDEMA_REAL_DATA")
    if not folder:
        return "Left out: SKEDEMA_REAL_DATA does not name a folder that holds ct_ich/cohort.csv."
    home = Path(folder).resolve() / "ct_ich"
    exams = pd.read_csv(home / "cohort.csv")
    exams["scan"] = [str(home / name) for name in exams["scan"]]
    if plan.quick:
        exams = exams.groupby("ich").head(EXAMS_QUICK // 2).reset_index(drop=True)
    bleeding = exams["ich"]
    splits = SPLITS_QUICK if plan.quick else SPLITS
    about = (
        "CT-ICH (Hssayeni et al., Data 2020, 5(1):14): real exams, one a patient, with age and "
        f"sex. HU are clipped to {_HU[0]} to {_HU[1]} in them. {plan.folds} folds x {splits} "
        f"seeds. So few exams carry no claim beyond the intervals. {COLUMNS}"
    )
    n_ill = f"{len(exams)} exams, {int(bleeding.sum())} with haemorrhage."
    text = [about, f"### Haemorrhage\n\n{n_ill}"]
    text.append(_table("haemorrhage", exams[["scan", "age", "sex"]], bleeding, COMPARED, plan))
    rimless = _copies(exams, _without_rim, "without-rim", plan)
    text.append(
        f"### Haemorrhage, without the brain's rim\n\nThe same exams; in the outer {RIM_MM:g} mm "
        "of the brain mask each voxel has the brain's median, as all outside of it has, so that "
        "the tokens see neither the mask's outline, on which blood at the bone leaves its trace, "
        "nor that blood. Density still does in part: the rim's volume is counted at the median. "
        "The mask also goes on deciding how a head is scaled."
    )
    text.append(_table("without rim", rimless[["scan", "age", "sex"]], bleeding, COMPARED, plan))
    clean = exams[bleeding == 0].reset_index(drop=True)
    ill = pd.Series(
        (np.random.default_rng(0).permutation(len(clean)) < len(clean) // 2).astype(int),
        name="edema",
    )
    for severity in SEVERITIES_QUICK if plan.quick else SEVERITIES:
        X = _copies(clean, _edema(ill, severity), f"severity{severity:+g}", plan)
        text.append(
            f"### Implanted edema, severity {severity:+g}\n\n{len(ill)} exams without haemorrhage; "
            f"`implant_edema` put that of an infarct into {int(ill.sum())}, drawn by seed 0, the "
            "same ones at each severity. Age and sex carry nothing by design, so whatever metadata "
            "alone finds is chance."
        )
        what = f"severity {severity:+g}"
        text.append(_table(what, X[["scan", "age", "sex"]], ill, ON_EDEMA, plan))
    return "\n\n".join(text)


def _table(what: str, X: pd.DataFrame, y: pd.Series, names: tuple[str, ...], plan: Plan) -> str:
    def models_of(seed: int) -> dict[str, Any]:
        models = comparison(X, seed, plan)
        return {name: models[name] for name in names}

    done = run(what, models_of, X, y, plan, SPLITS_QUICK if plan.quick else SPLITS)
    return comparison_table(done, NAME)


Change = Callable[[int, np.ndarray, Any], np.ndarray]


def _copies(exams: pd.DataFrame, change: Change, name: str, plan: Plan) -> pd.DataFrame:
    """Write the exams anew, changed, all in the same way."""
    folder = plan.storage / "real" / name

    def make() -> pd.DataFrame:
        folder.mkdir(parents=True, exist_ok=True)
        paths = []
        for number, path in enumerate(exams["scan"]):
            image = nib.as_closest_canonical(nib.load(path))
            hu = np.asanyarray(image.dataobj).astype(np.int16)
            changed = change(number, hu, image.header.get_zooms())
            paths.append(str(folder / Path(path).name))
            nib.save(nib.Nifti1Image(np.clip(changed, *_HU), image.affine), paths[-1])
        return exams.assign(scan=paths)

    return kept(folder / "exams.pkl", make)


def _without_rim(number: int, hu: np.ndarray, spacing: Any) -> np.ndarray:
    brain = brain_mask(hu, spacing)
    if not brain.any():
        return hu
    inner = distance_transform_edt(brain, sampling=spacing) > RIM_MM
    return np.where(brain & ~inner, np.int16(np.median(hu[brain])), hu)


def _edema(ill: pd.Series, severity: float) -> Change:
    def change(number: int, hu: np.ndarray, spacing: Any) -> np.ndarray:
        edema = implant_edema(
            hu,
            spacing,
            brain_mask(hu, spacing),
            pattern="infarct" if ill[number] else "none",
            severity=severity,
            random_state=number,
        )
        return edema.volume

    return change
