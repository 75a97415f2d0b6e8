"""What nobody can do better than: the exact posterior of the simulated patients."""

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from skedema.datasets._posterior import additive
from skedema.datasets._subject import PATTERNS

IMAGE, CLINICAL = "oracle, image findings only", "oracle, clinical only"
BOTH, ADDITIVE = "oracle, both", "oracle, the two as if independent"
ORACLES = (IMAGE, CLINICAL, BOTH, ADDITIVE)
ABOUT = (
    "The oracle rows are P(edema) under the model that the patients are drawn from, for the same "
    "patients: given the scan's true pattern and severity, given the clinical row as reported, "
    "given both, and given both as if they were independent of each other given the label. They "
    "are no competitors and are not counted in Holm's adjustment. The rows named true findings "
    "are trained as the others, with the scan's true pattern and severity in place of the scan: "
    "what these lack is lost in learning from so few patients, the rest in reading scans."
)


class TrueFindings(TransformerMixin, BaseEstimator):
    """From a scan's path to what it shows: its pattern, and the severity within each pattern."""

    def __init__(self, findings: dict[str, tuple[float, ...]]) -> None:
        self.findings = findings

    def fit(self, X: Any, y: Any = None) -> "TrueFindings":
        return self

    def transform(self, X: Any) -> np.ndarray:
        return np.array([self.findings[str(path)] for path in X])

    def __sklearn_is_fitted__(self) -> bool:
        return True


def finding_columns(pattern: Any, severity: Any) -> np.ndarray:
    """Which pattern a scan shows, and its severity in a column of the pattern's own."""
    patterns = np.equal.outer(np.asarray(pattern), sorted(PATTERNS)).astype(float)
    return np.hstack([patterns, patterns * np.asarray(severity)[:, None]])


def true_findings(cohort: Any) -> TrueFindings:
    rows = finding_columns(cohort.findings["pattern"], cohort.findings["severity"])
    return TrueFindings(dict(zip(cohort.frame["scan"], map(tuple, rows.tolist()), strict=True)))


def oracle_rows(cohort: Any) -> dict[str, np.ndarray]:
    oracle = cohort.oracle
    known = [oracle[name].to_numpy() for name in ("image", "clinical", "both")]
    return dict(zip(ORACLES, [*known, np.asarray(additive(oracle))], strict=True))
