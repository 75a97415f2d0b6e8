"""A bar with trials, how many were given up, and the best score so far."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from optuna.study import Study
from optuna.trial import TrialState


@contextmanager
def progress(n_trials: int, n_done: int, verbose: int) -> Iterator[Callable[[Study], None]]:
    """Show how far a search is, on standard error.

    Parameters
    ----------
    n_trials, n_done : int
        Trials of the search, and those behind.
    verbose : int
        Nothing is shown with 0.

    Yields
    ------
    callable
        To be called with the study after each trial.
    """
    if not verbose:
        yield lambda study: None
        return
    from tqdm import tqdm

    with tqdm(total=n_trials, initial=n_done, desc="search", unit="trial", file=sys.stderr) as bar:

        def after_trial(study: Study) -> None:
            trials = study.get_trials(deepcopy=False)
            states = [trial.state for trial in trials]
            shown = {"pruned": states.count(TrialState.PRUNED)}
            if TrialState.FAIL in states:
                shown["failed"] = states.count(TrialState.FAIL)
            scores = [float(t.values[0]) for t in trials if t.state is TrialState.COMPLETE]
            best = {"best": f"{max(scores):.4g}"} if scores else {}
            bar.set_postfix(shown | best, refresh=False)
            bar.update()

        yield after_trial
