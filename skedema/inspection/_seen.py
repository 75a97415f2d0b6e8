"""What a fitted model saw of one patient's scan, and what it says of other voxels in its place."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from skedema._caching.cache import kept_nowhere
from skedema._device import device_at_hand
from skedema._one_outcome import classes_of
from skedema._scan_column import remote_of
from skedema._training.patients import Patients
from skedema.inspection._row import one_row
from skedema.scans import VolumeReader
from skedema.scans._placed import Placed
from skedema.scans._reading import read_placed
from skedema.scans._remarks import unheard
from skedema.scans.errors import NotBelieved
from skedema.scans.files import scan_name
from skedema.scans.head.brain import trusted_mask
from skedema.scans.head.template import coarse
from skedema.scans.scan import Scan
from skedema.scans.windows import to_channels

_BODY = -300.0  # HU; what is above is no air


class Seen:
    """One patient's scan as a fitted model sees it.

    Parameters
    ----------
    clf : AttentionMixerClassifier
        Fitted.
    row : dict, Series or table of one row
        The patient.
    target : object
        A class; None is the last one of two, and the most probable of more.
    image : object
        The column of the scan; None where the model takes one scan of a patient.

    Attributes
    ----------
    column : object
        The same.
    volume : Tensor of shape (C, X, Y, Z)
        What was read.
    placed : Placed
        Where that lies in the scan.
    brain : ndarray of bool of shape (X, Y, Z)
        The brain on the grid; all that is not air where no brain mask is to be trusted.
    found : bool
        Whether it is the brain.
    hu : float
        The median of the brain in HU.
    fill : Tensor of shape (C, 1, 1, 1)
        The same, as the windows show it.
    """

    def __init__(self, clf: Any, row: Any, target: Any = None, image: Any = None) -> None:
        self.clf, self.row = clf, one_row(clf, row)
        classes = classes_of(clf)
        self._which = _which(clf._columns, image)
        names = clf._columns.scan_names
        self.column = names[self._which] if len(names) > 1 else None
        self.cell = self._scan()
        self.name = scan_name(self.cell)
        self.reader = VolumeReader(template="head") if clf.volume_ is None else clf.volume_
        with unheard():  # the prediction below tells of the scan
            volume, self.placed = read_placed(self.reader, self.cell)
        of_each = clf.predict_proba(self.row)[0]
        self.target = _target(classes, of_each, target)
        self.position = classes.tolist().index(self.target)
        self.baseline = float(of_each[self.position])
        self.volume = torch.from_numpy(np.array(volume))
        self.brain, self.hu, self.found = _brain(self.placed)
        shown = self.hu if self.reader.brain_hu is None else self.reader.brain_hu
        ranges = self.reader.settings().ranges
        flat = to_channels(np.full((1, 1, 1), shown, dtype=np.float32), ranges)
        self.fill = torch.from_numpy(flat)
        self._device = device_at_hand(clf.device)
        clf.net_.move_to(self._device)
        with unheard():
            self._patient: Patients = clf._look_at(self.row)[1]

    @property
    def takes_volumes(self) -> bool:
        """Whether the encoder takes volumes; if not, it reads scans itself."""
        with torch.no_grad():
            return self._features(self.volume[None]) is not None

    def probability(self, volumes: Tensor) -> Tensor:
        """Give the probability (B,) of the target with volumes (B, C, X, Y, Z) for the scan."""
        features = self._features(volumes)
        assert features is not None
        n = len(volumes)
        patient, device = self._patient, self._device
        logits: Tensor = self.clf.net_.module_(
            clinical=patient.clinical.to(device).expand(n, -1),
            present=patient.present.to(device).expand(n, *patient.present.shape[1:]),
            features=self._beside_others(features.to(device, self.clf._dtype)),
        )
        of_each = logits.double().softmax(dim=-1)
        mean = of_each.mean(dim=1) if of_each.ndim == 3 else of_each
        of_target: Tensor = mean[:, self.position]
        return of_target.cpu()

    def probability_of_scans(self, voxels: Sequence[NDArray[Any]]) -> NDArray[np.float64]:
        """Give it with other voxels in the scan's own space; each is read from the start."""
        import nibabel

        image: Any = nibabel.Nifti1Image  # untyped
        scan = self.placed.scan
        if scan.depths is not None:
            raise ValueError(
                f"{self.name}: its slices are not evenly spaced, and the encoder reads scans "
                "itself, so that none can be made of other voxels. Convert it to NIfTI, e.g. with "
                "dcm2niix, or use an encoder that takes volumes, such as the default one."
            )
        rows = pd.concat([self.row] * len(voxels), ignore_index=True)
        cells = np.empty(len(voxels), dtype=object)
        for k, each in enumerate(voxels):
            made: Any = each
            if scan.affine is not None:
                made = image(np.asarray(each, dtype=np.float32), scan.affine)
            cells[k] = made
        rows.isetitem(self.clf._columns.asked[self._which], pd.Series(cells, dtype=object))
        model = copy.copy(self.clf)
        model.warn_unusual = False
        with unheard(), kept_nowhere():  # the scan as it is was told of; these are nobody's
            return np.asarray(model.predict_proba(rows)[:, self.position])

    def _features(self, volumes: Tensor) -> Tensor | None:
        found = self.clf._image.encode(self.clf.encoder_, volumes, self._device)
        return found if found is None else torch.as_tensor(found)

    def _beside_others(self, features: Tensor) -> Tensor:
        """Put features (B, T, E) of this scan among those of the patient's other scans."""
        if self._patient.n_scans == 1:
            return features
        each = self._patient.features.to(self._device).chunk(self._patient.n_scans, dim=1)
        beside = [other.expand(len(features), -1, -1) for other in each]
        beside[self._which] = features
        return torch.cat(beside, dim=1)

    def _scan(self) -> Any:
        columns, n = self.clf._columns, self._which
        scans = columns.scans(columns.read(self.row), remote_of(self.clf.volume, self.clf.encoder))
        if not scans.present[n]:
            raise ValueError(
                f"The patient has no scan (column {scans.table.columns[columns.asked[n]].label} is "
                "empty), so that there is no place the model looked at. Give a row with a scan."
            )
        return scans.cells[n]


def _which(columns: Any, image: Any) -> int:
    """Tell which of a patient's scans is in a column."""
    names = columns.scan_names
    if not names:
        raise ValueError(
            "The model was fitted without scans (image=None or encoder=None), so that there is no "
            "place it looked at. Fit it with both; clf.attention(row) tells of the table."
        )
    if image is None and len(names) == 1:
        return 0
    if image not in names:
        raise ValueError(
            f"image={image!r}: say which scan is looked into, image="
            f"{' or '.join(map(repr, names))}."
        )
    return int(names.index(image))


def _target(classes: NDArray[Any], of_each: NDArray[np.float64], target: Any) -> Any:
    known = classes.tolist()
    if target is None:
        return known[1] if len(known) == 2 else known[int(of_each.argmax())]
    if target not in known:
        raise ValueError(f"target={target!r} is no class; give one of {known}.")
    return known[known.index(target)]  # no scalar of numpy, which prints as such


def _brain(placed: Placed) -> tuple[NDArray[np.bool_], float, bool]:
    """Find the brain on the grid, and its median in HU."""
    scan = placed.scan
    try:
        if scan.affine is None:
            raise NotBelieved("it has no geometry")
        small, _ = coarse(scan)
        assert small.spacing is not None
        mask, found = trusted_mask(small.voxels, small.spacing.tolist()), True
    except NotBelieved:
        small, found = scan, False
        mask = np.asarray(scan.voxels) > _BODY
        mask = mask if mask.any() else np.ones_like(mask)
    brain = placed.onto(mask.astype(np.float32), small) > 0.5
    return brain, float(np.median(_inside(small, mask))), found


def _inside(scan: Scan, mask: NDArray[np.bool_]) -> NDArray[Any]:
    return np.asarray(scan.voxels[mask])
