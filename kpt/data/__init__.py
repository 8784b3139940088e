"""Ids on disk, and ids to batches. `Batches` loads keras when it is first used; nothing else here does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kpt.data.pairs import SentencePairs
from kpt.data.prepare import prepare
from kpt.data.segments import Segments
from kpt.data.store import TokenStore

if TYPE_CHECKING:
    from kpt.data.batches import Batches

__all__ = ["Batches", "Segments", "SentencePairs", "TokenStore", "prepare"]


def __getattr__(name: str) -> Any:
    if name == "Batches":
        from kpt.data.batches import Batches

        return Batches
    raise AttributeError(f"module 'kpt.data' has no attribute {name!r}")
