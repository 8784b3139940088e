"""Whether a step failed because another host is gone."""

from __future__ import annotations

import re

import keras

__all__ = ["lost_host"]


def lost_host(error: BaseException) -> str | None:
    """Return what TensorFlow says of another host that is gone, if that is why a step failed; else None.

    The hosts of `MultiWorkerMirroredStrategy` wait for each other in every step. TensorFlow ends that wait with an
    `UnavailableError` on the hosts that are left: at once where a connection closes, as when a process dies, and else
    after ten seconds without a sign of life, as when a machine does. A host that is only held up for so long is taken
    for gone by the others, and has an `AbortedError` when it goes on. The cluster is of no use then; all hosts have to
    be started again.

    Args:
        error: what `fit` raised.

    Example:
        >>> lost_host(ValueError("shapes differ")) is None
        True
    """
    if keras.backend.backend() != "tensorflow":
        return None
    import tensorflow as tf

    if not isinstance(error, tf.errors.UnavailableError | tf.errors.AbortedError):
        return None
    text = str(error)
    found = re.search("Collective ops is aborted by: *(.+)", text)
    return (found[1] if found else text.strip().partition("\n")[0]).strip().rstrip(":.")
