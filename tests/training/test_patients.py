from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from torch.testing import assert_close

from skedema._training.patients import Batch, Loader, Patients

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


def two_views(n: int, kind: str) -> Patients:
    """Make patients whose scan is 1 on the left and 2 on the right."""
    volume = np.ones((1, 2, 1, 1), dtype=np.float32)
    volume[:, 1] = 2
    if kind == "volumes":
        return group(n, volume=lambda row: volume, volume_shape=volume.shape, mirror=True)
    plain = np.repeat(volume.reshape(1, 1, 2), n, axis=0)
    return group(n, features=plain, mirrored=plain[..., ::-1].copy())


def sides(batches: Iterable[Batch]) -> dict[int, bool]:
    """Tell who is seen mirrored, from the scans."""
    found = {}
    for inputs, target in batches:
        scan = inputs.get("volume", inputs.get("features")).flatten(1)
        assert_array_equal(scan.sort(dim=1)[0], np.tile([1, 2], (len(scan), 1)))
        found |= dict(zip(target.tolist(), (scan[:, 0] == 2).tolist(), strict=True))
    return found


@pytest.mark.parametrize("kind", ["volumes", "features"])
def test_each_epoch_mirrors_another_half_of_the_patients(kind):
    patients = two_views(200, kind)
    assert (patients.n_views, group(1).n_views) == (2, 1)
    loader = Loader(patients, 64, seed=0)
    first, second = sides(loader), sides(loader)
    for drawn in (first, second):
        assert 70 < sum(drawn.values()) < 130
    changed = sum(first[patient] != second[patient] for patient in first)
    assert 70 < changed < 130
    assert sides(Loader(patients, 7, seed=0)) == first  # batches do not matter
    assert sides(Loader(patients, 64, seed=0, epoch=1)) == second
    assert sides(Loader(patients, 64, seed=1)) != first


@pytest.mark.parametrize("kind", ["volumes", "features"])
def test_in_their_own_order_patients_are_seen_as_they_are(kind):
    patients = two_views(20, kind)
    assert not any(sides(Loader(patients, 6)).values())
    assert_array_equal(
        patients[3][0]["volume" if kind == "volumes" else "features"].ravel(), [1, 2]
    )


def test_a_second_view_leaves_the_order_as_it_is():
    assert seen(Loader(two_views(50, "features"), 8, seed=3)) == seen(Loader(group(50), 8, seed=3))


def test_taking_the_mirrored_view_leaves_the_patients_as_they_are():
    patients = two_views(4, "features")
    rows, turned = torch.tensor([1, 3]), torch.tensor([True, False])
    inputs, _ = patients.take(rows, turned)
    assert_array_equal(inputs["features"][:, 0], [[2, 1], [1, 2]])
    assert_array_equal(patients.features[:, 0], np.tile([1, 2], (4, 1)))
