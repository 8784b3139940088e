from __future__ import annotations

import pytest
import tensorflow as tf

from kpt.serving.status import ServingError, error_from, http_status, shortened


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (tf.errors.INVALID_ARGUMENT, 400),
        (tf.errors.NOT_FOUND, 404),
        (tf.errors.PERMISSION_DENIED, 403),
        (tf.errors.RESOURCE_EXHAUSTED, 429),
        (tf.errors.FAILED_PRECONDITION, 400),
        (tf.errors.UNIMPLEMENTED, 501),
        (tf.errors.INTERNAL, 500),
        (tf.errors.DATA_LOSS, 500),
    ],
)
def test_codes_have_the_http_status_of_tensorflow_serving(code: int, status: int) -> None:
    assert http_status(code) == status


def test_what_an_exception_is_to_a_client() -> None:
    own = ServingError(5, "not there")
    assert error_from(own) is own
    theirs = error_from(tf.errors.OutOfRangeError(None, None, "too far"))
    assert (theirs.code, theirs.message) == (tf.errors.OUT_OF_RANGE, "too far")
    other = error_from(KeyError("x"))
    assert (other.code, other.message) == (tf.errors.INTERNAL, "KeyError: 'x'")


def test_long_messages_are_shortened_for_a_header() -> None:
    assert shortened("x" * 1024) == "x" * 1024
    assert shortened("x" * 1025) == "x" * 1024 + "...TRUNCATED"
