"""The status codes of TensorFlow Serving: what an error is in gRPC and in HTTP.

Source: tensorflow/serving, `model_servers/http_server.cc` and `model_servers/grpc_status_util.cc`.
"""

from __future__ import annotations

import tensorflow as tf

__all__ = ["ServingError", "error_from", "http_status", "invalid_argument", "not_found", "shortened"]

INTERNAL = tf.errors.INTERNAL
HTTP = {
    tf.errors.CANCELLED: 499,
    tf.errors.INVALID_ARGUMENT: 400,
    tf.errors.DEADLINE_EXCEEDED: 504,
    tf.errors.NOT_FOUND: 404,
    tf.errors.ALREADY_EXISTS: 409,
    tf.errors.PERMISSION_DENIED: 403,
    tf.errors.RESOURCE_EXHAUSTED: 429,
    tf.errors.FAILED_PRECONDITION: 400,
    tf.errors.ABORTED: 409,
    tf.errors.OUT_OF_RANGE: 400,
    tf.errors.UNIMPLEMENTED: 501,
    tf.errors.UNAVAILABLE: 503,
    tf.errors.UNAUTHENTICATED: 401,
}
#: Characters of a message that gRPC carries; it travels in a header.
LONGEST = 1024


class ServingError(Exception):
    """A request that cannot be answered.

    Args:
        code: a code of `tf.errors`, which are those of gRPC.
        message: what is wrong.

    Example:
        >>> error = ServingError(tf.errors.NOT_FOUND, "Servable not found for request: Latest(bert)")
        >>> error.code, http_status(error.code)
        (5, 404)
    """

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def invalid_argument(message: str) -> ServingError:
    """Return the error of a request that no state of the server could answer."""
    return ServingError(tf.errors.INVALID_ARGUMENT, message)


def not_found(message: str) -> ServingError:
    """Return the error of a model or a version that is not there."""
    return ServingError(tf.errors.NOT_FOUND, message)


def error_from(error: Exception) -> ServingError:
    """Return what an exception is to a client: TensorFlow's with its code, any other one as internal."""
    if isinstance(error, ServingError):
        return error
    if isinstance(error, tf.errors.OpError):
        return ServingError(error.error_code, str(error.message))
    return ServingError(INTERNAL, f"{type(error).__name__}: {error}")


def http_status(code: int) -> int:
    """Return the HTTP status of a code; 500 for those that have none of their own."""
    return HTTP.get(code, 500)


def shortened(message: str) -> str:
    """Return a message as gRPC carries it."""
    return message if len(message) <= LONGEST else f"{message[:LONGEST]}...TRUNCATED"
