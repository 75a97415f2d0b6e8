"""Where to compute."""

from __future__ import annotations

import torch


def find_device(device: str | torch.device) -> torch.device:
    """Resolve the parameter `device`.

    Parameters
    ----------
    device : str or torch.device
        ``"auto"`` is a CUDA device if there is one.

    Returns
    -------
    torch.device
        The device.

    Raises
    ------
    ValueError
        When there is no such kind.
    """
    if str(device) == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.device(device)
    except RuntimeError as error:
        raise ValueError(
            f"device={device!r} is no torch device; give 'auto', 'cpu', 'cuda' or such as "
            f"'cuda:1'. {error}"
        ) from error
