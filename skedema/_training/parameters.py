"""What the parameters that estimators of patients share may be."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import torch
from sklearn.utils._param_validation import Interval, StrOptions

from skedema.scans import VolumeReader

SHARED: dict[str, Any] = {
    "image": "no_validation",
    "encoder": "no_validation",
    "fine_tune": ["boolean", StrOptions({"auto"})],
    "volume": [VolumeReader, None],
    "mirror": ["boolean", StrOptions({"auto"})],
    "metadata": "no_validation",
    "trusted_columns": "no_validation",
    "fusion": "no_validation",
    "refiner": "no_validation",
    "dim": [Interval(Integral, 1, None, closed="left")],
    "n_heads": [Interval(Integral, 1, None, closed="left")],
    "depth": [Interval(Integral, 1, None, closed="left")],
    "dropout": [Interval(Real, 0, 1, closed="left")],
    "input_dropout": [Interval(Real, 0, 1, closed="left"), StrOptions({"auto"})],
    "modality_dropout": [Interval(Real, 0, 1, closed="left")],
    "max_epochs": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
    "batch_size": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
    "lr": [Interval(Real, 0, None, closed="neither"), StrOptions({"auto"})],
    "layer_decay": [Interval(Real, 0, 1, closed="right")],
    "weight_decay": [Interval(Real, 0, None, closed="left")],
    "n_members": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
    "early_stopping": ["boolean", StrOptions({"auto"})],
    "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
    "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
    "checkpoint_dir": "no_validation",
    "memory": "no_validation",
    "dtype": [StrOptions({"auto", "float32", "float64"})],
    "device": [str, torch.device],
    "n_jobs": [Integral, None],
    "warm_start": ["boolean"],
    "callbacks": [list, tuple, None],
    "warn_unusual": ["boolean"],
    "random_state": ["random_state"],
    "verbose": ["verbose"],
}
