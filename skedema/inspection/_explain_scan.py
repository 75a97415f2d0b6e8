"""Where a model looked in one patient's scan."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Real
from typing import Any

import numpy as np

from skedema._torch_state import own_torch_state
from skedema.inspection._gradient import gradient
from skedema.inspection._occlusion import occlusion
from skedema.inspection._relevance import ScanRelevance
from skedema.inspection._rollout import rollout
from skedema.inspection._seen import Seen

#: The unit of what each method gives.
_UNITS = {
    "occlusion": "change of the probability when hidden",
    "gradient": "share of the probability a voxel",
    "rollout": "share of the attention a voxel",
}


@own_torch_state()
def explain_scan(
    clf: Any,
    row: Any,
    *,
    image: Any = None,
    method: str = "occlusion",
    target: Any = None,
    size: float | None = None,
) -> ScanRelevance:
    """Tell which places of a patient's scan a model's probability hangs on.

    Relevance is found on the grid on which the model sees the scan (``clf.volume_``), and brought
    back to the scan's own voxels. It is no cause, and no proof that the model does what a
    radiologist would: see ``docs/where-it-looked.md``.

    Parameters
    ----------
    clf : AttentionMixerClassifier
        Fitted with scans.
    row : dict, Series, or table of one row
        The patient, with the columns of `fit`.
    image : str, int or None, default=None
        The column of the scan that is looked into, of a model that takes several scans of a
        patient; the others stay as they are. None is that of a model of one.
    method : {"occlusion", "gradient", "rollout"}, default="occlusion"
        ``"occlusion"`` (Zeiler and Fergus, "Visualizing and understanding convolutional networks",
        ECCV 2014, section 4.2): boxes of the brain are set to the brain's own median, one after
        the other, and what the probability of the target loses is the relevance of the box; a
        voxel has the mean of the boxes that hide it. Every encoder can be asked so.
        ``"gradient"``: integrated gradients (Sundararajan, Taly and Yan, "Axiomatic attribution
        for deep networks", ICML 2017, equation 1) from a brain that is its median everywhere to
        the scan, by captum: the numbers of all voxels of the grid sum to the difference of both
        probabilities. Needs an encoder that is a torch network, such as the default.
        ``"rollout"``: attention rollout (Abnar and Zuidema, "Quantifying attention flow in
        transformers", ACL 2020, section 3): how much of each patch reaches the encoder's tokens.
        It is the same for every target, and never negative. Needs a transformer.
    target : object, default=None
        The class that is asked about, out of ``clf.classes_``. None: of two classes the second, of
        more the most probable.
    size : float or None, default=None
        Side of a box of occlusion in mm, or in voxels of a scan without geometry. None is 36 mm,
        or a sixth of the scan. Boxes overlap by a fifth. Smaller ones are finer and take longer:
        half the side takes about eight times as long.

    Returns
    -------
    ScanRelevance
        On the scan's own voxels.

    Raises
    ------
    NotFittedError
        If the classifier is not fitted.
    TypeError
        If `clf` is none of ours, such as a pipeline, or the encoder cannot be asked by the method.
    ValueError
        If the model has no scans, or several and `image` is none of them, the patient has none, or
        a parameter is not usable.
    ScanError
        If the scan cannot be read.
    ImportError
        If captum is not installed, for ``method="gradient"``.

    Warns
    -----
    UserWarning
        As ``clf.predict_proba(row)``.

    See Also
    --------
    SaliencyDisplay : Draws it.
    VolumeReader.to_scan : The way from the grid to the scan, for a map of your own.

    Examples
    --------
    >>> from skedema import AttentionMixerClassifier, VolumeReader
    >>> from skedema.datasets import make_head_ct_cohort
    >>> from skedema.inspection import explain_scan
    >>> cohort = make_head_ct_cohort(12, "scans", shape=[16] * 3, spacing=[13] * 3, random_state=0)
    >>> X, y = cohort.frame[["scan", "age", "gcs"]], cohort.target
    >>> clf = AttentionMixerClassifier(image="scan", encoder="cnn", max_epochs=2, random_state=0)
    >>> clf.set_params(volume=VolumeReader(spacing=13, shape=16)).fit(X, y)
    AttentionMixerClassifier(...)
    >>> found = explain_scan(clf, X.iloc[0], size=60)
    >>> found.relevance.shape, found.target, found.method
    ((16, 16, 16), 1, 'occlusion')
    >>> found.save("where.nii.gz")  # lies beside the scan
    """
    ways: dict[str, Callable[[Seen], Any]] = {
        "occlusion": lambda seen: occlusion(seen, size),
        "gradient": gradient,
        "rollout": rollout,
    }
    if method not in ways:
        raise ValueError(f"method={method!r}: give one of {', '.join(map(repr, ways))}.")
    if size is not None and (not isinstance(size, Real) or not 0 < size < np.inf):
        raise ValueError(f"size={size!r}: give the side of a box in mm, such as 36, or None.")
    seen = Seen(clf, row, target, image)
    scan = seen.placed.scan
    return ScanRelevance(
        seen.placed.back(ways[method](seen)),
        scan.voxels,
        scan.affine,
        target=seen.target,
        method=method,
        baseline=seen.baseline,
        unit=_UNITS[method],
        name=seen.name,
        within="brain" if seen.found else "head",
        to_right=_to_right(seen),
        depths=scan.depths,
        column=seen.column,
    )


def _to_right(seen: Seen) -> Any:
    """Lead from RAS to the distance from the head's middle, by the coordinates it was read in."""
    placed = seen.placed
    grid = np.argwhere(seen.brain).mean(axis=0) if seen.brain.any() else np.zeros(3)
    middle = float((placed.grid[:3, :3] @ grid + placed.grid[:3, 3])[0])
    if seen.reader.template is not None and placed.moved[0, 0] != 1.0:
        middle = 0.0  # the plane of symmetry
    return placed.moved[0] - [0, 0, 0, middle]
