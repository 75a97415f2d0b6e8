"""Weights of the reference implementation of ViT-AE++, taken over and handed back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from skedema.modules.masked_autoencoder import MaskedAutoencoder

# Ours and the reference's (chinmay5/vit_ae_plus_plus); parts of a name that are not here are equal.
_RENAMED = (
    ("class_token", "cls_token"),
    ("embed.", "patch_embed.proj."),
    ("decoder_predict.", "decoder_pred."),
    (".attention_norm.", ".norm1."),
    (".query_key_value.", ".attn.qkv."),
    (".project.", ".attn.proj."),
    (".mlp_norm.", ".norm2."),
    (".mlp.0.", ".mlp.fc1."),
    (".mlp.3.", ".mlp.fc2."),
)
_POSITIONS = {"pos_embed": "positions", "decoder_pos_embed": "decoder_positions"}
# Constants and a frozen image classifier that the reference saves along.
_CONSTANT = ("sobel_filter3D.", "perceptual_loss.")


@dataclass(frozen=True)
class WeightsReport:
    """What became of every key of a reference state.

    Parameters
    ----------
    loaded : tuple of str
        Keys of the reference taken over.
    missing : tuple of str
        Keys the network needs and the state has not.
    unexpected : tuple of str
        Keys of the state the network has no place for.
    misshapen : tuple of str
        Keys with another shape than the network's, with both shapes; and position tables whose
        numbers are not the sine-cosine ones.
    regenerated : tuple of str
        Position tables, which are computed from the volume's shape instead, or brought to it.
    ignored : tuple of str
        What is no part of the encoder, such as Sobel filters, or a decoder.
    """

    loaded: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    misshapen: tuple[str, ...]
    regenerated: tuple[str, ...]
    ignored: tuple[str, ...]

    @property
    def fits(self) -> bool:
        """Whether every key that matters found its place.

        Returns
        -------
        bool
            True when nothing is missing, unexpected or misshapen.
        """
        return not (self.missing or self.unexpected or self.misshapen)

    def __str__(self) -> str:
        lines = [f"{len(self.loaded)} keys fit"]
        for name in ("missing", "unexpected", "misshapen"):
            keys = getattr(self, name)
            if keys:
                lines.append(f"{len(keys)} {name}: {', '.join(keys)}")
        return "; ".join(lines)


class ReferenceWeightsError(ValueError):
    """A reference state that does not fit the network.

    Parameters
    ----------
    report : WeightsReport
        Every key that did not fit.
    """

    def __init__(self, report: WeightsReport) -> None:
        self.report = report
        super().__init__(
            f"The reference weights do not fit, and nothing was loaded: {report}. Build the "
            "network with the same widths, depths, patch, channels and predictor_norm='batch', or "
            "load what fits with strict=False and read the report."
        )


def load_reference_weights(
    model: MaskedAutoencoder, state: Mapping[str, Tensor], *, strict: bool = True
) -> WeightsReport:
    """Take over the weights of the reference implementation.

    Parameters
    ----------
    model : MaskedAutoencoder
        The network to fill, in place.
    state : mapping of str to Tensor
        A state dict with the reference's names: of its checkpoint files, what is under ``"model"``.
    strict : bool
        Whether anything that does not fit is an error, before anything is loaded. Otherwise what
        fits is loaded, and the report, which you then want to read, tells the rest.

    Returns
    -------
    WeightsReport
        What became of every key.

    Raises
    ------
    ReferenceWeightsError
        With `strict`, when a key is missing, unexpected or has another shape. The network is as it
        was.
    """
    target = {_reference_name(key): key for key in _shared_state(model)}
    if not isinstance(model.predictor[1], nn.BatchNorm1d):
        # a LayerNorm's weights have the shape of a BatchNorm's and another meaning
        target = {name: key for name, key in target.items() if not key.startswith("predictor.")}
    shapes = {name: value.shape for name, value in reference_state(model).items()}
    ours: dict[str, Tensor] = {}
    loaded, unexpected, misshapen, regenerated, ignored = [], [], [], [], []
    for name, value in state.items():
        if name.startswith(_CONSTANT):
            ignored.append(name)
        elif name in _POSITIONS:
            table = getattr(model, _POSITIONS[name])
            if value.shape == table.shape and not torch.allclose(value.to(table), table, atol=1e-5):
                misshapen.append(f"{name} (not the sine-cosine positions of this grid)")
            else:
                regenerated.append(name)
        elif name not in target:
            unexpected.append(name)
        elif not torch.isfinite(value).all():
            misshapen.append(f"{name} (holds values that are not finite)")
        elif value.shape != shapes[name]:
            misshapen.append(f"{name} {tuple(value.shape)} instead of {tuple(shapes[name])}")
        else:
            loaded.append(name)
            ours[target[name]] = _patch_order(value) if name == "patch_embed.proj.weight" else value
    missing = [name for name in target if name not in state]
    report = WeightsReport(
        *(tuple(k) for k in (loaded, missing, unexpected, misshapen, regenerated, ignored))
    )
    if strict and not report.fits:
        raise ReferenceWeightsError(report)
    model.load_state_dict(ours, strict=False)
    return report


def reference_state(model: MaskedAutoencoder) -> dict[str, Tensor]:
    """Give a network's weights under the reference's names and in its shapes.

    Parameters
    ----------
    model : MaskedAutoencoder
        The network; with ``predictor_norm="batch"`` the state is the reference's to the last key.

    Returns
    -------
    dict of str to Tensor
        The state dict, position tables included.
    """
    state = {_reference_name(key): value for key, value in _shared_state(model).items()}
    state |= {name: getattr(model, ours) for name, ours in _POSITIONS.items()}
    state["patch_embed.proj.weight"] = model.patches.as_kernel(model.embed.weight.detach())
    return state


def renamed(name: str, pairs: Iterable[tuple[str, str]]) -> str:
    """Give a weight the name that others have for it.

    Parameters
    ----------
    name : str
        Ours.
    pairs : iterable of (str, str)
        Parts of names, ours and theirs. One that begins with a dot is replaced wherever it stands,
        another one only where a name begins with it.

    Returns
    -------
    str
        Theirs.
    """
    for ours, theirs in pairs:
        if ours.startswith(".") and ours in name:
            name = name.replace(ours, theirs)
        elif name.startswith(ours):
            name = theirs + name.removeprefix(ours)
    return name


def _shared_state(model: MaskedAutoencoder) -> dict[str, Tensor]:
    # The reference's volumes come standardised: it has nothing that says how.
    state: dict[str, Tensor] = model.state_dict()
    return {key: value for key, value in state.items() if not key.startswith("standardize.")}


def _patch_order(weight: Tensor) -> Tensor:
    return weight.permute(0, 2, 3, 4, 1).flatten(1)


def _reference_name(key: str) -> str:
    return renamed(key, _RENAMED)
