"""Classify patients from scans and clinical variables with scikit-learn's tools."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from skedema import cache
    from skedema.autoencoder import ViTAutoencoder
    from skedema.classifier import AttentionMixerClassifier
    from skedema.clinical import ClinicalTokenizer
    from skedema.persistence import export_onnx, load, save
    from skedema.regressor import AttentionMixerRegressor
    from skedema.scans import ScanError, VolumeReader

__version__ = "0.1.0"

__all__ = [
    "AttentionMixerClassifier",
    "AttentionMixerRegressor",
    "ClinicalTokenizer",
    "ScanError",
    "ViTAutoencoder",
    "VolumeReader",
    "cache",
    "export_onnx",
    "load",
    "save",
]

_HOMES = {
    "AttentionMixerClassifier": "skedema.classifier",
    "AttentionMixerRegressor": "skedema.regressor",
    "ClinicalTokenizer": "skedema.clinical",
    "ScanError": "skedema.scans",
    "ViTAutoencoder": "skedema.autoencoder",
    "VolumeReader": "skedema.scans",
    "export_onnx": "skedema.persistence",
    "load": "skedema.persistence",
    "save": "skedema.persistence",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that ``import skedema`` stays quick."""
    if name in __all__:
        from importlib import import_module

        home = _HOMES.get(name)
        return getattr(import_module(home), name) if home else import_module(f"skedema.{name}")
    raise AttributeError(f"module 'skedema' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
