"""Each weight of a file to its place in a network, or an error that tells which have none."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor

from skedema.encoders.pretrained._files import WeightsError
from skedema.modules.reference_weights import WeightsReport

# What torch puts before names when it trains on several devices, or compiles.
_WRAPPERS = re.compile(r"^(?:module\.|_orig_mod\.)+")
_LISTED = 6


class PretrainedWeightsError(WeightsError):
    """Weights that do not fit the network of a recipe.

    Parameters
    ----------
    text : str
        The message.
    report : WeightsReport
        Every key that did not fit.

    Examples
    --------
    >>> import torch
    >>> from skedema.encoders.pretrained import FMHCT, PretrainedEncoder, PretrainedWeightsError
    >>> torch.save({"cls_token": torch.zeros(1, 1, 24)}, "weights.pth")
    >>> tiny = FMHCT(dim=24, depth=1, n_heads=2, patch=8, shape=16)
    >>> try:
    ...     PretrainedEncoder("weights.pth", recipe=tiny).fit()
    ... except PretrainedWeightsError as error:
    ...     print(error.report.loaded, len(error.report.missing))
    ('cls_token',) 16
    """

    def __init__(self, text: str, report: WeightsReport) -> None:
        self.report = report
        super().__init__(text)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self), self.report)


def fitted_weights(
    state: Mapping[str, Tensor],
    wanted: Mapping[str, tuple[str, Tensor]],
    dropped: Sequence[str],
    adapt: Callable[[str, Tensor], Tensor],
) -> tuple[dict[str, Tensor], WeightsReport]:
    """Give weights their places.

    Parameters
    ----------
    state : mapping of str to Tensor
        What a file holds.
    wanted : mapping of str to (str, Tensor)
        From the names of the file, without what may stand before them, to the network's own, and
        what stands there now.
    dropped : sequence of str
        Patterns of names in the file that are no part of the encoder.
    adapt : callable
        From the network's name and the file's tensor to what is loaded.

    Returns
    -------
    ours : dict of str to Tensor
        Under the network's names.
    report : WeightsReport
        What became of every key of the file.
    """
    keys: dict[str, str] = {}
    unexpected: list[str] = []
    for key in state:
        if keys.setdefault(_WRAPPERS.sub("", key), key) != key:
            unexpected.append(key)  # with and without a wrapper: nobody knows which is meant
    prefix = _prefix(keys, wanted)
    ours: dict[str, Tensor] = {}
    loaded: list[str] = []
    misshapen: list[str] = []
    regenerated: list[str] = []
    ignored: list[str] = []
    for key, whole in keys.items():
        bare = key.removeprefix(prefix)
        if not key.startswith(prefix) or bare not in wanted:
            known = any(fnmatchcase(each, of) for each in (key, bare) for of in dropped)
            (ignored if known else unexpected).append(whole)
            continue
        name, target = wanted[bare]
        value = adapt(name, state[whole])
        wrong = _wrong(value, target)
        if wrong:
            misshapen.append(f"{whole} {wrong}")
        else:
            ours[name] = value
            same = value is state[whole]
            (loaded if same else regenerated).append(whole)
    there = {key.removeprefix(prefix) for key in keys if key.startswith(prefix)}
    missing = [f"{prefix}{bare}" for bare in wanted if bare not in there]
    report = WeightsReport(
        *(tuple(each) for each in (loaded, missing, unexpected, misshapen, regenerated, ignored))
    )
    return ours, report


def shortened(report: WeightsReport) -> str:
    """Tell what does not fit; of many keys the first ones."""
    n_fit = len(report.loaded) + len(report.regenerated)
    parts = [f"{n_fit} keys fit"]
    for name, word in (
        ("missing", "missing"),
        ("unexpected", "left over"),
        ("misshapen", "of another shape or kind"),
    ):
        keys = getattr(report, name)
        if keys:
            more = f" and {len(keys) - _LISTED} more" if len(keys) > _LISTED else ""
            parts.append(f"{len(keys)} {word}: {', '.join(keys[:_LISTED])}{more}")
    return "; ".join(parts)


def _prefix(keys: Mapping[str, str], wanted: Mapping[str, Any]) -> str:
    """Find what stands before most of the names that are wanted."""
    before: Counter[str] = Counter()
    for key in keys:
        words = key.split(".")
        for k in range(len(words)):
            if ".".join(words[k:]) in wanted:
                before[".".join([*words[:k], ""]) if k else ""] += 1
    if not before:
        return ""
    return max(before, key=lambda prefix: (before[prefix], -len(prefix)))


def _wrong(value: Tensor, target: Tensor) -> str:
    """Say what is wrong with a tensor for a place, if anything is."""
    if value.dtype != target.dtype:
        return f"({_kind(value)} instead of {_kind(target)})"
    if value.shape != target.shape:
        return f"{tuple(value.shape)} instead of {tuple(target.shape)}"
    if value.is_floating_point() and not torch.isfinite(value).all():
        return "(holds values that are not finite)"
    return ""


def _kind(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")
