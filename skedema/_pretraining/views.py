"""Two views of each scan, made of a few tensor operations a batch."""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar

import torch
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval
from torch import Tensor

HuRanges = tuple[tuple[float, float], ...]


class ViewAugmentation(BaseEstimator):
    """What two views of one scan may differ in.

    Everything is drawn a scan and a view, but for the flip: both views of a scan are flipped or
    neither is, so that features are never taught that left equals right. HU change no more than
    they do between scanners: offset and noise are in HU and hit all windows of a scan alike, and
    voxels at either end of a window, air and bone, stay there.

    Parameters
    ----------
    shift : float, default=0.05
        Largest shift along each axis, as a share of the volume's side, in whole voxels; what moves
        in continues the border. With the default `skedema.VolumeReader` it is 11 mm.
    flip : bool, default=True
        Whether half the scans are mirrored left to right, an epoch.
    offset : float, default=4.0
        Largest offset in HU, either way. The mean of water may be off by 4 HU on a scanner that
        passes its constancy test (IEC 61223-3-5).
    noise : float, default=3.0
        Largest standard deviation of white noise added, in HU; each view has its own, from 0 on.

    Examples
    --------
    >>> from skedema.autoencoder import ViewAugmentation, ViTAutoencoder
    >>> autoencoder = ViTAutoencoder(augment=ViewAugmentation(flip=False))
    >>> autoencoder.set_params(augment__noise=0.0).augment
    ViewAugmentation(flip=False, noise=0.0)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "shift": [Interval(Real, 0, 0.5, closed="both")],
        "flip": ["boolean"],
        "offset": [Interval(Real, 0, None, closed="left")],
        "noise": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self, *, shift: float = 0.05, flip: bool = True, offset: float = 4.0, noise: float = 3.0
    ) -> None:
        self.shift = shift
        self.flip = flip
        self.offset = offset
        self.noise = noise

    def pair(
        self,
        volumes: Tensor,
        ranges: HuRanges,
        generator: torch.Generator,
        *,
        part: tuple[int, slice] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Make two views of each scan.

        Parameters
        ----------
        volumes : Tensor of shape (B, C, X, Y, Z)
            Volumes, x running from left to right.
        ranges : tuple of (low, high)
            HU that became 0 and 1 in each channel; empty where the volumes are in HU.
        generator : torch.Generator
            Decides everything; on the device of the volumes.
        part : (int, slice) or None, default=None
            Where the volumes are a part of a batch, the number of scans in it and their places:
            they are then changed as they would be in the batch.

        Returns
        -------
        view1, view2 : Tensor of shape (B, C, X, Y, Z)
            New tensors.
        """
        part = part or (len(volumes), slice(None))
        n_scans, mine = part
        flips = _uniform((n_scans, 1), 0, 1, generator)[mine] < (0.5 if self.flip else 0.0)
        return (
            self._view(volumes, flips, ranges, generator, part),
            self._view(volumes, flips, ranges, generator, part),
        )

    def _view(
        self,
        volumes: Tensor,
        flips: Tensor,
        ranges: HuRanges,
        generator: torch.Generator,
        part: tuple[int, slice],
    ) -> Tensor:
        n_scans, mine = part
        moved = _move(volumes, flips, self.shift, generator, part)
        offset = _uniform((n_scans, 1, 1, 1, 1), -self.offset, self.offset, generator)[mine]
        spread = _uniform((n_scans, 1, 1, 1, 1), 0, self.noise, generator)[mine]
        field = torch.randn(
            (n_scans, 1, *volumes.shape[2:]), generator=generator, device=generator.device
        )[mine]
        change = field.mul_(spread).add_(offset)
        if not ranges:
            return moved + change
        widths = torch.tensor([high - low for low, high in ranges], device=volumes.device)
        changed = (moved + change / widths.reshape(1, -1, 1, 1, 1)).clamp_(0, 1)
        return torch.where((moved > 0) & (moved < 1), changed, moved)


def _move(
    volumes: Tensor,
    flips: Tensor,
    shift: float,
    generator: torch.Generator,
    part: tuple[int, slice],
) -> Tensor:
    """Flip and shift by taking voxels from elsewhere: one indexing for the batch."""
    n_volumes, n_channels, *shape = volumes.shape
    n_scans, mine = part
    device = volumes.device
    places = []
    for axis, length in enumerate(shape):
        place = torch.arange(length, device=device)
        if axis == 0:
            place = torch.where(flips, place.flip(0), place)
        most = round(shift * length)
        steps = torch.randint(
            -most, most + 1, (n_scans, 1), generator=generator, device=generator.device
        )[mine]
        places.append((place + steps).clamp_(0, length - 1))
    x, y, z = places
    scan = torch.arange(n_volumes, device=device).reshape(-1, 1, 1, 1, 1)
    channel = torch.arange(n_channels, device=device).reshape(1, -1, 1, 1, 1)
    return volumes[
        scan, channel, x[:, None, :, None, None], y[:, None, None, :, None], z[:, None, None, None]
    ]


def _uniform(shape: tuple[int, ...], low: float, high: float, generator: torch.Generator) -> Tensor:
    return torch.rand(shape, generator=generator, device=generator.device) * (high - low) + low
