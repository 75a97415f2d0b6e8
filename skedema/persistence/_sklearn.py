"""The classes of scikit-learn that a file may hold, as whole models or as parts of ours.

Those that call functions of the user are left out, and so are those whose state is made of compiled
objects.
"""

from __future__ import annotations

import re
from typing import Any

from skedema.persistence._errors import Damaged, Unsupported
from skedema.persistence._parts import Part

_ESCAPED = re.compile(r"\\[^1-9]", re.DOTALL)
# A group that is repeated or referred to, or the fourth place where a match may go on in two ways.
_REPEATED = re.compile(r"\)[*+{]|\\[1-9]|\(\?P=|[*+?{(](.*[*+?{(]){3}", re.DOTALL)
_OF_SCORERS = ("sign", "kwargs", "response_method")
_RESPONSES = {"predict", "predict_proba", "predict_log_proba", "decision_function"}
_SCORE = re.compile("[a-z0-9][a-z0-9_]*_(score|loss|error)")
_WORDS = 624  # of the state of MT19937
_NO_STEPS = (None, "drop", "passthrough")
_SCALERS = ("StandardScaler", "MinMaxScaler", "MaxAbsScaler", "RobustScaler", "Normalizer")


def _simple(module: str, *names: str, private: tuple[str, ...] = ()) -> dict[str, Part]:
    homes = {f"sklearn.{name}": f"sklearn.{module}:{name}" for name in names}
    return {name: Part(home, private=private) for name, home in homes.items()}


def _random_state(state: Any) -> dict[str, Any]:
    held = state.get_state(legacy=False)
    return {**held["state"], "has_gauss": held["has_gauss"], "gauss": held["gauss"]}


def _random_state_again(cls: Any, held: dict[str, Any]) -> Any:
    if not 0 <= held["pos"] <= len(held["key"]) == _WORDS:  # NumPy would read beyond its memory
        raise Damaged("a random state has no such place")
    made = cls(0)
    made.set_state(("MT19937", held["key"], held["pos"], held["has_gauss"], held["gauss"]))
    return made


def _bunch(cls: Any, held: dict[str, Any]) -> Any:
    """Make what scikit-learn keeps named steps in; with texts it could pass for a reader."""
    for name, step in held.items():
        if step not in _NO_STEPS and not hasattr(step, "get_params"):
            raise Damaged(f"a step {name[:40]!r} is no estimator")
    return cls(**held)


def _quick(held: dict[str, Any]) -> dict[str, Any]:
    """Refuse patterns that can take for ever on a name: those that repeat what may vary."""
    pattern = held["pattern"]
    signs = _ESCAPED.sub("x", pattern or "")
    for written, counted in (("(?:", "("), ("(?i)", ""), (")?", ")")):
        signs = signs.replace(written, counted)
    if _REPEATED.search(signs):
        raise Unsupported(
            f"its pattern {pattern!r:.80} repeats a group, or has more than three of * + ? {{ (, "
            "which can take for ever on some names: write it without, or list the columns"
        )
    return held


def _with_interpolation(made: Any) -> None:
    if hasattr(made, "X_thresholds_"):
        made._build_f(made.X_thresholds_, made.y_thresholds_)


def _scorer(scorer: Any) -> dict[str, Any]:
    score = scorer._score_func
    name = getattr(score, "__name__", "")
    if _score_of(name) is not score:
        raise Unsupported(
            f"it scores by {name or score!r}, which is none of sklearn.metrics. A threshold that "
            "was tuned by it is kept by a FixedThresholdClassifier of its estimator_, with its "
            "best_threshold_ and your pos_label"
        )
    return {"name": name, **{key: getattr(scorer, f"_{key}") for key in _OF_SCORERS}}


def _scorer_again(cls: Any, held: dict[str, Any]) -> Any:
    score = _score_of(held["name"])
    if score is None:
        raise Damaged(f"sklearn.metrics has no score {str(held['name'])[:40]!r}")
    asked = held["response_method"]
    if not _RESPONSES.issuperset(asked if isinstance(asked, (list, tuple)) else [asked]):
        raise Damaged(f"a score is not computed of what {str(asked)[:40]!r} gives")
    return cls(score, **{key: held[key] for key in _OF_SCORERS})


def _score_of(name: str) -> Any:
    """Give what sklearn.metrics computes of labels under a name, and no other function there."""
    import sklearn.metrics

    return getattr(sklearn.metrics, name, None) if _SCORE.fullmatch(name) else None


def _with_scorer(made: Any) -> None:
    if hasattr(made, "estimator_"):
        made._curve_scorer = made._get_curve_scorer()


_ENCODED = (
    "_infrequent_enabled",
    "_infrequent_indices",
    "_default_to_infrequent_mappings",
    "_drop_idx_after_grouping",
    "_n_features_outs",
    "_missing_indices",
)
_COLUMNS = (
    "_columns",
    "_transformer_to_input_indices",
    "_remainder",
    "_n_features",
    "_transformers_feature_names_out",
)
_FOLDS = ("KFold", "StratifiedKFold", "GroupKFold", "StratifiedGroupKFold")
_CALIBRATION = "sklearn.calibration:"
PARTS = {
    **_simple("preprocessing", *_SCALERS),
    **_simple("preprocessing", "OneHotEncoder", "OrdinalEncoder", private=_ENCODED),
    **_simple("preprocessing", "LabelEncoder"),
    **_simple("impute", "SimpleImputer", private=("_fit_dtype", "_fill_dtype")),
    **_simple("impute", "MissingIndicator", private=("_precomputed", "_n_features")),
    **_simple("linear_model", "LogisticRegression", "Ridge", "LinearRegression"),
    **_simple("decomposition", "PCA", private=("_n_features_out", "_fit_svd_solver")),
    **_simple("frozen", "FrozenEstimator"),
    **_simple("pipeline", "FeatureUnion", private=("_transformers_feature_names_out",)),
    **_simple("compose", "ColumnTransformer", private=_COLUMNS),
    **_simple("calibration", "CalibratedClassifierCV"),
    **_simple("model_selection", "FixedThresholdClassifier", *_FOLDS),
    **_simple("ensemble", "VotingClassifier"),
    **_simple("ensemble", "StackingClassifier", private=("_label_encoder", "_n_feature_outs")),
    "sklearn.TunedThresholdClassifierCV": Part(
        "sklearn.model_selection:TunedThresholdClassifierCV",
        left={"_curve_scorer": None},
        after=_with_scorer,
    ),
    "sklearn.Scorer": Part("sklearn.metrics._scorer:_Scorer", take=_scorer, make=_scorer_again),
    "sklearn.Pipeline": Part("sklearn.pipeline:Pipeline", left={"memory": None}),
    "sklearn.make_column_selector": Part(
        "sklearn.compose:make_column_selector",
        only=("pattern", "dtype_include", "dtype_exclude"),
        before=_quick,
        after=lambda made: _quick(vars(made)),
    ),
    "sklearn.CalibratedClassifier": Part(
        _CALIBRATION + "_CalibratedClassifier",
        only=("estimator", "calibrators", "classes", "method"),
    ),
    "sklearn.SigmoidCalibration": Part(_CALIBRATION + "_SigmoidCalibration"),
    "sklearn.TemperatureScaling": Part(_CALIBRATION + "_TemperatureScaling"),  # from 1.8 on
    "sklearn.IsotonicRegression": Part(
        "sklearn.isotonic:IsotonicRegression",
        left={"f_": None},
        after=_with_interpolation,
    ),
    "sklearn.Bunch": Part("sklearn.utils:Bunch", take=dict, make=_bunch),
    "numpy.RandomState": Part(
        "numpy.random.mtrand:RandomState", take=_random_state, make=_random_state_again
    ),
}
