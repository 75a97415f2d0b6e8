"""The names of encoders."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from skedema._plugins import can_build, resolve
from skedema._registry import Registry
from skedema.encoders.base import is_transformer
from skedema.encoders.monai import MONAI_PREFIX, MonaiEncoder
from skedema.encoders.slices import SliceEncoder
from skedema.encoders.slices.backbone import LIBRARIES
from skedema.encoders.union import EncoderUnion, named

_ENCODERS = Registry("encoder", "skedema.encoders")


def register_encoder(name: str, factory: Callable[[], Any]) -> None:
    """Make an encoder known by name.

    Parameters
    ----------
    name : str
        What users write as ``encoder=``.
    factory : callable
        Gives an `Encoder` with its default parameters; usually its class.

    Raises
    ------
    ValueError
        When another encoder has the name, or it begins with ``"monai:"``, ``"timm:"`` or
        ``"transformers:"``, which lead to networks of these.

    Examples
    --------
    >>> from skedema.encoders import CNN, list_encoders, register_encoder
    >>> register_encoder("small_cnn", lambda: CNN(width=4, depth=2))
    >>> "small_cnn" in list_encoders()
    True
    """
    prefix = _prefix_of(name)
    if prefix:
        raise ValueError(
            f"{name!r} would never be reached: names with '{prefix}:' lead to networks of "
            f"{'MONAI' if prefix == 'monai' else prefix}."
        )
    _ENCODERS.register(name, factory)


def list_encoders() -> list[str]:
    """List the encoders that can be given by name.

    Returns
    -------
    list of str
        Sorted, those of installed packages (entry-point group ``skedema.encoders``) included.
        With MONAI (``pip install monai einops``), ``"monai:<name>"`` reaches every image network
        of ``monai.networks.nets`` besides, and ``"timm:<name>"`` and ``"transformers:<name>"``
        any network of images there, as a `SliceEncoder`.

    Examples
    --------
    >>> from skedema.encoders import list_encoders
    >>> list_encoders()
    ['cnn', ... 'vit_ae'...]
    """
    return _ENCODERS.names()


def make_encoder(encoder: Any) -> Any:
    """Resolve a name, an object or a list of these to an encoder.

    Parameters
    ----------
    encoder : str, Encoder, transformer or list
        The value of the ``encoder`` parameter. A list, of names, transformers or (name,
        transformer), becomes an `EncoderUnion`.

    Returns
    -------
    Encoder or transformer
        With `build`, or with `fit` and `transform`.

    Raises
    ------
    ValueError
        When the name is unknown, or the parts of a list have the same.
    TypeError
        For a class, a torch module, or anything else; for a part that is no transformer.

    Examples
    --------
    >>> from skedema.encoders import make_encoder
    >>> make_encoder("cnn")
    CNN()
    >>> make_encoder("monai:DenseNet121")
    MonaiEncoder(name='DenseNet121')
    >>> make_encoder("timm:vit_small_patch16_224")
    SliceEncoder(backbone='timm:vit_small_patch16_224')
    """
    if isinstance(encoder, list):
        return EncoderUnion(named(encoder, make_encoder))
    prefix = _prefix_of(encoder)
    if prefix in LIBRARIES:
        return SliceEncoder(encoder)
    if prefix:
        return MonaiEncoder(name=encoder.removeprefix(MONAI_PREFIX))
    return resolve(encoder, _ENCODERS, lambda made: is_transformer(made) or can_build(made))


def _prefix_of(name: Any) -> str:
    """Give what says that a name is of another library; "" where nothing does."""
    prefix = name.partition(":")[0] if isinstance(name, str) and ":" in name else ""
    return prefix if prefix in (MONAI_PREFIX.rstrip(":"), *LIBRARIES) else ""
