"""Drawing parameters from a space, and setting them on an estimator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, cast

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import BaseTrial
from sklearn.base import clone

from skedema._registry import nearest_name

Space: TypeAlias = Mapping[str, BaseDistribution] | Callable[[Any], Mapping[str, Any]]

_PLAIN = (bool, int, float, str, type(None))  # what every storage of Optuna keeps
_REMEDY = (
    "Give a FloatDistribution, an IntDistribution or a CategoricalDistribution of "
    "optuna.distributions, or make the space a function of a trial."
)


def check_space(estimator: Any, space: Space) -> None:
    """Refuse a space that the estimator cannot take, before anything is trained.

    What a function draws cannot be told before it is called with a trial.
    """
    if not isinstance(space, Mapping):
        if not callable(space):
            raise TypeError(
                "space must be a mapping of parameter names to distributions, or a function "
                f"of a trial that returns a dict of parameters, got {type(space).__name__}."
            )
        return
    if not space:
        raise ValueError("The space is empty: there is nothing to search over.")
    for name, distribution in space.items():
        _check_distribution(name, distribution)
    configured(estimator, {name: _one_of(space[name]) for name in space})


def draw(trial: BaseTrial, space: Space) -> dict[str, Any]:
    """Draw what ``set_params`` takes; a finished trial gives what it drew."""
    if isinstance(space, Mapping):
        return {name: _suggest(trial, name, space[name]) for name in space}
    drawn = space(trial)
    if not isinstance(drawn, Mapping):
        raise TypeError(
            "space is a function of a trial and must return a dict of parameters by name, "
            f"got {type(drawn).__name__}."
        )
    return dict(drawn)


def configured(estimator: Any, parameters: Mapping[str, Any]) -> Any:
    """Clone an estimator and set parameters on it; estimators among them are cloned as well.

    One that it does not have is a ValueError, which names the nearest that it has.
    """
    values = {name: clone(value, safe=False) for name, value in parameters.items()}
    made = clone(estimator)
    try:
        made.set_params(**values)
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(_what_is_wrong(estimator, values, error)) from error
    return made


def _what_is_wrong(estimator: Any, values: Mapping[str, Any], error: Exception) -> str:
    kind = type(estimator).__name__
    everything = estimator.get_params(deep=True) | values
    for name in values:
        holder_name, _, own = name.rpartition("__")
        holder = everything.get(holder_name) if holder_name else estimator
        if hasattr(holder, "get_params"):
            parameters = holder.get_params(deep=False)
            if own not in parameters:
                prefix = f"{holder_name}__" if holder_name else ""
                near = nearest_name(name, [f"{prefix}{each}" for each in parameters])
                return f"{kind} has no parameter {name!r}, which the space names. {near}"
        elif holder_name not in everything:
            outer = name.partition("__")[0]
            near = nearest_name(outer, estimator.get_params(deep=False))
            return f"{kind} has no parameter {name!r}, which the space names. {near}"
    return f"The space cannot be set on {kind}: {error}"


def _check_distribution(name: object, distribution: object) -> None:
    if not isinstance(name, str):
        raise TypeError(f"Names in the space must be text, got {name!r}.")
    if not isinstance(distribution, (FloatDistribution, IntDistribution, CategoricalDistribution)):
        raise TypeError(f"{name!r} in the space is a {type(distribution).__name__}. {_REMEDY}")
    if isinstance(distribution, CategoricalDistribution):
        odd = [c for c in distribution.choices if not isinstance(c, _PLAIN)]
        if odd:
            raise TypeError(
                f"{name!r} in the space has choices of type {type(odd[0]).__name__}. A study keeps "
                "None, bool, int, float and str only. For objects make the space a function that "
                "looks them up by name: lambda trial: "
                f"{{{name!r}: objects[trial.suggest_categorical({name!r}, list(objects))]}}."
            )


def _one_of(distribution: BaseDistribution) -> Any:
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices[0]
    return cast(FloatDistribution | IntDistribution, distribution).low


def _suggest(trial: BaseTrial, name: str, distribution: BaseDistribution) -> Any:
    if isinstance(distribution, CategoricalDistribution):
        return trial.suggest_categorical(name, distribution.choices)
    if isinstance(distribution, IntDistribution):
        return trial.suggest_int(
            name, distribution.low, distribution.high, step=distribution.step, log=distribution.log
        )
    wide = cast(FloatDistribution, distribution)
    return trial.suggest_float(name, wide.low, wide.high, step=wide.step, log=wide.log)
