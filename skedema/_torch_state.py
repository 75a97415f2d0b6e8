"""Torch's settings that others may have changed, as the estimators count on them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch

from skedema._held import Held

_float32 = Held(torch.get_default_dtype, torch.set_default_dtype, torch.float32)


@contextmanager
def own_torch_state() -> Iterator[None]:
    """Compute as torch does when nobody has set anything, and put the settings back afterwards.

    A network is built of float32 on the CPU, whatever `torch.set_default_dtype` and
    `torch.set_default_device` were told elsewhere in the process, and is then brought to the dtype
    and the device that the estimator's parameters state. Gradients are there to train with, also
    under ``torch.inference_mode()`` and ``torch.no_grad()``, and autocast is off. Settings
    that change no number (deterministic algorithms, the detection of anomalies) stay the user's.

    Yields
    ------
    None
        Once. It decorates methods as well.

    Notes
    -----
    It may be entered by several threads at the same time. The default dtype is the whole
    process's, all else is each thread's own; the last one to leave gives the dtype back.
    """
    with _float32(), ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        for kind in ("cpu", "cuda"):
            if torch.is_autocast_enabled(kind):
                stack.enter_context(torch.autocast(kind, enabled=False))
        # Only where it is needed: it makes every call of torch take a way through Python.
        if not _makes_on_cpu():
            stack.enter_context(torch.device("cpu"))
        yield


def _makes_on_cpu() -> bool:
    try:
        return torch.empty(0).device.type == "cpu"
    except Exception:  # a default device that is not there raises what its backend likes
        return False
