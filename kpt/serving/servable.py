"""One version of a model, as TensorFlow Serving loads it: through the session loader, by the tag `serve`."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from kpt.serving.status import invalid_argument

__all__ = ["Servable", "warm_up_logs"]

with contextlib.suppress(ImportError):  # registers the operations of tokenizers; a model without them needs none
    import tensorflow_text  # noqa: F401

WARM_UP = Path("assets.extra", "tf_serving_warmup_requests")
MOST_WARM_UPS = 1000


class Servable:
    """A SavedModel in memory.

    Args:
        folder: the version's folder.

    Attributes:
        signatures: the `SignatureDef` of each name.

    Raises:
        OSError: the folder is no SavedModel or is damaged.
        OpError: (TensorFlow's) likewise.
    """

    def __init__(self, folder: Path) -> None:
        v1 = tf.compat.v1
        self._session = v1.Session(graph=tf.Graph())
        try:
            with _without_deprecation():
                loaded = v1.saved_model.loader.load(self._session, [v1.saved_model.tag_constants.SERVING], str(folder))
        except BaseException:
            self._session.close()
            raise
        self.signatures: dict[str, Any] = dict(loaded.signature_def)
        self._callables: dict[tuple[tuple[str, ...], tuple[str, ...]], Any] = {}
        self._users = 0
        self._idle = threading.Condition()

    def run(self, feeds: Mapping[str, np.ndarray], fetches: Sequence[str]) -> list[np.ndarray]:
        """Compute tensors; several threads may.

        Args:
            feeds: arrays by the names of tensors in the graph.
            fetches: such names.

        Raises:
            ServingError: a shape is not the signature's.
            OpError: (TensorFlow's) what the graph refuses.
        """
        key = tuple(feeds), tuple(fetches)
        run = self._callables.get(key)
        if run is None:
            run = self._callables[key] = self._session.make_callable(list(fetches), feed_list=list(feeds))
        try:
            return list(run(*feeds.values()))
        except ValueError as error:  # a feed of another shape than the signature's
            raise invalid_argument(str(error)) from error

    def __enter__(self) -> Servable:
        """Hold the version: it is not closed before it is let go of."""
        with self._idle:
            self._users += 1
        return self

    def __exit__(self, *error: object) -> None:
        with self._idle:
            self._users -= 1
            self._idle.notify_all()

    def close(self) -> None:
        """Wait until nobody holds the version, and let go of its memory."""
        with self._idle:
            self._idle.wait_for(lambda: not self._users)
        self._session.close()


@contextlib.contextmanager
def _without_deprecation() -> Iterator[None]:
    """TensorFlow advises against the session loader, which TensorFlow Serving uses."""
    logger = tf.get_logger()
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def warm_up_logs(folder: Path) -> list[Any]:
    """Return the `PredictionLog`s that a version brings, at most 1,000.

    Raises:
        OpError: (TensorFlow's) the file is damaged.
    """
    from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

    path = folder / WARM_UP
    if not path.is_file():
        return []
    records = tf.data.TFRecordDataset(str(path)).take(MOST_WARM_UPS)
    return [PredictionLog.FromString(record) for record in records.as_numpy_iterator()]
