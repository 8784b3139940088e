from __future__ import annotations

import keras
import pytest

from kpt.distribution.lost_hosts import lost_host


def unavailable(message: str) -> Exception:
    import tensorflow as tf

    return tf.errors.UnavailableError(None, None, message)


def test_a_connection_that_closed() -> None:
    error = unavailable(
        "Graph execution error:\n\nDetected at node CollectiveReduceV2 defined at (most recent call last):\n"
        "Collective ops is aborted by: Socket closed\n"
        "Additional GRPC error information from remote target /job:worker/replica:0/task:0:\n"
    )
    assert lost_host(error) == "Socket closed"


def test_a_host_that_gave_no_sign_of_life() -> None:
    error = unavailable(
        "Collective ops is aborted by: Error reported from /job:worker/task:1: The following tasks are unhealthy "
        "(stopped sending heartbeats):\n/job:worker/replica:0/task:1\nThe tasks have crashed.\n"
    )
    assert lost_host(error) == (
        "Error reported from /job:worker/task:1: The following tasks are unhealthy (stopped sending heartbeats)"
    )


def test_a_host_that_was_held_up_and_is_taken_for_gone() -> None:
    import tensorflow as tf

    text = (
        "{{function_node __wrapped__CollectiveReduceV2}} Collective ops is aborted by: Unexpected heartbeat request "
        "from an already-in-error task: /job:worker/replica:0/task:1 with existing error: UNAVAILABLE\n\nRPC: ..."
    )
    assert str(lost_host(tf.errors.AbortedError(None, None, text))).startswith("Unexpected heartbeat request from an")


def test_an_error_without_its_usual_words() -> None:
    assert lost_host(unavailable("failed to connect to all addresses.\nmore")) == "failed to connect to all addresses"


def test_other_failures_are_no_lost_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    import tensorflow as tf

    own = tf.errors.InvalidArgumentError(None, None, "Collective ops is aborted by: indices[0] = 9 is not in [0, 9)")
    assert lost_host(own) is None
    assert lost_host(ConnectionError("Socket closed")) is None
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    assert lost_host(unavailable("Socket closed")) is None
