"""What is wrong with a model file, or with a model that is to become one."""

from __future__ import annotations


class ModelFileError(ValueError):
    """A file of a model that cannot be read, or a model that cannot be written to one.

    The message names the file, what is wrong, and what to do.

    Examples
    --------
    >>> import skedema
    >>> from pathlib import Path
    >>> _ = Path("model.skedema").write_bytes(b"not a model")
    >>> skedema.load("model.skedema")
    Traceback (most recent call last):
        ...
    skedema.persistence._errors.ModelFileError: model.skedema: it is no model file of skedema...
    """


class Damaged(Exception):
    """The bytes are not what skedema writes; the text says in what."""


class Unsupported(Exception):
    """Something in a model that no file of skedema can hold; the text says what and where."""
