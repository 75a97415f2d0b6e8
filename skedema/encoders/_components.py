"""The main directions in which many numbers of a few scans vary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import eigh
from torch import Tensor

_AT_ONCE = 4096  # columns
_MOST = 32
_RANK = 1e-10  # of the largest variance: features are float32, their products float64


@dataclass(frozen=True)
class Components:
    """What is taken off the numbers of a scan, and what they are multiplied with.

    Parameters
    ----------
    mean : ndarray of shape (p,), float32
        Of the scans that it was learned from.
    weights : ndarray of shape (k, p), float32
        One row a component, which makes its spread over those scans 1.
    """

    mean: NDArray[np.float32]
    weights: NDArray[np.float32]

    def __call__(self, numbers: NDArray[np.float32]) -> NDArray[np.float32]:
        """Give the k components of one scan; by itself, so that no bit depends on others."""
        return np.asarray(self.weights @ (numbers - self.mean))

    def of_all(self, rows: Tensor) -> Tensor:
        """Give them of a batch (B, p); gradients go through."""
        mean, weights = (torch.from_numpy(part).to(rows) for part in (self.mean, self.weights))
        return (rows - mean) @ weights.T


class Piece(NamedTuple):
    """One kind of number of one region: which tokens it is made of, and how."""

    region: str
    kind: str
    part: int
    cells: NDArray[np.intp]
    components: Components

    def __call__(self, tokens: NDArray[np.float32]) -> NDArray[np.float32]:
        return self.components(tokens[self.part, self.cells].reshape(-1))

    def of_all(self, tokens: Tensor) -> Tensor:
        """Give them of a batch of tokens; gradients go through."""
        cells = torch.from_numpy(self.cells).to(tokens.device)
        return self.components.of_all(tokens[:, self.part, cells].flatten(1))


def usual_number(n_scans: int) -> int:
    """Give how many components so many scans bear: 16 of 64, 32 from 256 on."""
    return min(_MOST, int(2 * n_scans**0.5))


def learn_components(rows: NDArray[np.float32], n_components: int) -> Components:
    """Find principal components, by the products of rows: there are fewer of these than columns.

    Parameters
    ----------
    rows : ndarray of shape (n, p)
        One a scan.
    n_components : int
        At most so many are found. There are no more than n - 1, and where rows depend on each
        other fewer; where they are all equal, there is one that is 0.

    Returns
    -------
    Components
        By falling variance. The largest weight of each is positive.

    Examples
    --------
    >>> import numpy as np
    >>> from skedema.encoders._components import learn_components
    >>> rows = np.random.default_rng(0).normal(size=(50, 300)).astype(np.float32)
    >>> found = np.array([learn_components(rows, 2)(row) for row in rows])
    >>> found.std(axis=0).round(3).tolist()
    [1.0, 1.0]
    """
    n, p = rows.shape
    mean = rows.mean(axis=0, dtype=np.float64)
    parts = [slice(start, start + _AT_ONCE) for start in range(0, p, _AT_ONCE)]
    products = np.zeros((n, n))
    for part in parts:
        centred = rows[:, part] - mean[part]
        products += centred @ centred.T
    k = max(1, min(n_components, n - 1))
    variances, vectors = _largest(products, k)
    weights = np.empty((len(variances), p))
    for part in parts:
        weights[:, part] = vectors.T @ (rows[:, part] - mean[part])
    weights *= np.sqrt(n) / variances[:, None]
    largest = np.abs(weights).argmax(axis=1)
    weights *= np.where(weights[np.arange(len(weights)), largest] < 0, -1.0, 1.0)[:, None]
    return Components(mean.astype(np.float32), weights.astype(np.float32))


def _largest(products: NDArray[Any], k: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Give the k largest eigenvalues and their vectors, as far as they are there."""
    n = len(products)
    values, vectors = eigh(products, subset_by_index=(n - k, n - 1))
    values, vectors = values[::-1], vectors[:, ::-1]
    there = values > _RANK * max(float(values[0]), 0.0)
    if not there.any():
        return np.ones(1), np.zeros((n, 1))
    return values[there], vectors[:, there]
