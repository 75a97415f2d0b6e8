from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.decomposition import PCA

from skedema.encoders._components import learn_components

pytestmark = pytest.mark.numerical


def rows(n: int, p: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    return (rng.normal(size=(n, p)) * np.geomspace(3, 0.1, p) + 5).astype(np.float32)


@pytest.mark.parametrize("shape", [(20, 9000), (40, 7)])
def test_they_are_principal_components_of_unit_spread(shape):
    given = rows(*shape)
    found = learn_components(given, 4)
    ours = np.array([found(row) for row in given])
    theirs = PCA(4, whiten=True, svd_solver="full").fit_transform(given.astype(np.float64))
    theirs *= np.sqrt(len(given) / (len(given) - 1))  # of these scans, not of more like them
    # Numbers of float32, 9,000 of them summed up.
    assert_allclose(np.abs(ours), np.abs(theirs), atol=2e-4)
    assert_allclose(ours.std(axis=0), 1, rtol=1e-5)
    assert (np.sign(found.weights[range(4), np.abs(found.weights).argmax(axis=1)]) == 1).all()


def test_a_scan_has_the_same_components_to_the_bit_whatever_the_order_of_others():
    given = rows(12, 500)
    found = learn_components(given, 3)
    assert_array_equal(found(given[5]), found(np.ascontiguousarray(given[::-1])[6]))


def test_there_are_no_more_than_the_scans_allow():
    assert len(learn_components(rows(5, 30), 16).weights) == 4
    repeated = np.repeat(rows(3, 30), 4, axis=0)
    assert len(learn_components(repeated, 16).weights) == 2


@pytest.mark.parametrize("n", [1, 3])
def test_where_nothing_varies_there_is_one_that_is_zero(n):
    given = np.repeat(rows(1, 30), n, axis=0)
    found = learn_components(given, 4)
    assert found(given[0]).tolist() == [0.0]
    assert found(given[0] + 1).tolist() == [0.0]
