"""What is said about trials that failed."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from optuna.trial import FrozenTrial, TrialState
from sklearn.exceptions import FitFailedWarning


def report_failures(
    trials: Sequence[FrozenTrial], error_score: float | str, first_error: Exception | None
) -> None:
    """Warn of trials in which a fit failed; refuse a search without any score.

    Then `first_error` is raised, if it was just now: most often every trial fails alike.
    """
    failed = [trial for trial in trials if "error" in trial.user_attrs]
    first = f" Trial {failed[0].number}: {failed[0].user_attrs['error']}" if failed else ""
    if not any(trial.state is TrialState.COMPLETE for trial in trials):
        n_pruned = sum(trial.state is TrialState.PRUNED for trial in trials)
        found = f"No trial has a score: of {len(trials)}, {len(failed)} failed"
        found += f" and {n_pruned} were given up by the pruner." if n_pruned else "."
        n_running = sum(trial.state is TrialState.RUNNING for trial in trials)
        found += f" Other processes are at {n_running}: call it again." if n_running else ""
        if first_error is not None:
            first_error.add_note(f"{found}{first}")
            raise first_error
        hint = "" if trials else " The timeout left no time for one."
        raise ValueError(f"{found}{hint}{first}")
    if failed:
        warnings.warn(
            f"{len(failed)} of {len(trials)} trials failed in a fold, which was given the score "
            f"{error_score}.{first}",
            FitFailedWarning,
            stacklevel=3,
        )
