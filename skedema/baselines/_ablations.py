"""The classifier without one of its parts, and with other ways to treat what is missing."""

from __future__ import annotations

from typing import Any

from sklearn.base import clone
from sklearn.frozen import FrozenEstimator

from skedema._training.image_side import can_be_trained, is_trained
from skedema.autoencoder import ViTAutoencoder
from skedema.baselines._mean_imputed import MeanImputed
from skedema.baselines._parts import changed, check_classifier, reader_of, reads_scans, thawed
from skedema.baselines._untrained import Untrained
from skedema.classifier import AttentionMixerClassifier
from skedema.encoders import EncoderUnion, MirroredTokens, is_transformer, make_encoder
from skedema.fusion import CrossAttention, make_fusion

_DROPPED = 0.2  # chosen
_SIDES = {
    "no mirror image": "apart",
    "mean of the sides alone": "mean",
    "difference of the sides alone": "difference",
}


def ablations(classifier: AttentionMixerClassifier) -> dict[str, AttentionMixerClassifier]:
    """Make the classifier anew with one part taken off or exchanged.

    Each takes the table that the classifier takes, and none is fitted. What was given as an object,
    such as ``fusion=CrossAttention(query="tokens")``, is copied and changed in the one respect.

    Parameters
    ----------
    classifier : AttentionMixerClassifier
        The whole; it stays as it is.

    Returns
    -------
    dict of str to AttentionMixerClassifier
        By name, for `skedema.evaluation.evaluate`. What would be the classifier itself, or does
        not apply to it, is left out; see Notes.

    Raises
    ------
    TypeError
        When `classifier` is something else.

    See Also
    --------
    baselines : Other models to compare with.
    missing_arms : Ways to treat what is missing.

    Notes
    -----
    ===========================  ===================================================================
    no cross-attention           ``fusion="concat"``; of a classifier with `CrossAttention`
    one key for the table        ``keys="table"``; of a fusion that has it
    a query a region, or         ``query=``, the other one; of a fusion that has it and an encoder
    one pooled query             that gives a scan several tokens: one that is no transformer, or
                                 several side by side
    no mixer                     ``refiner=None``
    no learnable missing values  `MeanImputed` clinical values; a missing scan keeps its embedding
    attention mask               ``missing="mask"``; of a fusion that has it
    no input dropout             ``input_dropout=0``; of a classifier that has some, or ``"auto"``
    modality dropout, or         ``modality_dropout=0.2`` (chosen), or 0 where there is some; with
    no modality dropout          scans
    no pre-training              the encoder `Untrained`, trained at one learning rate throughout
                                 (``layer_decay=1``); of a `ViTAutoencoder`, frozen or not
    no fine-tuning, or           ``fine_tune=``, the other one; of a transformer from scans to
    fine-tuning                  features that gradients can reach
    no mirror image              ``sides="apart"``; of `MirroredTokens`
    mean of the sides alone,     ``sides="mean"``, ``sides="difference"``; of `MirroredTokens`
    difference alone
    ===========================  ===================================================================

    Examples
    --------
    >>> from skedema import AttentionMixerClassifier
    >>> from skedema.baselines import ablations
    >>> for name in ablations(AttentionMixerClassifier()):
    ...     print(name)
    no cross-attention
    one key for the table
    no mixer
    no learnable missing values
    attention mask
    no input dropout
    """
    check_classifier(classifier)
    fusion = make_fusion(classifier.fusion)
    options = fusion.get_params()
    made = {}
    if isinstance(fusion, CrossAttention):
        made["no cross-attention"] = changed(classifier, fusion="concat")
    if options.get("keys") == "variables":
        made["one key for the table"] = _fused_otherwise(classifier, keys="table")
    if reads_scans(classifier) and "query" in options and _has_regions(classifier):
        other = "tokens" if options["query"] == "pooled" else "pooled"
        name = "a query a region" if other == "tokens" else "one pooled query"
        made[name] = _fused_otherwise(classifier, query=other)
    if classifier.refiner is not None:
        made["no mixer"] = changed(classifier, refiner=None)
    if not isinstance(classifier.metadata, MeanImputed):
        made["no learnable missing values"] = _imputed(classifier, indicator=False)
    if options.get("missing") == "token":
        made["attention mask"] = _fused_otherwise(classifier, missing="mask")
    if classifier.input_dropout:
        made["no input dropout"] = changed(classifier, input_dropout=0.0)
    if reads_scans(classifier):
        if classifier.modality_dropout:
            made["no modality dropout"] = changed(classifier, modality_dropout=0.0)
        else:
            made["modality dropout"] = changed(classifier, modality_dropout=_DROPPED)
        made |= _of_the_encoder(classifier)
    return made


def missing_arms(classifier: AttentionMixerClassifier) -> dict[str, AttentionMixerClassifier]:
    """Make the classifier with each way to treat missing values.

    Each takes the table that the classifier takes, and none is fitted. They differ in that alone,
    whichever way the classifier has.

    Parameters
    ----------
    classifier : AttentionMixerClassifier
        With any fusion; it stays as it is.

    Returns
    -------
    dict of str to AttentionMixerClassifier
        "learnable token": as it is by default; "attention mask": ``missing="mask"``, where the
        fusion has that; "mean plus indicator": `MeanImputed` clinical values with an indicator
        each; "modality dropout": learnable tokens and ``modality_dropout=0.2`` (chosen), with
        scans.

    Raises
    ------
    TypeError
        When `classifier` is something else.

    See Also
    --------
    skedema.evaluation.missing_curve : What becomes of them as more values are missing.

    Examples
    --------
    >>> from skedema import AttentionMixerClassifier
    >>> from skedema.baselines import missing_arms
    >>> list(missing_arms(AttentionMixerClassifier(image="scan", fusion="film")))
    ['learnable token', 'mean plus indicator', 'modality dropout']
    """
    base = changed(check_classifier(classifier), modality_dropout=0.0)
    if isinstance(base.metadata, MeanImputed):
        base.set_params(metadata=base.metadata.metadata)
    maskable = "missing" in make_fusion(base.fusion).get_params()
    if maskable:
        base = _fused_otherwise(base, missing="token")
    arms = {"learnable token": base}
    if maskable:
        arms["attention mask"] = _fused_otherwise(base, missing="mask")
    arms["mean plus indicator"] = _imputed(base, indicator=True)
    if reads_scans(base):
        arms["modality dropout"] = changed(base, modality_dropout=_DROPPED)
    return arms


def _of_the_encoder(classifier: AttentionMixerClassifier) -> dict[str, AttentionMixerClassifier]:
    """Change how the encoder learns, of one that learns without the classifier."""
    made = {}
    encoder = thawed(classifier.encoder)
    if isinstance(encoder, ViTAutoencoder):
        made["no pre-training"] = changed(
            classifier,
            encoder=Untrained(clone(encoder)),
            fine_tune=True,
            volume=reader_of(classifier),
            layer_decay=1.0,
        )
    if is_transformer(encoder):
        if is_trained(classifier.encoder, classifier.fine_tune):
            made["no fine-tuning"] = changed(classifier, fine_tune=False)
        elif can_be_trained(classifier.encoder):
            made["fine-tuning"] = changed(classifier, fine_tune=True)
    frozen = isinstance(make_encoder(classifier.encoder), FrozenEstimator)
    if isinstance(encoder, MirroredTokens) and not frozen:
        for name, sides in _SIDES.items():
            if encoder.sides != sides:
                other = clone(encoder).set_params(sides=sides)
                made[name] = changed(classifier, encoder=other)
    return made


def _has_regions(classifier: AttentionMixerClassifier) -> bool:
    encoder = thawed(classifier.encoder)
    if isinstance(encoder, EncoderUnion):  # each part asks
        return True
    if isinstance(encoder, MirroredTokens):
        return encoder.regions is not None
    return not is_transformer(encoder) and not isinstance(encoder, Untrained)


def _fused_otherwise(
    classifier: AttentionMixerClassifier, **parameters: Any
) -> AttentionMixerClassifier:
    """Copy a classifier with other parameters of its fusion."""
    fusion = clone(make_fusion(classifier.fusion)).set_params(**parameters)
    return changed(classifier, fusion=fusion)


def _imputed(classifier: AttentionMixerClassifier, *, indicator: bool) -> AttentionMixerClassifier:
    filled = MeanImputed(metadata=clone(classifier.metadata, safe=False), indicator=indicator)
    return changed(classifier, metadata=filled)
