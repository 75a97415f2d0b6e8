from __future__ import annotations

from dataclasses import replace
from threading import Lock

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_array_equal

from skedema import VolumeReader
from skedema._features import FeatureCache, ModuleEncoder, View, features_of
from skedema._scan_column import take_scans
from skedema._volumes import Volumes
from skedema.frames import read_table
from skedema.scans.cache import volumes as kept_volumes

READER = VolumeReader(spacing=None, shape=4)


class Means(torch.nn.Module):
    """One number of the left half of a volume; counts its calls."""

    calls = 0

    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.tensor(2.0))

    def forward(self, volume):
        Means.calls += 1
        return self.scale * volume[:, :, :2].mean(dim=(2, 3, 4))


@pytest.fixture
def volumes():
    rng = np.random.default_rng(0)
    cells = np.empty(4, dtype=object)
    for row in range(4):
        cells[row] = rng.uniform(0, 80, (4, 4, 4))
    cells[1] = None
    return Volumes(take_scans(read_table(pd.DataFrame({"scan": cells})), 0), READER)


def encoder(module=None):
    made = Means().eval() if module is None else module
    return ModuleEncoder(made, READER, torch.device("cpu"), ("float32",))


def test_features_are_tokens_of_each_volume_and_of_its_mirror_image(volumes):
    plain, mirrored = features_of(encoder(), volumes, volumes.rows, (False, True))
    expected = READER.transform(list(volumes.scans.cells[volumes.rows]))
    assert plain.shape == mirrored.shape == (3, 1, 1)
    np.testing.assert_allclose(plain[:, 0, 0], 2 * expected[:, 0, :2].mean((1, 2, 3)), rtol=1e-6)
    np.testing.assert_allclose(mirrored[:, 0, 0], 2 * expected[:, 0, 2:].mean((1, 2, 3)), rtol=1e-6)


def test_what_is_known_is_not_computed_again_and_a_scan_is_read_once_for_both(volumes):
    calls, reads = Means.calls, kept_volumes.n_reads
    first = features_of(encoder(), volumes, volumes.rows[:2])
    both = features_of(encoder(), volumes, volumes.rows, (False, True))
    assert Means.calls - calls == 6
    # Two for the first, three for the mirror images and the third: nothing asked to keep them.
    assert kept_volumes.n_reads - reads == 5
    assert_array_equal(both[0][:2], first[0])
    module = Means().eval()
    with torch.no_grad():
        module.scale *= 2
    assert_array_equal(features_of(encoder(module), volumes, volumes.rows)[0], 2 * both[0])


def test_an_encoder_that_cannot_be_told_from_others_computes_each_time(volumes):
    module = Means().eval()
    module.lock = Lock()  # is in no pickle
    for _ in range(2):
        calls = Means.calls
        features_of(encoder(module), volumes, volumes.rows)
        assert Means.calls - calls == 3


def test_a_file_that_changes_once_it_was_encoded_is_not_known_by_the_features_before(
    tmp_path, monkeypatch
):
    path, memory = tmp_path / "scan.npy", tmp_path / "memory"
    np.save(path, np.full((4, 4, 4), 10.0))
    scans = take_scans(read_table(pd.DataFrame({"scan": [str(path)]})), 0)
    key, asked = type(scans).key, []

    def changes_then(self, row):
        found = key(self, row)
        asked.append(row)
        if len(asked) == 2:  # whether it is still the same
            np.save(path, np.full((4, 4, 4), 70.0))
        return found

    view = [View(0, False)]
    with monkeypatch.context() as patch:
        patch.setattr(type(scans), "key", changes_then)
        old = FeatureCache().get(encoder(), Volumes(scans, READER, memory), view, keep=False)
    assert len(asked) == 2
    new = FeatureCache().get(encoder(), Volumes(scans, READER, memory), view, keep=False)
    assert new[0] > old[0]


def test_a_cache_gives_what_it_is_too_small_to_keep(volumes):
    cache = FeatureCache(max_bytes=4)
    views = [View(row, mirror) for row in (0, 2) for mirror in (False, True)]
    found = cache.get(encoder(), volumes, views, keep=False)
    assert len(found) == cache.n_encoded == 4
    assert cache.nbytes == 4


def test_nothing_is_computed_where_all_is_on_disk(volumes, tmp_path):
    class Asked(ModuleEncoder):
        def encode(self, *given):
            raise AssertionError("there is nothing to encode")

    volumes = replace(volumes, memory=tmp_path)
    views = [View(0, mirror=False)]
    (before,) = FeatureCache().get(encoder(), volumes, views, keep=False)
    asked = Asked(Means().eval(), READER, torch.device("cpu"), ("float32",))
    (found,) = FeatureCache().get(asked, volumes, views, keep=False)
    assert_array_equal(found, before)
