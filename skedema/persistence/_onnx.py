"""A fitted estimator as an ONNX file."""

from __future__ import annotations

import json
import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_is_fitted

from skedema._caching.whole_files import write_whole
from skedema._extras import PACKAGES, how_to_install
from skedema._torch_state import own_torch_state
from skedema._training.estimator import FusedEstimator
from skedema.clinical import ClinicalTokenizer
from skedema.encoders import EncoderUnion
from skedema.persistence._onnx_graph import Flat, Predict, Scaling, encoder_of, network_of
from skedema.persistence._onnx_program import Plan, compare, make_graph
from skedema.persistence._onnx_words import KEY, describe
from skedema.scans import VolumeReader

Part = Literal["all", "encoder", "head"]


@own_torch_state()
def export_onnx(estimator: Any, path: str | os.PathLike[str], *, part: Part = "all") -> None:
    """Write a fitted estimator as an ONNX file, for runtimes without Python or torch.

    The graph takes what is there once scans are read: volumes on the reader's grid, and clinical
    values as they were measured. Scaling, fusion, refining, and the mean of several members are
    within. Computing is in float32, also of a model that was trained in float64 or encodes in
    bfloat16; raw clinical values are float64. The number of patients is free.

    Parameters
    ----------
    estimator : AttentionMixerClassifier, AttentionMixerRegressor or a transformer
        Fitted; a `ViTAutoencoder`, `MirroredTokens` or `EncoderUnion`.
    path : str or path
        The file; one that is there is replaced once the new one is whole.
    part : {"all", "encoder", "head"}, default="all"
        What of a classifier or regressor: ``"encoder"``, from volumes to features; ``"head"``, from
        features and clinical values to predictions, which every fitted one has; ``"all"``, both in
        one.

    Raises
    ------
    ImportError
        If onnx, onnxruntime or onnxscript is not installed.
    TypeError
        If the estimator has no such graph.
    ValueError
        If a part of it, which is named, can be in no graph.
    RuntimeError
        If the graph does not compute what the estimator does, to 1e-4.
    OSError
        If the file cannot be written.

    See Also
    --------
    skedema.AttentionMixerClassifier.predict_proba : What the graph of a classifier gives.

    Notes
    -----
    Inputs, in this order and as far as they apply, of n patients:

    - ``volume``, float32 (n, channels, X, Y, Z): scans as ``estimator.volume_.read`` gives them;
      of the head ``features``, float32 (n, tokens, width);
    - ``scan_missing``, bool (n,);
    - of k scans a patient these are (n, k, channels, X, Y, Z), (n, k * tokens, width) and (n, k),
      in the order of ``scan_column``;
    - ``clinical``, float64 (n, columns): numbers, and of a category its position in the list of
      categories; NaN and unknown positions count as missing;
    - ``clinical_missing``, bool (n, columns).

    The output is ``probabilities``, float32 (n, classes) or (n, labels); of a regressor
    ``numbers``, float32 (n, 1) or (n, quantiles), in the unit of y; or ``features``. What else one
    has to know (classes or labels, columns and categories in order, the reader's grid and windows)
    is JSON in the file's ``metadata_props`` under ``"skedema"``. No path, no source line and no
    patient is in it.

    Before it is written, the graph is run by onnxruntime on random inputs beside the estimator.

    Examples
    --------
    >>> import json, numpy as np, onnxruntime, pandas as pd
    >>> from skedema import AttentionMixerClassifier, export_onnx
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame({"sodium": rng.normal(138, 5, 30), "sex": rng.choice(["f", "m"], 30)})
    >>> clf = AttentionMixerClassifier(max_epochs=1, random_state=0).fit(X, X["sodium"] < 136)
    >>> export_onnx(clf, "model.onnx")
    >>> session = onnxruntime.InferenceSession("model.onnx")
    >>> about = json.loads(session.get_modelmeta().custom_metadata_map["skedema"])
    >>> about["columns"][1]["categories"]
    ['f', 'm']
    >>> values = np.array([[131.0, 0.0], [np.nan, 1.0]])  # the second has no sodium
    >>> given = {"clinical": values, "clinical_missing": np.isnan(values)}
    >>> found = session.run(["probabilities"], given)[0]
    >>> table = pd.DataFrame({"sodium": [131.0, None], "sex": ["f", "m"]})
    >>> bool(np.allclose(found, clf.predict_proba(table), atol=1e-4))
    True
    """
    if not all(map(find_spec, PACKAGES["onnx"])):
        raise ImportError(
            f"export_onnx needs {', '.join(PACKAGES['onnx'])}: {how_to_install('onnx')}."
        )
    estimator = estimator.estimator if isinstance(estimator, FrozenEstimator) else estimator
    plan = _plan(estimator, part)
    graph, shape = make_graph(plan)
    told = describe(estimator, part, plan.inputs, (plan.output, shape), plan.reader)
    entry = graph.metadata_props.add()
    entry.key, entry.value = KEY, json.dumps(told, allow_nan=False)
    content = graph.SerializeToString()
    compare(content, plan)
    write_whole(Path(path), lambda file: file.write(content))


def _plan(estimator: Any, part: Part) -> Plan:
    if part not in ("all", "encoder", "head"):
        raise ValueError(f"part={part!r}: give 'all', 'encoder' or 'head'.")
    if isinstance(estimator, FusedEstimator):
        check_is_fitted(estimator)
        return _of_fused(estimator, part)
    if not (hasattr(type(estimator), "_as_encoder") or isinstance(estimator, EncoderUnion)):
        raise TypeError(
            f"{type(estimator).__name__} has no graph of its own: export the fitted "
            "AttentionMixerClassifier, AttentionMixerRegressor, ViTAutoencoder or MirroredTokens "
            "that is within it. What a wrapper does to predictions is for whoever reads them."
        )
    check_is_fitted(estimator)
    if part != "all":
        raise ValueError(
            f"part={part!r} is for a classifier or regressor; an encoder is one part: 'all'."
        )
    reader = getattr(estimator, "volume_", None)
    return Plan(Flat(encoder_of(estimator, reader)), _volume(reader), "features", reader, [])


def _of_fused(model: Any, part: Part) -> Plan:
    reader, trained = model.volume_, model.net_.module_
    has_scans = model.encoder_ is not None
    if part == "encoder" and not has_scans:
        raise ValueError("This model was fitted without scans, so that it has no encoder.")
    encode = None
    if has_scans and part != "head":
        encode = encoder_of(model.encoder_, reader)
    if part == "encoder" and encode is not None:
        return Plan(encode, _volume(reader), "features", reader, [])
    inputs: dict[str, tuple[str, tuple[int, ...]]] = {}
    if has_scans:
        image = model._image
        assert image is not None
        k = len(model._columns.asked)
        of_patient = () if k == 1 else (k,)
        n_tokens, width = image.shape
        features = {"features": ("float32", (k * n_tokens, width))}
        inputs |= features if encode is None else _volume(reader, of_patient)
        inputs["scan_missing"] = ("bool", of_patient)
    counts = model._clinical.n_categories
    if counts:
        inputs["clinical"] = ("float64", (len(counts),))
        inputs["clinical_missing"] = ("bool", (len(counts),))
    raw = type(model.metadata_) is ClinicalTokenizer
    scaling = Scaling(model.metadata_) if raw else None
    unit = None
    if model._kind.classes is None:
        unit = model.target_center_, model.target_scale_
    module = Predict(network_of(trained), encode, scaling, list(inputs), model._kind, unit)
    output = "numbers" if unit else "probabilities"
    plan = Plan(module, inputs, output, reader if has_scans else None, counts)
    if scaling is None:
        return plan
    factor = scaling.scale.numpy()
    spread = np.divide(1.0, factor, out=np.zeros_like(factor), where=factor > 0)
    return plan._replace(middle=scaling.center.numpy(), spread=spread)


def _volume(
    reader: VolumeReader | None, of_patient: tuple[int, ...] = ()
) -> dict[str, tuple[str, tuple[int, ...]]]:
    assert reader is not None  # or the encoder would have been refused
    return {"volume": ("float32", (*of_patient, reader.n_channels, *reader.settings().shape))}
