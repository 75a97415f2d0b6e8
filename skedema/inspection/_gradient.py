"""Relevance by integrated gradients."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skedema._extras import how_to_install
from skedema.inspection._seen import Seen

_STEPS = 16  # of the path; Gauss-Legendre, as captum takes them
_AT_ONCE = 4  # volumes, whose gradients are held


def gradient(seen: Seen) -> NDArray[np.float64]:
    """Give the integrated gradients of the probability, summed over channels."""
    if not seen.takes_volumes:
        raise TypeError(
            f"method='gradient' needs an encoder that is a torch network, and "
            f"{type(seen.clf.encoder_).__name__} reads scans itself; method='occlusion' works with "
            "every encoder."
        )
    try:
        from captum.attr import IntegratedGradients
    except ImportError as error:
        raise ImportError(
            f"method='gradient' needs captum: {how_to_install('explain')}."
        ) from error
    brain = torch.from_numpy(seen.brain)
    start = torch.where(brain, seen.fill, seen.volume)
    found: Tensor = IntegratedGradients(seen.probability, multiply_by_inputs=True).attribute(
        seen.volume[None],
        baselines=start[None],
        n_steps=_STEPS,
        internal_batch_size=_AT_ONCE,
    )
    return np.asarray(found[0].sum(dim=0).detach().numpy(), dtype=np.float64)
