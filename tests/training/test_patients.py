from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from torch.testing import assert_close

from skedema._training.patients import Loader, Patients

NAN = np.nan


def group(n: int, **parameters: object) -> Patients:
    """Make patients whose clinical value is their number."""
    defaults = {"target": np.arange(n), "weight": 0.5 * np.arange(n), "dtype": torch.float64}
    clinical = np.arange(n, dtype=float)[:, None]
    return Patients(clinical, np.ones(n, dtype=bool), **(defaults | parameters))


def seen(loader: Loader) -> list[list[int]]:
    return [target.tolist() for _, target in loader]


@pytest.mark.parametrize("n", [1, 2, 7, 8, 9])
@pytest.mark.parametrize("batch_size", [1, 3, 8, 100])
@pytest.mark.parametrize("seed", [None, 0])
def test_an_epoch_has_every_patient_once(n, batch_size, seed):
    loader = Loader(group(n), batch_size, seed)
    for _ in range(2):
        batches = seen(loader)
        assert sorted(patient for batch in batches for patient in batch) == list(range(n))
        assert len(batches) == len(loader)
        assert all(len(batch) == batch_size for batch in batches[:-1])
        assert 1 <= len(batches[-1]) <= batch_size


def test_inputs_and_targets_belong_together():
    volumes = np.random.default_rng(0).normal(size=(9, 1, 2, 2, 2)).astype(np.float32)
    patients = group(9, volume=volumes.__getitem__, volume_shape=(1, 2, 2, 2))
    for inputs, target in Loader(patients, 4, seed=0):
        assert_close(inputs["clinical"][:, 0], target.double())
        assert_close(inputs["weight"], 0.5 * target.double())
        assert_close(inputs["volume"], torch.as_tensor(volumes[target.numpy()]).double())


def test_without_a_seed_patients_keep_their_order():
    loader = Loader(group(5), 2)
    assert seen(loader) == seen(loader) == [[0, 1], [2, 3], [4]]


def test_order_is_a_function_of_seed_and_epoch():
    def epochs(seed: int, n: int, epoch: int = 0) -> list[list[list[int]]]:
        loader = Loader(group(20), 6, seed, epoch=epoch)
        return [seen(loader) for _ in range(n)]

    first, second, third = epochs(0, 3)
    assert len({str(order) for order in (first, second, third)}) == 3
    assert epochs(0, 3) == [first, second, third]
    assert epochs(0, 2, epoch=1) == [second, third]  # what goes on later is what would have come
    assert epochs(1, 1) != [first]


def test_order_draws_from_no_global_generator():
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002
    order = seen(Loader(group(20), 6, 3))
    after = float(torch.rand(())), np.random.rand()  # noqa: NPY002
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002
    assert after == (float(torch.rand(())), np.random.rand())  # noqa: NPY002
    assert seen(Loader(group(20), 6, 3)) == order


def test_volumes_are_asked_for_when_their_batch_is_due_and_only_where_there_is_one():
    asked = []

    def volume(row: int) -> np.ndarray:
        asked.append(row)
        return np.full((1, 2, 2, 2), row, dtype=np.float32)

    present = np.array([True, False, True, True])
    patients = Patients(
        np.zeros((4, 1)), present, volume=volume, volume_shape=(1, 2, 2, 2), dtype=torch.float64
    )
    batches = iter(Loader(patients, 2))
    assert asked == []
    inputs, _ = next(batches)
    assert asked == [0]
    assert inputs["volume"].dtype == torch.float64
    assert_array_equal(inputs["volume"].flatten(1).mean(1), [0, 0])
    inputs, _ = next(batches)
    assert asked == [0, 2, 3]
    assert_array_equal(inputs["volume"].flatten(1).mean(1), [2, 3])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_everything_real_has_the_dtype_asked_for(dtype):
    features = np.arange(12.0).reshape(2, 3, 2)
    patients = Patients(
        np.array([[1.0, NAN], [2.0, 0.0]]), np.array([True, False]), features=features, dtype=dtype
    )
    inputs, target = patients.take(torch.tensor([1, 0]))
    assert {name: value.dtype for name, value in inputs.items()} == {
        "clinical": dtype,
        "present": torch.bool,
        "weight": dtype,
        "features": dtype,
    }
    assert_array_equal(inputs["features"], features[[1, 0]])
    assert_array_equal(inputs["present"], [False, True])
    assert_array_equal(inputs["clinical"].isnan(), [[False, False], [False, True]])
    assert_array_equal(inputs["weight"], [1, 1])
    assert_array_equal(target, [0, 0])


def test_without_scans_there_is_no_scan_input():
    inputs, _ = group(3).take(torch.tensor([0, 2]))
    assert set(inputs) == {"clinical", "present", "weight"}


def test_one_patient_is_a_row_of_the_batch():
    patients = group(4)
    inputs, target = patients[2]
    assert target == 2
    assert_array_equal(inputs["clinical"], [2.0])
    assert len(patients) == 4
