"""Put this folder on PYTHONPATH and Python, with every process it starts, no longer finds TensorFlow."""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec, PathFinder
from typing import Any

HIDDEN = frozenset({"tensorflow", "tensorflow_text"})


class FinderWithoutTensorFlow(PathFinder):
    """The finder of installed packages, for which the hidden ones are not installed."""

    @classmethod
    def find_spec(cls, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if fullname.partition(".")[0] in HIDDEN:
            return None
        return super().find_spec(fullname, path, target)


sys.meta_path[:] = [FinderWithoutTensorFlow if finder is PathFinder else finder for finder in sys.meta_path]
