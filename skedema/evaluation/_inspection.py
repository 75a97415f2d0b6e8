"""What the models of an evaluation go by: `Evaluation.inspection`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from skedema._registry import nearest_name

# Imported where they are used: they bring torch in.
if TYPE_CHECKING:
    from skedema.inspection import AttentionDisplay, ImportanceDisplay, MissingnessDisplay


@dataclass(frozen=True)
class FoldModel:
    """A fitted model, and the rows of X that it did not see.

    Parameters
    ----------
    estimator : classifier
        Fitted.
    repeat, fold : int
        As in `Evaluation.folds`.
    rows : ndarray of int
        Positions in X.
    """

    estimator: Any
    repeat: int
    fold: int
    rows: NDArray[np.intp]


class InspectionAccessor:
    """Figures of what the models of an evaluation go by, each on patients it has not seen.

    Names are those of `skore` where the idea is the same.

    Parameters
    ----------
    result : Evaluation
        Whose.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from skedema.evaluation import evaluate
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> result = evaluate({"tree": DecisionTreeClassifier(max_depth=3)}, X, y, random_state=0)
    >>> display = result.inspection.permutation_importance(n_repeats=2)
    >>> display.frame()["variables"].tolist()
    ['sepal length (cm) + petal length (cm) + petal width (cm)', 'sepal width (cm)']
    """

    def __init__(self, result: Any) -> None:
        self._result = result

    def fold_models(self, estimator: str | None = None) -> list[FoldModel]:
        """List the fitted models of an estimator with the rows that each did not see.

        Parameters
        ----------
        estimator : str or None, default=None
            Its name. None is the first.

        Returns
        -------
        list of FoldModel
            One a row of `Evaluation.folds`.

        Raises
        ------
        ValueError
            When there is no such estimator, or fitted models were not kept.
        """
        result = self._result
        name = result.names[0] if estimator is None else estimator
        if name not in result.names:
            raise ValueError(
                f"There is no estimator {name!r}. {nearest_name(str(name), result.names)}"
            )
        fitted = result.estimators.get(name)
        if not fitted or result.X is None:
            raise ValueError(
                "The fitted models were not kept: call evaluate with return_estimator=True, its "
                "default."
            )
        folds = result.folds[result.folds["estimator"] == name]
        told = result.predictions[result.predictions["estimator"] == name]
        rows = dict(iter(told.groupby(["repeat", "fold"])["row"]))
        return [
            FoldModel(model, int(repeat), int(fold), rows[repeat, fold].to_numpy())
            for model, repeat, fold in zip(fitted, folds["repeat"], folds["fold"], strict=True)
        ]

    def permutation_importance(
        self, estimator: str | None = None, **options: Any
    ) -> ImportanceDisplay:
        """Show by how much an estimator is worse when a variable is another patient's.

        Parameters
        ----------
        estimator : str or None, default=None
            Its name. None is the first.
        **options
            Others of `skedema.inspection.ImportanceDisplay.from_estimators`.

        Returns
        -------
        ImportanceDisplay
            Of all rows, each asked about by the models that did not see it.
        """
        from skedema.inspection import ImportanceDisplay

        return ImportanceDisplay.from_estimators(**self._held_out(estimator), **options)

    def missingness(self, estimator: str | None = None, **options: Any) -> MissingnessDisplay:
        """Show what is missing together, and what it costs an estimator not to know a variable.

        Parameters
        ----------
        estimator : str or None, default=None
            Its name. None is the first.
        **options
            Others of `skedema.inspection.MissingnessDisplay.from_estimators`.

        Returns
        -------
        MissingnessDisplay
            Of all rows, each asked about by the models that did not see it.
        """
        from skedema.inspection import MissingnessDisplay

        return MissingnessDisplay.from_estimators(**self._held_out(estimator), **options)

    def attention(self, estimator: str | None = None) -> AttentionDisplay:
        """Show which variables the scans attended to, by class.

        Parameters
        ----------
        estimator : str or None, default=None
            Its name. None is the first.

        Returns
        -------
        AttentionDisplay
            Of all rows, each asked about by the models that did not see it.

        Raises
        ------
        AttributeError, ValueError
            When the estimator has no attention.
        """
        from skedema.inspection import AttentionDisplay

        models = self.fold_models(estimator)
        return AttentionDisplay.from_estimators(
            [model.estimator for model in models],
            self._result.X,
            [model.rows for model in models],
            self._result.y,
        )

    def _held_out(self, estimator: str | None) -> dict[str, Any]:
        models, result = self.fold_models(estimator), self._result
        return {
            "estimators": [model.estimator for model in models],
            "X": result.X,
            "y": result.y,
            "test_rows": [model.rows for model in models],
            "groups": result.groups,
            "repeats": [model.repeat for model in models],
        }

    def __repr__(self) -> str:
        names = sorted(name for name in dir(type(self)) if not name.startswith("_"))
        return f"<Inspection of {self._result!r}, with {', '.join(names)}>"
