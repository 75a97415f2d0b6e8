from __future__ import annotations

import numpy as np
import pytest


@pytest.mark.slow
def test_relevance_follows_an_implanted_lesion_and_goes_with_the_weights(capsys):
    from benchmarks import saliency

    heads = saliency.healthy_heads(64, 0)
    encoder, _ = saliency.ENCODERS["mirrored tokens, random weights"]
    (row,) = saliency.compare(encoder, ("occlusion",), heads, 60, 1.0, 0)
    with capsys.disabled():
        print({name: each for name, each in row.items() if name != "method"})
    assert row["auc"] == 1
    assert row["pointing"] > row["pointing_by_chance"]
    assert row["overlap"] > 2 * row["overlap_by_chance"]
    assert abs(row["random all"]) < 0.5


def test_agreement_is_that_of_the_highest_voxels():
    from benchmarks.saliency import SHAPE, agreement

    lesion, brain = np.zeros(SHAPE, dtype=bool), np.zeros(SHAPE, dtype=bool)
    lesion[10:14, 20:24, 20:24] = True
    brain[5:40, 5:50, 5:40] = True
    perfect = agreement(lesion.astype(float), lesion, brain)
    assert (perfect["pointing"], perfect["overlap"]) == (1, 1)
    far = np.zeros(SHAPE)
    far[30:34, 20:24, 20:24] = 1
    assert agreement(far, lesion, brain)["pointing"] == 0
    assert agreement(far, lesion, brain)["overlap"] == 0
    assert perfect["overlap_by_chance"] == lesion.sum() / brain.sum()
