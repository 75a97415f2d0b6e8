"""The private skorch net: a loss that weighs, and loaders that own their order."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import partial
from typing import Any

import numpy as np
import torch
from sklearn.metrics import accuracy_score, r2_score
from sklearn.utils import ClassifierTags, RegressorTags
from skorch import NeuralNet
from skorch.callbacks import EarlyStopping, EpochTimer, PassthroughScoring, PrintLog
from skorch.exceptions import SkorchException
from skorch.helper import predefined_split
from torch import Tensor

from skedema._device import device_at_hand
from skedema._pace import Pace
from skedema._threads import one_thread, side_by_side
from skedema._torch_state import own_torch_state
from skedema._training.course import Course
from skedema._training.interrupts import interrupts
from skedema._training.patients import Loader, Patients
from skedema._training.target import TargetKind

_READY_ROWS = 256  # patients a batch where nothing is learned and nothing has to be read
# From so many patients on, threads are worth being started, and speed more than the last bits.
_FROM_SIDE_BY_SIDE = 4096
_READY_ROWS_OF_MANY = 512


def _remedies(patients: Patients, n_epochs: int) -> list[str]:
    """Say how training takes less time."""
    found = []
    if patients.volume is not None:
        found.append("fine_tune=False encodes each scan once, and not in every epoch.")
    if n_epochs > 1:
        found.append(f"A max_epochs below {n_epochs} is in proportion.")
    return found


def _never() -> bool:
    return False


class _StoppedByCallback(Exception):
    """Training ends here because a callback says so."""


class LossStopper(EarlyStopping):
    """Stops by the loss of validation; plays no part in a training that has none."""

    def on_train_begin(self, net: NeuralNet, **kwargs: Any) -> None:
        if net.train_split is not None:
            super().on_train_begin(net, **kwargs)

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        if net.train_split is not None:
            super().on_epoch_end(net, **kwargs)

    def on_train_end(self, net: NeuralNet, **kwargs: Any) -> None:
        if net.train_split is not None:
            super().on_train_end(net, **kwargs)
            self.best_model_weights_ = None  # the network has them


class FusionNet(NeuralNet):
    """skorch's training loop over `Patients`.

    To callbacks it is an estimator of targets as the network learns them (class codes, scaled
    numbers), so that skorch's scoring works with every metric of scikit-learn.

    Parameters
    ----------
    module : Module
        A built network.
    kind : TargetKind
        What it tells of patients.
    seed : int
        Decides the order of the patients in every epoch.
    layer_decay : float
        Factor of the learning rate from a layer of a pre-trained encoder to the one before it
        (layer-wise decay, Clark et al., "ELECTRA", ICLR 2020; He et al., "Masked autoencoders",
        CVPR 2022, appendix A): an encoder tells its layers by a method ``layers``.
    **kwargs
        skorch's.
    """

    batch_size: int
    device: Any
    _pace: Pace | None = None
    _course: Course | None = None
    _rate: Callable[[int], float] | None = None
    _is_interrupted: Callable[[], bool] = staticmethod(_never)

    def __init__(
        self,
        module: torch.nn.Module,
        *,
        kind: TargetKind,
        seed: int,
        layer_decay: float = 1.0,
        **kwargs: Any,
    ) -> None:
        self.kind = kind
        self.seed = seed
        self.layer_decay = layer_decay
        kwargs.setdefault("predict_nonlinearity", kind.predictions)
        super().__init__(module, criterion=kind.loss(), **kwargs)

    @property
    def _default_callbacks(self) -> list[tuple[str, Any]]:
        return [
            ("epoch_timer", EpochTimer()),
            ("train_loss", PassthroughScoring(name="train_loss", on_train=True)),
            ("valid_loss", PassthroughScoring(name="valid_loss")),
            ("print_log", PrintLog()),
        ]

    @property
    def classes_(self) -> Any:
        """What a classifier is one of."""
        return self.kind.classes

    def predict(self, X: Patients) -> np.ndarray:
        """Give what the target is compared with."""
        return self.kind.answer(self.predict_proba(X))

    def score(self, X: Patients, y: np.ndarray) -> float:
        """Give the accuracy of a classifier, the R2 of a regressor."""
        score = r2_score if self.kind.classes is None else accuracy_score
        return float(score(y, self.predict(X)))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        if self.kind.classes is None:
            tags.estimator_type, tags.regressor_tags = "regressor", RegressorTags()
        else:
            tags.estimator_type, tags.classifier_tags = "classifier", ClassifierTags()
        tags.target_tags.required = True
        return tags

    def get_iterator(self, dataset: Patients, training: bool = False) -> Loader:
        """Make the loader; training shuffles."""
        if not training:
            ready = dataset.volume is None
            return Loader(dataset, max(self.batch_size, _READY_ROWS) if ready else self.batch_size)
        skipped = 0 if self._course is None else self._course.n_steps_done
        return Loader(dataset, self.batch_size, self.seed, epoch=len(self.history), skipped=skipped)

    def run_single_epoch(self, iterator: Loader | None, *args: Any, prefix: str, **kw: Any) -> None:
        """Train or watch for an epoch; one that goes on counts the batches before as well."""
        super().run_single_epoch(iterator, *args, prefix=prefix, **kw)
        if iterator is not None:
            self.history.record(f"{prefix}_batch_count", len(iterator))

    def infer(self, x: dict[str, Tensor], **fit_params: Any) -> Any:
        """Run the network on a batch; weights are for the loss."""
        inputs = {name: value for name, value in x.items() if name != "weight"}
        return super().infer(inputs, **fit_params)

    def get_loss(self, y_pred: Tensor, y_true: Tensor, X: Any, training: bool = False) -> Tensor:
        """Compute the weighted loss; one that is not finite is an error."""
        weight = X["weight"].to(y_pred.device)
        loss: Tensor = self.criterion_(y_pred, y_true.to(y_pred.device), weight)
        if not torch.isfinite(loss):
            raise FloatingPointError(
                f"The loss became {loss.item()} in epoch {len(self.history)}. Lower lr, or look "
                "for an encoder whose features explode."
            )
        return loss

    def evaluate(self, patients: Patients, function: Callable[..., Tensor]) -> np.ndarray:
        """Apply a function of ``clinical``, ``present`` and what there is of a scan to everyone."""
        size = self.get_iterator(patients).batch_size
        many = self._is_small(patients) and len(patients) >= _FROM_SIDE_BY_SIDE
        # Either is each thread's own. In inference mode layers of ours take shorter ways.
        without_gradient = torch.inference_mode if many else torch.no_grad

        def of_rows(rows: Tensor) -> Tensor:
            inputs, _ = patients.take(rows)
            arguments = {k: v.to(self.device) for k, v in inputs.items() if k != "weight"}
            with without_gradient():
                return function(**arguments).cpu()

        batches = torch.split(
            torch.arange(len(patients)), max(size, _READY_ROWS_OF_MANY) if many else size
        )
        if many:
            parts = side_by_side(of_rows, batches)
        else:
            with self._threads(patients):
                parts = [of_rows(rows) for rows in batches]
        values = torch.cat(parts).numpy()
        if not np.isfinite(values).all():
            raise FloatingPointError(
                "The network's output is not finite: training made its weights explode. Lower lr."
            )
        return np.asarray(values)

    def get_params_for_optimizer(
        self, prefix: str, named_parameters: Any
    ) -> tuple[list[Any], dict[str, Any]]:
        """Group the parameters by the factor of their learning rate."""
        _, keywords = super().get_params_for_optimizer(prefix, iter(()))
        encoder = getattr(self.module_, "encoder", None)
        layers: list[list[Tensor]] = getattr(encoder, "layers", list)()
        depth = {id(p): len(layers) - i for i, layer in enumerate(layers) for p in layer}
        groups: dict[int, list[Tensor]] = {}
        for _, parameter in named_parameters:
            groups.setdefault(depth.get(id(parameter), 0), []).append(parameter)
        factors = {n: self.layer_decay**n for n in groups}
        options = [
            {"params": found, "lr": self.lr * factors[n], "lr_factor": factors[n]}
            for n, found in groups.items()
        ]
        return [options], keywords

    def train_epochs(
        self,
        patients: Patients,
        valid: Patients | None,
        n_epochs: int,
        course: Course | None = None,
        rate: Callable[[int], float] | None = None,
    ) -> None:
        """Train for `n_epochs` more at most, and compute the loss of `valid` in each.

        Unlike skorch's own entry points, an interrupt is not swallowed. A `course` is taken up
        where it was left. `rate` gives the learning rate of each of these epochs, counted from 0,
        if it is to change.
        """
        if not self.initialized_:
            self.initialize()
        if course is not None:
            n_epochs -= course.n_epochs_done
            if course.is_over:
                course.take_up()
                self.module_.eval()
                return
        self.train_split = None if valid is None else predefined_split(valid)
        self._rate, self._n_before = rate, len(self.history)
        n_steps = n_epochs * len(self.get_iterator(patients, training=True))
        what = f"training for {n_epochs} epochs at most"
        self._pace = Pace(what, n_steps, partial(_remedies, patients, n_epochs))
        try:
            with interrupts() as self._is_interrupted:
                with suppress(_StoppedByCallback), self._threads(patients):
                    self.notify("on_train_begin", X=patients, y=None)
                    if course is not None:
                        course.take_up()
                        self._course = course
                    self.fit_loop(patients, epochs=n_epochs)
                self.notify("on_train_end", X=patients, y=None)
        finally:
            self.train_split = self._pace = self._course = self._rate = None
            self._is_interrupted = _never
            self.module_.eval()  # as predictions want it, which change nothing

    def set_further(
        self, kind: TargetKind, *, lr: float, weight_decay: float, batch_size: int
    ) -> None:
        """Take other settings for what is trained further, keeping the optimizer's state."""
        self.kind, self.criterion_ = kind, kind.loss()
        self._set_rate(lr)
        for group in self.optimizer_.param_groups:
            group["weight_decay"] = weight_decay
        self.batch_size = batch_size

    def _set_rate(self, lr: float) -> None:
        for group in self.optimizer_.param_groups:
            group["lr"] = lr * group["lr_factor"]

    @contextmanager
    def undone_on_error(self) -> Iterator[None]:
        """Put weights, the optimizer's state and the history back when what is within fails."""
        weights = copy.deepcopy(self.module_.state_dict())
        moments = copy.deepcopy(self.optimizer_.state_dict())
        n_before, size_before = len(self.history), self.batch_size
        kind_before, loss_before = self.kind, self.criterion_
        try:
            yield
        except BaseException:
            self.module_.load_state_dict(weights)
            self.optimizer_.load_state_dict(moments)
            del self.history[n_before:]
            self.batch_size = size_before
            self.kind, self.criterion_ = kind_before, loss_before
            raise

    def _threads(self, patients: Patients) -> AbstractContextManager[None]:
        return one_thread() if self._is_small(patients) else nullcontext()

    def _is_small(self, patients: Patients) -> bool:
        """Tell whether the network is computed on the CPU, and without an encoder."""
        return torch.device(self.device).type == "cpu" and patients.volume is None

    def _set_training(self, training: bool = True) -> None:
        # skorch does it for every batch, which takes as long as a small forward pass.
        if self.module_.training is not training:
            super()._set_training(training)

    def on_epoch_begin(self, net: NeuralNet, **kwargs: Any) -> None:
        super().on_epoch_begin(net, **kwargs)
        if self._rate is not None:
            self._set_rate(self._rate(len(self.history) - 1 - self._n_before))

    def notify(self, method_name: str, **cb_kwargs: Any) -> None:
        """Call the callbacks, and tell their wish to stop from the user's.

        skorch's stop training by a KeyboardInterrupt.
        """
        if method_name == "on_batch_end" and cb_kwargs["training"] and self._pace is not None:
            self._pace.step()
        if method_name == "on_epoch_end" and self.callbacks:
            self._set_training(False)  # one of them may ask the estimator for predictions
        try:
            super().notify(method_name, **cb_kwargs)
        except KeyboardInterrupt as interrupt:
            if self._is_interrupted():  # it is the user's, who came while a callback was at work
                raise
            raise _StoppedByCallback from interrupt
        except (KeyError, SkorchException, ValueError) as error:
            self._explain(error)
            raise
        if self._course is not None:
            self._course.heard(method_name, cb_kwargs.get("training", False))

    def _explain(self, error: Exception) -> None:
        """Say what to do where a callback looks for a value that no epoch has."""
        recorded = self.history[-1] if len(self.history) else {}
        for _, callback in self.callbacks_:
            name = getattr(callback, "monitor", None)
            if isinstance(callback, LossStopper):
                continue
            if not isinstance(name, str) or name in recorded or name not in str(error):
                continue
            remedy = (
                "A loss of validation is there with early_stopping=True, which sets a part of the "
                f"patients apart; without, give monitor={name.replace('valid_', 'train_', 1)!r}."
                if name.startswith("valid_")
                else "Put what records it before this callback, such as EpochScoring(..., "
                f"name={name!r}, on_train=True), which without on_train=True needs "
                "early_stopping=True."
            )
            raise ValueError(
                f"The callback {type(callback).__name__} monitors {name!r}, which was not found "
                f"in the history of this training. {remedy}"
            ) from error

    def __getstate__(self) -> dict[str, Any]:
        # skorch writes what depends on a device apart from the rest: `module`, the same object as
        # `module_`, would go into a pickle a second time.
        state: dict[str, Any] = super().__getstate__()
        # Of the training under way.
        for name in ("_pace", "_course", "_rate", "_n_before", "_is_interrupted"):
            state.pop(name, None)
        if self.initialized_:
            state["module"] = None
        return state

    @own_torch_state()  # or what is loaded under inference_mode could not be trained further
    def __setstate__(self, state: dict[str, Any]) -> None:
        # Weights of a GPU that is not here come to the CPU, without a word: numbers stay the same.
        state["device"] = device_at_hand(state["device"])
        super().__setstate__(state)
        if self.initialized_:
            self.module = self.module_

    def move_to(self, device: torch.device) -> None:
        """Compute somewhere else from now on."""
        if torch.device(self.device) == device:
            return
        self.device = device
        self.module_.to(device)
        self.optimizer_.load_state_dict(self.optimizer_.state_dict())  # its moments go along

    def forget_optimizer(self) -> None:
        """Let go of the optimizer's state, which would triple a pickle."""
        self.optimizer_.state.clear()
