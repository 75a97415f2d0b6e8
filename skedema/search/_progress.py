"""A bar with trials, how many were given up, and the best score so far."""

from __future__ import annotations

from typing import Any

from optuna.study import Study
from optuna.trial import TrialState


def show_trial(bar: Any, study: Study) -> None:
    """Move a bar on by the trial that has just ended."""
    if bar.disable:  # a study in a database is slow to ask
        return
    trials = study.get_trials(deepcopy=False)
    states = [trial.state for trial in trials]
    shown: dict[str, Any] = {"pruned": states.count(TrialState.PRUNED)}
    if TrialState.FAIL in states:
        shown["failed"] = states.count(TrialState.FAIL)
    scores = [float(t.values[0]) for t in trials if t.state is TrialState.COMPLETE]
    if scores:
        shown["best"] = f"{max(scores):.4g}"
    bar.set_postfix(shown, refresh=False)
    bar.update()
