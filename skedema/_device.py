"""Where to compute, and how exactly."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, TypeVar

import torch
from torch import nn

from skedema._held import Held

Network = TypeVar("Network", bound=nn.Module)


def find_device(device: str | torch.device) -> torch.device:
    """Resolve the parameter `device`, for training; refuses one that is not on this machine."""
    if str(device) == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    found = _parsed(device)
    n_devices = _n_devices(found.type)
    if (found.index or 0) >= n_devices:
        here = f"{n_devices}, from 0 on" if n_devices else "none"
        raise ValueError(
            f"device={str(device)!r} is not on this machine: of {found.type!r} torch finds {here}. "
            "Give device='auto', which takes what there is, or 'cpu'."
        )
    return found


def device_at_hand(device: str | torch.device) -> torch.device:
    """Resolve the parameter `device`, for a fitted model, which may have come from elsewhere.

    What ``"auto"`` is, where this machine lacks the device.
    """
    if str(device) == "auto":
        return find_device("auto")
    found = _parsed(device)
    return found if (found.index or 0) < _n_devices(found.type) else find_device("auto")


def on_device(module: Network, device: torch.device) -> Network:
    """Give the module itself where all it holds is on a device, otherwise a copy that is."""
    there = torch.empty(0, device=device).device  # "cuda" is the current one of them
    held = (*module.parameters(), *module.buffers())
    if all(tensor.device == there for tensor in held):
        return module
    return copy.deepcopy(module).to(device)


def full_float32(device: torch.device) -> AbstractContextManager[None]:
    """Compute float32 as float32 on a GPU, whatever is set elsewhere.

    Unless told otherwise cuDNN rounds what goes into convolutions to TF32, which keeps 10 bits of
    the 23 of a float32, so that features would differ from those of a CPU in the third digit.
    """
    return _unrounded() if device.type == "cuda" else nullcontext()


@contextmanager
def precision(dtype: torch.dtype, device: torch.device) -> Iterator[None]:
    """Run a network in a precision: autocast for bfloat16, nothing for float32."""
    bfloat16 = dtype == torch.bfloat16
    try:
        with torch.autocast(device.type, torch.bfloat16, enabled=bfloat16, cache_enabled=True):
            yield
    finally:
        # Within somebody else's autocast that ends with the other: the next step would compute
        # with the weights of this one.
        torch.clear_autocast_cache()


def _rounding() -> list[Any]:
    return [_asked(place, name) for place, name, _ in _PLACES]


def _asked(place: Any, name: str) -> Any:
    try:
        return getattr(place, name)
    except RuntimeError:  # the older name, where the newer ones say something else
        return None


def _round(values: list[Any]) -> None:
    for (place, name, _), value in zip(_PLACES, values, strict=True):
        if value is not None:
            setattr(place, name, value)


_MATMUL: Any = torch.backends.cuda.matmul
_CUDNN: Any = torch.backends.cudnn
# The older name first, which sets the newer ones: those who ask by it, as torch.export does, get an
# error where these disagree.
_PLACES = [
    (_CUDNN, "allow_tf32", False),
    *((place, "fp32_precision", "ieee") for place in (_MATMUL, _CUDNN.conv, _CUDNN.rnn)),
]
_unrounded = Held(_rounding, _round, [exact for *_, exact in _PLACES])


def _parsed(device: str | torch.device) -> torch.device:
    try:
        return torch.device(device)
    except RuntimeError as error:
        raise ValueError(
            f"device={device!r} is no torch device; give 'auto', 'cpu', 'cuda' or such as "
            f"'cuda:1'. {error}"
        ) from error


def _n_devices(kind: str) -> int:
    if kind == "cpu":
        return 1
    try:
        return int(torch.get_device_module(kind).device_count())
    except (AttributeError, RuntimeError):
        return 0
