"""A call that fails leaves an estimator as it was."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

Method = TypeVar("Method", bound=Callable[..., Any])


def all_or_nothing(method: Method) -> Method:
    """Undo what a method set on its object, when it fails or is interrupted.

    Attributes are put back, not what is in them: a method that changes a thing in place, where it
    could make a new one, undoes that itself.
    """

    @wraps(method)
    def undone_on_error(self: Any, *args: Any, **kwargs: Any) -> Any:
        before = dict(vars(self))
        try:
            return method(self, *args, **kwargs)
        except BaseException:
            vars(self).clear()
            vars(self).update(before)
            raise

    return cast(Method, undone_on_error)
