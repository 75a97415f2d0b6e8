"""From a user's table to tensors: what `fit` learned about columns, variables and scans."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from sklearn.base import clone
from sklearn.utils.validation import has_fit_parameter
from torch import nn

from skedema._scan_column import Scans, take_scans
from skedema._told import is_table_told
from skedema._training.image import ImageBranch
from skedema._training.patients import Patients
from skedema._training.resources import Resources
from skedema._training.unusual import UsualScans
from skedema.clinical import ClinicalTokenizer
from skedema.clinical.leaks import find_leaks, warn_of_leaks
from skedema.encoders import is_transformer
from skedema.frames import (
    Table,
    find_column,
    find_columns,
    match_columns,
    read_patient,
    read_table,
)
from skedema.scans.errors import SEVERAL_SCANS


class Intake:
    """The columns of a table and how each becomes a part of the network's input.

    Parameters
    ----------
    table : Table
        The table of the first `fit`.
    image : str, int or None
        Its scan column.
    dtype : torch.dtype
        Of everything that is real.
    owner : str
        The class that asks, for messages.

    Attributes
    ----------
    metadata : transformer or None
        After `fit`; None where there is no clinical column.
    branch : ImageBranch or None
        After `fit`; None where there is no scan column.
    usual : UsualScans or None
        After `fit`; it has learned nothing yet.
    variables : list of str
        After `fit`, the names of the clinical tokens.
    """

    def __init__(self, table: Table, image: Any, dtype: torch.dtype, owner: str) -> None:
        self.names = table.keys
        self.n_columns = len(table.columns)
        self.dtype = dtype
        self.owner = owner
        if np.iterable(image) and not isinstance(image, (str, bytes)):
            raise TypeError(
                f"image must be the name or the position of one column, got {image!r}. "
                f"{SEVERAL_SCANS}"
            )
        self.image = None if image is None else find_column(table, image, "image")
        self.clinical = [p for p in range(self.n_columns) if p != self.image]
        self.metadata: Any = None
        self.branch: ImageBranch | None = None
        self.usual: UsualScans | None = None
        self.variables: list[str] = []
        self._dtypes: dict[Any, Any] = {}

    def read(self, X: Any) -> Table:
        """Read what a method after `fit` is given.

        Parameters
        ----------
        X : table, array, or a Series or dict of one patient
            See `read_table` and `read_patient`.

        Returns
        -------
        Table
            With the columns of `fit`, in their order.
        """
        scan = None if self.image is None or self.names is None else self.names[self.image]
        patient = read_patient(X, self.names, scan)
        return self.match(read_table(X) if patient is None else patient)

    def match(self, table: Table) -> Table:
        """Bring a table into the column order of `fit`.

        Parameters
        ----------
        table : Table
            A later table.

        Returns
        -------
        Table
            The same rows.
        """
        return match_columns(table, self.names, self.n_columns, self.owner)

    def scans(self, table: Table) -> Scans:
        """Take the scans out of a table; see `take_scans`.

        Parameters
        ----------
        table : Table
            With the columns of `fit`.

        Returns
        -------
        Scans
            Checked as far as can be without reading them.
        """
        return take_scans(table, self.image)

    def fit(
        self,
        table: Table,
        labels: np.ndarray,
        weight: np.ndarray,
        *,
        metadata: Any,
        trusted_columns: Any = None,
        warn_unusual: bool = True,
        branch: ImageBranch | None,
        seed: int,
        resources: Resources,
    ) -> None:
        """Fit the metadata transformer and the encoder.

        Parameters
        ----------
        table : Table
            The patients to learn from.
        labels, weight : ndarray of shape (n,)
            Their classes and weights.
        metadata, trusted_columns, warn_unusual
            The classifier's parameters.
        branch : ImageBranch or None
            Not fitted yet.
        seed : int
            For the encoder's initial weights.
        resources : Resources
            What the encoder may use.

        Raises
        ------
        ValueError
            When a column cannot be used, or nobody has a scan.

        Warns
        -----
        UserWarning
            Once, of all clinical columns that may tell the answer.
        """
        trusted = find_columns(table, trusted_columns, "trusted_columns")
        if self.clinical:
            part = table.select(self.clinical)
            if metadata is not None and not is_transformer(metadata):
                raise TypeError(
                    f"metadata must be a transformer such as ClinicalTokenizer(), got {metadata!r}."
                )
            own = ClinicalTokenizer(warn_unusual=warn_unusual)
            self.metadata = own if metadata is None else clone(metadata)
            weights = (
                {"sample_weight": weight}
                if has_fit_parameter(self.metadata, "sample_weight")
                else {}
            )
            self._dtypes = {}
            given = self._for_metadata(part)
            if not isinstance(given, Table):
                self._dtypes = dict(given.dtypes)
            self.metadata.fit(given, labels, **weights)
            self.variables = self._name_variables(part)
            if not is_table_told():
                without = [p for p in range(self.n_columns) if p not in self.clinical]
                leaks = find_leaks(table, labels, without=without, trusted=trusted)
                warn_of_leaks(leaks, table)
        if branch is not None:
            scans = self.scans(table)
            if not scans.present.any():
                raise ValueError(
                    f"Column {table.columns[self.image or 0].label} holds no scan at all among "
                    "the patients to learn from. Use image=None and leave the column out."
                )
            branch.fit(scans, labels, seed=seed, resources=resources)
            self.branch = branch
            is_module = isinstance(branch.encoder, nn.Module)
            reader = branch.reader if is_module else getattr(branch.encoder, "volume_", None)
            self.usual = UsualScans(reader, branch.given)

    def learners(
        self,
        table: Table,
        target: np.ndarray,
        weight: np.ndarray,
        resources: Resources,
        *,
        mirror: bool | str = False,
    ) -> Patients:
        """Make the network's input to learn from.

        Parameters
        ----------
        table : Table
            With the columns of `fit`.
        target : ndarray of int of shape (n,)
            Class codes.
        weight : ndarray of shape (n,)
            Weights of the loss.
        resources : Resources
            What may be used.
        mirror : bool or "auto", default=False
            As the classifier's; False for patients who are watched only.

        Returns
        -------
        Patients
            With volumes where the encoder is trained, otherwise with features.
        """
        scans = self.scans(table)
        known: dict[str, Any] = {}
        if self.branch is not None and self.branch.trained:
            known = self.branch.streamed(scans, resources) | {"mirror": self.branch.mirrors(mirror)}
        elif self.branch is not None and self.branch.mirrors(mirror):
            plain, mirrored = self.branch.encoded_twice(scans, resources)
            known = {"features": plain, "mirrored": mirrored}
        elif self.branch is not None:
            known = {"features": self.branch.encoded(scans, resources)}
        values = self._values(table)
        return Patients(
            values, scans.present, dtype=self.dtype, target=target, weight=weight, **known
        )

    def tell_odd(self, table: Table, resources: Resources) -> None:
        """Tell what is odd about the scans of a table; see `ImageBranch.tell_odd`.

        Parameters
        ----------
        table : Table
            With the columns of `fit`.
        resources : Resources
            What may be used.
        """
        if self.branch is not None:
            self.branch.tell_odd(self.scans(table), resources)

    def patients(
        self,
        table: Table,
        resources: Resources,
        encoder: nn.Module | None = None,
        *,
        warn_unusual: bool = False,
    ) -> Patients:
        """Make the network's input to look at.

        Parameters
        ----------
        table : Table
            With the columns of `fit`.
        resources : Resources
            What may be used.
        encoder : Module, default=None
            The encoder, if it was trained with the network.
        warn_unusual : bool, default=False
            Whether to warn of what is unlike all that was learned from, and of odd scans.

        Returns
        -------
        Patients
            With features.
        """
        scans = self.scans(table)
        known: dict[str, Any] = {}
        if self.branch is not None:
            known = {"features": self.branch.encoded(scans, resources, encoder)}
        if warn_unusual and self.branch is not None:
            told = () if self.usual is None else self.usual.warn(scans, resources)
            self.branch.tell_odd(scans, resources, but=told)
        values = self._values(table, warn=warn_unusual)
        return Patients(values, scans.present, dtype=self.dtype, **known)

    def learn_usual(self, table: Table, resources: Resources) -> None:
        """Learn what scans are like; see `UsualScans.learn`.

        Parameters
        ----------
        table : Table
            Patients that were learned from.
        resources : Resources
            What may be used.
        """
        if self.usual is not None:
            self.usual.learn(self.scans(table), resources)

    @property
    def n_categories(self) -> np.ndarray:
        """Number of categories of each clinical token, 0 for a numeric one."""
        none = np.zeros(len(self.variables), dtype=int)
        return np.asarray(getattr(self.metadata, "n_categories_", none))

    def _values(self, table: Table, *, warn: bool = False) -> np.ndarray:
        """Give the clinical values, NaN for missing."""
        if self.metadata is None:
            return np.empty((len(table), 0))
        part = self._for_metadata(table.select(self.clinical))
        metadata = self.metadata
        if isinstance(metadata, ClinicalTokenizer) and not warn:
            metadata = copy.copy(metadata)
            metadata.warn_unusual = False
        return _as_values(metadata.transform(part), metadata, len(table))

    def _for_metadata(self, part: Table) -> Any:
        if isinstance(self.metadata, ClinicalTokenizer):
            return part
        frame = part.to_pandas()
        # A column without any value has lost its kind, and a transformer of texts refuses numbers.
        lost = [name for name in frame if frame[name].isna().all() and name in self._dtypes]
        return frame.astype({name: self._dtypes[name] for name in lost})

    def _name_variables(self, part: Table) -> list[str]:
        if isinstance(self.metadata, ClinicalTokenizer):
            return part.names or [f"x{p}" for p in self.clinical]
        if hasattr(self.metadata, "get_feature_names_out"):
            return [str(name) for name in self.metadata.get_feature_names_out()]
        width = np.shape(self.metadata.transform(part.to_pandas()))[1]
        return [f"x{k}" for k in range(width)]


def _as_values(output: Any, metadata: Any, n: int) -> np.ndarray:
    if hasattr(output, "toarray"):
        output = output.toarray()
    values = np.array(output, dtype=np.float64)  # a copy: pandas hands out what cannot be written
    if values.ndim != 2 or len(values) != n or np.isinf(values).any():
        raise ValueError(
            f"metadata={type(metadata).__name__} must give one row of finite numbers (or NaN for "
            f"missing) a patient; got shape {values.shape} for {n} patients."
        )
    return values
