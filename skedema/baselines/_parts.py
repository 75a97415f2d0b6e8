"""What a classifier is made of, for the models that differ from it in one part."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sklearn.base import clone
from sklearn.frozen import FrozenEstimator

from skedema._one_outcome import predicts_numbers
from skedema._pretraining.run import first_reader
from skedema.autoencoder import ViTAutoencoder
from skedema.classifier import AttentionMixerClassifier
from skedema.encoders import EncoderUnion, MirroredTokens, PretrainedEncoder, make_encoder
from skedema.encoders.pretrained import make_recipe
from skedema.scans import VolumeReader


def check_classifier(classifier: Any) -> AttentionMixerClassifier:
    """Refuse anything else."""
    if not isinstance(classifier, type) and predicts_numbers(classifier):
        raise TypeError(
            f"Baselines are of classes, and {type(classifier).__name__} predicts a number. "
            "skedema.evaluation.evaluate compares it with any regressor: of scikit-learn, on the "
            "clinical columns, or behind skedema.baselines.ScanFeatures, on those of scans."
        )
    if not isinstance(classifier, AttentionMixerClassifier):
        kind = classifier.__name__ if isinstance(classifier, type) else type(classifier).__name__
        raise TypeError(
            f"classifier must be an AttentionMixerClassifier object, got {kind}. Of a pipeline or "
            "a search, give the classifier in it."
        )
    return classifier


def changed(classifier: AttentionMixerClassifier, **parameters: Any) -> AttentionMixerClassifier:
    """Copy a classifier with other parameters."""
    copied: AttentionMixerClassifier = clone(classifier)
    return copied.set_params(**parameters)


def reads_scans(classifier: AttentionMixerClassifier) -> bool:
    """Tell whether a classifier is one of scans."""
    return classifier.image is not None and classifier.encoder is not None


def thawed(encoder: Any) -> Any:
    """Resolve the value of ``encoder=``, and take off what keeps a fitted one as it is."""
    made = make_encoder(encoder)
    return made.estimator if isinstance(made, FrozenEstimator) else made


def reader_of(classifier: AttentionMixerClassifier) -> VolumeReader | None:
    """Tell how a classifier's scans are read; None is as it stands when `volume` is None."""
    if classifier.encoder is None:
        return None
    encoder = thawed(classifier.encoder)
    frozen = isinstance(make_encoder(classifier.encoder), FrozenEstimator)
    if isinstance(encoder, EncoderUnion) and not frozen:  # by the first part that tells
        parts = (changed(classifier, encoder=part) for _, part in encoder.encoders)
        return next((reader for reader in map(reader_of, parts) if reader is not None), None)
    for reader in (*_own_readers(classifier.encoder), classifier.volume):
        if isinstance(reader, VolumeReader):
            copied: VolumeReader = clone(reader)
            return copied
    if isinstance(encoder, ViTAutoencoder):  # it has a grid of its own for each size
        return first_reader(encoder.get_params(deep=False))
    return VolumeReader(template="head") if isinstance(encoder, MirroredTokens) else None


def _own_readers(given: Any) -> Iterator[Any]:
    """Give what an encoder tells of how it reads, what counts most first; None where it is open."""
    encoder = thawed(given)
    if isinstance(make_encoder(given), FrozenEstimator):
        yield getattr(encoder, "volume_", None)
    elif isinstance(encoder, MirroredTokens) and encoder.encoder is not None:
        yield from _own_readers(encoder.encoder)
    yield getattr(encoder, "volume", None)
    if isinstance(encoder, PretrainedEncoder):
        yield make_recipe(encoder.recipe).reader()
