from __future__ import annotations

import pytest
import torch

from skedema.autoencoder import ViewAugmentation

BRAIN = ((0.0, 80.0),)
STILL = {"shift": 0.0, "flip": False, "offset": 0.0, "noise": 0.0}


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def only(**parameters: object) -> ViewAugmentation:
    return ViewAugmentation(**(STILL | parameters))


@pytest.fixture
def volumes() -> torch.Tensor:
    return torch.rand(6, 1, 9, 8, 7, generator=generator(1)) * 0.8 + 0.1


def test_nothing_asked_for_changes_nothing(volumes):
    for view in only().pair(volumes, BRAIN, generator()):
        assert torch.equal(view, volumes)
        assert view.data_ptr() != volumes.data_ptr()


def test_the_generator_decides_and_global_ones_are_left_alone(volumes):
    before = torch.get_rng_state()
    one, two, three = (ViewAugmentation().pair(volumes, BRAIN, generator(s)) for s in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))
    assert not torch.equal(one[0], three[0])
    assert not torch.equal(*one)


def test_both_views_of_a_scan_are_flipped_left_to_right_or_neither(volumes):
    many = volumes[:1].expand(200, -1, -1, -1, -1)
    one, two = only(flip=True).pair(many, BRAIN, generator())
    assert torch.equal(one, two)
    flipped = (one == many.flip(2)).flatten(1).all(dim=1)
    kept = (one == many).flatten(1).all(dim=1)
    assert (flipped ^ kept).all()
    assert 60 < flipped.sum() < 140


def test_shifts_stay_within_bounds_and_continue_the_border(volumes):
    ramp = torch.arange(9.0).reshape(1, 1, 9, 1, 1).expand(300, 1, 9, 8, 7) / 10 + 0.05
    view, _ = only(shift=0.25).pair(ramp, BRAIN, generator())
    middle = (10 * view[:, 0, 4, 0, 0]).long()
    assert middle.unique().tolist() == [2, 3, 4, 5, 6]
    right = view[middle == 6]
    assert torch.equal(right[:, :, -1], ramp[: len(right), :, -1])
    assert torch.equal(right[:, :, :-2], ramp[: len(right), :, 2:])


def test_offset_and_noise_stay_within_what_is_asked_in_hu_whatever_the_window(volumes):
    many = torch.full((400, 2, 8, 8, 8), 0.5)
    two_windows = ((0.0, 80.0), (-700.0, 1300.0))
    shifted, _ = only(offset=4.0).pair(many, two_windows, generator())
    in_hu = (shifted - many) * torch.tensor([80.0, 2000.0]).reshape(1, 2, 1, 1, 1)
    assert in_hu.abs().max() < 4.001
    assert in_hu.abs().max() > 3.9
    assert torch.allclose(in_hu[:, 0], in_hu[:, 1], atol=1e-3)  # one scanner, one offset
    assert (in_hu.flatten(1).std(dim=1) < 1e-3).all()
    noisy, _ = only(noise=3.0).pair(many, two_windows, generator())
    spread = ((noisy - many) * 80)[:, 0].flatten(1).std(dim=1)
    assert spread.max() < 3.3
    assert spread.min() < 0.1


def test_air_and_bone_stay_air_and_bone():
    volumes = torch.tensor([0.0, 1.0]).reshape(1, 1, 2, 1, 1).expand(50, 1, 2, 8, 8)
    view, _ = only(offset=4.0, noise=3.0).pair(volumes, BRAIN, generator())
    assert torch.equal(view, volumes)


def test_values_stay_within_the_window(volumes):
    view, _ = only(offset=40.0, noise=30.0).pair(volumes, BRAIN, generator())
    assert view.min() >= 0
    assert view.max() <= 1


def test_volumes_in_hu_change_by_hu():
    volumes = torch.full((50, 1, 4, 4, 4), -300.0)
    view, _ = only(offset=4.0).pair(volumes, (), generator())
    assert 3 < (view - volumes).abs().max() < 4.001
