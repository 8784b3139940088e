"""Ids on disk, and ids to batches. `Batches` loads keras when it is first used; nothing else here does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kpt.data.packed import PackedSequences
from kpt.data.pairs import SentencePairs
from kpt.data.prepare import prepare
from kpt.data.segments import Segments
from kpt.data.store import TokenStore
from kpt.data.windows import Windows
from kpt.lazy import lazy_names

if TYPE_CHECKING:
    from kpt.data.batches import Batches

__all__ = ["Batches", "PackedSequences", "Segments", "SentencePairs", "TokenStore", "Windows", "prepare"]

__getattr__, __dir__ = lazy_names(__name__, {"Batches": "kpt.data.batches"})
