"""The exception that says: what you passed is wrong."""

from __future__ import annotations


class InputError(ValueError):
    """A call or its input is wrong; the message is one sentence: what, where, and what to do.

    The command line ends with exit status 2 on it, and with 1 on any other exception.

    Example:
        >>> raise InputError("steps is 0; give a positive number of steps")
        Traceback (most recent call last):
        ...
        kpt.errors.InputError: steps is 0; give a positive number of steps
    """
