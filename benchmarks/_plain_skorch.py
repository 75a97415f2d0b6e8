"""The classifier's network as one trains it with skorch and a dataset of one's own.

`skorch.NeuralNetClassifier`, torch's `DataLoader` at its defaults, and a `Dataset` that reads a
scan when it is asked for one. Initial weights, order of the patients and optimiser are those of
`AttentionMixerClassifier`, so that both end with the same numbers.
"""

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from skorch import NeuralNetClassifier
from torch import nn
from torch.utils.data import DataLoader, Dataset, Sampler

from skedema import ClinicalTokenizer
from skedema.fusion import make_fusion
from skedema.modules.fused import FusedNetwork
from skedema.modules.tokens import ClinicalTokens, ScanTokens
from skedema.refiners import make_refiner


class ScanDataset(Dataset):
    """A patient an item: clinical values, what `load` gives for the path of the scan, class."""

    def __init__(self, paths, clinical, target, load) -> None:
        self.paths, self.clinical, self.target, self.load = paths, clinical, target, load

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int):
        scan = torch.from_numpy(self.load(self.paths[index]))
        return {"clinical": self.clinical[index], "scan": scan}, self.target[index]


class NewOrderEveryEpoch(Sampler):
    """The order in which `AttentionMixerClassifier` takes its patients."""

    def __init__(self, n: int, seed: int) -> None:
        self.n, self.seed, self.epoch = n, seed, 0

    def __len__(self) -> int:
        return self.n

    def __iter__(self):
        order = np.random.default_rng([self.seed, self.epoch]).permutation(self.n)
        self.epoch += 1
        return iter(order.tolist())


class FrozenEncoderAndHead(nn.Module):
    """A frozen encoder in front of the head; without one, scans come as features (1, E)."""

    def __init__(self, encoder: nn.Module | None, head: nn.Module) -> None:
        super().__init__()
        self.encoder = None if encoder is None else encoder.requires_grad_(False)
        self.head = head

    def train(self, mode: bool = True):
        super().train(mode)
        if self.encoder is not None:
            self.encoder.eval()
        return self

    def features(self, scan):
        if self.encoder is None:
            return scan
        with torch.no_grad():
            return self.encoder(scan)

    def forward(self, clinical, scan):
        everyone = torch.ones(len(clinical), dtype=torch.bool)
        return self.head(clinical, everyone, self.features(scan))


class PlainSkorchClassifier(ClassifierMixin, BaseEstimator):
    """A DataFrame with a column "scan" in, the net trained on a `ScanDataset`.

    `encoder` is a fitted autoencoder in a `FrozenEstimator`, or None where `load` gives features.
    The other parameters are named as those of `AttentionMixerClassifier`.
    """

    def __init__(
        self,
        encoder=None,
        load=None,
        width=None,
        dim=32,
        n_heads=4,
        depth=1,
        dropout=0.0,
        max_epochs=50,
        batch_size=16,
        lr=1e-3,
        weight_decay=0.1,
        random_state=None,
    ) -> None:
        self.encoder = encoder
        self.load = load
        self.width = width
        self.dim = dim
        self.n_heads = n_heads
        self.depth = depth
        self.dropout = dropout
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.lr = lr
        self.weight_decay = weight_decay
        self.random_state = random_state

    def fit(self, X, y):
        seed = int(check_random_state(self.random_state).randint(2**31))
        self.classes_, codes = np.unique(y, return_inverse=True)
        self.tokenizer_ = ClinicalTokenizer().fit(X.drop(columns="scan"))
        patients = self._dataset(X, codes)
        encoder = None if self.encoder is None else self.encoder.network()
        torch.manual_seed(seed)
        module = FrozenEncoderAndHead(encoder, self._head())
        self._scale_features(module, patients)
        self.net_ = NeuralNetClassifier(
            module,
            criterion=nn.CrossEntropyLoss,
            optimizer=torch.optim.AdamW,
            optimizer__weight_decay=self.weight_decay,
            optimizer__fused=True,  # faster than the default, and what the other side computes
            lr=self.lr,
            max_epochs=self.max_epochs,
            batch_size=self.batch_size,
            train_split=None,
            iterator_train__sampler=NewOrderEveryEpoch(len(X), seed),
            # Without one of its own a loader draws from the generator that dropout draws from.
            iterator_train__generator=torch.Generator(),
            verbose=0,
        ).fit(patients, y=None)
        return self

    def predict_proba(self, X):
        return self.net_.predict_proba(self._dataset(X))

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

    def _dataset(self, X, codes=None) -> ScanDataset:
        values = self.tokenizer_.transform(X.drop(columns="scan"))
        clinical = torch.as_tensor(np.asarray(values), dtype=torch.float32)
        codes = np.zeros(len(X), dtype=np.int64) if codes is None else codes
        return ScanDataset(X["scan"].tolist(), clinical, torch.as_tensor(codes), self.load)

    def _head(self) -> FusedNetwork:
        """Draw the initial weights in the order of `AttentionMixerClassifier`."""
        n_categories = self.tokenizer_.n_categories_.tolist()
        sizes = {"dim": self.dim, "dropout": self.dropout}
        scan_tokens = ScanTokens(self.width, self.dim)
        fusion = make_fusion("cross_attention").build(
            n_heads=self.n_heads, n_queries=1, n_variables=len(n_categories), **sizes
        )
        clinical_tokens = ClinicalTokens(n_categories, self.dim)
        refiner = make_refiner("mixer").build(n_tokens=fusion.n_tokens, depth=self.depth, **sizes)
        parts = (scan_tokens, clinical_tokens, fusion, refiner)
        return FusedNetwork(None, *parts, n_outputs=len(self.classes_), **sizes)

    def _scale_features(self, module: FrozenEncoderAndHead, patients: ScanDataset) -> None:
        """Standardise features by the training patients: one more pass over their scans."""
        batches = DataLoader(patients, self.batch_size, generator=torch.Generator())
        features = torch.cat([module.features(batch["scan"]) for batch, _ in batches])
        features = features.flatten(0, 1).numpy().astype(np.float64)
        mean, scale = features.mean(axis=0), features.std(axis=0)
        module.head.scan_tokens.standardise(torch.tensor(mean), torch.tensor(scale))
