"""Means over the latest steps, from the means over the whole epoch that Keras hands to callbacks."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

__all__ = ["IntervalMeans"]


class IntervalMeans:
    r"""Turns means since the epoch began into means since the last call.

    With running means :math:`m_a` after :math:`a` batches and :math:`m_b` after :math:`b` the mean in between is

    .. math:: (b\, m_b - a\, m_a) / (b - a)

    Exact where every batch has the same weight, as those of one size have in pre-training but for a few padded slots.
    What some batches count and others do not, such as the metrics of one task among several, has to be left as it is.

    Example:
        >>> means = IntervalMeans()
        >>> means.update(1, {"loss": 8.0})
        {'loss': 8.0}
        >>> means.update(3, {"loss": 6.0})
        {'loss': 5.0}
    """

    def __init__(self) -> None:
        self._batches = 0
        self._means: dict[str, float] = {}

    def reset(self) -> None:
        """Begin an epoch, in which Keras begins its means anew."""
        self._batches = 0
        self._means = {}

    def state(self) -> dict[str, Any]:
        """Return what `restore` takes, as JSON values."""
        return {"batches": self._batches, "means": self._means}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on where `state` was asked for."""
        self._batches, self._means = state["batches"], dict(state["means"])

    def update(self, batches: int, means: Mapping[str, float], uneven: Collection[str] = ()) -> dict[str, float]:
        """Return the means over the batches since the last call.

        Args:
            batches: number of batches since the epoch began.
            means: what Keras reports at that point.
            uneven: names of means in which not every batch counts alike; they stay means since the epoch began.
        """
        new = batches - self._batches
        if new <= 0:
            return dict(means)
        latest = {
            name: mean if name in uneven else mean + self._batches * (mean - self._means.get(name, mean)) / new
            for name, mean in means.items()
        }
        self._batches, self._means = batches, dict(means)
        return latest
