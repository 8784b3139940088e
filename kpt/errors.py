"""The exceptions that say: what you passed is wrong, and: this process was asked to end."""

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


class Terminated(SystemExit):
    """The process was asked to end (SIGTERM), as when its machine is taken away; what could be kept is kept.

    Uncaught it ends the process with exit status 143, as the signal would have.

    Args:
        message: what was kept, and how to go on.

    Example:
        >>> Terminated("go on with --resume").code, str(Terminated("go on with --resume"))
        (143, 'go on with --resume')
    """

    def __init__(self, message: str = "") -> None:
        super().__init__(message)
        self.code = 143
