"""The paper's fusion: the scan asks, the clinical variables answer."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from skedema.fusion._checks import check_choice
from skedema.fusion._missing import by_kind, without_missing
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
        scan asks, so that regions, or the parts of ``encoder=[...]``, may look at different
        variables; ``attention(X, per_token=True)`` of the classifier tells which at which. The
        two are the same for an encoder that gives one token a scan.
    keys : {"variables", "table"}, default="variables"
        ``"variables"``: a key and a value a variable, as in the paper. ``"table"``: one for the
        whole table, the sum of the variables' tokens, which is a linear embedding of the table. The
        sequence is then ``[F; t]``, and as all attention is on one key, none is reported. It is
        there to measure what a token a variable is worth.
    missing : {"token", "mask"}, default="token"
        What stands for a missing scan or value. ``"token"``: its learnable vector, which is
        attended to as any other token. ``"mask"``: nothing. A missing variable has the weight 0,
        and its place in the sequence holds zeros; a missing scan asks with zeros, so that the
        question is the bias of the queries' projection, the same for all who have none. Where a
        patient has no clinical value at all, nothing is added to z, and all weights are 0.

    Notes
    -----
    The paper's abstract leaves open how many queries there are and which sequence the MLP-Mixer
    sees. With one fused vector alone there is nothing to mix over tokens, so the variables' tokens
    follow the fused ones: token mixing then carries what each variable says, weighted anew, into
    every position, and no variable that the attention passes over is lost to the classifier.

    Which query is better depends on the finding. A mean over the scan dilutes a local one before
    anything has looked at it: on 200 simulated patients with infarcts or none (five folds, a
    two-stage CNN on voxels of 13 mm) tokens had an AUC of 0.89 against 0.82, and 0.82 against
    0.69 without clinical variables. On 82 real exams with the same encoder, where the scan says
    little, they overfitted: 0.76 against 0.83. The pooled query is the default, as the one with
    fewer parameters, whose cost does not grow with the encoder's tokens.

    Examples
    --------
    >>> from skedema import AttentionMixerClassifier
    >>> from skedema.fusion import CrossAttention
    >>> clf = AttentionMixerClassifier(image="scan", fusion=CrossAttention(query="tokens"))
    >>> clf.get_params()["fusion__query"]
    'tokens'
    """

    def __init__(
        self, *, query: str = "pooled", keys: str = "variables", missing: str = "token"
    ) -> None:
        self.query = query
        self.keys = keys
        self.missing = missing

    def build(
        self, *, dim: int, n_heads: int, n_queries: int, n_variables: int, dropout: float
    ) -> nn.Module:
        check_choice("query", self.query, ("pooled", "tokens"))
        check_choice("keys", self.keys, ("variables", "table"))
        check_choice("missing", self.missing, ("token", "mask"))
        pooled, table = self.query == "pooled", self.keys == "table"
        n_keys = min(1, n_variables) if table else n_variables
        n_tokens = (1 if pooled else n_queries) + n_keys
        attend = MultiHeadCrossAttention(dim, n_heads, dropout) if n_keys else None
        return _CrossAttention(attend, n_tokens, pooled, table, masked=self.missing == "mask")


class _CrossAttention(nn.Module):
    def __init__(
        self,
        attend: MultiHeadCrossAttention | None,
        n_tokens: int,
        pooled: bool,
        table: bool,
        masked: bool,
    ) -> None:
        super().__init__()
        self.attend = attend
        self.n_tokens = n_tokens
        self.pooled = pooled
        self.table = table
        self.masked = masked

    def forward(
        self, queries: Tensor, tokens: Tensor, present: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        sequence, weights = self._attend(queries, tokens, present)
        return sequence, None if weights is None else weights.mean(dim=(1, 2))

    def attention_by_token(self, queries: Tensor, tokens: Tensor, present: Tensor) -> Tensor | None:
        _, weights = self._attend(queries, tokens, present)
        return None if self.pooled or weights is None else weights.mean(dim=1)

    def _attend(
        self, queries: Tensor, tokens: Tensor, present: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        """Give the sequence, and the weights (B, H, T, K) if there are any of variables."""
        if self.pooled:
            queries = queries.mean(dim=1, keepdim=True)
        has_value = None
        if self.masked:
            queries, tokens, _ = without_missing(queries, tokens, present)
            _, has_value = by_kind(present, tokens)
        if self.attend is None:
            return queries, None
        if self.table:
            tokens = tokens.sum(dim=1, keepdim=True)
            has_value = None if has_value is None else has_value.any(dim=1, keepdim=True)
        attended, weights = self.attend(queries, tokens, has_value)
        sequence = torch.cat([queries + attended, tokens], dim=1)
        return sequence, None if self.table else weights
