"""From a torch module to an ONNX graph that computes the same."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from skedema.scans import VolumeReader

#: By how much a graph may differ, where the largest number that it gives is 1.
TOLERANCE = 1e-4
_TRACED, _CHECKED = 3, 5  # patients
_PLUGINS = {"encode": "encoder", "fusion": "fusion", "refiner": "refiner"}


class Plan(NamedTuple):
    """A module that is to be a graph.

    Parameters
    ----------
    module : Module
        It takes `inputs` by position.
    inputs : mapping of str to (str, tuple of int)
        By name, the dtype and the shape of one patient.
    output : str
        What it gives.
    reader : VolumeReader or None
        How scans are read.
    n_categories : list of int
        Of each clinical value, 0 for a number.
    middle, spread : array of float (clinical values,) or float
        Where the numbers of patients lie.
    """

    module: nn.Module
    inputs: Mapping[str, tuple[str, tuple[int, ...]]]
    output: str
    reader: VolumeReader | None
    n_categories: list[int]
    middle: np.ndarray | float = 0.0
    spread: np.ndarray | float = 1.0


def make_graph(plan: Plan) -> tuple[Any, tuple[int, ...]]:
    """Make the ``onnx.ModelProto``, and tell the shape of what it gives of one patient.

    Raises
    ------
    ValueError
        When torch cannot export it; the part is named.
    """
    example = tuple(_patients(plan, _TRACED).values())
    with torch.no_grad():
        shape = tuple(plan.module(*example).shape[1:])
    try:
        made = _convert(plan.module, example, list(plan.inputs), plan.output)
    except Exception as error:
        what, reason = _which_part(plan.module, example) or ("model", error)
        raise ValueError(
            f"The {what} cannot be exported: {_first_line(reason)} What torch.onnx.export cannot "
            "follow is mostly code that looks at values, or that fixes the number of patients: in "
            "forward(), write x.shape[0] for len(x)."
        ) from error
    return made, shape


def compare(content: bytes, plan: Plan) -> None:
    """Run a graph on random inputs, of another number of patients than it was made with.

    Raises
    ------
    RuntimeError
        When it does not give what the module gives.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    given = _patients(plan, _CHECKED)
    found = session.run([plan.output], {name: each.numpy() for name, each in given.items()})[0]
    with torch.no_grad():
        expected = plan.module(*given.values()).numpy()
    off = float(np.abs(found - expected).max()) / max(1.0, float(np.abs(expected).max()))
    if not off <= TOLERANCE:  # NaN is no agreement
        raise RuntimeError(
            f"The graph does not give what the estimator does: under onnxruntime "
            f"{onnxruntime.__version__} the {plan.output} of random inputs differ by {off:.2g}, "
            f"and {TOLERANCE:g} is the most that is let through. No file was written. It was made "
            f"by torch {torch.__version__}; another version of either may agree."
        )


def _convert(module: nn.Module, example: tuple[Any, ...], inputs: Any, output: str) -> Any:
    module.eval()
    free = tuple({0: torch.export.Dim("n")} for _ in example)
    with _quiet():
        # By way of torch.export: torch.onnx.export alone, where it cannot leave the number of
        # patients free, gives a graph for the number of the example, without a word.
        program = torch.export.export(
            module, example, dynamic_shapes=_as_taken(module, free), strict=False
        )
        made = torch.onnx.export(
            program,
            dynamo=True,
            input_names=inputs,
            output_names=[output],
            verbose=False,
        )
    assert made is not None
    graph = made.model_proto
    _clear(graph)
    _call_axis(graph, "n")
    return graph


def _as_taken(module: nn.Module, of_each: tuple[Any, ...]) -> Any:
    """Put what belongs to arguments together as `forward` takes these."""
    takes_any = "tensors" in module.forward.__code__.co_varnames[:2]
    return (of_each,) if takes_any else of_each


def _which_part(module: nn.Module, example: tuple[Tensor, ...]) -> tuple[str, Exception] | None:
    """Find the plug-in that cannot be exported by itself either, and why."""
    found: dict[str, tuple[nn.Module, tuple[Any, ...]]] = {}
    hooks = []
    for name, inner in module.named_modules():
        what = _PLUGINS.get(name.rpartition(".")[2])
        if what is not None:

            def note(part: nn.Module, given: tuple[Any, ...], _: Any, what: str = what) -> None:
                found.setdefault(what, (part, given))

            hooks.append(inner.register_forward_hook(note))
    with torch.no_grad():
        module(*example)
    for hook in hooks:
        hook.remove()
    for what, (part, given) in found.items():
        try:
            _convert(part, given, None, what)
        except Exception as error:
            return f"{what} ({_class_of(part)})", error
    return None


def _class_of(part: nn.Module) -> str:
    inner = getattr(part, "module", part)
    name: str = inner._get_name()
    return name


def _patients(plan: Plan, n: int) -> dict[str, Tensor]:
    """Draw patients, of whom some lack something; none draws from a global generator."""
    rng = np.random.default_rng(n)
    drawn: dict[str, Tensor] = {}
    for name, (dtype, shape) in plan.inputs.items():
        if dtype == "bool":
            drawn[name] = torch.tensor(rng.random((n, *shape)) < 0.3)
        elif name == "clinical":
            # Far from patients scaling gives its bounds, whatever it does to numbers between.
            values = plan.middle + plan.spread * rng.normal(size=(n, *shape))
            for k, count in enumerate(plan.n_categories):
                if count:
                    values[:, k] = rng.integers(0, count, n)
            drawn[name] = torch.tensor(values)
        else:
            drawn[name] = torch.tensor(rng.random((n, *shape)), dtype=torch.float32)
    return drawn


def _clear(message: Any) -> None:
    """Take out what torch notes in a graph: places of files on this machine, and lines of them."""
    for field, value in message.ListFields():
        if field.name in ("metadata_props", "doc_string"):
            message.ClearField(field.name)
        elif field.message_type is not None:
            for each in value if isinstance(value, Sequence) else [value]:
                _clear(each)


def _call_axis(graph: Any, name: str) -> None:
    """Give the axis of patients its name, in place of torch's number for it."""
    axes = [
        axis
        for value in (*graph.graph.input, *graph.graph.value_info, *graph.graph.output)
        for axis in value.type.tensor_type.shape.dim
    ]
    own = graph.graph.input[0].type.tensor_type.shape.dim[0].dim_param
    for axis in axes:
        if own and axis.dim_param == own:
            axis.dim_param = name


def _first_line(error: Exception) -> str:
    text = str(error).strip().splitlines() or [type(error).__name__]
    return text[0] if text[0].endswith(".") else f"{text[0]}."


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep torch from telling of its own inside: what it deprecates, which libraries it lacks."""
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)
