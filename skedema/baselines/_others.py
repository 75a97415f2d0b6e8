"""Other classifiers, and tables with gaps and categories as they take them."""

from __future__ import annotations

from typing import Any

from sklearn.base import clone, is_classifier
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.utils import get_tags


def named(estimator: Any) -> dict[str, Any]:
    """Give other classifiers by name."""
    if estimator is None:
        return {}
    others = estimator if isinstance(estimator, dict) else {type(estimator).__name__: estimator}
    for name, other in others.items():
        told = hasattr(other, "get_params") and not isinstance(other, type)
        if not (told and is_classifier(other)):
            raise TypeError(
                f"estimator must be a classifier, such as HistGradientBoostingClassifier(), or a "
                f"dict that names some; {name!r} is {other!r}."
            )
    return others


def takes_nan(estimator: Any) -> bool:
    return bool(get_tags(estimator).input_tags.allow_nan)


def on_numbers(table: Any, estimator: Any) -> Pipeline:
    """Put a classifier behind a table with categories and gaps."""
    return make_pipeline(table, filled(gaps=takes_nan(estimator)), clone(estimator))


def filled(*, gaps: bool = False) -> ColumnTransformer:
    """Make numbers of all; those that are missing may stay so."""
    imputer = SimpleImputer(add_indicator=True, keep_empty_features=True)
    return ColumnTransformer(
        [
            (
                "numbers",
                "passthrough" if gaps else imputer,
                make_column_selector(dtype_include="number"),
            ),
            (
                "categories",
                OneHotEncoder(handle_unknown="ignore", sparse_output=False),
                make_column_selector(dtype_include="category"),
            ),
        ]
    )


def with_values() -> ColumnTransformer:
    """Leave out variables without any value in training, on which boosting fails."""
    return ColumnTransformer(
        [("with_values", "passthrough", _columns_with_values)], verbose_feature_names_out=False
    ).set_output(transform="pandas")


def _columns_with_values(X: Any) -> list[Any]:
    return list(X.columns[X.notna().any()])
