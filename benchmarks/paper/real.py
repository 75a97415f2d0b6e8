"""Real exams: haemorrhage, and edema that is put into exams without haemorrhage."""

import os
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd

from benchmarks.paper.models import NAME, Encoders, comparison
from benchmarks.paper.plan import Plan, kept
from benchmarks.paper.runs import run
from benchmarks.paper.tables import comparison_table
from skedema.datasets import implant_edema
from skedema.scans.brain import brain_mask

SEVERITIES = (-1.0, 0.0, 1.0)
COMPARED = (
    NAME,
    "scan alone",
    "metadata alone",
    "fusion, concat",
    "fusion, film",
    "frozen features, logistic regression",
)
_HU = (-20, 100)  # of all these exams, see there


def real_tables(encoder: Encoders, plan: Plan) -> str:
    folder = os.environ.get("SKEDEMA_REAL_DATA")
    if not folder:
        return "Left out: SKEDEMA_REAL_DATA does not name a folder that holds ct_ich/cohort.csv."
    home = Path(folder).resolve() / "ct_ich"
    exams = pd.read_csv(home / "cohort.csv")
    exams["scan"] = [str(home / name) for name in exams["scan"]]
    about = (
        "CT-ICH (Hssayeni et al., Data 2020, 5(1):14): real exams, one a patient, with age and "
        f"sex. HU are clipped to {_HU[0]} to {_HU[1]} in them. The encoder is the one pre-trained "
        f"on simulated scans, frozen. {plan.folds} folds x {plan.seeds} seeds. So few exams carry "
        "no claim beyond the intervals."
    )
    text = [about, "### Haemorrhage"]
    text.append(f"{len(exams)} exams, {int(exams['ich'].sum())} with haemorrhage.")
    text.append(_table("haemorrhage", encoder, exams[["scan", "age", "sex"]], exams["ich"], plan))
    clean = exams[exams["ich"] == 0].reset_index(drop=True)
    for severity in SEVERITIES:
        X, y = kept(
            plan.storage / "real" / f"severity{severity:+g}" / "exams.pkl",
            lambda severity=severity: _implanted(clean, severity, plan),
        )
        text.append(f"### Implanted edema, severity {severity:+g}")
        text.append(
            f"{len(y)} exams without haemorrhage; `implant_edema` put that of an infarct into "
            f"{int(y.sum())}, drawn by seed 0, the same ones at each severity. Age and sex carry "
            "nothing by design, so whatever metadata alone finds is chance."
        )
        text.append(_table(f"severity {severity:+g}", encoder, X, y, plan))
    return "\n\n".join(text)


def _table(what: str, encoder: Encoders, X: pd.DataFrame, y: pd.Series, plan: Plan) -> str:
    def models_of(seed: int) -> dict[str, Any]:
        models = comparison(encoder, X, seed, plan)
        return {name: models[name] for name in COMPARED}

    encoder.compact.transform(X["scan"])  # once, for all processes
    done = run(what, models_of, X, y, plan, plan.seeds)
    return comparison_table(done, NAME)


def _implanted(exams: pd.DataFrame, severity: float, plan: Plan) -> tuple[Any, Any]:
    """Copies of exams, half of them with edema; both halves are written in the same way."""
    folder = plan.storage / "real" / f"severity{severity:+g}"
    folder.mkdir(parents=True, exist_ok=True)
    chosen = np.random.default_rng(0).permutation(len(exams)) < len(exams) // 2
    paths = []
    for number, (path, ill) in enumerate(zip(exams["scan"], chosen, strict=True)):
        image = nib.as_closest_canonical(nib.load(path))
        hu = np.asanyarray(image.dataobj).astype(np.int16)
        spacing = image.header.get_zooms()
        edema = implant_edema(
            hu,
            spacing,
            brain_mask(hu, spacing),
            pattern="infarct" if ill else "none",
            severity=severity,
            random_state=number,
        )
        copy = nib.Nifti1Image(np.clip(edema.volume, *_HU), image.affine)
        paths.append(str(folder / Path(path).name))
        nib.save(copy, paths[-1])
    return exams[["age", "sex"]].assign(scan=paths), pd.Series(chosen.astype(int), name="edema")
