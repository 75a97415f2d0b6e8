"""The whole network: tokens, fusion, refiner, a linear layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from skedema.modules.scan_series import ScanSeries
from skedema.modules.tokens import ClinicalTokens, ScanTokens


class FusedNetwork(nn.Module):
    """A scan, or several, and clinical variables in, numbers out: a logit a class, say.

    The scan is given as a volume, or as features if an encoder was at work before: that of this
    network or another.

    Parameters
    ----------
    encoder : Module or None
        Volumes (B, C, X, Y, Z) to features (B, T, E); None where it is not part of the network.
    scan_tokens : ScanTokens or ScanSeries
        Features to T tokens of width d, or of several scans to q sets of T tokens.
    clinical_tokens : ClinicalTokens
        K variables to K tokens of width d.
    fusion : Module
        ``(B, q T, d), (B, K, d), (B, q + K) -> (B, S, d), weights``; see `skedema.fusion.Fusion`.
    refiner : Module
        ``(B, S, d) -> (B, S, d)``.
    dim : int
        Width d.
    n_outputs : int
        How many numbers.
    dropout : float
        Probability of dropping a pooled feature in training.
    token_dropout : float, default=0.0
        Probability with which a clinical variable is hidden in training; the fusion is told that
        it is not there.
    modality_dropout : float, default=0.0
        Probability with which a modality of a patient counts as missing in training; see
        `drop_modalities`.
    """

    def __init__(
        self,
        encoder: nn.Module | None,
        scan_tokens: ScanTokens | ScanSeries,
        clinical_tokens: ClinicalTokens,
        fusion: nn.Module,
        refiner: nn.Module,
        dim: int,
        n_outputs: int,
        dropout: float,
        *,
        token_dropout: float = 0.0,
        modality_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.scan_tokens = scan_tokens
        self.clinical_tokens = clinical_tokens
        self.fusion = fusion
        self.token_dropout = token_dropout
        self.modality_dropout = modality_dropout
        self.refiner = refiner
        self.norm = nn.LayerNorm(dim)
        self.dropout = nn.Dropout(dropout)
        # Whatever its outputs are: the name stands in the files of models.
        self.classify = nn.Linear(dim, n_outputs)

    @property
    def n_outputs(self) -> int:
        """How many numbers come out."""
        return self.classify.out_features

    @property
    def members(self) -> Sequence[FusedNetwork]:
        """The network itself, where a `Committee` has several."""
        return [self]

    def scan_queries(
        self, present: Tensor, features: Tensor | None = None, volume: Tensor | None = None
    ) -> Tensor:
        """Give the tokens of the scans.

        Parameters
        ----------
        present : Tensor of bool of shape (B,) or (B, k)
            Which patients have a scan, or which of their k scans.
        features : Tensor of shape (B, k * T, E), default=None
            Features of the scans, those of one after those of the other.
        volume : Tensor of shape (B, C, X, Y, Z) or (B, k, C, X, Y, Z), default=None
            Volumes, for a network with an encoder.

        Returns
        -------
        Tensor of shape (B, T, d), or (B, q * T, d) of q sets
            The queries of the fusion.
        """
        if self.encoder is not None and volume is not None:
            features = as_tokens(self.encoder(volume.flatten(0, -5)))
            if present.ndim == 2:
                features = features.reshape(len(present), -1, features.shape[-1])
        return cast(Tensor, self.scan_tokens(features, present))

    def fuse(
        self,
        clinical: Tensor,
        present: Tensor,
        features: Tensor | None = None,
        volume: Tensor | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """Fuse, without refining; in training, what `token_dropout` draws is hidden.

        Parameters
        ----------
        clinical : Tensor of shape (B, K)
            Scaled values and category codes, NaN for missing.
        present : Tensor of bool of shape (B,) or (B, k)
            Which patients have a scan, or which of their k scans.
        features, volume : Tensor, default=None
            As in `scan_queries`.

        Returns
        -------
        sequence : Tensor of shape (B, S, d)
            The fused tokens.
        weights : Tensor of shape (B, K) or None
            The attention each variable got, if the fusion attends.
        """
        inputs = self._to_fuse(clinical, present, features, volume)
        return cast(tuple[Tensor, Tensor | None], self.fusion(*inputs))

    def attention_by_token(
        self,
        clinical: Tensor,
        present: Tensor,
        features: Tensor | None = None,
        volume: Tensor | None = None,
    ) -> Tensor | None:
        """Tell what each token of the scan attended to.

        Parameters
        ----------
        clinical, present, features, volume
            As in `fuse`.

        Returns
        -------
        Tensor of shape (B, q * T, K) or None
            None of a fusion in which they do not attend by themselves.
        """
        attend = getattr(self.fusion, "attention_by_token", None)
        inputs = self._to_fuse(clinical, present, features, volume)
        return None if attend is None else cast(Tensor | None, attend(*inputs))

    def _to_fuse(
        self, clinical: Tensor, present: Tensor, features: Tensor | None, volume: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Give the scan's tokens, the variables' and what there is."""
        queries = self.scan_queries(present, features, volume)
        known, hidden = ~torch.isnan(clinical), None
        if self.training and self.token_dropout:
            hidden = torch.rand_like(clinical) < self.token_dropout
            known = known & ~hidden
        mask = torch.cat([self.scan_tokens.there(present), known], dim=1)
        return queries, self.clinical_tokens(clinical, hidden), mask

    def forward(
        self,
        clinical: Tensor,
        present: Tensor,
        features: Tensor | None = None,
        volume: Tensor | None = None,
    ) -> Tensor:
        """Tell of each patient.

        Parameters
        ----------
        clinical, present, features, volume
            As in `fuse`.

        Returns
        -------
        Tensor of shape (B, n_outputs)
            Such as logits.
        """
        if self.training and self.modality_dropout:
            clinical, present = drop_modalities(clinical, present, self.modality_dropout)
        pooled = self.pooled(clinical, present, features, volume)
        return cast(Tensor, self.classify(self.dropout(pooled)))

    def pooled(
        self,
        clinical: Tensor,
        present: Tensor,
        features: Tensor | None = None,
        volume: Tensor | None = None,
    ) -> Tensor:
        """Give what the last layer takes.

        Parameters
        ----------
        clinical, present, features, volume
            As in `fuse`.

        Returns
        -------
        Tensor of shape (B, d)
            The mean of the refined tokens.
        """
        sequence, _ = self.fuse(clinical, present, features, volume)
        return cast(Tensor, self.norm(self.refiner(sequence)).mean(dim=1))


def drop_modalities(clinical: Tensor, present: Tensor, rate: float) -> tuple[Tensor, Tensor]:
    """Let scans, or all clinical values of a patient, count as missing at random.

    Each scan is a modality, and the table is one. Only patients who have two or more lose any;
    where all that they have is drawn, one of these is kept, each as likely as another. What a
    patient loses does not depend on the others.

    Parameters
    ----------
    clinical : Tensor of shape (B, K)
        Scaled values and category codes, NaN for missing.
    present : Tensor of bool of shape (B,) or (B, k)
        Which patients have a scan, or which of their k scans.
    rate : float
        Probability with which each modality is drawn, in [0, 1).

    Returns
    -------
    clinical, present : Tensor
        As given, less what was dropped.
    """
    table = ~torch.isnan(clinical).all(dim=1, keepdim=True)
    there = torch.cat([_by_scan(present), table], dim=1)
    n_there = there.sum(dim=1, keepdim=True)
    if not (n_there > 1).any():
        return clinical, present  # and nothing is drawn, as without dropping
    draws = torch.rand(len(clinical), there.shape[1] + 1, device=clinical.device)
    lost = there & (draws[:, :-1] < rate)
    chosen = (draws[:, -1:] * n_there).long() + 1  # of those there are, counted from 1
    kept = (there.cumsum(dim=1) == chosen) & there
    lost &= ~(kept & (lost == there).all(dim=1, keepdim=True))
    scans = ~lost[:, :-1].reshape(present.shape)
    return clinical.masked_fill(lost[:, -1:], torch.nan), present & scans


def _by_scan(present: Tensor) -> Tensor:
    """Give (B, k), also of one scan a patient."""
    return present.unsqueeze(1) if present.ndim == 1 else present


def as_tokens(features: Tensor) -> Tensor:
    """Take an encoder's one vector a scan as a sequence of one token.

    Parameters
    ----------
    features : Tensor of shape (B, T, E) or (B, E)
        What an encoder gave.

    Returns
    -------
    Tensor of shape (B, T, E)
        The same numbers; T is 1 where there was no such axis.
    """
    return features.unsqueeze(1) if features.ndim == 2 else features


def probe(encoder: nn.Module, in_channels: int, shape: tuple[int, int, int]) -> tuple[int, int]:
    """Ask an encoder for the shape of its features with one empty volume.

    Parameters
    ----------
    encoder : Module
        The encoder.
    in_channels : int
        Channels C of a volume.
    shape : tuple of 3 int
        Voxels of a volume.

    Returns
    -------
    n_tokens, dim : int
        T and E of its output (B, T, E); T is 1 for an output (B, E).

    Raises
    ------
    ValueError
        When the encoder cannot take such a volume.
    TypeError
        When the output is no tensor of two or three axes.
    """
    training = encoder.training
    first = next(encoder.parameters(), torch.zeros(()))
    volume = torch.zeros(1, in_channels, *shape, dtype=first.dtype, device=first.device)
    name: str = encoder._get_name()  # type: ignore[no-untyped-call]
    try:
        with torch.no_grad():
            features = encoder.eval()(volume)
            if isinstance(features, Tensor):
                features = as_tokens(features)
    except Exception as error:
        raise ValueError(
            f"{name} cannot encode a volume of shape {tuple(volume.shape)} (one patient, channels, "
            f"voxels): {error}. Choose another shape or other windows for the VolumeReader, or "
            "other parameters for the encoder."
        ) from error
    finally:
        encoder.train(training)
    if not isinstance(features, Tensor) or features.ndim != 3 or len(features) != 1:
        got = tuple(features.shape) if isinstance(features, Tensor) else type(features).__name__
        raise TypeError(
            f"An encoder turns volumes (B, C, X, Y, Z) into features (B, tokens, dim) or (B, dim); "
            f"{name} gave {got} for (1, {in_channels}, {shape[0]}, {shape[1]}, "
            f"{shape[2]}). For a feature map (B, dim, x, y, z) use "
            "features.flatten(2).transpose(1, 2)."
        )
    return features.shape[1], features.shape[2]
