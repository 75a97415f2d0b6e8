"""Ready baselines on anybody's table."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from skedema.baselines._clinical_values import ClinicalValues
from skedema.baselines._columns import OnlyScan, WithoutScan
from skedema.baselines._others import filled, named, on_numbers, takes_nan, with_values
from skedema.baselines._parts import changed, check_classifier, reader_of
from skedema.baselines._scan_features import ScanFeatures
from skedema.baselines._weighted_average import WeightedAverage
from skedema.classifier import AttentionMixerClassifier
from skedema.encoders import CNN, is_transformer, make_encoder
from skedema.frames import Table, find_columns, find_scan_columns, read_table
from skedema.fusion import list_fusions, make_fusion
from skedema.scans.files import scan_name

_STRENGTHS = np.logspace(-4, 2, 7).tolist()  # chosen: from next to nothing to next to free


def baselines(
    classifier: AttentionMixerClassifier,
    X: Any,
    *,
    features: Any = None,
    n_components: int | str | None = "auto",
    estimator: Any = None,
) -> dict[str, Any]:
    """Make the models that a fused classifier is to be compared with.

    All take the same table as the classifier, whatever part of it they use, and none is fitted.
    What the classifier says of scans, memory, training, class weights and seed holds for all.

    Parameters
    ----------
    classifier : AttentionMixerClassifier
        The one to compare with; it stays as it is.
    X : DataFrame (pandas, polars) or array-like of shape (n_samples, n_features)
        The patients; which columns it has is all that counts, and whether scans are arrays.
    features : transformer or None, default=None
        The encoder of the models on frozen features, such as a `ViTAutoencoder`. None is the
        classifier's, if that learns features without the classifier: one that is trained on labels
        only, such as a `CNN`, has none to freeze, and these models are left out.
    n_components : int, "auto" or None, default="auto"
        Principal components of the frozen features that meet the clinical variables; None for the
        features as they are. ``"auto"``: as they are, unless there are more than training scans,
        then 16 (chosen).
    estimator : classifier, dict of str to classifier or None, default=None
        Any others of scikit-learn's kind, such as TabPFN, TabICL or boosting, to be put behind the
        clinical variables, the frozen features, and both. A dict names them; one by itself is
        called by its class.

    Returns
    -------
    dict of str to classifier
        By name, for `skedema.evaluation.evaluate`. See Notes; what a table without scans, or
        without clinical variables, has no use for is left out, and so is what would be the
        classifier itself.

    Raises
    ------
    TypeError
        When `classifier` is something else, or an `estimator` is no classifier.
    ValueError
        When X has not the scan's column.

    See Also
    --------
    ablations : The classifier without one of its parts.
    skedema.evaluation.evaluate : Compares all on the same folds.

    Notes
    -----
    =====================================  =========================================================
    scan alone                             the classifier without clinical columns
    scan alone, 3-D CNN                    the same with ``encoder="cnn"``, trained on labels, on
                                           the classifier's grid
    scan alone, linear probe               logistic regression on frozen features, standardised; a
                                           missing scan has their mean
    scan alone, density                    the same on the numbers of `skedema.encoders.Density`
    without scan <name>                    of several scans, the classifier without each
    metadata alone                         the classifier without the scan
    metadata alone, logistic regression    mean and indicator of what is missing, one-hot categories
    metadata alone, gradient boosting      missing values and categories as they are
    metadata alone, MLP                    as logistic regression, with one hidden layer of `dim`
    fusion, <name>                         the classifier with each other fusion of `list_fusions`
                                           and without the refiner
    averaging                              mean of the probabilities of "scan alone" and "metadata
                                           alone"
    weighted average                       the same with weights that had the least log loss on five
                                           inner folds, `WeightedAverage`
    stacking                               logistic regression on these, of five inner folds
    frozen features, gradient boosting     features, or components of many, and clinical variables;
                                           a missing scan is missing
    frozen features, logistic regression   the same, standardised, the mean and an indicator for
                                           what is missing
    density features, logistic regression  the same on all numbers of `skedema.encoders.Density` and
                                           the clinical variables
    scan alone, <estimator>                an `estimator` on the features
    metadata alone, <estimator>            on the clinical variables
    frozen features, <estimator>           on both
    =====================================  =========================================================

    What is on density is there where scans have geometry: not where some are arrays or ``.npy``
    files.

    Logistic regressions on features of scans have C by five inner folds and log loss, out of seven
    values from 1e-4 to 100; the others scikit-learn's default. The MLP has ``alpha=1`` and L-BFGS,
    which scikit-learn's user guide recommends for small tables. These figures are chosen.

    Frozen features come from `ScanFeatures`, so that an encoder is fitted once a fold for them and
    the classifier. Averages and stacking fit their members again: the weighted average and stacking
    five times more, and an encoder that is not frozen with each. Averaging and stacking number the
    classes 0, 1, ... before their members see them, as scikit-learn's ensembles do: a dict of
    `class_weight` then has to have these keys, and an encoder that is not frozen is fitted anew for
    other labels. Inner folds know of no groups.

    Every `estimator` gets numbers alone: categories one-hot, and of what is missing the mean and an
    indicator, unless its tags say that it takes NaN (``input_tags.allow_nan``). Nothing is scaled:
    put it behind a `StandardScaler` by `make_pipeline` where it needs that.

    Examples
    --------
    >>> import pandas as pd
    >>> from skedema import AttentionMixerClassifier
    >>> from skedema.baselines import baselines
    >>> X = pd.DataFrame({"sodium": [128.0, 140.0], "sex": ["f", "m"]})
    >>> list(baselines(AttentionMixerClassifier(), X))[:2]
    ['metadata alone, logistic regression', 'metadata alone, gradient boosting']
    """
    check_classifier(classifier)
    table = read_table(X)
    image = classifier.image
    scan, measurable = {}, False
    others = named(estimator)
    if image is not None and classifier.encoder is None:
        metadata = _of_metadata(classifier, image, others)
        del metadata["metadata alone"]  # that is the classifier
        return metadata
    positions = find_scan_columns(table, image)
    if positions:
        names = positions if table.names is None else [table.names[p] for p in positions]
        image = names if len(names) > 1 else names[0]
        measurable = all(_have_geometry(table.columns[p].values) for p in positions)
        scan = _of_the_scan(classifier, image, features, measurable, others)
        if len(names) > 1:
            scan |= _of_fewer_scans(classifier, positions, table)
    if len(table.columns) == len(positions):
        del scan["scan alone"]  # that is the classifier
        return scan
    metadata = _of_metadata(classifier, image, others)
    if image is None:
        return metadata
    made = scan | metadata | _fusions(classifier)
    members = [(name, clone(made[name])) for name in ("scan alone", "metadata alone")]
    made["averaging"] = VotingClassifier(members, voting="soft")
    made["weighted average"] = WeightedAverage(members)
    made["stacking"] = StackingClassifier(members, LogisticRegression(), cv=5)
    made |= _of_frozen_features(classifier, image, features, n_components, others)
    if measurable:
        name = "density features, logistic regression"
        made[name] = _regression_on(classifier, _beside_values(classifier, image, "density", None))
    return made


def _of_the_scan(
    classifier: AttentionMixerClassifier,
    image: Any,
    features: Any,
    measurable: bool,
    others: dict[str, Any],
) -> dict[str, Any]:
    inner: Any = image
    if isinstance(image, int):
        inner = 0
    elif isinstance(image, list) and isinstance(image[0], int):
        inner = list(range(len(image)))
    alone = changed(classifier, image=inner, trusted_columns=None)
    made: dict[str, Any] = {"scan alone": make_pipeline(OnlyScan(image=image), alone)}
    if not isinstance(make_encoder(classifier.encoder), CNN) or classifier.fine_tune is False:
        cnn = changed(alone, encoder="cnn", fine_tune=True, volume=reader_of(classifier))
        made["scan alone, 3-D CNN"] = make_pipeline(OnlyScan(image=image), cnn)
    probed = {} if _frozen(classifier, features) is None else {"linear probe": features}
    if measurable:
        probed["density"] = "density"
    for name, encoder in probed.items():
        made[f"scan alone, {name}"] = make_pipeline(
            _scan_features(classifier, image, encoder, None),
            SimpleImputer(keep_empty_features=True),
            StandardScaler(),
            _tuned_regression(classifier),
        )
    for name, other in others.items() if "linear probe" in probed else ():
        numbers = _scan_features(classifier, image, features, None)
        filler = () if takes_nan(other) else (SimpleImputer(keep_empty_features=True),)
        made[f"scan alone, {name}"] = make_pipeline(numbers, *filler, clone(other))
    return made


def _of_fewer_scans(
    classifier: AttentionMixerClassifier, positions: list[int], table: Table
) -> dict[str, Any]:
    """Give the classifier without each of several scans."""
    made = {}
    trusted = find_columns(table, classifier.trusted_columns, "trusted_columns")
    for gone in positions:
        left = [p for p in positions if p != gone]
        # What a column is called in the table that is left.
        called: dict[int, Any] = {p: p - (p > gone) for p in (*left, *trusted)}
        if table.names is not None:
            called = {p: table.names[p] for p in called}
        name = gone if table.names is None else table.names[gone]
        known = [called[p] for p in trusted] or None
        fewer = changed(classifier, image=[called[p] for p in left], trusted_columns=known)
        made[f"without scan {name}"] = make_pipeline(WithoutScan(image=name), fewer)
    return made


def _of_metadata(
    classifier: AttentionMixerClassifier, image: Any, others: dict[str, Any]
) -> dict[str, Any]:
    made: dict[str, Any] = {}
    if image is not None:
        made["metadata alone"] = changed(classifier, encoder=None)
    values = ClinicalValues(image=image, metadata=_copy(classifier.metadata))
    regression = LogisticRegression(max_iter=1000, class_weight=classifier.class_weight)
    network = MLPClassifier(
        (classifier.dim,),
        solver="lbfgs",
        alpha=1.0,
        max_iter=1000,
        random_state=classifier.random_state,
    )
    models = {
        "logistic regression": make_pipeline(values, filled(), regression),
        "gradient boosting": make_pipeline(clone(values), with_values(), _boosting(classifier)),
        "MLP": make_pipeline(clone(values), filled(), network),
    }
    models |= {name: on_numbers(clone(values), other) for name, other in others.items()}
    return made | {f"metadata alone, {name}": model for name, model in models.items()}


def _fusions(classifier: AttentionMixerClassifier) -> dict[str, Any]:
    own = make_fusion(classifier.fusion)
    made = {}
    for name in list_fusions():
        other = make_fusion(name)
        same = type(other) is type(own) and other.get_params() == own.get_params()
        if name != "cross_attention" and not (same and classifier.refiner is None):
            label = f"fusion, {name.replace('_', ' ')}"
            made[label] = changed(classifier, fusion=name, refiner=None)
    return made


def _of_frozen_features(
    classifier: AttentionMixerClassifier,
    image: Any,
    features: Any,
    n_components: int | str | None,
    others: dict[str, Any],
) -> dict[str, Any]:
    if _frozen(classifier, features) is None:
        return {}
    both = _beside_values(classifier, image, features, n_components)
    return {
        "frozen features, gradient boosting": make_pipeline(
            both, with_values(), _boosting(classifier)
        ),
        "frozen features, logistic regression": _regression_on(classifier, clone(both)),
        **{
            f"frozen features, {name}": on_numbers(clone(both), other)
            for name, other in others.items()
        },
    }


def _beside_values(
    classifier: AttentionMixerClassifier,
    image: Any,
    features: Any,
    n_components: int | str | None,
) -> FeatureUnion:
    scan = _scan_features(classifier, image, features, n_components)
    values = ClinicalValues(image=image, metadata=_copy(classifier.metadata))
    # As a DataFrame, in which categories are told from numbers.
    return FeatureUnion([("scan", scan), ("clinical", values)]).set_output(transform="pandas")


def _regression_on(classifier: AttentionMixerClassifier, both: FeatureUnion) -> Pipeline:
    return make_pipeline(both, filled(), StandardScaler(), _tuned_regression(classifier))


def _have_geometry(cells: Any) -> bool:
    """Tell whether scans can be measured in ml, as far as that shows without reading."""
    paths = (scan_name(cell) for cell in cells if isinstance(cell, str | os.PathLike))
    arrays = any(isinstance(cell, np.ndarray) for cell in cells)
    return not arrays and not any(path.lower().endswith(".npy") for path in paths)


def _frozen(classifier: AttentionMixerClassifier, features: Any) -> Any:
    """Give the encoder whose features are worth freezing, or None."""
    encoder = classifier.encoder if features is None else features
    return encoder if features is not None or is_transformer(make_encoder(encoder)) else None


def _scan_features(
    classifier: AttentionMixerClassifier,
    image: Any,
    features: Any,
    n_components: int | str | None,
) -> ScanFeatures:
    return ScanFeatures(
        image=image,
        encoder=_copy(_frozen(classifier, features)),
        volume=_copy(classifier.volume),
        n_components=n_components,
        memory=classifier.memory,
        device=classifier.device,
        n_jobs=classifier.n_jobs,
        random_state=classifier.random_state,
        verbose=classifier.verbose,
    )


def _boosting(classifier: AttentionMixerClassifier) -> HistGradientBoostingClassifier:
    return HistGradientBoostingClassifier(
        categorical_features="from_dtype",
        class_weight=classifier.class_weight,
        random_state=classifier.random_state,
    )


def _tuned_regression(classifier: AttentionMixerClassifier) -> GridSearchCV:
    regression = LogisticRegression(max_iter=1000, class_weight=classifier.class_weight)
    return GridSearchCV(regression, {"C": _STRENGTHS}, scoring="neg_log_loss", cv=5)


def _copy(value: Any) -> Any:
    """Copy a parameter of the classifier, so that no two models share an object."""
    return clone(value, safe=False)
