"""Compare the fused model, the scan alone and the table alone on the embedded cohort, and report.

Run by ``make demo``. The cohort is simulated, so the best possible answer is known: the last row
of the table holds the AUC of the exact posterior, from the scan's finding itself and the table. All
parameters of the classifier are its defaults.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline

from skedema import AttentionMixerClassifier
from skedema.baselines import OnlyScan
from skedema.datasets import make_head_ct_cohort
from skedema.evaluation import evaluate

METRICS = ["roc_auc", "accuracy", "precision", "recall", "f1", "brier"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patients", type=int, default=120)
    parser.add_argument("--report", type=Path, default=Path("demo-report.html"))
    options = parser.parse_args()
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        say(f"Simulating {options.patients} patients with a head CT scan each ...", start)
        cohort = make_head_ct_cohort(options.patients, folder, random_state=0, n_jobs=2)
        X, y = cohort.frame, cohort.target
        fused = AttentionMixerClassifier(image="scan", n_jobs=2, random_state=0)
        models = {
            "scan + table (fused)": fused,
            "scan alone (HCT only)": make_pipeline(OnlyScan(image="scan"), fused),
            "table alone": AttentionMixerClassifier(image="scan", encoder=None, random_state=0),
        }
        say("How long will it take? A few scans are read to tell ...", start)
        print(fused.estimate(X, y, cv=5), file=sys.stderr)
        say("Cross-validating three models on the same five folds ...", start)
        result = evaluate(models, X, y, cv=5, random_state=0)
        table = result.table(METRICS)
        say("Writing the report ...", start)
        result.report(options.report, title="The simulated cohort")
    say("Done.", start)

    print("\nFive-fold cross-validation, with 95 % intervals\n")
    print(table.T.to_string())
    print(f"\nBest possible (oracle): AUC {roc_auc_score(y, cohort.oracle['both']):.3f}")
    print(f"The report, to open in a browser: {options.report.resolve()}")


def say(text: str, start: float) -> None:
    print(f"[{time.perf_counter() - start:5.0f} s] {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
