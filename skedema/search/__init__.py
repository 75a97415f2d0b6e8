"""Tuning: an Optuna objective over any scikit-learn estimator, spaces for it, a search estimator.

In a script of one's own, Optuna's study and `CrossValidatedObjective` are enough; `StudySearchCV`
is the same as a scikit-learn estimator, with resuming, progress and a refit of the best.
"""

from __future__ import annotations

from skedema.search.objective import CrossValidatedObjective
from skedema.search.spaces import encoder_space, head_space, pretraining_space
from skedema.search.study_search import StudySearchCV

__all__ = [
    "CrossValidatedObjective",
    "StudySearchCV",
    "encoder_space",
    "head_space",
    "pretraining_space",
]
